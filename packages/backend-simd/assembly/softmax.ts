/** Softmax and log-softmax over rows, and the cross-entropy of indices or probabilities. */
import { exp4 } from './simd';
import { ReduceOp } from './ops';
import { along } from './reduce';
import { min32 } from './simd';
import { SoftmaxKind } from './ops';

@unmanaged
export class SoftmaxArgs {
  x: u32; out: u32; labels: u32; losses: u32; correct: u32;
  rows: i32; columns: i32; block: i32;
  kind: i32; // SoftmaxKind
  scale: f32; // of the cross-entropy's gradient: 1 / batch
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
 * logits. Computed in double precision, since losses are compared with those of other frameworks.
 */
function crossEntropy(args: SoftmaxArgs, r: i32, x: usize, out: usize, largest: f64): void {
  const columns = args.columns, indices = args.kind == SoftmaxKind.CrossEntropyIndices;
  const labels = <usize>args.labels + <usize>r * 4 * <usize>(indices ? 1 : columns);
  let sum: f64 = 0;
  for (let i = 0; i < columns; i++) sum += Math.exp(<f64>load<f32>(x + <usize>i * 4) - largest);
  const logSum = Math.log(sum);
  const target = indices ? load<i32>(labels) : firstLargest(labels, columns);
  let loss: f64 = 0;
  for (let i = 0; i < columns; i++) {
    const logarithm = <f64>load<f32>(x + <usize>i * 4) - largest - logSum;
    const p: f64 = indices ? (i == target ? 1 : 0) : <f64>load<f32>(labels + <usize>i * 4);
    if (p != 0) loss -= p * logarithm;
    store<f32>(out + <usize>i * 4, <f32>((Math.exp(logarithm) - p) * <f64>args.scale));
  }
  store<f32>(<usize>args.losses + <usize>r * 4, <f32>(loss * <f64>args.scale));
  store<f32>(<usize>args.correct + <usize>r * 4, firstLargest(x, columns) == target ? 1 : 0);
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
    const largest = along(ReduceOp.Max, x, columns);
    if (args.kind >= SoftmaxKind.CrossEntropyIndices) crossEntropy(args, r, x, out, <f64>largest);
    else {
      const sum = exponentials(x, out, columns, largest);
      if (args.kind == SoftmaxKind.Softmax) scaleRow(out, columns, <f32>(1 / sum));
      else logarithms(x, out, columns, largest, <f32>Math.log(sum));
    }
  }
}
