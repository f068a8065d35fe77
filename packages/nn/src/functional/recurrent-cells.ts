/** Recurrent layers in core ops, step by step, and their gradients. */
import * as tf from '@tensorflow/tfjs-core';

/** Gates of Elman's network (by its activation), a GRU (Cho et al. 2014) and an LSTM. */
export const CELLS = { tanh: 1, relu: 1, gru: 3, lstm: 4 } as const;
export type Cell = keyof typeof CELLS;

/** What the steps read. Sizes: T steps, B samples, H hidden numbers, G gates. */
export interface Steps {
  readonly projected: tf.Tensor3D; //             [T, B, G·H], x · weightIhᵀ + biasIh
  readonly h0: tf.Tensor2D; //                    [B, H]
  readonly c0?: tf.Tensor2D | undefined; //       [B, H], for an LSTM
  readonly weightHh: tf.Tensor2D; //              [G·H, H]
  readonly biasHh?: tf.Tensor1D | undefined; //   [G·H]
  readonly lengths?: tf.Tensor1D | undefined; //  int32 [B]
}

export interface StepAttrs {
  readonly cell: Cell;
  /** From the last step to the first. */
  readonly reverse: boolean;
}

/** The states after each step, and what the gradient reads. */
export interface Forward {
  readonly states: tf.Tensor3D; // [T, B, H]; after a sequence's end, its last state
  readonly gates: tf.Tensor3D; //  [T, B, G·H], after their activations
  readonly extra?: tf.Tensor3D | undefined; // [T, B, H]: an LSTM's cells; a GRU's hidden part of n
}

export interface Backward {
  readonly dGates: tf.Tensor3D; //  [T, B, G·H], of x · weightIhᵀ + biasIh
  readonly dHidden: tf.Tensor3D; // [T, B, G·H], of h · weightHhᵀ + biasHh
  readonly dh0: tf.Tensor2D; //     [B, H]
  readonly dc0?: tf.Tensor2D | undefined; // [B, H]
}

/** A step's tensors: all `[B, H]`, but gates `[B, G·H]`. */
interface StepResult {
  readonly h: tf.Tensor;
  readonly gates: tf.Tensor;
  readonly extra?: tf.Tensor;
}

interface StepGradient {
  readonly dGates: tf.Tensor;
  readonly dHidden: tf.Tensor;
  /** What passes to the previous state without weightHh. */
  readonly dh: tf.Tensor;
  readonly dc?: tf.Tensor;
}

interface StepSaved {
  readonly gates: tf.Tensor;
  readonly h: tf.Tensor; //          after the step
  readonly previous: tf.Tensor; //   before the step
  readonly extra?: tf.Tensor | undefined;
  readonly previousExtra?: tf.Tensor | undefined;
}

interface CellRule {
  step(px: tf.Tensor, ph: tf.Tensor, h: tf.Tensor, c?: tf.Tensor): StepResult;
  gradient(dh: tf.Tensor, dc: tf.Tensor | undefined, saved: StepSaved): StepGradient;
}

const parts = (x: tf.Tensor, count: number): tf.Tensor[] => tf.split(x, count, 1);
/** s · (1 − s), the derivative of a sigmoid from its output. */
const sigmoidSlope = (s: tf.Tensor): tf.Tensor => tf.mul(s, tf.sub(1, s));
/** 1 − t², the derivative of a tanh from its output. */
const tanhSlope = (t: tf.Tensor): tf.Tensor => tf.sub(1, tf.square(t));

const simple = (
  activate: (x: tf.Tensor) => tf.Tensor,
  slope: (y: tf.Tensor) => tf.Tensor,
): CellRule => ({
  step(px, ph) {
    const h = activate(tf.add(px, ph));
    return { h, gates: h };
  },
  gradient(dh, _, { gates }) {
    const d = tf.mul(dh, slope(gates));
    return { dGates: d, dHidden: d, dh: tf.zerosLike(dh) };
  },
});

/** r and z are sigmoids; n = tanh(xₙ + r · hₙ); h' = (1 − z) · n + z · h. */
const gru: CellRule = {
  step(px, ph, h) {
    const [xr, xz, xn] = parts(px, 3) as [tf.Tensor, tf.Tensor, tf.Tensor];
    const [hr, hz, hn] = parts(ph, 3) as [tf.Tensor, tf.Tensor, tf.Tensor];
    const r = tf.sigmoid(tf.add(xr, hr));
    const z = tf.sigmoid(tf.add(xz, hz));
    const n = tf.tanh(tf.add(xn, tf.mul(r, hn)));
    const next = tf.add(n, tf.mul(z, tf.sub(h, n)));
    return { h: next, gates: tf.concat([r, z, n], 1), extra: hn };
  },
  gradient(dh, _, { gates, previous, extra }) {
    const [r, z, n] = parts(gates, 3) as [tf.Tensor, tf.Tensor, tf.Tensor];
    const dn = tf.mul(tf.mul(dh, tf.sub(1, z)), tanhSlope(n));
    const dz = tf.mul(tf.mul(dh, tf.sub(previous, n)), sigmoidSlope(z));
    const dr = tf.mul(tf.mul(dn, extra as tf.Tensor), sigmoidSlope(r));
    return {
      dGates: tf.concat([dr, dz, dn], 1),
      dHidden: tf.concat([dr, dz, tf.mul(dn, r)], 1),
      dh: tf.mul(dh, z),
    };
  },
};

/** i, f and o are sigmoids, g is a tanh; c' = f · c + i · g; h' = o · tanh(c'). */
const lstm: CellRule = {
  step(px, ph, _, c) {
    const [xi, xf, xg, xo] = parts(tf.add(px, ph), 4) as tf.Tensor[];
    const [i, f] = [tf.sigmoid(xi as tf.Tensor), tf.sigmoid(xf as tf.Tensor)];
    const [g, o] = [tf.tanh(xg as tf.Tensor), tf.sigmoid(xo as tf.Tensor)];
    const next = tf.add(tf.mul(f, c as tf.Tensor), tf.mul(i, g));
    return { h: tf.mul(o, tf.tanh(next)), gates: tf.concat([i, f, g, o], 1), extra: next };
  },
  gradient(dh, dc, { gates, extra, previousExtra }) {
    const [i, f, g, o] = parts(gates, 4) as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
    const t = tf.tanh(extra as tf.Tensor);
    const d = tf.add(dc as tf.Tensor, tf.mul(tf.mul(dh, o), tanhSlope(t)));
    const all = [
      tf.mul(tf.mul(d, g), sigmoidSlope(i)),
      tf.mul(tf.mul(d, previousExtra as tf.Tensor), sigmoidSlope(f)),
      tf.mul(tf.mul(d, i), tanhSlope(g)),
      tf.mul(tf.mul(dh, t), sigmoidSlope(o)),
    ];
    const dGates = tf.concat(all, 1);
    return { dGates, dHidden: dGates, dh: tf.zerosLike(dh), dc: tf.mul(d, f) };
  },
};

const RULES: Readonly<Record<Cell, CellRule>> = {
  tanh: simple(tf.tanh, tanhSlope),
  relu: simple(tf.relu, tf.step),
  gru,
  lstm,
};

/** The order in which the steps are taken. */
const orderOf = (count: number, reverse: boolean): number[] =>
  Array.from({ length: count }, (_, i) => (reverse ? count - 1 - i : i));

const stepOf = (x: tf.Tensor, t: number): tf.Tensor2D => {
  const [, rows = 0, columns = 0] = x.shape;
  return tf.reshape(tf.slice(x, [t, 0, 0], [1, rows, columns]), [rows, columns]);
};

const stack = (steps: readonly tf.Tensor[]): tf.Tensor3D => tf.stack([...steps]) as tf.Tensor3D;

/** Whether step t is within each sequence: bool `[B, 1]`. */
const isInside = (lengths: tf.Tensor1D | undefined, t: number): tf.Tensor | undefined =>
  lengths && tf.reshape(tf.greater(lengths, t), [-1, 1]);

const choose = (inside: tf.Tensor | undefined, yes: tf.Tensor, no: tf.Tensor): tf.Tensor =>
  inside ? tf.where(inside, yes, no) : yes;

/** All steps of one layer in one direction. */
export function composedRecurrent(inputs: Steps, { cell, reverse }: StepAttrs): Forward {
  const { projected, h0, c0, weightHh, biasHh, lengths } = inputs;
  const [count] = projected.shape;
  const states: tf.Tensor[] = [];
  const gates: tf.Tensor[] = [];
  const extras: tf.Tensor[] = [];
  let h: tf.Tensor = h0;
  let c: tf.Tensor | undefined = c0;
  for (const t of orderOf(count, reverse)) {
    const product = tf.matMul(h as tf.Tensor2D, weightHh, false, true);
    const ph = biasHh ? tf.add(product, biasHh) : product;
    const next = RULES[cell].step(stepOf(projected, t), ph, h, c);
    const inside = isInside(lengths, t);
    h = choose(inside, next.h, h);
    states[t] = h;
    gates[t] = next.gates;
    if (!next.extra) continue;
    if (c) c = choose(inside, next.extra, c);
    extras[t] = c ?? next.extra;
  }
  return {
    states: stack(states),
    gates: stack(gates),
    ...(extras.length > 0 && { extra: stack(extras) }),
  };
}

export interface BackwardInputs extends Omit<Steps, 'projected' | 'biasHh'>, Forward {
  readonly dOutput: tf.Tensor3D; //           [T, B, H]
  readonly dh: tf.Tensor2D; //                [B, H], of the last state
  readonly dc?: tf.Tensor2D | undefined; //   [B, H]
}

/** The gradients of what the steps of `composedRecurrent` read. */
export function composedRecurrentGradient(
  inputs: BackwardInputs,
  { cell, reverse }: StepAttrs,
): Backward {
  const { dOutput, states, gates, extra, h0, c0, weightHh, lengths } = inputs;
  const order = orderOf(states.shape[0], reverse);
  const dGates: tf.Tensor[] = [];
  const dHidden: tf.Tensor[] = [];
  let dh: tf.Tensor = inputs.dh;
  let dc: tf.Tensor | undefined = inputs.dc;
  for (let at = order.length - 1; at >= 0; at--) {
    const t = order[at] as number;
    const before = order[at - 1];
    const inside = isInside(lengths, t);
    const saved: StepSaved = {
      gates: stepOf(gates, t),
      h: stepOf(states, t),
      previous: before === undefined ? h0 : stepOf(states, before),
      extra: extra && stepOf(extra, t),
      previousExtra: before === undefined ? c0 : extra && stepOf(extra, before),
    };
    const d = RULES[cell].gradient(tf.add(dh, stepOf(dOutput, t)), dc, saved);
    const product = tf.matMul(d.dHidden as tf.Tensor2D, weightHh); // [B, H]
    const zeros = inside && tf.zerosLike(d.dGates);
    dGates[t] = zeros ? choose(inside, d.dGates, zeros) : d.dGates;
    dHidden[t] = zeros ? choose(inside, d.dHidden, zeros) : d.dHidden;
    dh = choose(inside, tf.add(d.dh, product), dh);
    if (dc && d.dc) dc = choose(inside, d.dc, dc);
  }
  const stacked = stack(dGates);
  return {
    dGates: stacked,
    dHidden: cell === 'gru' ? stack(dHidden) : stacked,
    dh0: tf.clone(dh) as tf.Tensor2D,
    ...(dc && { dc0: tf.clone(dc) as tf.Tensor2D }),
  };
}
