/** Reductions of [outer][length][inner] over the middle, and softmax over rows. Long sums go in chunks whose number depends on the shape alone. */
import { min32 } from './simd';

export enum ReduceOp { Sum, Max, Min, Prod }

/** Keep in step with src/kernels/reduce.ts. */
@unmanaged
export class ReduceRowsArgs {
  x: u32; out: u32; op: i32;
  outer: i32; length: i32; inner: i32;
  chunk: i32; chunks: i32; // numbers of `length` in one partial result; out is [outer][chunks][inner]
  group: i32; // (outer, chunk) pairs in one tile of the job
  scale: f32; // what sums are multiplied by
}

// @ts-ignore: decorator
@inline
function start(op: i32): f32 {
  return op == ReduceOp.Sum ? 0 : op == ReduceOp.Prod ? 1 : op == ReduceOp.Max ? -Infinity : Infinity;
}

// @ts-ignore: decorator
@inline
function join4(op: i32, a: v128, b: v128): v128 {
  if (op == ReduceOp.Sum) return f32x4.add(a, b);
  if (op == ReduceOp.Prod) return f32x4.mul(a, b);
  return op == ReduceOp.Max ? f32x4.max(a, b) : f32x4.min(a, b);
}

// @ts-ignore: decorator
@inline
function join1(op: i32, a: f32, b: f32): f32 {
  if (op == ReduceOp.Sum) return a + b;
  if (op == ReduceOp.Prod) return a * b;
  return op == ReduceOp.Max ? max<f32>(a, b) : min<f32>(a, b);
}

// @ts-ignore: decorator
@inline
function along(op: i32, x: usize, count: i32): f32 {
  let v0 = f32x4.splat(start(op)), v1 = v0;
  let i = 0;
  for (; i + 8 <= count; i += 8) {
    v0 = join4(op, v0, v128.load(x + <usize>i * 4));
    v1 = join4(op, v1, v128.load(x + <usize>i * 4, 16));
  }
  v0 = join4(op, v0, v1);
  let result = join1(op,
    join1(op, f32x4.extract_lane(v0, 0), f32x4.extract_lane(v0, 1)),
    join1(op, f32x4.extract_lane(v0, 2), f32x4.extract_lane(v0, 3)));
  for (; i < count; i++) result = join1(op, result, load<f32>(x + <usize>i * 4));
  return result;
}

// @ts-ignore: decorator
@inline
function down(op: i32, x: usize, count: i32, inner: i32, out: usize, scale: f32): void {
  const step = <usize>inner * 4;
  let c = 0;
  for (; c + 4 <= inner; c += 4) {
    let v = f32x4.splat(start(op));
    for (let i = 0, at = x + <usize>c * 4; i < count; i++, at += step) v = join4(op, v, v128.load(at));
    v128.store(out + <usize>c * 4, scale == 1 ? v : f32x4.mul(v, f32x4.splat(scale)));
  }
  for (; c < inner; c++) {
    let v = start(op);
    for (let i = 0, at = x + <usize>c * 4; i < count; i++, at += step) v = join1(op, v, load<f32>(at));
    store<f32>(out + <usize>c * 4, scale == 1 ? v : v * scale);
  }
}

// @ts-ignore: decorator
@inline
function group(op: i32, args: ReduceRowsArgs, tile: i32): void {
  const end = min32(args.outer * args.chunks, (tile + 1) * args.group);
  for (let g = tile * args.group; g < end; g++) {
    const first = (g % args.chunks) * args.chunk;
    const count = min32(args.chunk, args.length - first);
    const x = <usize>args.x + (<usize>(g / args.chunks) * <usize>args.length + <usize>first) * <usize>args.inner * 4;
    const out = <usize>args.out + <usize>g * <usize>args.inner * 4;
    if (args.inner == 1) {
      const v = along(op, x, count);
      store<f32>(out, args.scale == 1 ? v : v * args.scale);
    } else down(op, x, count, args.inner, out, args.scale);
  }
}

export function reduceRows(args: ReduceRowsArgs, tile: i32): void {
  switch (args.op) {
    case ReduceOp.Sum: return group(ReduceOp.Sum, args, tile);
    case ReduceOp.Max: return group(ReduceOp.Max, args, tile);
    case ReduceOp.Min: return group(ReduceOp.Min, args, tile);
    default: return group(ReduceOp.Prod, args, tile);
  }
}

/** Keep in step with src/kernels/softmax.ts. */
@unmanaged
export class SoftmaxArgs {
  x: u32; out: u32; labels: u32; losses: u32; correct: u32;
  rows: i32; columns: i32; block: i32;
  kind: i32; // 0 softmax, 1 its logarithm, 2 cross-entropy with class indices, 3 with probabilities
  scale: f32; // of the cross-entropy's gradient: 1 / batch
}

function rowMax(x: usize, columns: i32): f32 {
  return along(ReduceOp.Max, x, columns);
}

// @ts-ignore: decorator
@inline
function firstLargest(x: usize, columns: i32): i32 {
  let best = 0;
  for (let i = 1; i < columns; i++) if (load<f32>(x + <usize>i * 4) > load<f32>(x + <usize>best * 4)) best = i;
  return best;
}

/** One tile of the job is a block of rows. For the cross-entropy, out is the gradient of the logits and losses the loss of each row. */
export function softmax(args: SoftmaxArgs, tile: i32): void {
  const end = min32(args.rows, (tile + 1) * args.block);
  for (let r = tile * args.block; r < end; r++) {
    const offset = <usize>r * <usize>args.columns * 4;
    const x = <usize>args.x + offset, out = <usize>args.out + offset;
    const largest = <f64>rowMax(x, args.columns);
    let sum: f64 = 0;
    for (let i = 0; i < args.columns; i++) sum += Math.exp(<f64>load<f32>(x + <usize>i * 4) - largest);
    const logSum = Math.log(sum);
    let loss: f64 = 0;
    const target = args.kind == 2 ? load<i32>(<usize>args.labels + <usize>r * 4) : 0;
    for (let i = 0; i < args.columns; i++) {
      const shifted = <f64>load<f32>(x + <usize>i * 4) - largest;
      const logarithm = shifted - logSum;
      if (args.kind == 1) store<f32>(out + <usize>i * 4, <f32>logarithm);
      else if (args.kind == 0) store<f32>(out + <usize>i * 4, <f32>(Math.exp(shifted) / sum));
      else {
        const share: f64 = args.kind == 3 ? <f64>load<f32>(<usize>args.labels + offset + <usize>i * 4) : i == target ? 1 : 0;
        if (share != 0) loss -= share * logarithm;
        store<f32>(out + <usize>i * 4, <f32>((Math.exp(shifted) / sum - share) * <f64>args.scale));
      }
    }
    if (args.kind < 2) continue;
    const truth = args.kind == 2 ? target : firstLargest(<usize>args.labels + offset, args.columns);
    store<f32>(<usize>args.losses + <usize>r * 4, <f32>(loss * <f64>args.scale));
    store<f32>(<usize>args.correct + <usize>r * 4, firstLargest(x, args.columns) == truth ? 1 : 0);
  }
}
