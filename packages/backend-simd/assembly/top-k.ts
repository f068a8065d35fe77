/** The largest numbers of rows. */
import { min32 } from './simd';

@unmanaged
export class TopKArgs {
  x: u32; //       [rows][n]
  values: u32; //  [rows][k], the largest first
  indices: u32; // i32 [rows][k]
  rows: i32; n: i32; k: i32; block: i32; // rows of one tile
}

/** Whether a number comes after another: it is smaller, or equal with a higher index. */
// @ts-ignore: decorator
@inline
function isAfter(value: f32, index: i32, other: f32, otherIndex: i32): bool {
  return value < other || (value == other && index > otherIndex);
}

// @ts-ignore: decorator
@inline
function put(values: usize, indices: usize, at: i32, value: f32, index: i32): void {
  store<f32>(values + <usize>at * 4, value);
  store<i32>(indices + <usize>at * 4, index);
}

/** Puts a number into a heap's hole `at`: below it lie only numbers that come before it. */
function sink(
  values: usize, indices: usize, hole: i32, end: i32, value: f32, index: i32,
): void {
  let at = hole;
  while (true) {
    let child = 2 * at + 1;
    if (child >= end) break;
    let v = load<f32>(values + <usize>child * 4), i = load<i32>(indices + <usize>child * 4);
    if (child + 1 < end) {
      const right = load<f32>(values + <usize>child * 4, 4);
      const rightIndex = load<i32>(indices + <usize>child * 4, 4);
      if (isAfter(right, rightIndex, v, i)) {
        child++;
        v = right;
        i = rightIndex;
      }
    }
    if (!isAfter(v, i, value, index)) break;
    put(values, indices, at, v, i);
    at = child;
  }
  put(values, indices, at, value, index);
}

/** The heap's root is the last of the k numbers found so far; in the end the heap is sorted. */
function topOfRow(x: usize, n: i32, values: usize, indices: usize, k: i32): void {
  for (let i = 0; i < k; i++) put(values, indices, i, load<f32>(x + <usize>i * 4), i);
  for (let i = k / 2 - 1; i >= 0; i--)
    sink(values, indices, i, k, load<f32>(values + <usize>i * 4), load<i32>(indices + <usize>i * 4));
  for (let i = k; i < n; i++) {
    const least = f32x4.splat(load<f32>(values));
    while (i + 4 <= n && !v128.any_true(f32x4.gt(v128.load(x + <usize>i * 4), least))) i += 4;
    if (i >= n) break;
    const value = load<f32>(x + <usize>i * 4);
    if (value > load<f32>(values)) sink(values, indices, 0, k, value, i);
  }
  for (let end = k - 1; end > 0; end--) {
    const value = load<f32>(values + <usize>end * 4), index = load<i32>(indices + <usize>end * 4);
    put(values, indices, end, load<f32>(values), load<i32>(indices));
    sink(values, indices, 0, end, value, index);
  }
}

/** Of numbers without NaN. One tile is a block of rows. */
export function topK(args: TopKArgs, tile: i32): void {
  const n = args.n, k = args.k, end = min32(args.rows, (tile + 1) * args.block);
  for (let r = tile * args.block; r < end; r++) {
    const to = <usize>r * <usize>k * 4;
    const x = <usize>args.x + <usize>r * <usize>n * 4;
    topOfRow(x, n, <usize>args.values + to, <usize>args.indices + to, k);
  }
}
