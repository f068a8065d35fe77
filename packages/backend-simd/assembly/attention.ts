/**
 * Scaled dot-product attention without the whole matrix of scores (Dao et al. 2022, FlashAttention,
 * https://arxiv.org/abs/2205.14135). The keys come in blocks. The forward pass keeps each query's
 * largest score and the sum of e^(score − largest); the backward pass computes the scores again,
 * from log Σ e^score.
 */
import { aTable, cTable, gemmRows, packPanel, workspace } from './gemm';
import { product } from './conv-filter';
import { MR, NR } from './micro';
import { exp4, get, madd, max32, min32, put, total } from './simd';

/** Keys of a block: a multiple of MR and NR. */
const KEYS: i32 = 192;
const SCORES_STEP: usize = <usize>KEYS * 4;
/** Queries that meet a block of keys at once: a multiple of MR. */
const QUERIES: i32 = 48;

@unmanaged
export class AttentionArgs {
  q: u32; k: u32; v: u32; //    rows of dim, dim and valueDim
  mask: u32; //                 added to the scores, −∞ hides a key; or 0
  out: u32; //                  rows of valueDim
  logSum: u32; //               [batch][heads][queries] log Σ e^score; ∞ where no key is visible
  dy: u32; dq: u32; dk: u32; dv: u32;
  heads: i32; queries: i32; keys: i32; dim: i32; valueDim: i32;
  // Strides in floats. Gradients have those of their tensors.
  qBatch: i32; qHead: i32; qRow: i32;
  kBatch: i32; kHead: i32; kRow: i32;
  vBatch: i32; vHead: i32; vRow: i32;
  outBatch: i32; outHead: i32; outRow: i32;
  maskBatch: i32; maskHead: i32; maskRow: i32; // 0 to broadcast
  rowBlock: i32; rowBlocks: i32; // forward: queries of a tile
  causal: i32; //               query t sees the keys 0 to t
  scale: f32;
}

// @ts-ignore: decorator
@inline
function floats(count: i32): usize {
  return <usize>count * 4;
}

// @ts-ignore: decorator
@inline
function wholePanels(columns: i32): i32 {
  return (columns + NR - 1) / NR;
}

/** Where the rows of one head of a sample begin, in bytes. */
// @ts-ignore: decorator
@inline
function startOf(args: AttentionArgs, matrix: i32, batchStep: i32, headStep: i32): usize {
  return floats((matrix / args.heads) * batchStep + (matrix % args.heads) * headStep);
}

/** Address of the mask's row for a query, from key `k0` on; 0 without a mask. */
function maskAt(args: AttentionArgs, matrix: i32, query: i32, k0: i32): usize {
  if (!args.mask) return 0;
  const start = startOf(args, matrix, args.maskBatch, args.maskHead);
  return <usize>args.mask + start + floats(query * args.maskRow + k0);
}

/** Keys of a block from `k0` on that a query sees. */
function visibleKeys(args: AttentionArgs, query: i32, k0: i32): i32 {
  const count = min32(KEYS, args.keys - k0);
  return args.causal ? max32(0, min32(count, query - k0 + 1)) : count;
}

/** Packs all panels of a matrix [k][columns]. Strides are in floats. */
function packAll(b: usize, out: usize, k: i32, columns: i32, kStride: i32, nStride: i32): void {
  for (let n = 0; n < columns; n += NR, out += floats(k * NR))
    packPanel(b, out, k, n, columns, kStride, nStride);
}

/** out[rows][columns] = a[rows][k] · panels. `out` has room for rows up to a multiple of MR. */
function rowsProduct(
  rows: i32, a: usize, aStep: usize, k: i32, panels: usize, panelStep: usize, columns: i32,
  out: usize, outStep: usize,
): void {
  let padded = 0;
  for (; padded < rows || padded % MR; padded++) {
    const at = <usize>padded * 4;
    store<u32>(aTable() + at, <u32>(a + <usize>(padded < rows ? padded : 0) * aStep));
    store<u32>(cTable() + at, <u32>(out + <usize>padded * outStep));
  }
  gemmRows(padded, k, panels, wholePanels(columns), panelStep, false);
}

/** A score, scaled and masked. */
// @ts-ignore: decorator
@inline
function scoreAt(s: usize, at: usize, count: i32, scale: v128, mask: usize): v128 {
  const v = f32x4.mul(get(s + at, count), scale);
  if (!mask) return v;
  const none = f32x4.splat(-f32.POSITIVE_INFINITY), m = get(mask + at, count);
  return v128.bitselect(none, f32x4.add(v, m), f32x4.eq(m, none));
}

/** e^(score − shift), and 0 for a hidden key in a row with NaN, too. */
// @ts-ignore: decorator
@inline
function weightOf(score: v128, shift: v128): v128 {
  const isHidden = f32x4.eq(score, f32x4.splat(-f32.POSITIVE_INFINITY));
  return v128.andnot(exp4(f32x4.sub(score, shift)), isHidden);
}

// @ts-ignore: decorator
@inline
function hideRest(row: usize, visible: i32, limit: i32): void {
  if (limit > visible) memory.fill(row + floats(visible), 0, floats(limit - visible));
}

/** Scales and masks a row of scores. @returns the largest, or `most` if that is larger */
function scoreRow(s: usize, visible: i32, scale: f32, mask: usize, most: f32): f32 {
  const factor = f32x4.splat(scale);
  let top = f32x4.splat(most);
  for (let j = 0, count = 0; j < visible; j += count) {
    count = visible - j >= 4 ? 4 : 1;
    const v = scoreAt(s, floats(j), count, factor, mask);
    put(s + floats(j), v, count);
    top = f32x4.max(top, count == 4 ? v : f32x4.splat(f32x4.extract_lane(v, 0)));
  }
  const pairs = f32x4.max(top, v128.shuffle<i64>(top, top, 1, 1));
  return max<f32>(f32x4.extract_lane(pairs, 0), f32x4.extract_lane(pairs, 1));
}

/** Replaces a row of scores by e^(score − shift). @returns the sum */
function weighRow(s: usize, visible: i32, shift: f32): f64 {
  const by = f32x4.splat(shift);
  let sum = f32x4.splat(0), rest: f64 = 0;
  for (let j = 0, count = 0; j < visible; j += count) {
    count = visible - j >= 4 ? 4 : 1;
    const p = weightOf(get(s + floats(j), count), by);
    put(s + floats(j), p, count);
    if (count == 4) sum = f32x4.add(sum, p);
    else rest += <f64>f32x4.extract_lane(p, 0);
  }
  return total(sum) + rest;
}

/** One tile: some queries of one head. */
export function attention(args: AttentionArgs, tile: i32): void {
  const matrix = tile / args.rowBlocks, first = tile % args.rowBlocks * args.rowBlock;
  const end = min32(args.queries, first + args.rowBlock), dim = args.dim, width = args.valueDim;
  const wide = floats(wholePanels(width) * NR), dimBytes = floats(dim);
  const q = <usize>args.q + startOf(args, matrix, args.qBatch, args.qHead);
  const k = <usize>args.k + startOf(args, matrix, args.kBatch, args.kHead);
  const v = <usize>args.v + startOf(args, matrix, args.vBatch, args.vHead);
  const y = <usize>args.out + startOf(args, matrix, args.outBatch, args.outHead);
  const qStep = floats(args.qRow), outStep = floats(args.outRow);
  const keyPanels = workspace();
  const valuePanels = keyPanels + <usize>KEYS * dimBytes;
  const scores = valuePanels + <usize>KEYS * wide; //  [QUERIES][KEYS]
  const sums = scores + <usize>QUERIES * SCORES_STEP; // [QUERIES][wide]
  const factors = sums + <usize>QUERIES * wide; //     [QUERIES] of what was summed up before
  const largest = factors + floats(QUERIES); //        [rowBlock] of the scores so far
  const weights = largest + floats(args.rowBlock); //  [rowBlock] Σ e^(score − largest)
  const none = -f32.POSITIVE_INFINITY;
  for (let k0 = 0; k0 < args.keys; k0 += KEYS) {
    const count = min32(KEYS, args.keys - k0), isFirst = k0 == 0;
    if (visibleKeys(args, end - 1, k0) == 0) break;
    packAll(k + floats(k0 * args.kRow), keyPanels, dim, count, 1, args.kRow);
    packAll(v + floats(k0 * args.vRow), valuePanels, count, width, args.vRow, 1);
    for (let r0 = first; r0 < end; r0 += QUERIES) {
      const rows = min32(QUERIES, end - r0), limit = visibleKeys(args, r0 + rows - 1, k0);
      if (limit == 0) continue;
      rowsProduct(
        rows, q + <usize>r0 * qStep, qStep, dim, keyPanels, dimBytes * NR, limit, scores,
        SCORES_STEP,
      );
      for (let i = 0; i < rows; i++) {
        const s = scores + <usize>i * SCORES_STEP, row = r0 + i, place = floats(row - first);
        const visible = visibleKeys(args, row, k0);
        const old = isFirst ? none : load<f32>(largest + place);
        const most = scoreRow(s, visible, args.scale, maskAt(args, matrix, row, k0), old);
        const shift: f32 = most == none ? 0 : most;
        let weight = weighRow(s, visible, shift);
        hideRest(s, visible, limit);
        const factor: f32 = isFirst
          ? 0 : f32x4.extract_lane(exp4(f32x4.splat(old - shift)), 0);
        if (!isFirst) weight += <f64>(load<f32>(weights + place) * factor);
        store<f32>(factors + floats(i), factor);
        store<f32>(largest + place, most);
        store<f32>(weights + place, <f32>weight);
      }
      rowsProduct(
        rows, scores, SCORES_STEP, limit, valuePanels, floats(count * NR), width, sums, wide,
      );
      for (let i = 0; i < rows; i++) {
        const row = r0 + i, next = k0 + KEYS;
        if (visibleKeys(args, row, k0) == 0) continue; // its last block was an earlier one
        const isLast = next >= args.keys || visibleKeys(args, row, next) == 0;
        const place = <usize>(matrix * args.queries + row);
        const weight = load<f32>(weights + floats(row - first));
        const most = load<f32>(largest + floats(row - first));
        const by = f32x4.splat(!isLast ? 1 : weight == 0 ? 0 : 1 / weight);
        const before = v128.load_splat<f32>(factors + floats(i));
        // A query that sees no key gets no gradient.
        const logSum = weight == 0 ? f32.POSITIVE_INFINITY : most + <f32>Math.log(<f64>weight);
        if (isLast) store<f32>(<usize>args.logSum + place * 4, logSum);
        const out = y + <usize>row * outStep, from = sums + <usize>i * wide;
        for (let j = 0, some = 0; j < width; j += some) {
          some = width - j >= 4 ? 4 : 1;
          let sum = get(from + floats(j), some);
          if (!isFirst) sum = madd(get(out + floats(j), some), before, sum);
          put(out + floats(j), f32x4.mul(sum, by), some);
        }
      }
    }
  }
}

/** Σ a · b of two rows. */
function dot(a: usize, b: usize, n: i32): f64 {
  let sum = f32x4.splat(0);
  for (let j = 0, count = 0; j < n; j += count) {
    count = n - j >= 4 ? 4 : 1;
    sum = madd(get(a + floats(j), count), get(b + floats(j), count), sum);
  }
  return total(sum);
}

/**
 * Of one query: scores become weights p, and the weights' gradients those of the scores,
 * p · (dp − Σ p · dp) · scale. The sum is `mean`, that of dy · y.
 */
function slopeRow(
  p: usize, ds: usize, visible: i32, scale: f32, mask: usize, logSum: f32, mean: f32,
): void {
  const factor = f32x4.splat(scale), shift = f32x4.splat(logSum), middle = f32x4.splat(mean);
  for (let j = 0, count = 0; j < visible; j += count) {
    count = visible - j >= 4 ? 4 : 1;
    const at = floats(j);
    const weight = weightOf(scoreAt(p, at, count, factor, mask), shift);
    put(p + at, weight, count);
    const slope = f32x4.mul(weight, f32x4.sub(get(ds + at, count), middle));
    put(ds + at, f32x4.mul(slope, factor), count);
  }
}

/** One tile is one head. */
export function attentionGradient(args: AttentionArgs, tile: i32): void {
  const dim = args.dim, width = args.valueDim, keys = args.keys, queries = args.queries;
  const dimBytes = floats(dim), widthBytes = floats(width);
  const wide = floats(wholePanels(width) * NR), wideDim = floats(wholePanels(dim) * NR);
  const qStart = startOf(args, tile, args.qBatch, args.qHead);
  const kStart = startOf(args, tile, args.kBatch, args.kHead);
  const vStart = startOf(args, tile, args.vBatch, args.vHead);
  const outStart = startOf(args, tile, args.outBatch, args.outHead);
  const q = <usize>args.q + qStart, dq = <usize>args.dq + qStart, qStep = floats(args.qRow);
  const k = <usize>args.k + kStart, dk = <usize>args.dk + kStart, kStep = floats(args.kRow);
  const v = <usize>args.v + vStart, dv = <usize>args.dv + vStart, vStep = floats(args.vRow);
  const y = <usize>args.out + outStart, dy = <usize>args.dy + outStart;
  const outStep = floats(args.outRow), logSums = <usize>args.logSum + floats(tile * queries);
  const keyPanels = workspace(); //                              of kᵀ
  const valuePanels = keyPanels + <usize>KEYS * dimBytes; //     of vᵀ
  const keyRows = valuePanels + <usize>KEYS * widthBytes; //     of k
  const queryPanels = keyRows + <usize>KEYS * wideDim; //        of q
  const changePanels = queryPanels + <usize>QUERIES * wideDim; // of dy
  const weights = changePanels + <usize>QUERIES * wide; //       [QUERIES][KEYS]
  const slopes = weights + <usize>QUERIES * SCORES_STEP; //      [QUERIES][KEYS]
  const sums = slopes + <usize>QUERIES * SCORES_STEP; //         [QUERIES][wideDim]
  const edge = sums + <usize>QUERIES * wideDim;
  for (let row: usize = 0; row < <usize>keys; row++) {
    memory.fill(dk + row * kStep, 0, dimBytes);
    memory.fill(dv + row * vStep, 0, widthBytes);
  }
  for (let k0 = 0; k0 < keys; k0 += KEYS) {
    const count = min32(KEYS, keys - k0);
    const key = k + <usize>k0 * kStep, dKey = dk + <usize>k0 * kStep;
    const value = v + <usize>k0 * vStep, dValue = dv + <usize>k0 * vStep;
    packAll(key, keyPanels, dim, count, 1, args.kRow);
    packAll(value, valuePanels, width, count, 1, args.vRow);
    packAll(key, keyRows, count, dim, args.kRow, 1);
    for (let r0 = 0; r0 < queries; r0 += QUERIES) {
      const rows = min32(QUERIES, queries - r0), limit = visibleKeys(args, r0 + rows - 1, k0);
      if (limit == 0) continue;
      const query = q + <usize>r0 * qStep, change = dy + <usize>r0 * outStep;
      rowsProduct(rows, query, qStep, dim, keyPanels, dimBytes * NR, limit, weights, SCORES_STEP);
      rowsProduct(
        rows, change, outStep, width, valuePanels, widthBytes * NR, limit, slopes, SCORES_STEP,
      );
      for (let i = 0; i < rows; i++) {
        const row = r0 + i, visible = visibleKeys(args, row, k0);
        const p = weights + <usize>i * SCORES_STEP, ds = slopes + <usize>i * SCORES_STEP;
        const mean = <f32>dot(change + <usize>i * outStep, y + <usize>row * outStep, width);
        const logSum = load<f32>(logSums + floats(row));
        slopeRow(p, ds, visible, args.scale, maskAt(args, tile, row, k0), logSum, mean);
        hideRest(p, visible, limit);
        hideRest(ds, visible, limit);
      }
      packAll(change, changePanels, rows, width, args.outRow, 1);
      packAll(query, queryPanels, rows, dim, args.qRow, 1);
      const panelStep = floats(rows * NR);
      product(
        rows, weights, SCORES_STEP, limit, changePanels, panelStep, width, dValue, vStep, edge,
        true,
      );
      product(
        rows, slopes, SCORES_STEP, limit, queryPanels, panelStep, dim, dKey, kStep, edge, true,
      );
      rowsProduct(
        rows, slopes, SCORES_STEP, limit, keyRows, floats(count * NR), dim, sums, wideDim,
      );
      for (let i = 0; i < rows; i++) {
        const to = dq + <usize>(r0 + i) * qStep, from = sums + <usize>i * wideDim;
        for (let j = 0, some = 0; j < dim; j += some) {
          some = dim - j >= 4 ? 4 : 1;
          const sum = get(from + floats(j), some);
          put(to + floats(j), k0 ? f32x4.add(get(to + floats(j), some), sum) : sum, some);
        }
      }
    }
  }
}
