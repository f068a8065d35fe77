/**
 * Register-blocked inner loops. Blocking: Goto & van de Geijn 2008, Anatomy of High-Performance
 * Matrix Multiplication.
 */
import { madd } from './simd';

/**
 * Rows of C that one call computes: twelve accumulators, two vectors of B and one of A take all the
 * registers that V8 allocates. V8 orders a loop's arithmetic by the order of its variables, and
 * binaryen orders those by how often they are used. So the loops are not unrolled and every
 * accumulator is used equally often; otherwise half of them are spilled to the stack, and the speed
 * drops to a third.
 */
export const MR: i32 = 6;
/** Columns of C that one call computes. */
export const NR: i32 = 8;

/**
 * C[6][8] (+)= A[6][k] · B[k][8]. The rows of A and C are found through tables of six pointers, so
 * a row may lie anywhere. This makes convolution without im2col possible (Dukhan 2019, The Indirect
 * Convolution Algorithm).
 * @param add whether to add to C or to overwrite it
 */
export function microRows(
  k: i32, aRows: usize, b: usize, cRows: usize, cOffset: usize, add: bool,
): void {
  let a0 = <usize>load<u32>(aRows);
  let a1 = <usize>load<u32>(aRows, 4);
  let a2 = <usize>load<u32>(aRows, 8);
  let a3 = <usize>load<u32>(aRows, 12);
  let a4 = <usize>load<u32>(aRows, 16);
  let a5 = <usize>load<u32>(aRows, 20);
  const to0 = <usize>load<u32>(cRows) + cOffset;
  const to1 = <usize>load<u32>(cRows, 4) + cOffset;
  const to2 = <usize>load<u32>(cRows, 8) + cOffset;
  const to3 = <usize>load<u32>(cRows, 12) + cOffset;
  const to4 = <usize>load<u32>(cRows, 16) + cOffset;
  const to5 = <usize>load<u32>(cRows, 20) + cOffset;
  let c00: v128, c01: v128, c10: v128, c11: v128, c20: v128, c21: v128;
  let c30: v128, c31: v128, c40: v128, c41: v128, c50: v128, c51: v128;
  if (add) {
    c00 = v128.load(to0); c01 = v128.load(to0, 16);
    c10 = v128.load(to1); c11 = v128.load(to1, 16);
    c20 = v128.load(to2); c21 = v128.load(to2, 16);
    c30 = v128.load(to3); c31 = v128.load(to3, 16);
    c40 = v128.load(to4); c41 = v128.load(to4, 16);
    c50 = v128.load(to5); c51 = v128.load(to5, 16);
  } else {
    c00 = f32x4.splat(0); c01 = f32x4.splat(0);
    c10 = f32x4.splat(0); c11 = f32x4.splat(0);
    c20 = f32x4.splat(0); c21 = f32x4.splat(0);
    c30 = f32x4.splat(0); c31 = f32x4.splat(0);
    c40 = f32x4.splat(0); c41 = f32x4.splat(0);
    c50 = f32x4.splat(0); c51 = f32x4.splat(0);
  }
  let s: v128;
  for (let n = k; n > 0; n--) {
    const p = v128.load(b), q = v128.load(b, 16);
    s = v128.load_splat<f32>(a0); c00 = madd(s, p, c00); c01 = madd(s, q, c01);
    s = v128.load_splat<f32>(a1); c10 = madd(s, p, c10); c11 = madd(s, q, c11);
    s = v128.load_splat<f32>(a2); c20 = madd(s, p, c20); c21 = madd(s, q, c21);
    s = v128.load_splat<f32>(a3); c30 = madd(s, p, c30); c31 = madd(s, q, c31);
    s = v128.load_splat<f32>(a4); c40 = madd(s, p, c40); c41 = madd(s, q, c41);
    s = v128.load_splat<f32>(a5); c50 = madd(s, p, c50); c51 = madd(s, q, c51);
    a0 += 4; a1 += 4; a2 += 4; a3 += 4; a4 += 4; a5 += 4;
    b += 32;
  }
  v128.store(to0, c00); v128.store(to0, c01, 16);
  v128.store(to1, c10); v128.store(to1, c11, 16);
  v128.store(to2, c20); v128.store(to2, c21, 16);
  v128.store(to3, c30); v128.store(to3, c31, 16);
  v128.store(to4, c40); v128.store(to4, c41, 16);
  v128.store(to5, c50); v128.store(to5, c51, 16);
}

/**
 * C[6][8] (+)= Aᵀ · B where A is [k][≥ 6], `aStride` bytes between its rows: the product of the
 * filter's gradient, whose sum runs over pixels.
 */
export function microColumns(
  k: i32, a: usize, aStride: usize, b: usize, c: usize, cStride: usize, add: bool,
): void {
  const to0 = c;
  const to1 = c + cStride;
  const to2 = c + 2 * cStride;
  const to3 = c + 3 * cStride;
  const to4 = c + 4 * cStride;
  const to5 = c + 5 * cStride;
  let c00: v128, c01: v128, c10: v128, c11: v128, c20: v128, c21: v128;
  let c30: v128, c31: v128, c40: v128, c41: v128, c50: v128, c51: v128;
  if (add) {
    c00 = v128.load(to0); c01 = v128.load(to0, 16);
    c10 = v128.load(to1); c11 = v128.load(to1, 16);
    c20 = v128.load(to2); c21 = v128.load(to2, 16);
    c30 = v128.load(to3); c31 = v128.load(to3, 16);
    c40 = v128.load(to4); c41 = v128.load(to4, 16);
    c50 = v128.load(to5); c51 = v128.load(to5, 16);
  } else {
    c00 = f32x4.splat(0); c01 = f32x4.splat(0);
    c10 = f32x4.splat(0); c11 = f32x4.splat(0);
    c20 = f32x4.splat(0); c21 = f32x4.splat(0);
    c30 = f32x4.splat(0); c31 = f32x4.splat(0);
    c40 = f32x4.splat(0); c41 = f32x4.splat(0);
    c50 = f32x4.splat(0); c51 = f32x4.splat(0);
  }
  let s: v128;
  for (let n = k; n > 0; n--) {
    const p = v128.load(b), q = v128.load(b, 16);
    s = v128.load_splat<f32>(a); c00 = madd(s, p, c00); c01 = madd(s, q, c01);
    s = v128.load_splat<f32>(a, 4); c10 = madd(s, p, c10); c11 = madd(s, q, c11);
    s = v128.load_splat<f32>(a, 8); c20 = madd(s, p, c20); c21 = madd(s, q, c21);
    s = v128.load_splat<f32>(a, 12); c30 = madd(s, p, c30); c31 = madd(s, q, c31);
    s = v128.load_splat<f32>(a, 16); c40 = madd(s, p, c40); c41 = madd(s, q, c41);
    s = v128.load_splat<f32>(a, 20); c50 = madd(s, p, c50); c51 = madd(s, q, c51);
    a += aStride;
    b += 32;
  }
  v128.store(to0, c00); v128.store(to0, c01, 16);
  v128.store(to1, c10); v128.store(to1, c11, 16);
  v128.store(to2, c20); v128.store(to2, c21, 16);
  v128.store(to3, c30); v128.store(to3, c31, 16);
  v128.store(to4, c40); v128.store(to4, c41, 16);
  v128.store(to5, c50); v128.store(to5, c51, 16);
}
