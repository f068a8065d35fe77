/** Scaled dot-product attention. See assembly/attention.ts for how it works. */
#pragma once
#include <cmath>
#include <cstring>
#include "gemm.hpp"
#include "generated/arguments.hpp"
#include "layer-norm.hpp"

namespace DEEPEND_ISA {

/** Keys of a block: a multiple of MR and NR. */
constexpr int KEY_BLOCK = 192;
/** Queries that meet a block of keys at once: a multiple of MR. */
constexpr int QUERY_BLOCK = 48;

/** The numbers 0, 1, … of a vector's places. */
constexpr float PLACES[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

inline int wholePanels(int columns) { return (columns + NR - 1) / NR; }

/** Where the rows of one head of a sample begin, in floats, and the step from row to row. */
struct Place {
  size_t start, step;
};

/** One matrix of the batch: a head of a sample. */
struct Head {
  Place q, k, v, out;
  const float* mask; // of the first query, or null
  size_t maskRow;
};

inline Head headOf(const AttentionArgs& args, int matrix, Thread& t) {
  const int sample = matrix / args.heads, head = matrix % args.heads;
  const auto place = [&](int batchStep, int headStep, int rowStep) {
    return Place{size_t(sample) * batchStep + size_t(head) * headStep, size_t(rowStep)};
  };
  const float* mask = t.optional(args.mask);
  if (mask) mask += place(args.maskBatch, args.maskHead, 0).start;
  return {place(args.qBatch, args.qHead, args.qRow), place(args.kBatch, args.kHead, args.kRow),
          place(args.vBatch, args.vHead, args.vRow),
          place(args.outBatch, args.outHead, args.outRow), mask, size_t(args.maskRow)};
}

/** Keys of a block from `k0` on that a query sees. */
inline int visibleKeys(const AttentionArgs& args, int query, int k0) {
  const int count = min(KEY_BLOCK, args.keys - k0);
  return args.causal ? max(0, min(count, query - k0 + 1)) : count;
}

/** Packs all panels of a matrix [k][columns]. */
inline void packAll(const float* b, float* out, int k, int columns, int kStride, int nStride) {
  for (int n = 0; n < columns; n += NR, out += size_t(k) * NR)
    packPanel(b, out, k, n, columns, kStride, nStride);
}

/** out[rows][columns] = a[rows][k] · panels. `out` has room for rows up to a multiple of MR. */
inline void rowsProduct(Thread& t, int rows, const float* a, size_t aStep, int k,
                        const float* panels, size_t panelStep, int columns, float* out,
                        size_t outStep) {
  int padded = 0;
  for (; padded < rows || padded % MR; padded++) {
    t.a[padded] = a + (padded < rows ? padded : 0) * aStep;
    t.c[padded] = out + padded * outStep;
  }
  gemmRows(t, padded, k, panels, wholePanels(columns), panelStep, false);
}

/** Calls `use` with the scores of each vector of a row: scaled, masked, −∞ where hidden. */
template <class Use>
INLINE void eachScore(const float* s, int visible, V scale, const float* mask, Use use) {
  const V none = splat(-INFINITY);
  for (int j = 0; j < visible; j += W) {
    const int count = min(W, visible - j);
    V v = load(s + j) * scale;
    if (mask) {
      const V m = loadUpTo(mask + j, count);
      v = select(m == none, none, v + m);
    }
    if (count < W) v = select(load(PLACES) < splat(float(count)), v, none);
    use(j, v);
  }
}

/** e^(score − shift), and 0 for a hidden key in a row with NaN, too. */
INLINE V weightOf(V score, V shift) {
  return select(score == splat(-INFINITY), zero<W>(), exponential(score - shift));
}

/** Zeroes what a row's products read after its visible numbers. */
INLINE void hideRest(float* row, int visible, int limit) {
  for (int j = (visible + W - 1) / W * W; j < limit; j += W) store(row + j, zero<W>());
}

/** One tile: some queries of one head. */
inline void attention(const AttentionArgs& args, int tile, Thread& t) {
  const int matrix = tile / args.rowBlocks, first = tile % args.rowBlocks * args.rowBlock;
  const int end = min(args.queries, first + args.rowBlock), dim = args.dim, width = args.valueDim;
  const size_t wide = size_t(wholePanels(width)) * NR;
  const Head head = headOf(args, matrix, t);
  const float *q = t.at(args.q) + head.q.start, *k = t.at(args.k) + head.k.start;
  const float* v = t.at(args.v) + head.v.start;
  float* y = t.at(args.out) + head.out.start;
  float* keyPanels = reinterpret_cast<float*>(t.scratch);
  float* valuePanels = keyPanels + size_t(KEY_BLOCK) * dim;
  float* scores = valuePanels + KEY_BLOCK * wide; // [QUERY_BLOCK][KEY_BLOCK]
  float* sums = scores + QUERY_BLOCK * KEY_BLOCK; // [QUERY_BLOCK][wide]
  float* factors = sums + QUERY_BLOCK * wide;     // [QUERY_BLOCK] of what was summed up before
  float* largest = factors + QUERY_BLOCK;         // [rowBlock] of the scores so far
  float* weights = largest + args.rowBlock;       // [rowBlock] Σ e^(score − largest)
  const V scale = splat(args.scale);
  for (int k0 = 0; k0 < args.keys; k0 += KEY_BLOCK) {
    const int count = min(KEY_BLOCK, args.keys - k0);
    if (visibleKeys(args, end - 1, k0) == 0) break;
    packAll(k + k0 * head.k.step, keyPanels, dim, count, 1, args.kRow);
    packAll(v + k0 * head.v.step, valuePanels, count, width, args.vRow, 1);
    for (int r0 = first; r0 < end; r0 += QUERY_BLOCK) {
      const int rows = min(QUERY_BLOCK, end - r0), limit = visibleKeys(args, r0 + rows - 1, k0);
      if (limit == 0) continue;
      rowsProduct(t, rows, q + r0 * head.q.step, head.q.step, dim, keyPanels, size_t(dim) * NR,
                  limit, scores, KEY_BLOCK);
      for (int i = 0; i < rows; i++) {
        float* s = scores + i * KEY_BLOCK;
        float &most = largest[r0 + i - first], &weight = weights[r0 + i - first];
        const int visible = visibleKeys(args, r0 + i, k0);
        const float* mask = head.mask ? head.mask + (r0 + i) * head.maskRow + k0 : nullptr;
        V top = splat(k0 > 0 ? most : -INFINITY);
        eachScore(s, visible, scale, mask, [&](int j, V v) {
          store(s + j, v);
          top = larger(top, v);
        });
        const float old = most;
        most = top.v[0];
        for (int j = 1; j < W; j++)
          most = most != most ? most : most > top.v[j] ? most : top.v[j];
        const float shift = most == -INFINITY ? 0 : most;
        V total4 = zero<W>();
        for (int j = 0; j < visible; j += W) {
          const V p = weightOf(load(s + j), splat(shift));
          store(s + j, p);
          total4 = total4 + p;
        }
        hideRest(s, visible, limit);
        factors[i] = k0 > 0 ? exponential(splat<4>(old - shift)).v[0] : 0;
        weight = float(total(total4)) + (k0 > 0 ? weight * factors[i] : 0);
      }
      rowsProduct(t, rows, scores, KEY_BLOCK, limit, valuePanels, size_t(count) * NR, width, sums,
                  wide);
      for (int i = 0; i < rows; i++) {
        const int row = r0 + i, next = k0 + KEY_BLOCK;
        if (visibleKeys(args, row, k0) == 0) continue; // its last block was an earlier one
        const bool isLast = next >= args.keys || visibleKeys(args, row, next) == 0;
        const float weight = weights[row - first], most = largest[row - first];
        const V by = splat(!isLast ? 1 : weight == 0 ? 0 : 1 / weight), before = splat(factors[i]);
        if (isLast) // A query that sees no key gets no gradient.
          t.at(args.logSum)[size_t(matrix) * args.queries + row] =
              weight == 0 ? INFINITY : most + float(std::log(double(weight)));
        float* out = y + row * head.out.step;
        eachChannels(width, [&](int j, int some) {
          V v = load(sums + i * wide + j);
          if (k0 > 0) v = madd(loadUpTo(out + j, some), before, v);
          storeUpTo(out + j, v * by, some);
        });
      }
    }
  }
}

/** One tile is one head. */
inline void attentionGradient(const AttentionArgs& args, int tile, Thread& t) {
  const int dim = args.dim, width = args.valueDim;
  const size_t wide = size_t(wholePanels(width)) * NR, wideDim = size_t(wholePanels(dim)) * NR;
  const Head head = headOf(args, tile, t);
  const float *q = t.at(args.q) + head.q.start, *k = t.at(args.k) + head.k.start;
  const float* v = t.at(args.v) + head.v.start;
  const float *y = t.at(args.out) + head.out.start, *dy = t.at(args.dy) + head.out.start;
  const float* logSum = t.at(args.logSum) + size_t(tile) * args.queries;
  float *dq = t.at(args.dq) + head.q.start, *dk = t.at(args.dk) + head.k.start;
  float* dv = t.at(args.dv) + head.v.start;
  float* keyPanels = reinterpret_cast<float*>(t.scratch);     // of kᵀ
  float* valuePanels = keyPanels + size_t(KEY_BLOCK) * dim;   // of vᵀ
  float* keyRows = valuePanels + size_t(KEY_BLOCK) * width;   // of k
  float* queryPanels = keyRows + KEY_BLOCK * wideDim;         // of q
  float* changePanels = queryPanels + QUERY_BLOCK * wideDim;  // of dy
  float* weights = changePanels + QUERY_BLOCK * wide;         // [QUERY_BLOCK][KEY_BLOCK]
  float* slopes = weights + QUERY_BLOCK * KEY_BLOCK;          // [QUERY_BLOCK][KEY_BLOCK]
  float* sums = slopes + QUERY_BLOCK * KEY_BLOCK;             // [QUERY_BLOCK][wideDim]
  float* edge = sums + QUERY_BLOCK * wideDim;
  const V scale = splat(args.scale);
  for (int key = 0; key < args.keys; key++) {
    std::memset(dk + key * head.k.step, 0, size_t(dim) * 4);
    std::memset(dv + key * head.v.step, 0, size_t(width) * 4);
  }
  for (int k0 = 0; k0 < args.keys; k0 += KEY_BLOCK) {
    const int count = min(KEY_BLOCK, args.keys - k0);
    packAll(k + k0 * head.k.step, keyPanels, dim, count, 1, args.kRow);
    packAll(v + k0 * head.v.step, valuePanels, width, count, 1, args.vRow);
    packAll(k + k0 * head.k.step, keyRows, count, dim, args.kRow, 1);
    for (int r0 = 0; r0 < args.queries; r0 += QUERY_BLOCK) {
      const int rows = min(QUERY_BLOCK, args.queries - r0);
      const int limit = visibleKeys(args, r0 + rows - 1, k0);
      if (limit == 0) continue;
      const float *q0 = q + r0 * head.q.step, *dy0 = dy + r0 * head.out.step;
      rowsProduct(t, rows, q0, head.q.step, dim, keyPanels, size_t(dim) * NR, limit, weights,
                  KEY_BLOCK);
      rowsProduct(t, rows, dy0, head.out.step, width, valuePanels, size_t(width) * NR, limit,
                  slopes, KEY_BLOCK);
      for (int i = 0; i < rows; i++) {
        const int visible = visibleKeys(args, r0 + i, k0);
        const float* mask = head.mask ? head.mask + (r0 + i) * head.maskRow + k0 : nullptr;
        const float* change = dy0 + i * head.out.step;
        const float* out = y + (r0 + i) * head.out.step;
        V along = zero<W>();
        eachChannels(width, [&](int j, int some) {
          along = madd(loadUpTo(change + j, some), loadUpTo(out + j, some), along);
        });
        const V mean = splat(float(total(along))), shift = splat(logSum[r0 + i]);
        float *p = weights + i * KEY_BLOCK, *ds = slopes + i * KEY_BLOCK;
        eachScore(p, visible, scale, mask, [&](int j, V v) {
          const V weight = weightOf(v, shift);
          store(p + j, weight);
          store(ds + j, weight * (load(ds + j) - mean) * scale);
        });
        hideRest(p, visible, limit);
        hideRest(ds, visible, limit);
      }
      packAll(dy0, changePanels, rows, width, args.outRow, 1);
      packAll(q0, queryPanels, rows, dim, args.qRow, 1);
      columnProduct(rows, {weights, KEY_BLOCK, MR}, limit, changePanels, size_t(rows) * NR, width,
                    dv + k0 * head.v.step, head.v.step, edge, true);
      columnProduct(rows, {slopes, KEY_BLOCK, MR}, limit, queryPanels, size_t(rows) * NR, dim,
                    dk + k0 * head.k.step, head.k.step, edge, true);
      rowsProduct(t, rows, slopes, KEY_BLOCK, limit, keyRows, size_t(count) * NR, dim, sums,
                  wideDim);
      for (int i = 0; i < rows; i++) {
        float* to = dq + (r0 + i) * head.q.step;
        eachChannels(dim, [&](int j, int some) {
          const V v = load(sums + i * wideDim + j);
          storeUpTo(to + j, k0 > 0 ? loadUpTo(to + j, some) + v : v, some);
        });
      }
    }
  }
}

}  // namespace DEEPEND_ISA
