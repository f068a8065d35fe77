/** Recurrent layers with PyTorch's gates, biases, names and layouts. */
import { checkValues } from '@deepend/compiler';
import { checkOptions, rule } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import { type RecurrentCell, type RecurrentResult, recurrent } from '../functional/index';
import { Module } from '../module';
import { parameter } from '../parameter';
import { dropped } from './activation';
import { checkInput, checkShapeOf, checkSize, shown } from './checks';
import { checkPair, gateRows, uniformWithin } from './recurrent-weights';
import { given, seeded, type WeightOptions, weightRules } from './seeded';

export interface RecurrentModuleOptions extends WeightOptions {
  /** Number of layers, each of which takes the outputs of the one below. @default 1 */
  numLayers?: number;
  /** Whether the gates have biases. @default true */
  bias?: boolean;
  /** Whether the batch is the first axis of inputs and outputs, not the time. @default false */
  batchFirst?: boolean;
  /** Probability of an output of a layer below another one to be zeroed in training. @default 0 */
  dropout?: number;
  /** Whether a second set of weights reads the sequence from its end. @default false */
  bidirectional?: boolean;
}

const recurrentRules = {
  numLayers: rule.positiveInteger().optional(),
  bias: rule.boolean().optional(),
  batchFirst: rule.boolean().optional(),
  dropout: rule.number({ min: 0, max: 1 }).optional(),
  bidirectional: rule.boolean().optional(),
  ...weightRules,
};
const RULES = {
  gated: rule.object(recurrentRules),
  plain: rule.object({ ...recurrentRules, nonlinearity: rule.oneOf(['tanh', 'relu']).optional() }),
};

export interface SequenceOptions {
  /**
   * The lengths of the sequences: int32 `[batch]`. After its length a sequence's outputs are 0 and
   * its state stays; the direction from the end begins at its last step. As PyTorch's packed
   * sequences. @default all time steps
   */
  lengths?: tf.Tensor;
}

/** Output of all layers, and the states of each layer and direction after the last step. */
interface Run {
  output: tf.Tensor;
  h: tf.Tensor;
  c: tf.Tensor | undefined;
}

abstract class Recurrent extends Module {
  readonly inputSize: number;
  readonly hiddenSize: number;
  readonly numLayers: number;
  readonly bidirectional: boolean;
  readonly batchFirst: boolean;
  readonly dropout: number;
  // weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0, weight_ih_l0_reverse, ...
  [weight: `${'weight' | 'bias'}_${string}`]: tf.Variable;
  readonly #kind: RecurrentCell;
  readonly #options: RecurrentModuleOptions;

  constructor(
    [inputSize, hiddenSize]: readonly [number, number],
    options: RecurrentModuleOptions & { nonlinearity?: 'tanh' | 'relu' },
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
    this.numLayers = checked.numLayers ?? 1;
    this.bidirectional = checked.bidirectional ?? false;
    this.batchFirst = checked.batchFirst ?? false;
    this.dropout = checked.dropout ?? 0;
    if (this.dropout > 0 && this.numLayers === 1) {
      throw new RangeError(
        `${where}: option "dropout" acts between layers, so it needs numLayers of at least 2`,
      );
    }
    seeded(checked.seed, () => this.#makeWeights(checked));
  }

  #makeWeights({ bias = true, init: given }: RecurrentModuleOptions): void {
    const within = uniformWithin(this.hiddenSize);
    const rows = gateRows(this.#kind, this.hiddenSize);
    for (const { layer, suffix } of this.#directions()) {
      const inputs = layer === 0 ? this.inputSize : this.hiddenSize * this.#numDirections;
      this[`weight_ih_${suffix}`] = parameter([rows, inputs], { init: given ?? within });
      this[`weight_hh_${suffix}`] = parameter([rows, this.hiddenSize], { init: given ?? within });
      if (!bias) continue;
      this[`bias_ih_${suffix}`] = parameter([rows], { init: within });
      this[`bias_hh_${suffix}`] = parameter([rows], { init: within });
    }
  }

  get #numDirections(): 1 | 2 {
    return this.bidirectional ? 2 : 1;
  }

  /** Every layer's directions, in the order of the states. */
  #directions(): { layer: number; reverse: boolean; suffix: string }[] {
    return Array.from({ length: this.numLayers * this.#numDirections }, (_, i) => {
      const layer = Math.floor(i / this.#numDirections);
      const reverse = this.bidirectional && i % 2 === 1;
      return { layer, reverse, suffix: `l${layer}${reverse ? '_reverse' : ''}` };
    });
  }

  override config(): readonly unknown[] {
    return [this.inputSize, this.hiddenSize, given(this.#options)];
  }

  /** The axes of inputs and outputs. */
  #axes(last: string): string[] {
    return this.batchFirst ? ['batch', 'time', last] : ['time', 'batch', last];
  }

  /** @throws RangeError for inputs, a state or lengths that do not fit */
  #check(x: tf.Tensor, states: readonly (tf.Tensor | undefined)[], lengths?: tf.Tensor): void {
    const where = `[nn] ${this.name}`;
    checkInput(where, x, { axes: this.#axes('features'), last: this.inputSize });
    const [time = 0, batch = 0] = this.batchFirst ? [x.shape[1], x.shape[0]] : x.shape;
    if (time === 0)
      throw new RangeError(`${where}: expected at least one time step, got ${shown(x)}`);
    const shape = [this.numLayers * this.#numDirections, batch, this.hiddenSize];
    for (const tensor of states) {
      if (tensor === undefined) continue;
      checkShapeOf(where, 'a state', {
        tensor,
        shape,
        axes: '[layers · directions, batch, hidden]',
      });
    }
    if (lengths === undefined) return;
    checkShapeOf(where, 'lengths', { tensor: lengths, shape: [batch], axes: '[batch]' });
    if (lengths.dtype !== 'int32') {
      throw new TypeError(`${where}: expected int32 lengths, got a ${lengths.dtype} tensor`);
    }
    const inputs = shown(x);
    checkValues([lengths], ([given]) => {
      const values = (given as tf.Tensor).dataSync();
      const wrong = values.find((length) => length < 1 || length > time);
      if (wrong === undefined) return;
      throw new RangeError(
        `${where}: expected lengths from 1 to ${time}, the time steps of inputs ${inputs}, got ` +
          `${wrong}`,
      );
    });
  }

  /** All layers and directions. */
  protected run(
    input: tf.Tensor,
    states: readonly [h: tf.Tensor | undefined, c: tf.Tensor | undefined],
    { lengths }: SequenceOptions,
  ): Run {
    this.#check(input, states, lengths);
    return tf.tidy(() => {
      let x = this.batchFirst ? tf.transpose(input, [1, 0, 2]) : input; // [time, batch, in]
      const [, batch = 0] = x.shape;
      const [h0, c0] = states.map((state) => this.#unstack(state, batch));
      const ends: RecurrentResult[] = [];
      this.#directions().forEach(({ layer, reverse, suffix }, i, all) => {
        const end = recurrent(this.#kind, {
          x: x as tf.Tensor3D,
          h0: h0?.[i] as tf.Tensor2D,
          c0: this.#kind === 'lstm' ? (c0?.[i] as tf.Tensor2D) : undefined,
          lengths: lengths as tf.Tensor1D | undefined,
          reverse,
          ...this.#weights(suffix),
        });
        ends.push(end);
        if (all[i + 1]?.layer === layer) return; // the other direction reads the same inputs
        const outputs = ends.slice(-this.#numDirections).map(({ output }) => output);
        const joined = outputs.length > 1 ? tf.concat(outputs, 2) : (outputs[0] as tf.Tensor);
        const isLast = i === all.length - 1;
        x = dropped(joined, this.training && !isLast ? this.dropout : 0);
      });
      return {
        output: this.batchFirst ? tf.transpose(x, [1, 0, 2]) : x,
        h: tf.stack(ends.map(({ h }) => h)),
        c: this.#kind === 'lstm' ? tf.stack(ends.map(({ c }) => c as tf.Tensor)) : undefined,
      };
    });
  }

  /** A state by layer and direction; zeros where none is given. */
  #unstack(state: tf.Tensor | undefined, batch: number): tf.Tensor[] {
    if (state) return unstack(state);
    const zeros = tf.zeros([batch, this.hiddenSize]);
    return this.#directions().map(() => zeros);
  }

  #weights(suffix: string) {
    return {
      weightIh: this[`weight_ih_${suffix}`] as tf.Tensor2D,
      weightHh: this[`weight_hh_${suffix}`] as tf.Tensor2D,
      biasIh: this[`bias_ih_${suffix}`] as tf.Tensor1D | undefined,
      biasHh: this[`bias_hh_${suffix}`] as tf.Tensor1D | undefined,
    };
  }
}

/** A layer whose state is one tensor. */
abstract class OneState extends Recurrent {
  /**
   * @param h0 the state before the first step. @default zeros
   * @returns the outputs of the last layer at each step, and the state after the last one
   * @throws RangeError for inputs, a state or lengths of another shape
   */
  override forward(
    x: tf.Tensor,
    h0?: tf.Tensor,
    options: SequenceOptions = {},
  ): [output: tf.Tensor, h: tf.Tensor] {
    const { output, h } = this.run(x, [h0, undefined], options);
    return [output, h];
  }
}

/**
 * A plain recurrent network (Elman 1990). `torch.nn.RNN`.
 *
 * Inputs are `[time, batch, inputSize]`, outputs `[time, batch, hiddenSize · directions]`, and a
 * state is `[layers · directions, batch, hiddenSize]`.
 */
export class RNN extends OneState {
  /** @param options.nonlinearity the activation of each step @default 'tanh' */
  constructor(
    inputSize: number,
    hiddenSize: number,
    options: RecurrentModuleOptions & { nonlinearity?: 'tanh' | 'relu' } = {},
  ) {
    super([inputSize, hiddenSize], options, 'rnn');
  }
}

/**
 * Gated recurrent units (Cho et al. 2014, https://arxiv.org/abs/1406.1078). `torch.nn.GRU`, gates
 * in the order reset, update, new.
 *
 * Inputs are `[time, batch, inputSize]`, outputs `[time, batch, hiddenSize · directions]`, and a
 * state is `[layers · directions, batch, hiddenSize]`.
 * @example
 * const gru = new nn.GRU(28, 256);
 * const [output, state] = gru.forward(tf.zeros([35, 32, 28])); // [35, 32, 256], [1, 32, 256]
 */
export class GRU extends OneState {
  constructor(inputSize: number, hiddenSize: number, options: RecurrentModuleOptions = {}) {
    super([inputSize, hiddenSize], options, 'gru');
  }
}

/**
 * Long short-term memory (Hochreiter & Schmidhuber 1997). `torch.nn.LSTM`, gates in the order
 * input, forget, cell, output.
 *
 * Inputs are `[time, batch, inputSize]`, outputs `[time, batch, hiddenSize · directions]`, and a
 * state is two tensors `[layers · directions, batch, hiddenSize]`.
 */
export class LSTM extends Recurrent {
  constructor(inputSize: number, hiddenSize: number, options: RecurrentModuleOptions = {}) {
    super([inputSize, hiddenSize], options, 'lstm');
  }

  /**
   * @param state `[h0, c0]` before the first step. @default zeros
   * @returns the outputs of the last layer at each step, and `[h, c]` after the last one
   * @throws RangeError for inputs, a state or lengths of another shape
   */
  override forward(
    x: tf.Tensor,
    state?: readonly [h0: tf.Tensor, c0: tf.Tensor],
    options: SequenceOptions = {},
  ): [output: tf.Tensor, state: [h: tf.Tensor, c: tf.Tensor]] {
    checkPair(`[nn] ${this.name}`, state, '[h0, c0]');
    const { output, h, c } = this.run(x, [state?.[0], state?.[1]], options);
    return [output, [h, c as tf.Tensor]];
  }
}

/** The parts along the first axis. TensorFlow.js cannot differentiate `unstack` of one part. */
const unstack = (x: tf.Tensor): tf.Tensor[] =>
  x.shape[0] === 1 ? [tf.reshape(x, x.shape.slice(1))] : tf.unstack(x);
