/**
 * Helpers that every kernel uses, and functions of four numbers at once. Addresses are `usize`
 * bytes into the one shared memory.
 *
 * The exponentials are accurate to about two units in the last place. NaN stays NaN, overflow gives
 * infinity, underflow gives a denormal number and then 0. Coefficients: Cephes (Moshier), expf.c
 * and tanhf.c.
 */
/** a · b + c: one fused instruction in the relaxed build, two roundings in the plain one. */
// @ts-ignore: decorator
@inline
export function madd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(f32x4.mul(a, b), c);
}

// @ts-ignore: decorator
@inline
export function min32(a: i32, b: i32): i32 {
  return a < b ? a : b;
}

// @ts-ignore: decorator
@inline
export function max32(a: i32, b: i32): i32 {
  return a > b ? a : b;
}

/** Four numbers, or one: loops take the last numbers of a row singly. */
// @ts-ignore: decorator
@inline
export function get(at: usize, count: i32): v128 {
  return count == 4 ? v128.load(at) : v128.load32_zero(at);
}

/** Stores four numbers, or the first. */
// @ts-ignore: decorator
@inline
export function put(at: usize, v: v128, count: i32): void {
  if (count == 4) v128.store(at, v);
  else store<f32>(at, f32x4.extract_lane(v, 0));
}

/** The sum of the four numbers. */
// @ts-ignore: decorator
@inline
export function total(v: v128): f64 {
  const low = f64x2.promote_low_f32x4(v);
  const sum = f64x2.add(low, f64x2.promote_low_f32x4(v128.shuffle<i64>(v, v, 1, 1)));
  return f64x2.extract_lane(sum, 0) + f64x2.extract_lane(sum, 1);
}

// @ts-ignore: decorator
@inline
function splat(value: f32): v128 {
  return f32x4.splat(value);
}

/** 2ⁿ for integers n in [-126, 127]. */
// @ts-ignore: decorator
@inline
function powerOfTwo(n: v128): v128 {
  return i32x4.shl(i32x4.add(n, i32x4.splat(127)), 23);
}

/** x / ln 2, rounded to the nearest integer. */
// @ts-ignore: decorator
@inline
function halvings(x: v128): v128 {
  return f32x4.nearest(f32x4.mul(x, splat(1.44269504)));
}

/** eʳ - 1 for r = x - n ln 2. ln 2 is split in two parts so that the first times n is exact. */
// @ts-ignore: decorator
@inline
function expRest(x: v128, n: v128): v128 {
  const r = madd(n, splat(2.12194440e-4), madd(n, splat(-0.693359375), x));
  let p = madd(r, splat(1.9875691500e-4), splat(1.3981999507e-3));
  p = madd(p, r, splat(8.3334519073e-3));
  p = madd(p, r, splat(4.1665795894e-2));
  p = madd(p, r, splat(1.6666665459e-1));
  p = madd(p, r, splat(5.0000001201e-1));
  return madd(p, f32x4.mul(r, r), r);
}

/** eˣ. */
// @ts-ignore: decorator
@inline
export function exp4(x: v128): v128 {
  const bounded = f32x4.max(f32x4.min(x, splat(89)), splat(-104));
  const n = halvings(bounded);
  const y = f32x4.add(expRest(bounded, n), splat(1));
  // 2ⁿ as two factors, since n lies in [-150, 128].
  const whole = i32x4.trunc_sat_f32x4_s(n);
  const half = i32x4.shr_s(whole, 1);
  return f32x4.mul(f32x4.mul(y, powerOfTwo(half)), powerOfTwo(i32x4.sub(whole, half)));
}

/** eˣ - 1, accurate near 0. */
// @ts-ignore: decorator
@inline
export function expm14(x: v128): v128 {
  const bounded = f32x4.max(f32x4.min(x, splat(89)), splat(-30));
  const n = halvings(bounded);
  const half = powerOfTwo(i32x4.sub(i32x4.trunc_sat_f32x4_s(n), i32x4.splat(1)));
  const result = f32x4.add(f32x4.mul(half, expRest(bounded, n)), f32x4.sub(half, splat(0.5)));
  return f32x4.add(result, result);
}

/** 1 / (1 + e⁻ˣ), computed from e^-|x|, which cannot overflow. */
// @ts-ignore: decorator
@inline
export function sigmoid4(x: v128): v128 {
  const one = splat(1);
  const e = exp4(f32x4.neg(f32x4.abs(x)));
  return f32x4.div(v128.bitselect(e, one, f32x4.lt(x, splat(0))), f32x4.add(one, e));
}

// @ts-ignore: decorator
@inline
export function tanh4(x: v128): v128 {
  const one = splat(1), size = f32x4.abs(x), z = f32x4.mul(x, x);
  let p = madd(z, splat(-5.70498872745e-3), splat(2.06390887954e-2));
  p = madd(p, z, splat(-5.37397155531e-2));
  p = madd(p, z, splat(1.33314422036e-1));
  p = madd(p, z, splat(-3.33332819422e-1));
  const small = madd(f32x4.mul(p, z), x, x);
  const large = f32x4.sub(one, f32x4.div(splat(2), f32x4.add(exp4(f32x4.add(size, size)), one)));
  const signed = v128.bitselect(x, large, i32x4.splat(0x80000000));
  return v128.bitselect(small, signed, f32x4.lt(size, splat(0.625)));
}
