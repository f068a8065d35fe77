/**
 * Matrix products: the register-blocked loops, and packing of their second factor.
 * Blocking: Goto & van de Geijn 2008, Anatomy of High-Performance Matrix Multiplication.
 */
#pragma once
#include "thread.hpp"
#include "vector.hpp"
#include <type_traits>

namespace DEEPEND_ISA {
using namespace deepend;

/** Rows of C that one call of a micro-kernel computes. */
constexpr int MR = 6;
/** Columns of a panel of B. */
constexpr int NR = W < 8 ? 8 : W;
/** Vectors in a row of a panel. */
constexpr int NV = NR / W;
/** Panels that a micro-kernel computes at once: its accumulators fill the registers. */
#if defined(__aarch64__)
constexpr int WIDE = 2;
#else
constexpr int WIDE = W / 4;
#endif

/**
 * C[6][P panels] (+)= A[6][k] · B. The rows of A and C are found through tables of six pointers, so
 * a row may lie anywhere. This makes convolution without im2col possible (Dukhan 2019, The Indirect
 * Convolution Algorithm).
 * @param add whether to add to C or to overwrite it
 */
template <int P>
INLINE void microRows(int k, const float* const* a, const float* b, size_t panelStride,
                      float* const* c, size_t cOffset, bool add) {
  constexpr int VS = P * NV;
  V sum[MR][VS];
#pragma GCC unroll 8
  for (int r = 0; r < MR; r++)
#pragma GCC unroll 8
    for (int v = 0; v < VS; v++) sum[r][v] = add ? load(c[r] + cOffset + v * W) : zero<W>();
  const float *a0 = a[0], *a1 = a[1], *a2 = a[2], *a3 = a[3], *a4 = a[4], *a5 = a[5];
  const float* panel[P];
#pragma GCC unroll 8
  for (int p = 0; p < P; p++) panel[p] = b + p * panelStride;
  for (int n = 0; n < k; n++) {
    V from[VS];
#pragma GCC unroll 8
    for (int v = 0; v < VS; v++) from[v] = load(panel[v / NV] + n * NR + v % NV * W);
    V s;
#define ROW(r)              \
  s = splat(a##r[n]);       \
  _Pragma("GCC unroll 8") for (int v = 0; v < VS; v++) sum[r][v] = madd(s, from[v], sum[r][v]);
    ROW(0) ROW(1) ROW(2) ROW(3) ROW(4) ROW(5)
#undef ROW
  }
#pragma GCC unroll 8
  for (int r = 0; r < MR; r++)
#pragma GCC unroll 8
    for (int v = 0; v < VS; v++) store(c[r] + cOffset + v * W, sum[r][v]);
}

/**
 * C[6][P panels] (+)= Aᵀ · B where A is [k][≥ 6], `aStride` floats between its rows: the product of
 * a filter's gradient, whose sum runs over pixels.
 */
template <int P>
INLINE void microColumns(int k, const float* a, size_t aStride, const float* b, size_t panelStride,
                         float* c, size_t cStride, bool add) {
  constexpr int VS = P * NV;
  V sum[MR][VS];
#pragma GCC unroll 8
  for (int r = 0; r < MR; r++)
#pragma GCC unroll 8
    for (int v = 0; v < VS; v++) sum[r][v] = add ? load(c + r * cStride + v * W) : zero<W>();
  const float* panel[P];
#pragma GCC unroll 8
  for (int p = 0; p < P; p++) panel[p] = b + p * panelStride;
  for (int n = 0; n < k; n++) {
    V from[VS];
#pragma GCC unroll 8
    for (int v = 0; v < VS; v++) from[v] = load(panel[v / NV] + n * NR + v % NV * W);
#pragma GCC unroll 8
    for (int r = 0; r < MR; r++) {
      V s = splat(a[r]);
#pragma GCC unroll 8
      for (int v = 0; v < VS; v++) sum[r][v] = madd(s, from[v], sum[r][v]);
    }
    a += aStride;
  }
#pragma GCC unroll 8
  for (int r = 0; r < MR; r++)
#pragma GCC unroll 8
    for (int v = 0; v < VS; v++) store(c + r * cStride + v * W, sum[r][v]);
}

/**
 * Pads both tables of the thread to a multiple of MR rows: the additional rows read `a` and write
 * the spare row `c`. @returns the number of rows, rounded up
 */
INLINE int padTables(Thread& t, int rows, const float* a, float* c) {
  for (; rows % MR; rows++) {
    t.a[rows] = a;
    t.c[rows] = c;
  }
  return rows;
}

/**
 * C[rows][NR · panels] (+)= A[rows][k] · B, with the rows of A and C in the thread's tables. B is
 * packed in panels of NR columns, `panelStride` floats apart.
 * Panels of NR · k floats stay in the first-level cache while they meet all rows; the rows stay in
 * the second-level cache.
 */
inline void gemmRows(Thread& t, int rows, int k, const float* b, int panels, size_t panelStride,
                     bool add) {
  int panel = 0;
#define PANELS(P)                                                                           \
  for (; panel + P <= panels; panel += P, b += P * panelStride)                             \
    for (int row = 0; row < rows; row += MR)                                                \
      microRows<P>(k, t.a + row, b, panelStride, t.c + row, size_t(panel) * NR, add);
  PANELS(WIDE)
  if constexpr (WIDE > 2) { PANELS(2) }
  if constexpr (WIDE > 1) { PANELS(1) }
#undef PANELS
}

/** The first factor of `columnProduct`: its columns in groups of MR. Steps are in floats. */
struct Columns {
  const float* at;
  size_t rowStep;   // from one row to the next
  size_t groupStep; // from one group to the next
};

/**
 * out[rows][columns] (+)= xsᵀ · dys, register block by register block. Blocks that reach beyond the
 * last row or column are computed in `edge` first.
 * @param panelStep floats from one panel of dys to the next
 */
inline void columnProduct(int k, Columns xs, int rows, const float* dys, size_t panelStep,
                          int columns, float* out, size_t outStride, float* edge, bool add) {
  int n = 0;
  auto block = [&](auto panels) {
    constexpr int P = decltype(panels)::value;
    const float* group = xs.at;
    for (int m = 0; m < rows; m += MR, group += xs.groupStep) {
      float* c = out + m * outStride + n;
      const int height = min(MR, rows - m), width = min(P * NR, columns - n);
      if (height == MR && width == P * NR) {
        microColumns<P>(k, group, xs.rowStep, dys, panelStep, c, outStride, add);
        continue;
      }
      microColumns<P>(k, group, xs.rowStep, dys, panelStep, edge, P * NR, false);
      for (int i = 0; i < height; i++)
        for (int j = 0; j < width; j++) {
          float& to = c[i * outStride + j];
          to = add ? to + edge[i * P * NR + j] : edge[i * P * NR + j];
        }
    }
    dys += P * panelStep;
    n += P * NR;
  };
  while (n + WIDE * NR <= columns) block(std::integral_constant<int, WIDE>{});
  if constexpr (WIDE > 2)
    while (n + 2 * NR <= columns) block(std::integral_constant<int, 2>{});
  while (n < columns) block(std::integral_constant<int, 1>{});
}

/** Transposes a 4×4 block. Strides are in floats. */
INLINE void transpose4(const float* source, size_t sourceStride, float* out, size_t outStride) {
  auto r0 = load<4>(source).v, r1 = load<4>(source + sourceStride).v;
  auto r2 = load<4>(source + 2 * sourceStride).v, r3 = load<4>(source + 3 * sourceStride).v;
  auto t0 = __builtin_shufflevector(r0, r1, 0, 4, 1, 5);
  auto t1 = __builtin_shufflevector(r2, r3, 0, 4, 1, 5);
  auto t2 = __builtin_shufflevector(r0, r1, 2, 6, 3, 7);
  auto t3 = __builtin_shufflevector(r2, r3, 2, 6, 3, 7);
  store(out, V4{__builtin_shufflevector(t0, t1, 0, 1, 4, 5)});
  store(out + outStride, V4{__builtin_shufflevector(t0, t1, 2, 3, 6, 7)});
  store(out + 2 * outStride, V4{__builtin_shufflevector(t2, t3, 0, 1, 4, 5)});
  store(out + 3 * outStride, V4{__builtin_shufflevector(t2, t3, 2, 3, 6, 7)});
}

/**
 * Packs one panel: out[k][NR] = b[k · kStride + n · nStride] for n in [n0, n0 + NR), zero from
 * `columns` on. Strides are in floats.
 */
inline void packPanel(const float* b, float* out, int k, int n0, int columns, int kStride,
                      int nStride) {
  const int width = min(NR, columns - n0);
  const float* source = b + size_t(n0) * nStride;
  if (width == NR && nStride == 1) {
    for (int p = 0; p < k; p++, source += kStride, out += NR)
      for (int v = 0; v < NV; v++) store(out + v * W, load(source + v * W));
    return;
  }
  int p = 0;
  if (width == NR && kStride == 1) {
    for (; p + 4 <= k; p += 4)
      for (int j = 0; j < NR; j += 4)
        transpose4(source + size_t(j) * nStride + p, nStride, out + size_t(p) * NR + j, NR);
  }
  for (; p < k; p++)
    for (int j = 0; j < NR; j++)
      out[size_t(p) * NR + j] =
          j < width ? source[size_t(p) * kStride + size_t(j) * nStride] : 0;
}

/** out[j] = f(source[j] + bias[j]); bias null: none; activation 0: none, 1: ReLU, 2: ReLU6. */
inline void finishRow(const float* source, float* out, int columns, const float* bias,
                      int activation) {
  for (int j = 0; j < columns; j += W) {
    V v = load(source + j);
    if (bias) v = v + load(bias + j);
    if (activation) v = larger(v, zero<W>());
    if (activation == 2) v = smaller(v, splat(6));
    if (j + W <= columns) store(out + j, v);
    else storeSome(out + j, v, columns - j);
  }
}

/**
 * Copies a row of `columns` numbers into panels, `panelStep` floats apart. The last panel's surplus
 * columns hold what follows the row; they are computed with, and dropped.
 */
INLINE void packColumns(const float* from, float* out, int columns, size_t panelStep) {
  for (int n = 0; n < columns; n += NR, out += panelStep)
    for (int v = 0; v < NV; v++) store(out + v * W, load(from + n + v * W));
}

}  // namespace DEEPEND_ISA
