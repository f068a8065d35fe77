/** One step of a recurrent layer, with PyTorch's gates, biases, names and layouts. */
import { checkOptions, rule } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import { type RecurrentCell, recurrent } from '../functional/index';
import { Module } from '../module';
import { parameter } from '../parameter';
import { checkInput, checkShapeOf, checkSize } from './checks';
import { checkPair, gateRows, uniformWithin } from './recurrent-weights';
import { given, seeded, type WeightOptions, weightRules } from './seeded';

export interface RecurrentCellOptions extends WeightOptions {
  /** Whether inputs and states have biases. @default true */
  bias?: boolean;
}

const cellRules = { bias: rule.boolean().optional(), ...weightRules };
const RULES = {
  plain: rule.object({ nonlinearity: rule.oneOf(['tanh', 'relu']).optional(), ...cellRules }),
  gated: rule.object(cellRules),
};

abstract class Cell extends Module {
  readonly inputSize: number;
  readonly hiddenSize: number;
  // PyTorch's names, which the state dict has.
  readonly weight_ih: tf.Variable;
  readonly weight_hh: tf.Variable;
  readonly bias_ih: tf.Variable | null = null;
  readonly bias_hh: tf.Variable | null = null;
  readonly #kind: RecurrentCell;
  readonly #options: RecurrentCellOptions;

  constructor(
    [inputSize, hiddenSize]: readonly [number, number],
    options: RecurrentCellOptions & { nonlinearity?: 'tanh' | 'relu' },
    kind: 'rnn' | 'gru' | 'lstm',
  ) {
    super();
    const where = `[nn] ${new.target.name}`;
    checkSize(where, 'inputSize', inputSize);
    checkSize(where, 'hiddenSize', hiddenSize);
    const rules: typeof RULES.plain = kind === 'rnn' ? RULES.plain : (RULES.gated as never);
    const checked = checkOptions(where, rules, options);
    this.#kind = kind === 'rnn' ? (checked.nonlinearity ?? 'tanh') : kind;
    this.#options = options;
    this.inputSize = inputSize;
    this.hiddenSize = hiddenSize;
    const { bias = true, seed } = checked;
    const within = uniformWithin(hiddenSize);
    const rows = gateRows(this.#kind, hiddenSize);
    const weights = seeded(seed, () => ({
      ih: parameter([rows, inputSize], { init: checked.init ?? within }),
      hh: parameter([rows, hiddenSize], { init: checked.init ?? within }),
      biases: bias ? [0, 1].map(() => parameter([rows], { init: within })) : [],
    }));
    this.weight_ih = weights.ih;
    this.weight_hh = weights.hh;
    [this.bias_ih = null, this.bias_hh = null] = weights.biases;
  }

  override config(): readonly unknown[] {
    return [this.inputSize, this.hiddenSize, given(this.#options)];
  }

  /** One step: `[batch, inputSize]` → the next states, each `[batch, hiddenSize]`. */
  protected step(x: tf.Tensor, states: readonly (tf.Tensor | undefined)[]): tf.Tensor[] {
    const where = `[nn] ${this.name}`;
    checkInput(where, x, { axes: ['batch', 'features'], last: this.inputSize });
    const [batch = 0] = x.shape;
    const shape: [number, number] = [batch, this.hiddenSize];
    for (const tensor of states) {
      if (tensor) checkShapeOf(where, 'a state', { tensor, shape, axes: '[batch, hidden]' });
    }
    return tf.tidy(() => {
      const [h0 = tf.zeros(shape), c0] = states as (tf.Tensor2D | undefined)[];
      const isLstm = this.#kind === 'lstm';
      const { h, c } = recurrent(this.#kind, {
        x: tf.expandDims(x, 0) as tf.Tensor3D, // [1, batch, inputSize]
        h0: h0 as tf.Tensor2D,
        c0: isLstm ? (c0 ?? (tf.zeros(shape) as tf.Tensor2D)) : undefined,
        weightIh: this.weight_ih as tf.Tensor2D,
        weightHh: this.weight_hh as tf.Tensor2D,
        biasIh: (this.bias_ih ?? undefined) as tf.Tensor1D | undefined,
        biasHh: (this.bias_hh ?? undefined) as tf.Tensor1D | undefined,
      });
      return c ? [h, c] : [h];
    });
  }
}

/** A cell whose state is one tensor. */
abstract class OneStateCell extends Cell {
  /**
   * @param x `[batch, inputSize]`
   * @param h the state before the step, `[batch, hiddenSize]`. @default zeros
   * @returns the state after it, `[batch, hiddenSize]`
   * @throws RangeError for inputs or a state of another shape
   */
  override forward(x: tf.Tensor, h?: tf.Tensor): tf.Tensor {
    return this.step(x, [h])[0] as tf.Tensor;
  }
}

/** A step of a plain recurrent network (Elman 1990). `torch.nn.RNNCell`. */
export class RNNCell extends OneStateCell {
  /** @param options.nonlinearity the activation @default 'tanh' */
  constructor(
    inputSize: number,
    hiddenSize: number,
    options: RecurrentCellOptions & { nonlinearity?: 'tanh' | 'relu' } = {},
  ) {
    super([inputSize, hiddenSize], options, 'rnn');
  }
}

/**
 * A step of gated recurrent units (Cho et al. 2014, https://arxiv.org/abs/1406.1078).
 * `torch.nn.GRUCell`.
 * @example
 * const cell = new nn.GRUCell(28, 256);
 * let h = cell.forward(tf.zeros([32, 28])); // [32, 256]
 * h = cell.forward(tf.zeros([32, 28]), h);
 */
export class GRUCell extends OneStateCell {
  constructor(inputSize: number, hiddenSize: number, options: RecurrentCellOptions = {}) {
    super([inputSize, hiddenSize], options, 'gru');
  }
}

/** A step of long short-term memory (Hochreiter & Schmidhuber 1997). `torch.nn.LSTMCell`. */
export class LSTMCell extends Cell {
  constructor(inputSize: number, hiddenSize: number, options: RecurrentCellOptions = {}) {
    super([inputSize, hiddenSize], options, 'lstm');
  }

  /**
   * @param x `[batch, inputSize]`
   * @param state `[h, c]` before the step, each `[batch, hiddenSize]`. @default zeros
   * @returns `[h, c]` after it
   * @throws RangeError for inputs or a state of another shape
   */
  override forward(
    x: tf.Tensor,
    state?: readonly [h: tf.Tensor, c: tf.Tensor],
  ): [h: tf.Tensor, c: tf.Tensor] {
    checkPair(`[nn] ${this.name}`, state, '[h, c]');
    return this.step(x, state ?? [undefined, undefined]) as [tf.Tensor, tf.Tensor];
  }
}
