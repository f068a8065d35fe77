/**
 * Grouped convolution with as many input as output channels a group, four or eight, without
 * gathering: a vector holds output channels, and each of its lanes meets its own group's inputs.
 */
#pragma once
#include "conv.hpp"
#include <utility>

namespace DEEPEND_ISA {

/** Positions whose sums are computed at once. */
constexpr int LANE_ROWS = 8;
/** Positions in one product of the filter's gradient. */
constexpr int LANE_KC = 128;

/** Whether groups [group0, group0 + groups) are whole vectors of a size that is computed here. */
inline bool hasLanes(const GroupArgs& args, int group0, int groups) {
  const int g = args.channels;
  return g == args.columns && (g == 4 || g == 8) && group0 * g % W == 0 && groups * g % W == 0;
}

template <int G, int I, size_t... L>
INLINE V spreadLanes(V x, std::index_sequence<L...>) {
  return {__builtin_shufflevector(x.v, x.v, int(L) / G * G + I...)};
}

/** Channel I of each lane's group of G channels; x points at the first lane's group. */
template <int G, int I> INLINE V spread(const float* x) {
  if constexpr (G >= W) return splat(x[I]);
  else return spreadLanes<G, I>(load(x), std::make_index_sequence<W>{});
}

/** sum[r] += Σ over I of channel I at x[r] + offset, times w[I]. */
template <int G, int... I>
INLINE void addTap(V* sum, const float* const* x, size_t offset, const float* w,
                   std::integer_sequence<int, I...>) {
  auto add = [&](V weight, auto channel) {
    constexpr int C = decltype(channel)::value;
#pragma GCC unroll 8
    for (int r = 0; r < LANE_ROWS; r++)
      sum[r] = madd(spread<G, C>(x[r] + offset), weight, sum[r]);
  };
  (add(load(w + I * W), std::integral_constant<int, I>{}), ...);
}

/** Lists the first source number of positions [first, first + count), rounded up, in t.a. */
inline void fillWindows(const GroupArgs& args, int first, int count, Thread& t) {
  eachWindow(args, first, count, t, [&](int i, const float* from) { t.a[i] = from; });
  for (int i = count; i % LANE_ROWS; i++) t.a[i] = t.a[0];
}

/** One tile of `convGroups`. */
template <int G>
inline void lanesForward(const GroupArgs& args, int group0, int groups, int first, int rows,
                         Thread& t) {
  const int taps = args.kernelRows * args.kernelColumns, k = taps * G;
  const size_t groupPanels = size_t(k) * ((G + NR - 1) / NR) * NR;
  const size_t outStep = size_t(args.groups) * G;
  float* weights = reinterpret_cast<float*>(t.scratch); // [tap][channel] vectors
  fillWindows(args, first, rows, t);
  for (int c = group0 * G; c < (group0 + groups) * G; c += W) {
    for (int lane = 0; lane < W; lane++) {
      const int group = (c + lane) / G, column = (c + lane) % G;
      const float* panel = t.at(args.panels) + group * groupPanels + column / NR * k * NR +
                           column % NR;
      for (int n = 0; n < k; n++) weights[n * W + lane] = panel[n * NR];
    }
    const int source = G >= W ? c / G * G : c;
    for (int row = 0; row < rows; row += LANE_ROWS) {
      V sum[LANE_ROWS];
#pragma GCC unroll 8
      for (int r = 0; r < LANE_ROWS; r++) sum[r] = zero<W>();
      const float* w = weights;
      for (int ky = 0; ky < args.kernelRows; ky++)
        for (int kx = 0; kx < args.kernelColumns; kx++, w += G * W)
          addTap<G>(sum, t.a + row, ky * args.kernelStepY + kx * args.kernelStepX + source, w,
                    std::make_integer_sequence<int, G>{});
      const V bias = args.bias ? load(t.at(args.bias) + c) : zero<W>();
      float* out = t.at(args.out) + (size_t(first) + row) * outStep + c;
#pragma GCC unroll 8
      for (int r = 0; r < LANE_ROWS; r++, out += outStep) {
        V v = args.bias ? sum[r] + bias : sum[r];
        if (args.activation) v = larger(v, zero<W>());
        if (args.activation == 2) v = smaller(v, splat(6));
        if (row + r < rows) store(out, v);
      }
    }
  }
}

/** sum[n · G + I] += channel I of tap n of the row at x, times dy. */
template <int G, int T, int... I>
INLINE void addOuter(V* sum, const float* x, size_t step, V dy,
                     std::integer_sequence<int, I...>) {
#pragma GCC unroll 4
  for (int n = 0; n < T; n++)
    ((sum[n * G + I] = madd(spread<G, I>(x + n * step), dy, sum[n * G + I])), ...);
}

/** dW of T taps of a kernel's row for one vector of channels, over `count` positions. */
template <int G, int T>
INLINE void lanesFilter(const GroupArgs& args, int count, size_t source, const float* dy,
                        float* out, bool add, Thread& t) {
  const size_t outStep = size_t(args.groups) * G, step = args.kernelStepX;
  V sum[T * G];
#pragma GCC unroll 16
  for (int i = 0; i < T * G; i++) sum[i] = add ? load(out + i * outStep) : zero<W>();
  for (int p = 0; p < count; p++, dy += outStep)
    addOuter<G, T>(sum, t.a[p] + source, step, load(dy), std::make_integer_sequence<int, G>{});
#pragma GCC unroll 16
  for (int i = 0; i < T * G; i++) store(out + i * outStep, sum[i]);
}

/** One tile of `convFilterGroups`: positions [begin, end). */
template <int G>
inline void lanesFilterGradient(const GroupArgs& args, int group0, int groups, int begin, int end,
                                float* out, Thread& t) {
  constexpr int T = 12 / G; // so that the sums stay in registers
  const size_t outStep = size_t(args.groups) * G;
  for (int first = begin; first < end; first += LANE_KC) {
    const int count = min(LANE_KC, end - first);
    const bool add = first > begin;
    fillWindows(args, first, count, t);
    for (int c = group0 * G; c < (group0 + groups) * G; c += W) {
      const float* dy = t.at(args.dy) + size_t(first) * outStep + c;
      for (int ky = 0; ky < args.kernelRows; ky++) {
        size_t source = size_t(ky) * args.kernelStepY + (G >= W ? c / G * G : c);
        float* to = out + size_t(ky) * args.kernelColumns * G * outStep + c;
        int kx = 0;
        for (; kx + T <= args.kernelColumns; kx += T) {
          lanesFilter<G, T>(args, count, source, dy, to, add, t);
          source += T * size_t(args.kernelStepX);
          to += T * G * outStep;
        }
        for (; kx < args.kernelColumns; kx++) {
          lanesFilter<G, 1>(args, count, source, dy, to, add, t);
          source += args.kernelStepX;
          to += G * outStep;
        }
      }
    }
  }
}

}  // namespace DEEPEND_ISA
