/** The gradient of activations, and softmax cross-entropy with its gradient. */

import type { ActivationName } from '@deepend/compiler';
import { grid, INDEX, type Kernel, launch, output, scratch, size, THREADS } from './launch';

/** From the activation's output `v` and the gradient `g` of it, as `ops/simple.ts` has them. */
const GRADIENTS: Readonly<Record<ActivationName, string>> = {
  relu: 'select(number(0.0), g, v > number(0.0))',
  relu6: 'select(number(0.0), g, (v > number(0.0)) & (v < number(6.0)))',
  sigmoid: 'g * v * (number(1.0) - v)',
  tanh: 'g * (number(1.0) - v * v)',
};

/** {dy, y} + name → dx. */
export const activationGradient: Kernel<'deepend.activationGradient'> = {
  run({ backend, inputs: { dy, y }, attrs: { name } }) {
    const dx = output(backend, dy.shape);
    const wide = size(dy) % 4 === 0;
    const count = wide ? size(dy) / 4 : size(dy);
    launch(backend, {
      name: 'activationGradient',
      variant: name,
      writes: { dx },
      reads: { dy, y },
      integers: { count },
      vectors: wide,
      groups: grid(count),
      main: () => `${INDEX}\n  let g = dy[i];\n  let v = y[i];\n  dx[i] = ${GRADIENTS[name]};`,
    });
    return [dx];
  },
};

/** Threads that share a row of logits. */
const ROW_THREADS = 64;

/**
 * Shared memory for a row, and how its threads come to one largest number with its index, and to
 * one sum.
 */
const ROW = /* wgsl */ `
struct Best { value: f32, index: i32 }
var<workgroup> bests: array<Best, ${ROW_THREADS}>;
var<workgroup> sums: array<f32, ${ROW_THREADS}>;
// The first of the largest.
fn better(a: Best, b: Best) -> Best {
  let first = b.value == a.value && b.index < a.index;
  if (b.index >= 0 && (a.index < 0 || b.value > a.value || first)) { return b; }
  return a;
}
fn best_of(mine: Best, lane: u32) -> Best {
  workgroupBarrier();
  bests[lane] = mine;
  for (var half = ${ROW_THREADS / 2}u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { bests[lane] = better(bests[lane], bests[lane + half]); }
  }
  workgroupBarrier();
  return bests[0];
}
fn sum_of(mine: f32, lane: u32) -> f32 {
  workgroupBarrier();
  sums[lane] = mine;
  for (var half = ${ROW_THREADS / 2}u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { sums[lane] += sums[lane + half]; }
  }
  workgroupBarrier();
  return sums[0];
}`;

/** {logits, labels} → loss, correct, dLogits: of class indices, or of probabilities. */
export const softmaxCrossEntropy: Kernel<'deepend.softmaxCrossEntropy'> = {
  run({ backend, inputs: { logits, labels } }) {
    const [rows = 0, columns = 0] = logits.shape;
    const loss = output(backend, []);
    const correct = output(backend, []);
    const dLogits = output(backend, [rows, columns]);
    const indices = labels.shape.length === 1;
    scratch(backend, 2 * rows, (judged) => {
      launch(backend, {
        name: 'crossEntropyOfRows',
        variant: String(indices),
        writes: { dLogits, judged },
        reads: { logits, labels },
        integers: { rows, columns },
        threads: ROW_THREADS,
        groups: [Math.min(rows, 65_535), Math.ceil(rows / 65_535)],
        before: () => ROW,
        main: () => rowCode(indices),
      });
      launch(backend, { ...overRows(rows), writes: { loss, correct }, reads: { judged } });
    });
    return [loss, correct, dLogits];
  },
};

/**
 * One workgroup a row: its loss and whether it is right, side by side in `judged`, and the
 * gradient.
 */
const rowCode = (indices: boolean) => /* wgsl */ `
  let row = i32(group.y * groups.x + group.x);
  if (row >= u.rows) { return; }
  let start = row * u.columns;
  var mine = Best(0.0, -1);
  for (var c = i32(lane); c < u.columns; c += ${ROW_THREADS}) {
    mine = better(mine, Best(logits[start + c], c));
  }
  let top = best_of(mine, lane);
  var sum = 0.0;
  for (var c = i32(lane); c < u.columns; c += ${ROW_THREADS}) {
    sum += exp(logits[start + c] - top.value);
  }
  let whole = sum_of(sum, lane);
  let log_whole = log(whole);
  ${indices ? 'let truth = labels[row];' : LIKELIEST}
  var loss = 0.0;
  for (var c = i32(lane); c < u.columns; c += ${ROW_THREADS}) {
    let share = ${indices ? 'select(0.0, 1.0, c == truth)' : 'labels[start + c]'};
    let shifted = logits[start + c] - top.value;
    if (share != 0.0) { loss -= share * (shifted - log_whole); }
    dLogits[start + c] = (exp(shifted) / whole * ${indices ? '1.0' : 'mass'} - share) / f32(u.rows);
  }
  let total = sum_of(loss, lane);
  if (lane == 0u) {
    judged[2 * row] = total;
    judged[2 * row + 1] = select(0.0, 1.0, top.index == truth);
  }`;

/** The class of the largest share, and the sum of the shares. */
const LIKELIEST = /* wgsl */ `
  var likely = Best(0.0, -1);
  var shares = 0.0;
  for (var c = i32(lane); c < u.columns; c += ${ROW_THREADS}) {
    likely = better(likely, Best(labels[start + c], c));
    shares += labels[start + c];
  }
  let truth = best_of(likely, lane).index;
  let mass = sum_of(shares, lane);`;

/** The mean of the losses, and how many are right. */
const overRows = (rows: number) => ({
  name: 'crossEntropy',
  integers: { rows },
  groups: [1, 1] as const,
  before: () => `var<workgroup> sums: array<vec2<f32>, ${THREADS}>;`,
  main: () => /* wgsl */ `
  var mine = vec2<f32>(0.0);
  for (var r = i32(lane); r < u.rows; r += ${THREADS}) {
    mine += vec2<f32>(judged[2 * r], judged[2 * r + 1]);
  }
  sums[lane] = mine;
  for (var half = ${THREADS / 2}u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { sums[lane] += sums[lane + half]; }
  }
  if (lane == 0u) { loss[0] = sums[0].x / f32(u.rows); correct[0] = sums[0].y; }`,
});

const WORD = 2 ** 32;

/**
 * A number below 2²⁴ for each place, from the place and the seed: the hash pcg3d of Jarzynski &
 * Olano 2020, https://jcgt.org/published/0009/03/02/.
 */
const DRAW = /* wgsl */ `
fn draw(place: u32) -> u32 {
  var v = vec3<u32>(place, bitcast<u32>(u.low), bitcast<u32>(u.high)) * 1664525u + 1013904223u;
  v.x += v.y * v.z; v.y += v.z * v.x; v.z += v.x * v.y;
  v = v ^ (v >> vec3<u32>(16u));
  v.x += v.y * v.z; v.y += v.z * v.x; v.z += v.x * v.y;
  return v.x >> 8u;
}`;

/**
 * {x} + rate, seed → y: numbers that drew less than the rate become 0, the others grow by 1 / (1 −
 * rate). The gradient: the same of dy.
 */
export const dropout: Kernel<'deepend.dropout'> = {
  run({ backend, inputs: { x }, attrs: { rate, seed } }) {
    const y = output(backend, x.shape);
    launch(backend, {
      name: 'dropout',
      writes: { y },
      reads: { x },
      integers: { count: size(x), low: seed % WORD, high: Math.floor(seed / WORD) },
      floats: { rate, scale: rate < 1 ? 1 / (1 - rate) : 0 },
      groups: grid(size(x)),
      before: () => DRAW,
      main: () =>
        /* wgsl */ `${INDEX}\n  y[i] = select(x[i] * u.scale, 0.0, f32(draw(u32(i))) < ` +
        `u.rate * 16777216.0);`,
    });
    return [y];
  },
};
