/**
 * Recurrent networks from scratch, as the book derives them: parameters in a list, a function that
 * computes the steps, and modules over it.
 */
import { formatValue } from '@deepend/core';
import * as nn from '@deepend/nn';
import * as tf from '@tensorflow/tfjs-core';
import { type Autoregressive, checkIds, type GenerationState, lastStep } from './autoregressive';

/** A gate's weights: of the inputs, of the hidden state, and a bias. */
type Gate = readonly [wx: tf.Variable, wh: tf.Variable, b: tf.Variable];

const affine = (x: tf.Tensor, h: tf.Tensor, [wx, wh, b]: Gate): tf.Tensor =>
  tf.add(
    tf.add(
      tf.matMul(x as tf.Tensor2D, wx as tf.Tensor2D),
      tf.matMul(h as tf.Tensor2D, wh as tf.Tensor2D),
    ),
    b,
  );

interface ScratchCell {
  /** Number of gates, each with three parameters. */
  readonly gates: number;
  /** Number of tensors in the state. */
  readonly states: number;
  /** One step: the state after the inputs `x` `[batch, vocab]`; the hidden state stands first. */
  step(x: tf.Tensor, state: readonly tf.Tensor[], gates: readonly Gate[]): tf.Tensor[];
}

/** The book's 8.5 (en 9.5), 9.1 (10.2) and 9.2 (10.1). */
const SCRATCH_CELLS = {
  rnn: {
    gates: 1,
    states: 1,
    step: (x, [h], [hidden]) => [tf.tanh(affine(x, h as tf.Tensor, hidden as Gate))],
  },
  gru: {
    gates: 3,
    states: 1,
    step(x, [before], [update, reset, candidate]) {
      const h = before as tf.Tensor;
      const z = tf.sigmoid(affine(x, h, update as Gate));
      const r = tf.sigmoid(affine(x, h, reset as Gate));
      const tilde = tf.tanh(affine(x, tf.mul(r, h), candidate as Gate));
      return [tf.add(tf.mul(z, h), tf.mul(tf.sub(1, z), tilde))];
    },
  },
  lstm: {
    gates: 4,
    states: 2,
    step(x, [h, c], [input, forget, output, candidate]) {
      const gate = (weights: Gate | undefined) => affine(x, h as tf.Tensor, weights as Gate);
      const kept = tf.mul(tf.sigmoid(gate(forget)), c as tf.Tensor);
      const cell = tf.add(kept, tf.mul(tf.sigmoid(gate(input)), tf.tanh(gate(candidate))));
      return [tf.mul(tf.sigmoid(gate(output)), tf.tanh(cell)), cell];
    },
  },
} as const satisfies Record<string, ScratchCell>;

export type ScratchCellName = keyof typeof SCRATCH_CELLS;

function cellOf(where: string, name: ScratchCellName): ScratchCell {
  if (Object.hasOwn(SCRATCH_CELLS, name)) return SCRATCH_CELLS[name];
  throw new RangeError(
    `[text] ${where}: expected one of ${Object.keys(SCRATCH_CELLS).join(', ')}, got ` +
      formatValue(name),
  );
}

/**
 * The parameters of a recurrent network from scratch: for each gate `W_x` `[vocabSize, hidden]`,
 * `W_h` `[hidden, hidden]` and `b`, then `W_hq` `[hidden, vocabSize]` and `b_q`. Weights are normal
 * with standard deviation 0.01, biases 0. Gates: `rnn` has one; `gru` update, reset, candidate;
 * `lstm` input, forget, output, candidate.
 */
export function scratchParams(
  cell: ScratchCellName,
  vocabSize: number,
  hidden: number,
): tf.Variable[] {
  const init = nn.init.normal({ std: 0.01 });
  const gate = () => [
    nn.parameter([vocabSize, hidden], { init }),
    nn.parameter([hidden, hidden], { init }),
    nn.parameter([hidden]),
  ];
  const gates = Array.from({ length: cellOf('scratchParams', cell).gates }, gate).flat();
  return [...gates, nn.parameter([hidden, vocabSize], { init }), nn.parameter([vocabSize])];
}

/** The first state: zeros, one tensor or an LSTM's two. */
export const scratchState = (
  cell: ScratchCellName,
  batchSize: number,
  hidden: number,
): tf.Tensor[] =>
  Array.from({ length: cellOf('scratchState', cell).states }, () => tf.zeros([batchSize, hidden]));

const inThrees = (params: readonly tf.Variable[], gates: number): Gate[] =>
  Array.from({ length: gates }, (_, i) => params.slice(3 * i, 3 * i + 3) as unknown as Gate);

export interface ScratchRun {
  /**
   * The state before the first step, as of `scratchState`.
   * @example
   * scratchState('gru', 32, 256)
   */
  state: readonly tf.Tensor[];
  /**
   * As of `scratchParams`.
   * @example
   * scratchParams('gru', 28, 256)
   */
  params: readonly tf.Variable[];
}

/**
 * All steps of a recurrent network from scratch.
 * @param inputs `[time, batch, vocabSize]`, one-hot
 * @returns the logits `[time · batch, vocabSize]`, time first, and the state after the last step
 */
export function scratchForward(
  cell: ScratchCellName,
  inputs: tf.Tensor3D,
  { state, params }: ScratchRun,
): [logits: tf.Tensor2D, state: tf.Tensor[]] {
  const { gates, step } = cellOf('scratchForward', cell);
  const expected = 3 * gates + 2;
  if (params.length !== expected) {
    throw new RangeError(
      `[text] scratchForward: expected the ${expected} parameters of '${cell}', got ` +
        `${params.length}; make them by scratchParams('${cell}', vocabSize, hidden)`,
    );
  }
  return tf.tidy(() => {
    const [hq, bq] = params.slice(-2) as unknown as [tf.Tensor2D, tf.Tensor1D];
    const weights = inThrees(params, gates);
    let now: readonly tf.Tensor[] = state;
    const outputs = timeSteps(inputs).map((x) => {
      now = step(x, now, weights);
      return tf.add(tf.matMul(now[0] as tf.Tensor2D, hq), bq);
    });
    return [tf.concat(outputs, 0), now.map((tensor) => tf.clone(tensor))];
  }) as [tf.Tensor2D, tf.Tensor[]];
}

/** `[time, batch, features]` → `[batch, features]` each. */
const timeSteps = (x: tf.Tensor3D): tf.Tensor2D[] => {
  const [time, batch, features] = x.shape;
  return Array.from({ length: time }, (_, t) =>
    tf.reshape(tf.slice(x, [t, 0, 0], [1, batch, features]), [batch, features]),
  );
};

/** What an `RNNModelScratch` is made of. */
export interface ScratchFunctions<State> {
  /**
   * Makes the parameters.
   * @example
   * (vocabSize, hidden) => scratchParams('gru', vocabSize, hidden)
   */
  getParams(vocabSize: number, hidden: number): tf.Variable[];
  /**
   * Makes the first state.
   * @example
   * (batchSize, hidden) => scratchState('gru', batchSize, hidden)
   */
  initState(batchSize: number, hidden: number): State;
  /**
   * All steps: one-hot inputs `[time, batch, vocabSize]` → logits `[time · batch, vocabSize]`, time
   * first, and the state after the last step.
   * @example
   * (inputs, state, params) => scratchForward('gru', inputs, { state, params })
   */
  forwardFn(
    inputs: tf.Tensor3D,
    state: State,
    params: readonly tf.Variable[],
  ): [logits: tf.Tensor, state: State];
}

/**
 * A recurrent language model whose parameters, state and steps are your own functions: the book's
 * 8.5. As `LanguageModel` it takes ids `[batch, time]`, and `train` with `carryState` and
 * `generate` take it. Parameters `params.0`, `params.1`, ....
 * @example
 * const model = new RNNModelScratch(28, 512, {
 *   getParams: (vocabSize, hidden) => scratchParams('rnn', vocabSize, hidden),
 *   initState: (batchSize, hidden) => scratchState('rnn', batchSize, hidden),
 *   forwardFn: (inputs, state, params) => scratchForward('rnn', inputs, { state, params }),
 * });
 */
export class RNNModelScratch<State extends readonly tf.Tensor[] = tf.Tensor[]>
  extends nn.Module
  implements Autoregressive
{
  readonly vocabSize: number;
  readonly numHiddens: number;
  readonly contextLength = Number.POSITIVE_INFINITY;
  params: tf.Variable[];
  readonly #functions: ScratchFunctions<State>;

  constructor(vocabSize: number, numHiddens: number, functions: ScratchFunctions<State>) {
    super();
    this.vocabSize = vocabSize;
    this.numHiddens = numHiddens;
    this.#functions = functions;
    this.params = functions.getParams(vocabSize, numHiddens);
  }

  /** The state before the first token. */
  beginState(batchSize: number): State {
    return this.#functions.initState(batchSize, this.numHiddens);
  }

  /** int32 `[batch, time]` → logits `[batch, time, vocabSize]`, and the state after them. */
  override forward(ids: tf.Tensor, state?: State): [logits: tf.Tensor, state: State] {
    checkIds(`[text] ${this.name}`, ids, this.vocabSize);
    const [batch = 0, time = 0] = ids.shape;
    return tf.tidy(() => {
      const turned = tf.transpose(ids) as tf.Tensor2D;
      const inputs = tf.cast(tf.oneHot(turned, this.vocabSize), 'float32') as tf.Tensor3D;
      const first = state ?? this.beginState(batch);
      const [flat, after] = this.#functions.forwardFn(inputs, first, this.params);
      const logits = tf.reshape(flat, [time, batch, this.vocabSize]);
      return [tf.transpose(logits, [1, 0, 2]), after] as never;
    }) as [tf.Tensor, State];
  }

  next(ids: tf.Tensor2D, state?: GenerationState): [tf.Tensor2D, GenerationState] {
    return tf.tidy(() => {
      const [logits, after] = this.forward(ids, state as State | undefined);
      return [lastStep(logits), after] as never;
    }) as [tf.Tensor2D, GenerationState];
  }

  /** Rows of states `[batch, ...]`. */
  selectRows(state: GenerationState, rows: tf.Tensor1D): GenerationState {
    return (state as readonly tf.Tensor[]).map((tensor) => tf.gather(tensor, rows));
  }
}

/**
 * A plain RNN from scratch, the book's en 9.5: `W_xh` `[numInputs, numHiddens]`, `W_hh`, `b_h`.
 */
export class RNNScratch extends nn.Module {
  readonly numInputs: number;
  readonly numHiddens: number;
  readonly sigma: number;
  W_xh: tf.Variable;
  W_hh: tf.Variable;
  b_h: tf.Variable;

  /** @param sigma standard deviation of the initial weights @default 0.01 */
  constructor(numInputs: number, numHiddens: number, sigma = 0.01) {
    super();
    this.numInputs = numInputs;
    this.numHiddens = numHiddens;
    this.sigma = sigma;
    const init = nn.init.normal({ std: sigma });
    this.W_xh = nn.parameter([numInputs, numHiddens], { init });
    this.W_hh = nn.parameter([numHiddens, numHiddens], { init });
    this.b_h = nn.parameter([numHiddens]);
  }

  override config() {
    return [this.numInputs, this.numHiddens, this.sigma];
  }

  /**
   * @param inputs `[time, batch, numInputs]`
   * @param state `[batch, numHiddens]` @default zeros
   * @returns the states of all steps, and the last one
   */
  override forward(
    inputs: tf.Tensor3D,
    state?: tf.Tensor,
  ): [outputs: tf.Tensor[], state: tf.Tensor] {
    return tf.tidy(() => {
      let h = state ?? tf.zeros([inputs.shape[1], this.numHiddens]);
      const gate: Gate = [this.W_xh, this.W_hh, this.b_h];
      const outputs = timeSteps(inputs).map((x) => {
        h = tf.tanh(affine(x, h, gate));
        return h;
      });
      return [outputs, tf.clone(h)];
    }) as [tf.Tensor[], tf.Tensor];
  }
}

/**
 * A language model over an `RNNScratch`, the book's en 9.5: one-hot inputs, `W_hq`, `b_q`.
 */
export class RNNLMScratch extends nn.Module {
  readonly rnn: RNNScratch;
  readonly vocabSize: number;
  W_hq: tf.Variable;
  b_q: tf.Variable;

  constructor(rnn: RNNScratch, vocabSize: number) {
    super();
    this.rnn = rnn;
    this.vocabSize = vocabSize;
    const init = nn.init.normal({ std: rnn.sigma });
    this.W_hq = nn.parameter([rnn.numHiddens, vocabSize], { init });
    this.b_q = nn.parameter([vocabSize]);
  }

  /** int32 `[batch, time]` → `[time, batch, vocabSize]` */
  oneHot(ids: tf.Tensor2D): tf.Tensor3D {
    return tf.tidy(() =>
      tf.cast(tf.oneHot(tf.transpose(ids), this.vocabSize), 'float32'),
    ) as tf.Tensor3D;
  }

  /** The states of all steps `[batch, hidden]` → logits `[batch, time, vocabSize]`. */
  outputLayer(outputs: readonly tf.Tensor[]): tf.Tensor3D {
    const logits = (h: tf.Tensor) =>
      tf.add(tf.matMul(h as tf.Tensor2D, this.W_hq as tf.Tensor2D), this.b_q);
    return tf.tidy(() => tf.stack(outputs.map(logits), 1)) as tf.Tensor3D;
  }

  /** int32 `[batch, time]` → logits `[batch, time, vocabSize]`. */
  override forward(ids: tf.Tensor2D, state?: tf.Tensor): tf.Tensor3D {
    return tf.tidy(() => this.outputLayer(this.rnn.forward(this.oneHot(ids), state)[0]));
  }
}
