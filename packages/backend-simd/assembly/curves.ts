/**
 * GELU (Hendrycks & Gimpel 2016, https://arxiv.org/abs/1606.08415), its approximation with tanh,
 * and SiLU, with their slopes. Φ is the normal distribution's cumulative function.
 */
import { exp4, madd, sigmoid4 } from './simd';

// @ts-ignore: decorator
@inline
function splat(value: f32): v128 {
  return f32x4.splat(value);
}

// @ts-ignore: decorator
@inline
function mul(a: v128, b: v128): v128 {
  return f32x4.mul(a, b);
}

/** e^(−x²/2), which Φ and its slope share. */
// @ts-ignore: decorator
@inline
function bell(x: v128): v128 {
  return exp4(mul(mul(x, x), splat(-0.5)));
}

/**
 * Φ(x) with an error below 1e-7. Abramowitz & Stegun 1964, 7.1.26, with x / √2 for x.
 * @param e e^(−x²/2)
 */
// @ts-ignore: decorator
@inline
function cumulative(x: v128, e: v128): v128 {
  const one = splat(1), t = f32x4.div(one, madd(f32x4.abs(x), splat(0.231641888), one));
  let p = madd(t, splat(0.5307027145), splat(-0.7265760135));
  p = madd(p, t, splat(0.7107068705));
  p = madd(p, t, splat(-0.142248368));
  p = madd(p, t, splat(0.127414796));
  const tail = mul(mul(p, t), e); // Φ(−|x|)
  return v128.bitselect(tail, f32x4.sub(one, tail), f32x4.lt(x, splat(0)));
}

// @ts-ignore: decorator
@inline
export function gelu4(x: v128): v128 {
  return mul(x, cumulative(x, bell(x)));
}

/** Φ(x) + x · φ(x) */
// @ts-ignore: decorator
@inline
export function geluSlope4(x: v128): v128 {
  const e = bell(x);
  return madd(mul(x, e), splat(0.3989422804), cumulative(x, e));
}

/** σ(2u) = (1 + tanh u) / 2 with u = √(2/π) · (x + 0.044715 x³) */
// @ts-ignore: decorator
@inline
function approximate(x: v128): v128 {
  return sigmoid4(mul(x, madd(mul(x, x), splat(0.0713548163), splat(1.5957691216))));
}

// @ts-ignore: decorator
@inline
export function geluTanh4(x: v128): v128 {
  return mul(x, approximate(x));
}

// @ts-ignore: decorator
@inline
export function geluTanhSlope4(x: v128): v128 {
  const s = approximate(x);
  const du = madd(mul(x, x), splat(0.2140644488), splat(1.5957691216));
  return madd(mul(x, du), mul(s, f32x4.sub(splat(1), s)), s);
}

// @ts-ignore: decorator
@inline
export function silu4(x: v128): v128 {
  return mul(x, sigmoid4(x));
}

// @ts-ignore: decorator
@inline
export function siluSlope4(x: v128): v128 {
  const s = sigmoid4(x);
  return madd(mul(x, s), f32x4.sub(splat(1), s), s);
}
