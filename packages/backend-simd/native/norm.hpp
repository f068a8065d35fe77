/**
 * Batch normalization in training (Ioffe & Szegedy 2015, https://arxiv.org/abs/1502.03167) and its
 * gradient. Inputs are [rows][channels], where a row is a pixel.
 */
#pragma once
#include "generated/arguments.hpp"
#include "thread.hpp"
#include "vector.hpp"

namespace DEEPEND_ISA {
using namespace deepend;

/** Calls `use` with the first channel of each vector and the number of channels to store. */
template <class Use> INLINE void eachChannels(int channels, Use use) {
  int c = 0;
  for (; c + W <= channels; c += W) use(c, W);
  if (c < channels) use(c, channels - c);
}

INLINE V loadUpTo(const float* from, int count) {
  return count == W ? load(from) : loadSome(from, count);
}
INLINE void storeUpTo(float* to, V v, int count) {
  if (count == W) store(to, v);
  else storeSome(to, v, count);
}

/** Vectors of a row that one pass over rows sums up: a cache line or more. */
constexpr int STRIPE = W >= 16 ? 2 : 4;

/**
 * For each channel, the mean of a block of rows and the sum of squared differences from it. (Sums
 * of squares would cancel.) One tile is a block of rows.
 */
inline void normPartial(const NormArgs& args, int block, Thread& t) {
  const int first = block * args.block, rows = min(args.block, args.rows - first);
  const size_t step = args.channels;
  const float* x = t.at(args.x) + first * step;
  float* out = t.at(args.partials) + size_t(block) * 2 * step;
  const V fraction = splat(1 / float(rows));
  auto stripe = [&](int c, auto vectors, int last) {
    constexpr int S = decltype(vectors)::value;
    V mean[S], squares[S];
    for (int s = 0; s < S; s++) mean[s] = squares[s] = zero<W>();
    const float* at = x + c;
    for (int r = 0; r < rows; r++, at += step)
      for (int s = 0; s < S; s++) mean[s] = mean[s] + load(at + s * W);
    for (int s = 0; s < S; s++) mean[s] = mean[s] * fraction;
    at = x + c;
    for (int r = 0; r < rows; r++, at += step)
      for (int s = 0; s < S; s++) {
        const V d = load(at + s * W) - mean[s];
        squares[s] = madd(d, d, squares[s]);
      }
    for (int s = 0; s < S; s++) {
      storeUpTo(out + c + s * W, mean[s], last);
      storeUpTo(out + step + c + s * W, squares[s], last);
    }
  };
  int c = 0;
  for (; c + STRIPE * W <= args.channels; c += STRIPE * W)
    stripe(c, std::integral_constant<int, STRIPE>{}, W);
  eachChannels(args.channels - c, [&](int at, int count) {
    stripe(c + at, std::integral_constant<int, 1>{}, count);
  });
}

INLINE float moveStatistic(float old, double now, float momentum) {
  return float(double(old) * double(momentum) + now * (1 - double(momentum)));
}

/**
 * Combines the blocks in double precision (Chan, Golub & LeVeque 1979), writes each channel's scale
 * and shift, and updates the moving statistics. One tile is a block of channels.
 */
inline void normCombine(const NormArgs& args, int tile, Thread& t) {
  const int end = min(args.channels, (tile + 1) * args.channelBlock);
  const size_t step = args.channels;
  for (int c = tile * args.channelBlock; c < end; c++) {
    double count = 0, mean = 0, squares = 0;
    const float* at = t.at(args.partials) + c;
    for (int block = 0; block < args.blocks; block++, at += 2 * step) {
      const double n = min(args.block, args.rows - block * args.block);
      const double delta = double(at[0]) - mean, total = count + n;
      mean += delta * n / total;
      squares += double(at[step]) + delta * delta * count * n / total;
      count = total;
    }
    const double variance = squares / count;
    const double invStd = 1 / std::sqrt(variance + double(args.epsilon));
    const double factor = args.gamma ? double(t.at(args.gamma)[c]) * invStd : invStd;
    const double shift = (args.beta ? double(t.at(args.beta)[c]) : 0) - mean * factor;
    t.at(args.mean)[c] = float(mean);
    t.at(args.invStd)[c] = float(invStd);
    t.at(args.a)[c] = float(factor);
    t.at(args.b)[c] = float(shift);
    const double unbiased = squares / (count - 1 > 1 ? count - 1 : 1);
    t.at(args.newMean)[c] = moveStatistic(t.at(args.movingMean)[c], mean, args.momentum);
    t.at(args.newVariance)[c] =
        moveStatistic(t.at(args.movingVariance)[c], unbiased, args.momentum);
  }
}

/** Calls `use` with `relu` as a constant. */
template <class F> INLINE void withRelu(int relu, F use) {
  if (relu == 2) use(std::integral_constant<int, 2>{});
  else if (relu) use(std::integral_constant<int, 1>{});
  else use(std::integral_constant<int, 0>{});
}

/** y = relu(x · a + b + residual); `relu` 2: ReLU6. One tile is a block of rows. */
inline void normApply(const NormArgs& args, int block, Thread& t) {
  const int first = block * args.block, rows = min(args.block, args.rows - first);
  const size_t step = args.channels, offset = first * step;
  const float *a = t.at(args.a), *b = t.at(args.b);
  auto apply = [&](auto relu, auto residuals) {
    constexpr int R = decltype(relu)::value;
    constexpr bool HAS_RESIDUAL = decltype(residuals)::value;
    const float* x = t.at(args.x) + offset;
    const float* residual = HAS_RESIDUAL ? t.at(args.residual) + offset : nullptr;
    float* y = t.at(args.out) + offset;
    for (int r = 0; r < rows; r++, x += step, y += step) {
      eachChannels(args.channels, [&](int c, int count) {
        V v = madd(load(x + c), load(a + c), load(b + c));
        if constexpr (HAS_RESIDUAL) v = v + load(residual + c);
        if constexpr (R > 0) v = larger(v, zero<W>());
        if constexpr (R == 2) v = smaller(v, splat(6));
        storeUpTo(y + c, v, count);
      });
      if constexpr (HAS_RESIDUAL) residual += step;
    }
  };
  withRelu(args.relu, [&](auto relu) {
    if (args.residual) apply(relu, std::true_type{});
    else apply(relu, std::false_type{});
  });
}

/** Σ of each channel over a block of rows: [blocks][channels]. */
inline void channelSumsPartial(const NormArgs& args, int block, Thread& t) {
  const int first = block * args.block, rows = min(args.block, args.rows - first);
  const size_t step = args.channels;
  float* out = t.at(args.partials) + block * step;
  eachChannels(args.channels, [&](int c, int count) {
    const float* at = t.at(args.x) + first * step + c;
    V sum = zero<W>();
    for (int r = 0; r < rows; r++, at += step) sum = sum + load(at);
    storeUpTo(out + c, sum, count);
  });
}

/** dz: dy where the ReLU's output is above 0, and below 6 if R is 2; else 0. */
template <int R> INLINE V reluGradient(const float* dy, const float* y) {
  const V v = load(dy);
  if constexpr (R == 0) return v;
  const V output = load(y);
  const auto passes = output > zero<W>();
  return keep(R == 2 ? passes & (output < splat(6)) : passes, v);
}

/** Σ dz and Σ dz · (x − mean) of each channel. One tile is a block of rows. */
inline void normBackPartial(const NormArgs& args, int block, Thread& t) {
  const int first = block * args.block, rows = min(args.block, args.rows - first);
  const size_t step = args.channels, offset = first * step;
  const float *x = t.at(args.x) + offset, *dy = t.at(args.dy) + offset;
  const float *y = t.at(args.y) + offset, *means = t.at(args.mean);
  float* out = t.at(args.partials) + size_t(block) * 2 * step;
  auto stripe = [&](int c, auto vectors, int last, auto relu) {
    constexpr int S = decltype(vectors)::value, R = decltype(relu)::value;
    V mean[S], sum[S], products[S];
    for (int s = 0; s < S; s++) {
      mean[s] = load(means + c + s * W);
      sum[s] = products[s] = zero<W>();
    }
    size_t at = c;
    for (int r = 0; r < rows; r++, at += step)
      for (int s = 0; s < S; s++) {
        const V z = reluGradient<R>(dy + at + s * W, y + at + s * W);
        sum[s] = sum[s] + z;
        products[s] = madd(z, load(x + at + s * W) - mean[s], products[s]);
      }
    for (int s = 0; s < S; s++) {
      storeUpTo(out + c + s * W, sum[s], last);
      storeUpTo(out + step + c + s * W, products[s], last);
    }
  };
  withRelu(args.relu, [&](auto relu) {
    int c = 0;
    for (; c + STRIPE * W <= args.channels; c += STRIPE * W)
      stripe(c, std::integral_constant<int, STRIPE>{}, W, relu);
    eachChannels(args.channels - c, [&](int at, int count) {
      stripe(c + at, std::integral_constant<int, 1>{}, count, relu);
    });
  });
}

/**
 * Gradients of gamma and beta, and for each channel the a, b and c of dx = a·dz + b·(x − mean) + c.
 * One tile is a block of channels.
 */
inline void normBackCombine(const NormArgs& args, int tile, Thread& t) {
  const int end = min(args.channels, (tile + 1) * args.channelBlock);
  const size_t step = args.channels;
  const double count = args.rows;
  for (int c = tile * args.channelBlock; c < end; c++) {
    double sum = 0, products = 0;
    const float* at = t.at(args.partials) + c;
    for (int block = 0; block < args.blocks; block++, at += 2 * step) {
      sum += double(at[0]);
      products += double(at[step]);
    }
    const double invStd = t.at(args.invStd)[c], dGamma = products * invStd;
    const double a = args.gamma ? double(t.at(args.gamma)[c]) * invStd : invStd;
    t.at(args.dGamma)[c] = float(dGamma);
    t.at(args.dBeta)[c] = float(sum);
    t.at(args.a)[c] = float(a);
    t.at(args.b)[c] = float(-a * invStd * dGamma / count);
    // x − mean is computed first, since both may be large.
    t.at(args.c)[c] = float(-a * sum / count);
  }
}

/** dx and, if outResidual is set, the shortcut's gradient dz. One tile is a block of rows. */
inline void normBackApply(const NormArgs& args, int block, Thread& t) {
  const int first = block * args.block, rows = min(args.block, args.rows - first);
  const size_t step = args.channels, offset = first * step;
  const float *a = t.at(args.a), *b = t.at(args.b), *c0 = t.at(args.c), *mean = t.at(args.mean);
  auto apply = [&](auto relu, auto residuals) {
    constexpr int R = decltype(relu)::value;
    constexpr bool HAS_RESIDUAL = decltype(residuals)::value;
    const float *x = t.at(args.x) + offset, *dy = t.at(args.dy) + offset;
    const float* y = t.at(args.y) + offset;
    float* out = t.at(args.out) + offset;
    float* residual = HAS_RESIDUAL ? t.at(args.outResidual) + offset : nullptr;
    for (int r = 0; r < rows; r++, x += step, dy += step, y += step, out += step) {
      eachChannels(args.channels, [&](int c, int count) {
        const V z = reluGradient<R>(dy + c, y + c);
        const V rest = madd(load(x + c) - load(mean + c), load(b + c), load(c0 + c));
        storeUpTo(out + c, madd(z, load(a + c), rest), count);
        if constexpr (HAS_RESIDUAL) storeUpTo(residual + c, z, count);
      });
      if constexpr (HAS_RESIDUAL) residual += step;
    }
  };
  withRelu(args.relu, [&](auto relu) {
    if (args.outResidual) apply(relu, std::true_type{});
    else apply(relu, std::false_type{});
  });
}

}  // namespace DEEPEND_ISA
