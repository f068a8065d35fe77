/** Layer normalization of rows. See assembly/layer-norm.ts for the formulas. */
#pragma once
#include <cmath>
#include <cstring>
#include "norm.hpp"

namespace DEEPEND_ISA {

/** The sum of a vector's numbers, in double precision. */
inline double total(V v) {
  double sum = 0;
  for (int i = 0; i < W; i++) sum += double(v.v[i]);
  return sum;
}

/** Σ f(x) of vectors, in four chains, since each addition waits for the one before it. */
template <class Fn> INLINE double sumOver(const float* x, int n, Fn add) {
  V sum[4];
  for (V& part : sum) part = zero<W>();
  int i = 0;
  for (; i + 4 * W <= n; i += 4 * W)
    for (int c = 0; c < 4; c++) sum[c] = add(sum[c], load(x + i + c * W));
  for (; i + W <= n; i += W) sum[0] = add(sum[0], load(x + i));
  double result = total((sum[0] + sum[1]) + (sum[2] + sum[3]));
  for (; i < n; i++) result += double(add(zero<W>(), splat(x[i])).v[0]);
  return result;
}

/** One tile is a block of rows. */
inline void layerNorm(const LayerNormArgs& args, int tile, Thread& t) {
  const int n = args.n, end = min(args.rows, (tile + 1) * args.block);
  const float *gamma = t.optional(args.gamma), *beta = t.optional(args.beta);
  for (int row = tile * args.block; row < end; row++) {
    const float* x = t.at(args.x) + size_t(row) * n;
    float* out = t.at(args.out) + size_t(row) * n;
    const float mean = float(sumOver(x, n, [](V sum, V v) { return sum + v; }) / n);
    const V shift = splat(mean);
    const double squares = sumOver(x, n, [&](V sum, V v) {
      return madd(v - shift, v - shift, sum);
    });
    const float invStd = float(1 / std::sqrt(squares / n + double(args.epsilon)));
    t.at(args.mean)[row] = mean;
    t.at(args.invStd)[row] = invStd;
    const V scale = splat(invStd);
    eachChannels(n, [&](int j, int count) {
      V y = (loadUpTo(x + j, count) - shift) * scale;
      if (gamma) y = y * loadUpTo(gamma + j, count);
      if (beta) y = y + loadUpTo(beta + j, count);
      storeUpTo(out + j, y, count);
    });
  }
}

/** One tile is a block of rows. */
inline void layerNormGradient(const LayerNormArgs& args, int tile, Thread& t) {
  const int n = args.n, end = min(args.rows, (tile + 1) * args.block);
  const float* gamma = t.optional(args.gamma);
  float* dGamma = t.at(args.partials) + size_t(tile) * 2 * n;
  float* dBeta = dGamma + n;
  std::memset(dGamma, 0, size_t(n) * 8);
  for (int row = tile * args.block; row < end; row++) {
    const float* x = t.at(args.x) + size_t(row) * n;
    const float* dy = t.at(args.dy) + size_t(row) * n;
    float* out = t.at(args.out) + size_t(row) * n;
    const V shift = splat(t.at(args.mean)[row]), scale = splat(t.at(args.invStd)[row]);
    const auto factor = [&](V change, int j, int count) {
      return gamma ? change * loadUpTo(gamma + j, count) : change;
    };
    V sum = zero<W>(), along = zero<W>();
    eachChannels(n, [&](int j, int count) {
      const V change = loadUpTo(dy + j, count);
      const V normal = (loadUpTo(x + j, count) - shift) * scale;
      storeUpTo(dBeta + j, loadUpTo(dBeta + j, count) + change, count);
      storeUpTo(dGamma + j, madd(change, normal, loadUpTo(dGamma + j, count)), count);
      const V d = factor(change, j, count);
      sum = sum + d; // what is beyond a row's end is 0
      along = madd(d, normal, along);
    });
    const V mean = splat(float(total(sum) / n)), slope = splat(float(total(along) / n));
    eachChannels(n, [&](int j, int count) {
      const V normal = (loadUpTo(x + j, count) - shift) * scale;
      const V d = factor(loadUpTo(dy + j, count), j, count);
      storeUpTo(out + j, (d - mean - normal * slope) * scale, count);
    });
  }
}

}  // namespace DEEPEND_ISA
