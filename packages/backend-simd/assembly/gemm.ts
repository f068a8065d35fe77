/** Blocks of a matrix product: packing B, filling pointer tables, calling the micro-kernels. */
import { microRows, MR, NR } from './micro';
import { min32 } from './simd';
import { scratch } from './threads';

/** Scratch memory begins with two tables of up to this many row pointers. */
export const MAX_ROWS: i32 = 512;

// @ts-ignore: decorator
@inline
export function aTable(): usize {
  return scratch();
}

// @ts-ignore: decorator
@inline
export function cTable(): usize {
  return scratch() + <usize>MAX_ROWS * 4;
}

/** The rest of the scratch memory, after the tables. */
// @ts-ignore: decorator
@inline
export function workspace(): usize {
  return scratch() + <usize>MAX_ROWS * 8;
}

/**
 * Pads both tables to a multiple of MR rows: the additional rows read `a` and write the spare row
 * `c`. @returns the number of rows, rounded up
 */
export function padTables(rows: i32, a: usize, c: usize): i32 {
  while (rows % MR) {
    store<u32>(aTable() + <usize>rows * 4, <u32>a);
    store<u32>(cTable() + <usize>rows * 4, <u32>c);
    rows++;
  }
  return rows;
}

/** With up to this many terms, two panels of B and six rows of A stay in the first-level cache. */
const PAIR_K: i32 = 128;

/**
 * C[rows][8 · panels] (+)= A[rows][k] · B, with the rows of A and C in the two tables. B is packed
 * in panels of eight columns, `panelStride` bytes apart.
 * A panel of 32 · k bytes stays in the first-level cache while it meets all rows; the rows stay in
 * the second-level cache.
 */
export function gemmRows(
  rows: i32, k: i32, b: usize, panels: i32, panelStride: usize, add: bool,
): void {
  const a = aTable();
  const c = cTable();
  let panel = 0;
  // Two panels fill one cache line of C, so take two at a time while both stay in the first-level
  // cache.
  if (k <= PAIR_K) {
    for (; panel + 2 <= panels; panel += 2) {
      for (let row = 0; row < rows; row += MR) {
        microRows(k, a + <usize>row * 4, b, c + <usize>row * 4, <usize>panel * 32, add);
        microRows(
          k, a + <usize>row * 4, b + panelStride, c + <usize>row * 4, <usize>panel * 32 + 32, add,
        );
      }
      b += 2 * panelStride;
    }
  }
  for (; panel < panels; panel++) {
    for (let row = 0; row < rows; row += MR) {
      microRows(k, a + <usize>row * 4, b, c + <usize>row * 4, <usize>panel * 32, add);
    }
    b += panelStride;
  }
}

/**
 * Packs one panel: out[k][8] = b[k · kStride + n · nStride] for n in [n0, n0 + 8), zero from
 * `columns` on. Strides are in floats.
 */
export function packPanel(
  b: usize, out: usize, k: i32, n0: i32, columns: i32, kStride: i32, nStride: i32,
): void {
  const width = min32(NR, columns - n0);
  const source = b + <usize>n0 * <usize>nStride * 4;
  const stepK = <usize>kStride * 4;
  const stepN = <usize>nStride * 4;
  if (width == NR && nStride == 1) return packContiguous(source, out, k, stepK);
  if (width == NR && kStride == 1) return packTransposed(source, out, k, stepN);
  for (let p = 0; p < k; p++) {
    for (let j = 0; j < NR; j++) {
      store<f32>(
        out + <usize>(p * NR + j) * 4,
        j < width ? load<f32>(source + <usize>p * stepK + <usize>j * stepN) : 0,
      );
    }
  }
}

function packContiguous(source: usize, out: usize, k: i32, stepK: usize): void {
  for (let p = 0; p < k; p++) {
    v128.store(out, v128.load(source));
    v128.store(out, v128.load(source, 16), 16);
    source += stepK;
    out += 32;
  }
}

/** Transposes eight source rows of k floats to k rows of eight. */
function packTransposed(source: usize, out: usize, k: i32, stepN: usize): void {
  let p = 0;
  for (; p + 4 <= k; p += 4) {
    transpose4(source + <usize>p * 4, stepN, out + <usize>p * 32, 32);
    transpose4(source + 4 * stepN + <usize>p * 4, stepN, out + <usize>p * 32 + 16, 32);
  }
  for (; p < k; p++) {
    for (let j = 0; j < NR; j++)
      store<f32>(
        out + <usize>(p * NR + j) * 4, load<f32>(source + <usize>p * 4 + <usize>j * stepN),
      );
  }
}

/** Transposes a 4×4 block. */
// @ts-ignore: decorator
@inline
export function transpose4(source: usize, sourceStride: usize, out: usize, outStride: usize): void {
  const r0 = v128.load(source);
  const r1 = v128.load(source + sourceStride);
  const r2 = v128.load(source + 2 * sourceStride);
  const r3 = v128.load(source + 3 * sourceStride);
  const t0 = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5);
  const t1 = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5);
  const t2 = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
  const t3 = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7);
  v128.store(out, v128.shuffle<f32>(t0, t1, 0, 1, 4, 5));
  v128.store(out + outStride, v128.shuffle<f32>(t0, t1, 2, 3, 6, 7));
  v128.store(out + 2 * outStride, v128.shuffle<f32>(t2, t3, 0, 1, 4, 5));
  v128.store(out + 3 * outStride, v128.shuffle<f32>(t2, t3, 2, 3, 6, 7));
}

/** out[j] = f(source[j] + bias[j]); bias 0: none; activation 0: none, 1: ReLU, 2: ReLU6. */
export function finishRow(
  source: usize, out: usize, columns: i32, bias: usize, activation: i32,
): void {
  let j = 0;
  const zero = f32x4.splat(0);
  for (; j + 4 <= columns; j += 4) {
    const at = <usize>j * 4;
    let v = v128.load(source + at);
    if (bias) v = f32x4.add(v, v128.load(bias + at));
    if (activation) v = f32x4.max(v, zero);
    if (activation == 2) v = f32x4.min(v, f32x4.splat(6));
    v128.store(out + at, v);
  }
  for (; j < columns; j++) {
    const at = <usize>j * 4;
    let v = load<f32>(source + at);
    if (bias) v += load<f32>(bias + at);
    if (activation) v = max<f32>(v, 0);
    if (activation == 2) v = min<f32>(v, 6);
    store<f32>(out + at, v);
  }
}
