/**
 * The one-dimensional transforms of Winograd's minimal filtering with three taps, for tiles of
 * m = 4 outputs, F(4, 3), and of m = 3 outputs, F(3, 3).
 * Lavin & Gray 2015, https://arxiv.org/abs/1509.09308, section 4.3 gives the matrices B, G and A of
 * F(4, 3); those of F(3, 3) come from the points 0, 1, −1, 2 and infinity by the same construction.
 *
 * m = 2 is a whole image of two pixels with one pixel of padding on each side. It takes three
 * products instead of the four taps that meet data, as the product of a 2×2 Toeplitz matrix and a
 * vector (Karatsuba): y₀ = w₁(x₀ + x₁) + (w₂ − w₁)x₁, y₁ = w₁(x₀ + x₁) + (w₀ − w₁)x₀.
 *
 * Callers pass `m` as a constant, so that the compiler keeps one branch of each function.
 */
import { madd } from './simd';

/** Planes along one axis: the number of values that a tile's axis is transformed to. */
// @ts-ignore: decorator
@inline
export function countPlanes(m: i32): i32 {
  return m == 2 ? 3 : m + 2;
}

/** Pixels of the source along one axis of a tile. */
// @ts-ignore: decorator
@inline
export function patchSize(m: i32): i32 {
  return m == 2 ? 2 : m + 2;
}

// @ts-ignore: decorator
@inline
function times(k: f32, v: v128): v128 {
  return f32x4.mul(f32x4.splat(k), v);
}

/** a + k·b */
// @ts-ignore: decorator
@inline
function plus(a: v128, k: f32, b: v128): v128 {
  return madd(f32x4.splat(k), b, a);
}

/** out = Bᵀ · in: a patch's vectors, `step` bytes apart, to planes. */
// @ts-ignore: decorator
@inline
export function inputTransform(
  m: i32, source: usize, step: usize, out: usize, outStep: usize,
): void {
  const d0 = v128.load(source), d1 = v128.load(source + step);
  if (m == 2) {
    v128.store(out, f32x4.add(d0, d1));
    v128.store(out + outStep, d1);
    v128.store(out + 2 * outStep, d0);
    return;
  }
  const d2 = v128.load(source + 2 * step),
    d3 = v128.load(source + 3 * step),
    d4 = v128.load(source + 4 * step);
  if (m == 3) {
    v128.store(out, plus(plus(d3, 2, f32x4.sub(d0, d2)), -1, d1));
    v128.store(out + outStep, plus(f32x4.sub(d3, d2), -2, d1));
    v128.store(out + 2 * outStep, plus(plus(d3, 2, d1), -3, d2));
    v128.store(out + 3 * outStep, f32x4.sub(d3, d1));
    v128.store(out + 4 * outStep, f32x4.sub(plus(d4, 2, f32x4.sub(d1, d3)), d2));
    return;
  }
  const d5 = v128.load(source + 5 * step);
  const even = plus(d4, -4, d2), odd = plus(d3, -4, d1);
  const half = f32x4.sub(d4, d2), twice = times(2, f32x4.sub(d3, d1));
  v128.store(out, plus(plus(d4, -5, d2), 4, d0));
  v128.store(out + outStep, f32x4.add(even, odd));
  v128.store(out + 2 * outStep, f32x4.sub(even, odd));
  v128.store(out + 3 * outStep, f32x4.add(half, twice));
  v128.store(out + 4 * outStep, f32x4.sub(half, twice));
  v128.store(out + 5 * outStep, plus(plus(d5, -5, d3), 4, d1));
}

/** out = Aᵀ · in: planes to m vectors. */
// @ts-ignore: decorator
@inline
export function outputTransform(
  m: i32, source: usize, step: usize, out: usize, outStep: usize,
): void {
  const m0 = v128.load(source), m1 = v128.load(source + step), m2 = v128.load(source + 2 * step);
  if (m == 2) {
    v128.store(out, f32x4.add(m0, m1));
    v128.store(out + outStep, f32x4.add(m0, m2));
    return;
  }
  const m3 = v128.load(source + 3 * step), m4 = v128.load(source + 4 * step);
  const sum1 = f32x4.add(m1, m2), difference1 = f32x4.sub(m1, m2);
  if (m == 3) {
    v128.store(out, f32x4.add(f32x4.add(m0, sum1), m3));
    v128.store(out + outStep, plus(difference1, 2, m3));
    v128.store(out + 2 * outStep, f32x4.add(plus(sum1, 4, m3), m4));
    return;
  }
  const sum2 = f32x4.add(m3, m4), difference2 = f32x4.sub(m3, m4);
  v128.store(out, f32x4.add(m0, f32x4.add(sum1, sum2)));
  v128.store(out + outStep, plus(difference1, 2, difference2));
  v128.store(out + 2 * outStep, plus(sum1, 4, sum2));
  v128.store(
    out + 3 * outStep, f32x4.add(v128.load(source + 5 * step), plus(difference1, 8, difference2)),
  );
}

/** out = G · (g0, g1, g2): three taps to planes. */
// @ts-ignore: decorator
@inline
export function filterTransform(
  m: i32, g0: v128, g1: v128, g2: v128, out: usize, step: usize,
): void {
  if (m == 2) {
    v128.store(out, g1);
    v128.store(out + step, f32x4.sub(g2, g1));
    v128.store(out + 2 * step, f32x4.sub(g0, g1));
    return;
  }
  const sixth = times(1.0 / 6.0, g1);
  if (m == 3) {
    const ends = f32x4.add(g0, g2);
    v128.store(out, times(0.5, g0));
    v128.store(out + step, times(-0.5, f32x4.add(ends, g1)));
    v128.store(out + 2 * step, plus(sixth, -1.0 / 6.0, ends));
    v128.store(out + 3 * step, plus(plus(f32x4.add(sixth, sixth), 1.0 / 6.0, g0), 2.0 / 3.0, g2));
    v128.store(out + 4 * step, g2);
    return;
  }
  const sum = times(-1.0 / 6.0, f32x4.add(g0, g2));
  const outer = plus(times(1.0 / 6.0, g2), 1.0 / 24.0, g0);
  const twelfth = times(1.0 / 12.0, g1);
  v128.store(out, times(0.25, g0));
  v128.store(out + step, f32x4.sub(sum, sixth));
  v128.store(out + 2 * step, f32x4.add(sum, sixth));
  v128.store(out + 3 * step, f32x4.add(outer, twelfth));
  v128.store(out + 4 * step, f32x4.sub(outer, twelfth));
  v128.store(out + 5 * step, g2);
}

/** out = A · in, for the filter's gradient: m vectors of the output's gradient to planes. */
// @ts-ignore: decorator
@inline
export function gradientTransform(
  m: i32, source: usize, step: usize, out: usize, outStep: usize,
): void {
  const d0 = v128.load(source), d1 = v128.load(source + step);
  if (m == 2) {
    v128.store(out, f32x4.add(d0, d1));
    v128.store(out + outStep, d0);
    v128.store(out + 2 * outStep, d1);
    return;
  }
  const d2 = v128.load(source + 2 * step);
  v128.store(out, d0);
  if (m == 3) {
    const ends = f32x4.add(d0, d2);
    v128.store(out + outStep, f32x4.add(ends, d1));
    v128.store(out + 2 * outStep, f32x4.sub(ends, d1));
    v128.store(out + 3 * outStep, plus(plus(d0, 4, d2), 2, d1));
    v128.store(out + 4 * outStep, d2);
    return;
  }
  const d3 = v128.load(source + 3 * step);
  const even1 = f32x4.add(d0, d2), odd1 = f32x4.add(d1, d3);
  const even2 = plus(d0, 4, d2), odd2 = plus(f32x4.add(d1, d1), 8, d3);
  v128.store(out + outStep, f32x4.add(even1, odd1));
  v128.store(out + 2 * outStep, f32x4.sub(even1, odd1));
  v128.store(out + 3 * outStep, f32x4.add(even2, odd2));
  v128.store(out + 4 * outStep, f32x4.sub(even2, odd2));
  v128.store(out + 5 * outStep, d3);
}

/** out = Gᵀ · in, for the filter's gradient: planes to three taps. */
// @ts-ignore: decorator
@inline
export function filterBack(m: i32, source: usize, step: usize, out: usize, outStep: usize): void {
  const u0 = v128.load(source), u1 = v128.load(source + step), u2 = v128.load(source + 2 * step);
  if (m == 2) {
    v128.store(out, u2);
    v128.store(out + outStep, f32x4.sub(f32x4.sub(u0, u1), u2));
    v128.store(out + 2 * outStep, u1);
    return;
  }
  const u3 = v128.load(source + 3 * step), u4 = v128.load(source + 4 * step);
  if (m == 3) {
    const half = times(-0.5, u1), sixth = times(1.0 / 6.0, u2);
    v128.store(out, plus(plus(f32x4.sub(half, sixth), 0.5, u0), 1.0 / 6.0, u3));
    v128.store(out + outStep, plus(f32x4.add(half, sixth), 1.0 / 3.0, u3));
    v128.store(out + 2 * outStep, f32x4.add(plus(f32x4.sub(half, sixth), 2.0 / 3.0, u3), u4));
    return;
  }
  const near = times(1.0 / 6.0, f32x4.add(u1, u2));
  const far = f32x4.add(u3, u4);
  v128.store(out, f32x4.sub(plus(times(1.0 / 24.0, far), 0.25, u0), near));
  v128.store(
    out + outStep, plus(times(1.0 / 12.0, f32x4.sub(u3, u4)), 1.0 / 6.0, f32x4.sub(u2, u1)),
  );
  v128.store(
    out + 2 * outStep,
    f32x4.add(plus(v128.load(source + 5 * step), 1.0 / 6.0, far), times(-1, near)),
  );
}
