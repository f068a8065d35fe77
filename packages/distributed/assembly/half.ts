/**
 * Floats to halves and back, eight at a time, in blocks that src/mpi/half.ts copies in and out.
 * A half's bits, 13 places up, are a float that is 2^112 times smaller: the exponents' biases
 * differ by 112. So the processor's float multiplication also handles a half's subnormal numbers.
 */

const FLOATS: usize = 65536; // where a block's floats begin
const HALVES: usize = 65536 + 4 * 16384; // and its halves

// @ts-ignore: decorator
@inline
const DOWN: f32 = 1.9259299e-34; // 2^-112
// @ts-ignore: decorator
@inline
const UP: f32 = 5.192297e33; // 2^112

/** The bits of the largest size among `count` floats, a multiple of 8. */
export function largest(count: usize): i32 {
  const sign = i32x4.splat(0x7fffffff);
  let most = i32x4.splat(0);
  for (let i: usize = 0; i < count; i += 4) {
    most = i32x4.max_s(most, v128.and(v128.load(FLOATS + 4 * i), sign));
  }
  const a = max(i32x4.extract_lane(most, 0), i32x4.extract_lane(most, 1));
  return max(a, max(i32x4.extract_lane(most, 2), i32x4.extract_lane(most, 3)));
}

// @ts-ignore: decorator
@inline
function halvesOf(at: usize, scale: v128): v128 {
  const word = v128.load(at);
  const scaled = f32x4.mul(f32x4.mul(word, scale), f32x4.splat(DOWN));
  const size = v128.and(scaled, i32x4.splat(0x7fffffff));
  // To the nearest, and of two to the even one.
  const odd = v128.and(i32x4.shr_u(size, 13), i32x4.splat(1));
  const half = i32x4.shr_u(i32x4.add(i32x4.add(size, i32x4.splat(0xfff)), odd), 13);
  return v128.or(half, v128.and(i32x4.shr_u(word, 16), i32x4.splat(0x8000)));
}

/** Rounds `count` floats times `scale`, which are at most 2^15 in size, to halves. */
export function encode(count: usize, scale: f32): void {
  const by = f32x4.splat(scale);
  for (let i: usize = 0; i < count; i += 8) {
    const low = halvesOf(FLOATS + 4 * i, by);
    const high = halvesOf(FLOATS + 4 * i + 16, by);
    v128.store(HALVES + 2 * i, i16x8.narrow_i32x4_u(low, high));
  }
}

// @ts-ignore: decorator
@inline
function floatsOf(half: v128, scale: v128): v128 {
  const size = i32x4.shl(v128.and(half, i32x4.splat(0x7fff)), 13);
  const sign = i32x4.shl(v128.and(half, i32x4.splat(0x8000)), 16);
  return f32x4.mul(f32x4.mul(v128.or(size, sign), f32x4.splat(UP)), scale);
}

/** The floats of `count` halves times `scale`, added to those that are there where `add`. */
export function decode(count: usize, scale: f32, add: bool): void {
  const by = f32x4.splat(scale);
  for (let i: usize = 0; i < count; i += 8) {
    const halves = v128.load(HALVES + 2 * i);
    let low = floatsOf(i32x4.extend_low_i16x8_u(halves), by);
    let high = floatsOf(i32x4.extend_high_i16x8_u(halves), by);
    const at = FLOATS + 4 * i;
    if (add) {
      low = f32x4.add(v128.load(at), low);
      high = f32x4.add(v128.load(at + 16), high);
    }
    v128.store(at, low);
    v128.store(at + 16, high);
  }
}
