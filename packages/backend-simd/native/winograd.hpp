/**
 * 3×3 convolution through Winograd's minimal filtering, and the filter's gradient:
 * dW = Gᵀ [Σ over tiles (BᵀdB) ⊙ (A·dy·Aᵀ)] G. See assembly/winograd.ts and
 * assembly/winograd-filter.ts for how they work, and assembly/winograd-transforms.ts for the source
 * of the transforms' matrices.
 */
#pragma once
#include "gemm.hpp"
#include "generated/arguments.hpp"

namespace DEEPEND_ISA {

/** Floats of a cache line. */
constexpr int LINE = 16;
/** Floats of a tile's vectors between the two axes of a transform: 6 × 6 cache lines. */
constexpr int TEMPORARY = 36 * LINE;

/** Planes along one axis: the number of values that a tile's axis is transformed to. */
constexpr int planesOf(int m) { return m == 2 ? 3 : m + 2; }
/** Pixels of the source along one axis of a tile. */
constexpr int patchOf(int m) { return m == 2 ? 2 : m + 2; }

template <int N> INLINE Vec<N> times(float k, Vec<N> v) { return splat<N>(k) * v; }
/** a + k·b */
template <int N> INLINE Vec<N> plus(Vec<N> a, float k, Vec<N> b) {
  return madd(splat<N>(k), b, a);
}

/** out = Bᵀ · in: a patch's vectors, `step` floats apart, to planes. */
template <int M, int N>
INLINE void inputTransform(const float* source, size_t step, float* out, size_t outStep) {
  using T = Vec<N>;
  const T d0 = load<N>(source), d1 = load<N>(source + step);
  if constexpr (M == 2) {
    store(out, d0 + d1);
    store(out + outStep, d1);
    store(out + 2 * outStep, d0);
  } else {
    const T d2 = load<N>(source + 2 * step), d3 = load<N>(source + 3 * step),
            d4 = load<N>(source + 4 * step);
    if constexpr (M == 3) {
      store(out, plus(plus(d3, 2, d0 - d2), -1, d1));
      store(out + outStep, plus(d3 - d2, -2, d1));
      store(out + 2 * outStep, plus(plus(d3, 2, d1), -3, d2));
      store(out + 3 * outStep, d3 - d1);
      store(out + 4 * outStep, plus(d4, 2, d1 - d3) - d2);
    } else {
      const T d5 = load<N>(source + 5 * step);
      const T even = plus(d4, -4, d2), odd = plus(d3, -4, d1);
      const T half = d4 - d2, twice = times(2, d3 - d1);
      store(out, plus(plus(d4, -5, d2), 4, d0));
      store(out + outStep, even + odd);
      store(out + 2 * outStep, even - odd);
      store(out + 3 * outStep, half + twice);
      store(out + 4 * outStep, half - twice);
      store(out + 5 * outStep, plus(plus(d5, -5, d3), 4, d1));
    }
  }
}

/** out = Aᵀ · in: planes to M vectors. */
template <int M, int N>
INLINE void outputTransform(const float* source, size_t step, float* out, size_t outStep) {
  using T = Vec<N>;
  const T m0 = load<N>(source), m1 = load<N>(source + step), m2 = load<N>(source + 2 * step);
  if constexpr (M == 2) {
    store(out, m0 + m1);
    store(out + outStep, m0 + m2);
  } else {
    const T m3 = load<N>(source + 3 * step), m4 = load<N>(source + 4 * step);
    const T sum1 = m1 + m2, difference1 = m1 - m2;
    if constexpr (M == 3) {
      store(out, (m0 + sum1) + m3);
      store(out + outStep, plus(difference1, 2, m3));
      store(out + 2 * outStep, plus(sum1, 4, m3) + m4);
    } else {
      const T sum2 = m3 + m4, difference2 = m3 - m4;
      store(out, m0 + (sum1 + sum2));
      store(out + outStep, plus(difference1, 2, difference2));
      store(out + 2 * outStep, plus(sum1, 4, sum2));
      store(out + 3 * outStep, load<N>(source + 5 * step) + plus(difference1, 8, difference2));
    }
  }
}

/** out = G · (g0, g1, g2): three taps to planes. */
template <int M, int N>
INLINE void filterTransform(Vec<N> g0, Vec<N> g1, Vec<N> g2, float* out, size_t step) {
  using T = Vec<N>;
  if constexpr (M == 2) {
    store(out, g1);
    store(out + step, g2 - g1);
    store(out + 2 * step, g0 - g1);
    return;
  }
  const T sixth = times(1.0f / 6, g1);
  if constexpr (M == 3) {
    const T ends = g0 + g2;
    store(out, times(0.5f, g0));
    store(out + step, times(-0.5f, ends + g1));
    store(out + 2 * step, plus(sixth, -1.0f / 6, ends));
    store(out + 3 * step, plus(plus(sixth + sixth, 1.0f / 6, g0), 2.0f / 3, g2));
    store(out + 4 * step, g2);
  } else if constexpr (M == 4) {
    const T sum = times(-1.0f / 6, g0 + g2);
    const T outer = plus(times(1.0f / 6, g2), 1.0f / 24, g0);
    const T twelfth = times(1.0f / 12, g1);
    store(out, times(0.25f, g0));
    store(out + step, sum - sixth);
    store(out + 2 * step, sum + sixth);
    store(out + 3 * step, outer + twelfth);
    store(out + 4 * step, outer - twelfth);
    store(out + 5 * step, g2);
  }
}

/** out = A · in, for the filter's gradient: M vectors of the output's gradient to planes. */
template <int M, int N>
INLINE void gradientTransform(const float* source, size_t step, float* out, size_t outStep) {
  using T = Vec<N>;
  const T d0 = load<N>(source), d1 = load<N>(source + step);
  if constexpr (M == 2) {
    store(out, d0 + d1);
    store(out + outStep, d0);
    store(out + 2 * outStep, d1);
    return;
  }
  if constexpr (M > 2) {
    const T d2 = load<N>(source + 2 * step);
    store(out, d0);
    if constexpr (M == 3) {
      const T ends = d0 + d2;
      store(out + outStep, ends + d1);
      store(out + 2 * outStep, ends - d1);
      store(out + 3 * outStep, plus(plus(d0, 4, d2), 2, d1));
      store(out + 4 * outStep, d2);
    } else {
      const T d3 = load<N>(source + 3 * step);
      const T even1 = d0 + d2, odd1 = d1 + d3;
      const T even2 = plus(d0, 4, d2), odd2 = plus(d1 + d1, 8, d3);
      store(out + outStep, even1 + odd1);
      store(out + 2 * outStep, even1 - odd1);
      store(out + 3 * outStep, even2 + odd2);
      store(out + 4 * outStep, even2 - odd2);
      store(out + 5 * outStep, d3);
    }
  }
}

/** out = Gᵀ · in, for the filter's gradient: planes to three taps. */
template <int M, int N>
INLINE void filterBack(const float* source, size_t step, float* out, size_t outStep) {
  using T = Vec<N>;
  const T u0 = load<N>(source), u1 = load<N>(source + step), u2 = load<N>(source + 2 * step);
  if constexpr (M == 2) {
    store(out, u2);
    store(out + outStep, (u0 - u1) - u2);
    store(out + 2 * outStep, u1);
    return;
  }
  if constexpr (M > 2) {
    const T u3 = load<N>(source + 3 * step), u4 = load<N>(source + 4 * step);
    if constexpr (M == 3) {
      const T half = times(-0.5f, u1), sixth = times(1.0f / 6, u2);
      store(out, plus(plus(half - sixth, 0.5f, u0), 1.0f / 6, u3));
      store(out + outStep, plus(half + sixth, 1.0f / 3, u3));
      store(out + 2 * outStep, plus(half - sixth, 2.0f / 3, u3) + u4);
    } else {
      const T near = times(1.0f / 6, u1 + u2), far = u3 + u4;
      store(out, plus(times(1.0f / 24, far), 0.25f, u0) - near);
      store(out + outStep, plus(times(1.0f / 12, u3 - u4), 1.0f / 6, u2 - u1));
      store(out + 2 * outStep, plus(load<N>(source + 5 * step), 1.0f / 6, far) + times(-1, near));
    }
  }
}

/**
 * Calls `use` with the first channel of a cache line, the width of a vector and the vectors in the
 * line. The planes of a tile often lie a power of two apart, so that their lines compete for one
 * cache set: each line is read or written as a whole before it is replaced.
 */
template <class Use> INLINE void eachLine(int channels, Use use) {
  using Four = std::integral_constant<int, 4>;
  using Wide = std::integral_constant<int, W>;
  int c = 0;
  for (; c + LINE <= channels; c += LINE) use(c, Wide{}, std::integral_constant<int, LINE / W>{});
  for (; c < channels; c += 4) use(c, Four{}, std::integral_constant<int, 1>{});
}

/** Calls `use` with the tile's size as a constant. */
template <class Use> INLINE void withTileSize(int m, Use use) {
  if (m == 2) use(std::integral_constant<int, 2>{});
  else if (m == 3) use(std::integral_constant<int, 3>{});
  else use(std::integral_constant<int, 4>{});
}

/** V = Bᵀ d B for every channel: a patch of pixels to planes. Steps are in floats. */
template <int M>
INLINE void transformInput(const float* pixel, size_t rowStep, size_t columnStep, int channels,
                           float* out, size_t planeStep) {
  constexpr int n = planesOf(M), patch = patchOf(M);
  alignas(64) float temporary[TEMPORARY];
  eachLine(channels, [&](int c, auto width, auto vectors) {
    constexpr int N = decltype(width)::value, VS = decltype(vectors)::value, SIZE = patch * n * N;
    for (int v = 0; v < VS; v++)
#pragma GCC unroll 6
      for (int x = 0; x < patch; x++)
        inputTransform<M, N>(pixel + c + v * N + x * columnStep, rowStep,
                             temporary + v * SIZE + x * N, patch * N);
#pragma GCC unroll 6
    for (int y = 0; y < n; y++)
      for (int v = 0; v < VS; v++)
        inputTransform<M, N>(temporary + v * SIZE + y * patch * N, N,
                             out + c + v * N + y * n * planeStep, planeStep);
  });
}

/** y = Aᵀ p A for every channel: planes to M×M pixels. */
template <int M>
INLINE void transformOutput(const float* planes, size_t planeStep, int channels, float* out,
                            size_t rowStep, size_t columnStep) {
  constexpr int n = planesOf(M);
  alignas(64) float temporary[TEMPORARY];
  eachLine(channels, [&](int c, auto width, auto vectors) {
    constexpr int N = decltype(width)::value, VS = decltype(vectors)::value, SIZE = M * n * N;
#pragma GCC unroll 6
    for (int x = 0; x < n; x++)
      for (int v = 0; v < VS; v++)
        outputTransform<M, N>(planes + c + v * N + x * planeStep, n * planeStep,
                              temporary + v * SIZE + x * N, n * N);
    for (int v = 0; v < VS; v++)
#pragma GCC unroll 6
      for (int y = 0; y < M; y++)
        outputTransform<M, N>(temporary + v * SIZE + y * n * N, N, out + c + v * N + y * rowStep,
                              columnStep);
  });
}

/**
 * Copies a square of pixels that reaches beyond the image, with zeros outside the image.
 * @param size side of the square: the patch for inputs, m for dy
 */
inline void copyPadded(const float* image, int height, int width, int channels, int y0, int x0,
                       int size, float* out) {
  for (int y = y0; y < y0 + size; y++)
    for (int x = x0; x < x0 + size; x++, out += channels) {
      const bool inside = unsigned(y) < unsigned(height) && unsigned(x) < unsigned(width);
      if (inside)
        std::memcpy(out, image + (size_t(y) * width + x) * channels, size_t(channels) * 4);
      else
        std::memset(out, 0, size_t(channels) * 4);
    }
}

/** How images are cut into tiles. */
struct Tiling {
  int height, width, channels, padTop, padLeft, tilesY, tilesX;
};

/**
 * Transforms input tiles [first, first + count) into V. With m = 2, the patch is the whole image.
 * @param square room for a patch of all channels
 */
inline void transformTiles(int m, const float* source, const Tiling& at, int first, int count,
                           float* v, size_t tileStep, size_t planeStep, float* square) {
  withTileSize(m, [&](auto size) {
    constexpr int M = decltype(size)::value, patch = patchOf(M);
    for (int i = 0; i < count; i++, v += tileStep) {
      const int tile = first + i;
      const float* image =
          source + size_t(tile / (at.tilesY * at.tilesX)) * at.height * at.width * at.channels;
      const int y = M == 2 ? 0 : tile / at.tilesX % at.tilesY * M - at.padTop;
      const int x = M == 2 ? 0 : tile % at.tilesX * M - at.padLeft;
      const bool inside = y >= 0 && x >= 0 && y + patch <= at.height && x + patch <= at.width;
      if (!inside) copyPadded(image, at.height, at.width, at.channels, y, x, patch, square);
      const float* from =
          inside ? image + (ptrdiff_t(y) * at.width + x) * at.channels : square;
      transformInput<M>(from, size_t(inside ? at.width : patch) * at.channels, at.channels,
                        at.channels, v, planeStep);
    }
  });
}

/**
 * Transforms one tile back, adds the bias, applies the activation and stores the pixels that lie
 * inside the image.
 * @param square room for a tile of all channels
 */
inline void writeTile(const WinogradArgs& args, int tile, const float* products, size_t planeStep,
                      float* square, Thread& t) {
  withTileSize(args.m, [&](auto size) {
    constexpr int M = decltype(size)::value;
    const int channels = args.outChannels;
    const int image = tile / (args.tilesY * args.tilesX);
    const int y0 = tile / args.tilesX % args.tilesY * M, x0 = tile % args.tilesX * M;
    const size_t row = size_t(args.outWidth) * channels;
    float* out = t.at(args.out) + (size_t(image) * args.outHeight + y0) * row +
                 size_t(x0) * channels;
    const bool inside = y0 + M <= args.outHeight && x0 + M <= args.outWidth;
    const bool direct = inside && !args.bias && !args.activation;
    transformOutput<M>(products, planeStep, channels, direct ? out : square,
                       direct ? row : size_t(M) * channels, channels);
    if (direct) return;
    for (int y = 0; y < min(M, args.outHeight - y0); y++)
      for (int x = 0; x < min(M, args.outWidth - x0); x++)
        finishRow(square + size_t(y * M + x) * channels, out + y * row + size_t(x) * channels,
                  channels, t.optional(args.bias), args.activation);
  });
}

INLINE Tiling tilingOf(const WinogradArgs& a) {
  return {a.height, a.width, a.channels, a.padTop, a.padLeft, a.tilesY, a.tilesX};
}
INLINE Tiling tilingOf(const TilesArgs& a) {
  return {a.height, a.width, a.channels, a.padTop, a.padLeft, a.tilesY, a.tilesX};
}

/** One tile of the job takes one block of tiles through all three steps. */
inline void winogradConv(const WinogradArgs& args, int job, Thread& t) {
  const int planes = planesOf(args.m) * planesOf(args.m);
  const int tiles = args.batch * args.tilesY * args.tilesX;
  const int first = job * args.block, count = min(args.block, tiles - first);
  float* square = reinterpret_cast<float*>(t.scratch);
  float* v = square + size_t(planes) * max(args.channels, args.outChannels);
  // An odd number of cache lines between planes: at a power of two, all stores would fall into one
  // cache set.
  const size_t vStep = size_t(args.block) * args.channels + 16;
  const int panels = (args.outChannels + NR - 1) / NR;
  const size_t mTile = size_t(panels) * NR;
  const size_t mStep = args.block * mTile + 16;
  float* products = v + planes * vStep + 16;
  transformTiles(args.m, t.at(args.source), tilingOf(args), first, count, v, args.channels, vStep,
                 square);
  const int rows = (count + MR - 1) / MR * MR;
  const size_t panelStride = size_t(args.channels) * NR;
  for (int plane = 0; plane < planes; plane++) {
    for (int row = 0; row < rows; row++) {
      t.a[row] = v + plane * vStep + size_t(row) * args.channels;
      t.c[row] = products + plane * mStep + row * mTile;
    }
    gemmRows(t, rows, args.channels, t.at(args.u) + size_t(plane) * panels * panelStride, panels,
             panelStride, false);
  }
  for (int i = 0; i < count; i++)
    writeTile(args, first + i, products + i * mTile, mStep, square, t);
}

/**
 * M[plane][count][NR · panels] = V[plane] · U[plane], for layers too wide for `winogradConv`. One
 * tile of the job is a block of a plane's rows.
 */
inline void winogradProduct(const PlaneRowsArgs& args, int job, Thread& t) {
  const size_t plane = job / args.blocks;
  const int first = job % args.blocks * args.block;
  const int rows = min(args.block, args.count - first);
  const size_t mStep = size_t(args.panels) * NR, panelStride = size_t(args.channels) * NR;
  const float* v = t.at(args.v) + (plane * args.count + first) * args.channels;
  float* m = t.at(args.m) + (plane * args.count + first) * mStep;
  for (int row = 0; row < rows; row++) {
    t.a[row] = v + size_t(row) * args.channels;
    t.c[row] = m + row * mStep;
  }
  gemmRows(t, padTables(t, rows, v, reinterpret_cast<float*>(t.scratch)), args.channels,
           t.at(args.u) + plane * args.panels * panelStride, args.panels, panelStride, false);
}

/** Writes output tiles [first, first + count) from M, `block` of them in a tile of the job. */
inline void winogradWrite(const WinogradArgs& args, int job, Thread& t) {
  const int begin = job * args.block, end = begin + min(args.block, args.count - begin);
  const size_t mTile = size_t((args.outChannels + NR - 1) / NR) * NR;
  for (int i = begin; i < end; i++)
    writeTile(args, args.first + i, t.at(args.source) + i * mTile, args.count * mTile,
              reinterpret_cast<float*>(t.scratch), t);
}

/** Input channels that are gathered at once. */
constexpr int GROUP = 16;

/** Gathers the NR columns of one tap for GROUP input channels, padded with zeros. */
INLINE void gatherTap(const float* at, size_t kStride, size_t nStride, int left, int kLeft,
                      float* out) {
  if (left >= NR && kLeft >= GROUP && nStride == 1) {
    for (int k = 0; k < GROUP; k++)
      for (int v = 0; v < NV; v++)
        store(out + k * NR + v * W, load(at + k * kStride + v * W));
    return;
  }
  if (left >= NR && kLeft >= GROUP && kStride == 1) {
    for (int k = 0; k < GROUP; k += 4)
      for (int n = 0; n < NR; n += 4)
        transpose4(at + k + n * nStride, nStride, out + k * NR + n, NR);
    return;
  }
  for (int k = 0; k < GROUP; k++)
    for (int n = 0; n < NR; n++)
      out[k * NR + n] = n < left && k < kLeft ? at[k * kStride + n * nStride] : 0;
}

/** U[planes²][panels][k][NR] = G g Gᵀ. One tile of the job is one panel. */
inline void transformFilter(const FilterTransformArgs& args, int panel, Thread& t) {
  withTileSize(args.m, [&](auto size) {
    constexpr int M = decltype(size)::value, n = planesOf(M), ROW = GROUP * NR;
    alignas(64) float taps[9 * ROW];
    alignas(64) float temporary[3 * n * W];  // [planes][3] vectors
    alignas(64) float planes[n * n * ROW];   // of a group, so that whole cache lines are written
    const size_t planeStep = size_t(args.panels) * args.k * NR;
    const int column = panel * NR;
    for (int k0 = 0; k0 < args.k; k0 += GROUP) {
      const float* from =
          t.at(args.filter) + size_t(k0) * args.kStride + size_t(column) * args.nStride;
      for (int tap = 0; tap < 9; tap++)
        gatherTap(from + size_t(args.flip ? 8 - tap : tap) * args.tapStride, args.kStride,
                  args.nStride, args.outChannels - column, args.k - k0, taps + tap * ROW);
      for (int at = 0; at < ROW; at += W) {
        for (int x = 0; x < 3; x++)
          filterTransform<M, W>(load(taps + x * ROW + at), load(taps + (x + 3) * ROW + at),
                                load(taps + (x + 6) * ROW + at), temporary + x * W, 3 * W);
        for (int y = 0; y < n; y++) {
          const float* row = temporary + y * 3 * W;
          filterTransform<M, W>(load(row), load(row + W), load(row + 2 * W),
                                planes + y * n * ROW + at, ROW);
        }
      }
      const size_t bytes = size_t(min(GROUP, args.k - k0)) * NR * 4;
      float* to = t.at(args.out) + (size_t(panel) * args.k + k0) * NR;
      for (int plane = 0; plane < n * n; plane++)
        std::memcpy(to + plane * planeStep, planes + plane * ROW, bytes);
    }
  });
}

/** V[planes²][count][channels] of input tiles. */
inline void winogradTiles(const TilesArgs& args, int job, Thread& t) {
  const int begin = job * args.block;
  const size_t tileStep = args.tileStep / 4, planeStep = args.planeStep / 4;
  transformTiles(args.m, t.at(args.source), tilingOf(args), args.first + begin,
                 min(args.block, args.count - begin), t.at(args.out) + begin * tileStep, tileStep,
                 planeStep, reinterpret_cast<float*>(t.scratch));
}

/**
 * Y[planes²][panels][count][NR] = A·dy·Aᵀ for the tiles of dy. `planeStep` is the bytes of
 * panels · count · NR floats.
 */
inline void winogradGradientTiles(const TilesArgs& args, int job, Thread& t) {
  withTileSize(args.m, [&](auto size) {
    constexpr int M = decltype(size)::value, n = planesOf(M);
    alignas(64) float temporary[TEMPORARY]; // [planes][m] vectors
    float* square = reinterpret_cast<float*>(t.scratch);
    const size_t planeStep = args.planeStep / 4, panelStep = size_t(args.count) * NR;
    const int begin = job * args.block, end = begin + min(args.block, args.count - begin);
    for (int i = begin; i < end; i++) {
      const int tile = args.first + i;
      const float* image = t.at(args.source) + size_t(tile / (args.tilesY * args.tilesX)) *
                                                   args.height * args.width * args.channels;
      const int y = tile / args.tilesX % args.tilesY * M, x = tile % args.tilesX * M;
      const bool inside = y + M <= args.height && x + M <= args.width;
      if (!inside) copyPadded(image, args.height, args.width, args.channels, y, x, M, square);
      const float* from =
          inside ? image + (size_t(y) * args.width + x) * args.channels : square;
      const size_t step = size_t(inside ? args.width : M) * args.channels;
      eachLine(args.channels, [&](int c0, auto width, auto vectors) {
        constexpr int N = decltype(width)::value, VS = decltype(vectors)::value;
        for (int c = c0; c < c0 + VS * N; c += N) {
          for (int column = 0; column < M; column++)
            gradientTransform<M, N>(from + c + size_t(column) * args.channels, step,
                                    temporary + column * N, M * N);
          float* to = t.at(args.out) + c / NR * panelStep + size_t(i) * NR + c % NR;
          for (int row = 0; row < n; row++)
            gradientTransform<M, N>(temporary + row * M * N, N, to + row * n * planeStep,
                                    planeStep);
        }
      });
    }
  });
}

/**
 * dU[plane][channels][outChannels] (+)= Vᵀ · Y. One tile of the job is a block of a plane's rows.
 */
inline void winogradFilterProduct(const PlaneProductArgs& args, int job, Thread& t) {
  const size_t plane = job / args.blocks;
  const int m0 = job % args.blocks * args.block;
  const float* v = t.at(args.v) + plane * (args.vPlane / 4) + m0;
  columnProduct(args.count, {v, size_t(args.vStride) / 4, MR},
                min(args.block, args.channels - m0), t.at(args.y) + plane * (args.yPlane / 4),
                size_t(args.count) * NR, args.outChannels,
                t.at(args.out) + (plane * args.channels + m0) * args.outChannels, args.outChannels,
                reinterpret_cast<float*>(t.scratch), args.add != 0);
}

/** dW[3][3][channels][outChannels] = Gᵀ dU G. One tile of the job is one input channel. */
inline void untransformFilter(const UnfilterArgs& args, int channel, Thread& t) {
  withTileSize(args.m, [&](auto size) {
    constexpr int M = decltype(size)::value, n = planesOf(M);
    alignas(64) float temporary[TEMPORARY]; // [3][planes] vectors
    const size_t plane = size_t(args.channels) * args.outChannels;
    eachLine(args.outChannels, [&](int c, auto width, auto vectors) {
      constexpr int N = decltype(width)::value, VS = decltype(vectors)::value, SIZE = 3 * n * N;
      const size_t offset = size_t(channel) * args.outChannels + c;
      for (int x = 0; x < n; x++)
        for (int v = 0; v < VS; v++)
          filterBack<M, N>(t.at(args.u) + offset + v * N + x * plane, n * plane,
                           temporary + v * SIZE + x * N, n * N);
      for (int y = 0; y < 3; y++)
        for (int v = 0; v < VS; v++)
          filterBack<M, N>(temporary + v * SIZE + y * n * N, N,
                           t.at(args.out) + offset + v * N + 3 * y * plane, plane);
    });
  });
}

}  // namespace DEEPEND_ISA
