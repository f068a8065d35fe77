/**
 * Reductions of [outer][length][inner] over the middle axis. The shape decides into how many chunks
 * a long one is cut. Sums and products are computed in double precision and rounded once a chunk.
 */
import { ReduceOp } from './ops';
import { min32 } from './simd';

@unmanaged
export class ReduceRowsArgs {
  x: u32; out: u32; op: i32;
  outer: i32; length: i32; inner: i32;
  chunk: i32; chunks: i32; // numbers of `length` in one chunk; out is [outer][chunks][inner]
  group: i32; // (outer, chunk) pairs in one tile of the job
  columnBlock: i32; columnBlocks: i32; // numbers of `inner` in one tile
  scale: f32; // factor of sums and products
}

// @ts-ignore: decorator
@inline
function low(v: v128): v128 {
  return f64x2.promote_low_f32x4(v);
}

// @ts-ignore: decorator
@inline
function high(v: v128): v128 {
  return f64x2.promote_low_f32x4(v128.shuffle<i64>(v, v, 1, 1));
}

// @ts-ignore: decorator
@inline
function wideJoin(op: i32, a: v128, b: v128): v128 {
  return op == ReduceOp.Sum ? f64x2.add(a, b) : f64x2.mul(a, b);
}

// @ts-ignore: decorator
@inline
function wideJoin1(op: i32, a: f64, b: f64): f64 {
  return op == ReduceOp.Sum ? a + b : a * b;
}

/**
 * The sum or product of `count` numbers. A product is taken in stock cpu's order, since another
 * order may overflow where this one does not.
 */
// @ts-ignore: decorator
@inline
export function wideAlong(op: i32, x: usize, count: i32): f64 {
  if (op == ReduceOp.Prod) {
    let product: f64 = 1;
    for (let i = 0; i < count; i++) product *= <f64>load<f32>(x + <usize>i * 4);
    return product;
  }
  const start = f64x2.splat(0);
  let v0 = start, v1 = start, v2 = start, v3 = start;
  let i = 0;
  for (; i + 8 <= count; i += 8) {
    const a = v128.load(x + <usize>i * 4), b = v128.load(x + <usize>i * 4, 16);
    v0 = wideJoin(op, v0, low(a));
    v1 = wideJoin(op, v1, high(a));
    v2 = wideJoin(op, v2, low(b));
    v3 = wideJoin(op, v3, high(b));
  }
  v0 = wideJoin(op, wideJoin(op, v0, v1), wideJoin(op, v2, v3));
  let result = wideJoin1(op, f64x2.extract_lane(v0, 0), f64x2.extract_lane(v0, 1));
  for (; i < count; i++) result = wideJoin1(op, result, <f64>load<f32>(x + <usize>i * 4));
  return result;
}

/** The sums or products of columns first … end - 1, over `count` rows of `step` bytes. */
// @ts-ignore: decorator
@inline
function wideDown(
  op: i32, x: usize, count: i32, step: usize, out: usize, first: i32, end: i32, scale: f64,
): void {
  const start = f64x2.splat(op == ReduceOp.Sum ? 0 : 1), factor = f64x2.splat(scale);
  let c = first;
  for (; c + 8 <= end; c += 8) {
    let v0 = start, v1 = start, v2 = start, v3 = start;
    for (let i = 0, at = x + <usize>c * 4; i < count; i++, at += step) {
      const a = v128.load(at), b = v128.load(at, 16);
      v0 = wideJoin(op, v0, low(a));
      v1 = wideJoin(op, v1, high(a));
      v2 = wideJoin(op, v2, low(b));
      v3 = wideJoin(op, v3, high(b));
    }
    v128.store(out + <usize>c * 4, narrow(f64x2.mul(v0, factor), f64x2.mul(v1, factor)));
    v128.store(out + <usize>c * 4, narrow(f64x2.mul(v2, factor), f64x2.mul(v3, factor)), 16);
  }
  for (; c < end; c++) {
    let v: f64 = op == ReduceOp.Sum ? 0 : 1;
    for (let i = 0, at = x + <usize>c * 4; i < count; i++, at += step)
      v = wideJoin1(op, v, <f64>load<f32>(at));
    store<f32>(out + <usize>c * 4, <f32>(v * scale));
  }
}

// @ts-ignore: decorator
@inline
function narrow(a: v128, b: v128): v128 {
  return v128.shuffle<i64>(f32x4.demote_f64x2_zero(a), f32x4.demote_f64x2_zero(b), 0, 2);
}

// @ts-ignore: decorator
@inline
function join(op: i32, a: v128, b: v128): v128 {
  return op == ReduceOp.Max ? f32x4.max(a, b) : f32x4.min(a, b);
}

// @ts-ignore: decorator
@inline
function join1(op: i32, a: f32, b: f32): f32 {
  return op == ReduceOp.Max ? max<f32>(a, b) : min<f32>(a, b);
}

/** The maximum or minimum of `count` contiguous numbers. */
// @ts-ignore: decorator
@inline
export function along(op: i32, x: usize, count: i32): f32 {
  let v0 = f32x4.splat(op == ReduceOp.Max ? -Infinity : Infinity), v1 = v0;
  let i = 0;
  for (; i + 8 <= count; i += 8) {
    v0 = join(op, v0, v128.load(x + <usize>i * 4));
    v1 = join(op, v1, v128.load(x + <usize>i * 4, 16));
  }
  v0 = join(op, v0, v1);
  let result = join1(op,
    join1(op, f32x4.extract_lane(v0, 0), f32x4.extract_lane(v0, 1)),
    join1(op, f32x4.extract_lane(v0, 2), f32x4.extract_lane(v0, 3)));
  for (; i < count; i++) result = join1(op, result, load<f32>(x + <usize>i * 4));
  return result;
}

/** The maximum or minimum of columns first … end - 1, over `count` rows of `step` bytes. */
// @ts-ignore: decorator
@inline
function down(op: i32, x: usize, count: i32, step: usize, out: usize, first: i32, end: i32): void {
  const start: f32 = op == ReduceOp.Max ? -Infinity : Infinity;
  let c = first;
  for (; c + 8 <= end; c += 8) {
    let v0 = f32x4.splat(start), v1 = v0;
    for (let i = 0, at = x + <usize>c * 4; i < count; i++, at += step) {
      v0 = join(op, v0, v128.load(at));
      v1 = join(op, v1, v128.load(at, 16));
    }
    v128.store(out + <usize>c * 4, v0);
    v128.store(out + <usize>c * 4, v1, 16);
  }
  for (; c < end; c++) {
    let v = start;
    for (let i = 0, at = x + <usize>c * 4; i < count; i++, at += step)
      v = join1(op, v, load<f32>(at));
    store<f32>(out + <usize>c * 4, v);
  }
}

// @ts-ignore: decorator
@inline
function group(op: i32, args: ReduceRowsArgs, tile: i32): void {
  const scale = <f64>args.scale, wide = op <= ReduceOp.Prod, step = <usize>args.inner * 4;
  const first = (tile % args.columnBlocks) * args.columnBlock;
  const last = min32(args.inner, first + args.columnBlock);
  const from = (tile / args.columnBlocks) * args.group;
  const end = min32(args.outer * args.chunks, from + args.group);
  for (let g = from; g < end; g++) {
    const skip = (g % args.chunks) * args.chunk;
    const count = min32(args.chunk, args.length - skip);
    const x = <usize>args.x + (<usize>(g / args.chunks) * <usize>args.length + <usize>skip) * step;
    const out = <usize>args.out + <usize>g * step;
    if (args.inner > 1) {
      if (wide) wideDown(op, x, count, step, out, first, last, scale);
      else down(op, x, count, step, out, first, last);
    } else if (wide) store<f32>(out, <f32>(wideAlong(op, x, count) * scale));
    else store<f32>(out, along(op, x, count));
  }
}

/** One tile of the job is a group of chunks × a block of columns. */
export function reduceRows(args: ReduceRowsArgs, tile: i32): void {
  switch (args.op) {
    case ReduceOp.Sum: return group(ReduceOp.Sum, args, tile);
    case ReduceOp.Prod: return group(ReduceOp.Prod, args, tile);
    case ReduceOp.Max: return group(ReduceOp.Max, args, tile);
    default: return group(ReduceOp.Min, args, tile);
  }
}
