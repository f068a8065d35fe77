/** Softmax and log-softmax over rows, and the cross-entropy of indices or probabilities. */
import { exp4, get, put } from './simd';
import { ReduceOp } from './ops';
import { along, wideAlong } from './reduce';
import { min32 } from './simd';
import { SoftmaxKind } from './ops';

@unmanaged
export class SoftmaxArgs {
  x: u32; out: u32; labels: u32; losses: u32; correct: u32;
  rows: i32; columns: i32; block: i32;
  kind: i32; // SoftmaxKind
  scale: f32; // of the cross-entropy and its gradient: 1 / batch
  weights: u32; // of the rows, in the cross-entropy; 0: all 1
  classWeights: u32; // of the classes, for indices; 0: all 1
  smoothing: f32; // fraction of each label that is spread over the classes, for indices
}

/** Writes e^(x - largest) for a row of logits. @returns the sum */
function exponentials(x: usize, out: usize, columns: i32, largest: f32): f64 {
  const shift = f32x4.splat(largest);
  let sum = f64x2.splat(0), i = 0;
  for (; i + 4 <= columns; i += 4) {
    const e = exp4(f32x4.sub(v128.load(x + <usize>i * 4), shift));
    v128.store(out + <usize>i * 4, e);
    sum = f64x2.add(
      sum,
      f64x2.add(f64x2.promote_low_f32x4(e), f64x2.promote_low_f32x4(v128.shuffle<i64>(e, e, 1, 1))),
    );
  }
  let total = f64x2.extract_lane(sum, 0) + f64x2.extract_lane(sum, 1);
  for (; i < columns; i++) {
    const e = f32x4.extract_lane(exp4(f32x4.sub(v128.load32_zero(x + <usize>i * 4), shift)), 0);
    store<f32>(out + <usize>i * 4, e);
    total += <f64>e;
  }
  return total;
}

function scaleRow(out: usize, columns: i32, factor: f32): void {
  let i = 0;
  for (; i + 4 <= columns; i += 4)
    v128.store(out + <usize>i * 4, f32x4.mul(v128.load(out + <usize>i * 4), f32x4.splat(factor)));
  for (; i < columns; i++) store<f32>(out + <usize>i * 4, load<f32>(out + <usize>i * 4) * factor);
}

function logarithms(x: usize, out: usize, columns: i32, largest: f32, logSum: f32): void {
  for (let i = 0; i < columns; i++)
    store<f32>(out + <usize>i * 4, load<f32>(x + <usize>i * 4) - largest - logSum);
}

// @ts-ignore: decorator
@inline
function firstLargest(x: usize, columns: i32): i32 {
  let best = 0;
  for (let i = 1; i < columns; i++)
    if (load<f32>(x + <usize>i * 4) > load<f32>(x + <usize>best * 4)) best = i;
  return best;
}

/**
 * One row's loss, whether its largest logit is the label's, and in `out` the gradient of the
 * logits. Sums are in double precision, since losses are compared with those of other frameworks. A
 * row of weight 0 is not read.
 */
function crossEntropy(args: SoftmaxArgs, r: i32, x: usize, out: usize): void {
  const columns = args.columns, indices = args.kind == SoftmaxKind.CrossEntropyIndices;
  const labels = <usize>args.labels + <usize>r * 4 * <usize>(indices ? 1 : columns);
  const place = <usize>r * 4;
  const weight: f32 = args.weights ? load<f32>(<usize>args.weights + place) : 1;
  if (weight == 0) {
    memory.fill(out, 0, <usize>columns * 4);
    store<f32>(<usize>args.losses + place, 0);
    store<f32>(<usize>args.correct + place, 0);
    return;
  }
  const largest = along(ReduceOp.Max, x, columns);
  const sum = exponentials(x, out, columns, largest), scale = <f64>args.scale * <f64>weight;
  const target = indices ? load<i32>(labels) : firstLargest(labels, columns);
  const shift = <f64>largest + Math.log(sum);
  let loss: f64 = 0;
  if (!indices) {
    for (let i = 0; i < columns; i++) {
      const p = <f64>load<f32>(labels + <usize>i * 4);
      if (p != 0) loss -= p * (<f64>load<f32>(x + <usize>i * 4) - shift);
    }
    scaleRow(out, columns, <f32>(scale / sum));
    subtractRow(out, labels, columns, <f32>scale);
  } else if (args.classWeights != 0 || args.smoothing != 0) {
    loss = spreadLabel(args, x, out, target, sum, shift, scale);
  } else {
    const isClass = <u32>target < <u32>columns, at = <usize>target * 4;
    const slope = isClass ? <f32>((<f64>load<f32>(out + at) / sum - 1) * scale) : 0;
    scaleRow(out, columns, <f32>(scale / sum));
    if (isClass) {
      loss = shift - <f64>load<f32>(x + at);
      store<f32>(out + at, slope);
    }
  }
  store<f32>(<usize>args.losses + place, <f32>(loss * scale));
  store<f32>(<usize>args.correct + place, firstLargest(x, columns) == target ? weight : 0);
}

/** Σ weights · (shift − x) over the classes, and in `spread` Σ weights. */
function spreadLoss(args: SoftmaxArgs, x: usize, shift: f64): f64 {
  const columns = args.columns, weights = <usize>args.classWeights;
  spread = <f64>columns;
  if (!weights) return <f64>columns * shift - wideAlong(ReduceOp.Sum, x, columns);
  let loss: f64 = 0;
  spread = 0;
  for (let i = 0; i < columns; i++) {
    const weight = <f64>load<f32>(weights + <usize>i * 4);
    if (weight == 0) continue;
    loss += weight * (shift - <f64>load<f32>(x + <usize>i * 4));
    spread += weight;
  }
  return loss;
}
let spread: f64 = 0;

/**
 * The loss of a label that is weighted by its class and spread over the others, each with its own
 * weight: −Σ u·log p, with u = weight · (smoothing / columns, and 1 − smoothing more for the
 * label). Changes `out` from exponentials to the gradient, p · Σ u − u.
 */
function spreadLabel(
  args: SoftmaxArgs, x: usize, out: usize, target: i32, sum: f64, shift: f64, scale: f64,
): f64 {
  const columns = args.columns, weights = <usize>args.classWeights, at = <usize>target * 4;
  const even = <f64>args.smoothing / <f64>columns;
  const isClass = <u32>target < <u32>columns;
  let weight: f64 = isClass ? 1 : 0;
  if (isClass && weights) weight = <f64>load<f32>(weights + at);
  const sharp = (1 - <f64>args.smoothing) * weight;
  let loss = sharp > 0 ? sharp * (shift - <f64>load<f32>(x + at)) : 0, mass = sharp;
  if (even > 0) {
    loss += even * spreadLoss(args, x, shift);
    mass += even * spread;
  }
  const factor = mass / sum;
  const slope: f64 = isClass ? <f64>load<f32>(out + at) * factor - even * weight - sharp : 0;
  const by = f32x4.splat(<f32>(factor * scale)), rest = f32x4.splat(<f32>(even * scale));
  for (let i = 0, count = 0; i < columns; i += count) {
    count = columns - i >= 4 ? 4 : 1;
    const to = out + <usize>i * 4;
    const u = weights ? f32x4.mul(get(weights + <usize>i * 4, count), rest) : rest;
    put(to, f32x4.sub(f32x4.mul(get(to, count), by), u), count);
  }
  if (isClass) store<f32>(out + at, <f32>(slope * scale));
  return loss;
}

/** out −= labels · scale */
function subtractRow(out: usize, labels: usize, columns: i32, scale: f32): void {
  const by = f32x4.splat(scale);
  for (let i = 0, count = 0; i < columns; i += count) {
    count = columns - i >= 4 ? 4 : 1;
    const at = <usize>i * 4;
    put(out + at, f32x4.sub(get(out + at, count), f32x4.mul(get(labels + at, count), by)), count);
  }
}

/**
 * One tile of the job is a block of rows. For the cross-entropy, out is the gradient of the logits
 * and losses the loss of each row.
 */
export function softmax(args: SoftmaxArgs, tile: i32): void {
  const columns = args.columns;
  const end = min32(args.rows, (tile + 1) * args.block);
  for (let r = tile * args.block; r < end; r++) {
    const offset = <usize>r * <usize>columns * 4;
    const x = <usize>args.x + offset, out = <usize>args.out + offset;
    if (args.kind >= SoftmaxKind.CrossEntropyIndices) crossEntropy(args, r, x, out);
    else {
      const largest = along(ReduceOp.Max, x, columns);
      const sum = exponentials(x, out, columns, largest);
      if (args.kind == SoftmaxKind.Softmax) scaleRow(out, columns, <f32>(1 / sum));
      else logarithms(x, out, columns, largest, <f32>Math.log(sum));
    }
  }
}
