/** Recurrent layers over all time steps: one layer, one direction. */
import { channelSums, checkValues, runFusedKernel } from '@deepend/compiler';
import * as tf from '@tensorflow/tfjs-core';
import { expectFloat, expectShape, refuse, shapeText } from './checks';
import { project, rowsOf } from './linear';
import {
  type Backward,
  type BackwardInputs,
  CELLS,
  type Cell,
  composedRecurrent,
  composedRecurrentGradient,
  type Forward,
  type StepAttrs,
  type Steps,
} from './recurrent-cells';
import { differentiable } from './tape';

export type RecurrentCell = Cell;

/** Gates stand in PyTorch's order: r, z, n of a GRU; i, f, g, o of an LSTM. */
export interface RecurrentInputs {
  /** `[time, batch, in]` */
  readonly x: tf.Tensor3D;
  /** The first state, `[batch, hidden]`. */
  readonly h0: tf.Tensor2D;
  /** An LSTM's first cell, `[batch, hidden]`. */
  readonly c0?: tf.Tensor2D | undefined;
  /** `[gates · hidden, in]` */
  readonly weightIh: tf.Tensor2D;
  /** `[gates · hidden, hidden]` */
  readonly weightHh: tf.Tensor2D;
  /** `[gates · hidden]` @default none */
  readonly biasIh?: tf.Tensor1D | undefined;
  /** `[gates · hidden]` @default none */
  readonly biasHh?: tf.Tensor1D | undefined;
  /** Steps of each sample, int32 `[batch]`. Later steps give 0 and keep the state. @default all */
  readonly lengths?: tf.Tensor1D | undefined;
  /** From the last step to the first. @default false */
  readonly reverse?: boolean | undefined;
}

export interface RecurrentResult {
  /** The state after each step, `[time, batch, hidden]`. */
  readonly output: tf.Tensor3D;
  /** The last state, `[batch, hidden]`. */
  readonly h: tf.Tensor2D;
  /** An LSTM's last cell, `[batch, hidden]`. */
  readonly c?: tf.Tensor2D;
}

function checkLengths(lengths: tf.Tensor1D, time: number, batch: number): void {
  expectShape('recurrent', 'lengths', lengths, [batch]);
  if (lengths.dtype !== 'int32') refuse('recurrent', `int32 lengths, got ${lengths.dtype}`);
  checkValues([lengths], ([given]) => {
    for (const length of (given as tf.Tensor).dataSync())
      if (length < 1 || length > time)
        refuse('recurrent', `lengths from 1 to ${time}, the number of time steps, got ${length}`);
  });
}

function checkInputs(cell: Cell, inputs: RecurrentInputs): void {
  const { x, h0, c0, weightIh, weightHh, biasIh, biasHh, lengths } = inputs;
  if (!Object.hasOwn(CELLS, cell))
    refuse('recurrent', `one of ${Object.keys(CELLS).join(', ')}, got ${JSON.stringify(cell)}`);
  expectShape('recurrent', 'x', x, ['time', 'batch', 'in']);
  const [time, batch, features] = x.shape;
  if (time < 1) refuse('recurrent', `at least one time step, got x ${shapeText(x.shape)}`);
  expectFloat('recurrent', 'x', x);
  expectShape('recurrent', 'h0', h0, [batch, 'hidden']);
  const hidden = h0.shape[1];
  const rows = CELLS[cell] * hidden;
  if (cell === 'lstm' && !c0) refuse('recurrent', `c0 of shape [${batch}, ${hidden}], got none`);
  if (cell !== 'lstm' && c0) refuse('recurrent', `no c0 for '${cell}': only an LSTM has a cell`);
  if (c0) expectShape('recurrent', 'c0', c0, [batch, hidden]);
  expectShape('recurrent', 'weightIh', weightIh, [rows, features]);
  expectShape('recurrent', 'weightHh', weightHh, [rows, hidden]);
  if (biasIh) expectShape('recurrent', 'biasIh', biasIh, [rows]);
  if (biasHh) expectShape('recurrent', 'biasHh', biasHh, [rows]);
  if (lengths) checkLengths(lengths, time, batch);
}

function runSteps(inputs: Steps, attrs: StepAttrs): Forward {
  const isEmpty = inputs.projected.size === 0;
  const fused = isEmpty ? undefined : runFusedKernel('deepend.recurrent', inputs, attrs);
  if (!fused) return composedRecurrent(inputs, attrs);
  const [states, gates, extra] = fused;
  return { states, gates, ...(extra && { extra }) };
}

function runGradient(inputs: BackwardInputs, attrs: StepAttrs): Backward {
  const isEmpty = inputs.gates.size === 0;
  const fused = isEmpty ? undefined : runFusedKernel('deepend.recurrentGradient', inputs, attrs);
  if (!fused) return composedRecurrentGradient(inputs, attrs);
  const [dGates, dh0, second, third] = fused;
  // A GRU has a second gradient of gates, an LSTM one of its first cell.
  if (attrs.cell === 'gru') return { dGates, dHidden: second as tf.Tensor3D, dh0 };
  return { dGates, dHidden: dGates, dh0, ...(third && { dc0: third }) };
}

/** One step of `[T, B, H]`: `[B, H]`. */
const stepAt = (x: tf.Tensor3D, t: number): tf.Tensor2D => {
  const [, batch, hidden] = x.shape;
  return tf.reshape(tf.slice(x, [t, 0, 0], [1, batch, hidden]), [batch, hidden]);
};

/** The state before each step, `[T·B, H]`. */
function previousStates(states: tf.Tensor3D, h0: tf.Tensor2D, reverse: boolean): tf.Tensor2D {
  const [time, batch, hidden] = states.shape;
  const first = tf.reshape(h0, [1, batch, hidden]);
  const rest = tf.slice(states, [reverse ? 1 : 0, 0, 0], [time - 1, batch, hidden]);
  return rowsOf(tf.concat(reverse ? [rest, first] : [first, rest]), hidden);
}

/** Zeros after each sequence's end. */
function endAt(states: tf.Tensor3D, lengths: tf.Tensor1D | undefined): tf.Tensor3D {
  if (!lengths) return states;
  const steps = tf.range(0, states.shape[0], 1, 'int32');
  const inside = tf.less(tf.reshape(steps, [-1, 1]), tf.reshape(lengths, [1, -1])); // [T, B]
  return tf.where(tf.expandDims(inside, 2), states, tf.zerosLike(states));
}

/**
 * One layer of a recurrent network in one direction, over all time steps, with the numbers of
 * `torch.nn.RNN`, `GRU` and `LSTM`.
 * @returns the states of all steps and the last one
 * @throws RangeError when the sizes do not fit
 * @example
 * const { output, h } = functional.recurrent('gru', { x, h0, weightIh, weightHh, biasIh, biasHh });
 */
export function recurrent(cell: RecurrentCell, inputs: RecurrentInputs): RecurrentResult {
  checkInputs(cell, inputs);
  const { x, h0, c0, weightIh, weightHh, biasIh, biasHh, lengths, reverse = false } = inputs;
  const [time, batch, features] = x.shape;
  const hidden = h0.shape[1];
  const wide = CELLS[cell] * hidden;
  const last = reverse ? 0 : time - 1;
  const attrs: StepAttrs = { cell, reverse };
  const [output, h, c] = differentiable({
    inputs: { x, h0, c0, weightIh, weightHh, biasIh, biasHh },
    forward(save) {
      const flat = project(rowsOf(x, features), weightIh, biasIh);
      const projected: tf.Tensor3D = tf.reshape(flat, [time, batch, wide]);
      const steps = { projected, h0, c0, weightHh, biasHh, lengths };
      const { states, gates, extra } = runSteps(steps, attrs);
      save(listSaved({ x, h0, c0, weightIh, weightHh, lengths, states, gates, extra }));
      const outputs: tf.Tensor[] = [endAt(states, lengths), stepAt(states, last)];
      return c0 ? [...outputs, stepAt(extra as tf.Tensor3D, last)] : outputs;
    },
    backward([dOutput, dh, dc], list) {
      const saved = readSaved(list, { c0: Boolean(c0), lengths: Boolean(lengths) });
      // Computed here, not when the tape asks: it disposes what the first gradient leaves.
      const given = { ...saved, dOutput, dh, dc } as BackwardInputs;
      const found = tf.tidy(() => ({ ...runGradient(given, attrs) })) as Backward;
      const dGates = () => rowsOf(found.dGates, wide);
      const dHidden = () => rowsOf(found.dHidden, wide);
      const before = () => previousStates(saved.states, saved.h0, reverse);
      return {
        x: () => tf.reshape(tf.matMul(dGates(), saved.weightIh), [time, batch, features]),
        weightIh: () => tf.matMul(dGates(), rowsOf(saved.x, features), true, false),
        biasIh: () => channelSums(dGates()),
        weightHh: () => tf.matMul(dHidden(), before(), true, false),
        biasHh: () => channelSums(dHidden()),
        h0: () => tf.clone(found.dh0),
        c0: () => tf.clone(found.dc0 as tf.Tensor),
      };
    },
  }) as [tf.Tensor3D, tf.Tensor2D, tf.Tensor2D?];
  return { output, h, ...(c && { c }) };
}

interface Saved extends Omit<BackwardInputs, 'dOutput' | 'dh' | 'dc'> {
  readonly x: tf.Tensor3D;
  readonly weightIh: tf.Tensor2D;
}

/** The tape keeps a list: those that may be absent stand at the end. */
const listSaved = (s: Saved): tf.Tensor[] =>
  [s.x, s.weightIh, s.h0, s.weightHh, s.states, s.gates, s.extra, s.c0, s.lengths].filter(
    (tensor) => tensor !== undefined,
  );

function readSaved(list: tf.Tensor[], has: { c0: boolean; lengths: boolean }): Saved {
  const [x, weightIh, h0, weightHh, states, gates, ...rest] = list;
  const lengths = has.lengths ? rest.pop() : undefined;
  const c0 = has.c0 ? rest.pop() : undefined;
  const extra = rest.pop();
  return { x, weightIh, h0, weightHh, states, gates, extra, c0, lengths } as Saved;
}
