/**
 * Reductions of [outer][length][inner] over the middle axis, softmax, and the cross-entropy. Sums
 * and products are computed in double precision and rounded once a chunk.
 */
#pragma once
#include <cstring>
#include "norm.hpp"

namespace DEEPEND_ISA {

/** The sum of `count` numbers, in eight partial sums: in the same order as in WebAssembly. */
inline double sumAlong(const float* x, int count) {
  double s[8] = {};
  int i = 0;
  for (; i + 8 <= count; i += 8)
    for (int j = 0; j < 8; j++) s[j] += double(x[i + j]);
  double sum = ((s[0] + s[2]) + (s[4] + s[6])) + ((s[1] + s[3]) + (s[5] + s[7]));
  for (; i < count; i++) sum += double(x[i]);
  return sum;
}

/** Taken in stock cpu's order, since another order may overflow where this one does not. */
inline double productAlong(const float* x, int count) {
  double product = 1;
  for (int i = 0; i < count; i++) product *= double(x[i]);
  return product;
}

INLINE float joinOne(bool isMax, float a, float b) {
  if (a != a) return a;
  return isMax ? (a > b ? a : b) : (a < b ? a : b);
}

/** The maximum or minimum of `count` contiguous numbers; NaN if one is NaN. */
template <bool MAX> inline float extremeAlong(const float* x, int count) {
  const float start = MAX ? -INFINITY : INFINITY;
  V v = splat(start);
  int i = 0;
  for (; i + W <= count; i += W) v = MAX ? larger(v, load(x + i)) : smaller(v, load(x + i));
  float result = start;
  for (int j = 0; j < W; j++) result = joinOne(MAX, result, v.v[j]);
  for (; i < count; i++) result = joinOne(MAX, result, x[i]);
  return result;
}

/** One tile of the job is a group of chunks × a block of columns. */
inline void reduceRows(const ReduceRowsArgs& args, int tile, Thread& t) {
  constexpr int COLUMNS = 8;
  const double scale = args.scale;
  const size_t step = args.inner;
  const int first = tile % args.columnBlocks * args.columnBlock;
  const int last = min(args.inner, first + args.columnBlock);
  const int from = tile / args.columnBlocks * args.group;
  const int end = min(args.outer * args.chunks, from + args.group);
  auto wideDown = [&](const float* x, int count, float* out, bool isSum) {
    for (int c = first; c < last; c += COLUMNS) {
      const int columns = min(COLUMNS, last - c);
      double v[COLUMNS];
      for (double& value : v) value = isSum ? 0 : 1;
      const float* at = x + c;
      if (columns == COLUMNS && isSum)
        for (int i = 0; i < count; i++, at += step)
          for (int j = 0; j < COLUMNS; j++) v[j] += double(at[j]);
      else
        for (int i = 0; i < count; i++, at += step)
          for (int j = 0; j < columns; j++) v[j] = isSum ? v[j] + double(at[j]) : v[j] * at[j];
      for (int j = 0; j < columns; j++) out[c + j] = float(v[j] * scale);
    }
  };
  auto extremeDown = [&](const float* x, int count, float* out, bool isMax) {
    for (int c = first; c < last; c += W) {
      V v = splat(isMax ? -INFINITY : INFINITY);
      const float* at = x + c;
      for (int i = 0; i < count; i++, at += step)
        v = isMax ? larger(v, load(at)) : smaller(v, load(at));
      storeUpTo(out + c, v, min(W, last - c));
    }
  };
  for (int g = from; g < end; g++) {
    const int skip = g % args.chunks * args.chunk, count = min(args.chunk, args.length - skip);
    const float* x = t.at(args.x) + (size_t(g / args.chunks) * args.length + skip) * step;
    float* out = t.at(args.out) + g * step;
    const int op = args.op;
    if (args.inner > 1) {
      if (op == ReduceOp_Sum || op == ReduceOp_Prod) wideDown(x, count, out, op == ReduceOp_Sum);
      else extremeDown(x, count, out, op == ReduceOp_Max);
    } else if (op == ReduceOp_Sum) *out = float(sumAlong(x, count) * scale);
    else if (op == ReduceOp_Prod) *out = float(productAlong(x, count) * scale);
    else *out = op == ReduceOp_Max ? extremeAlong<true>(x, count) : extremeAlong<false>(x, count);
  }
}

/** Writes e^(x - largest) for a row of logits. @returns the sum */
inline double exponentials(const float* x, float* out, int columns, float largest) {
  const V shift = splat(largest);
  double sums[W] = {};
  int i = 0;
  for (; i + W <= columns; i += W) {
    const V e = exponential(load(x + i) - shift);
    store(out + i, e);
    for (int j = 0; j < W; j++) sums[j] += double(e.v[j]);
  }
  double sum = 0;
  for (double part : sums) sum += part;
  if (i == columns) return sum;
  const V e = exponential(loadSome(x + i, columns - i) - shift);
  storeSome(out + i, e, columns - i);
  for (int j = 0; j < columns - i; j++) sum += double(e.v[j]);
  return sum;
}

inline int firstLargest(const float* x, int columns) {
  int best = 0;
  for (int i = 1; i < columns; i++)
    if (x[i] > x[best]) best = i;
  return best;
}

/**
 * The loss of a label that is weighted by its class and spread over the others: see
 * assembly/softmax.ts. Changes `out` from exponentials to the gradient.
 */
inline double spreadLabel(const SoftmaxArgs& args, const float* x, float* out, int target,
                          double sum, double shift, double scale, Thread& t) {
  const int columns = args.columns;
  const float* weights = t.optional(args.classWeights);
  const double smoothing = args.smoothing, even = smoothing / columns;
  const bool isClass = uint32_t(target) < uint32_t(columns);
  const double weight = !isClass ? 0 : weights ? double(weights[target]) : 1;
  const double sharp = (1 - smoothing) * weight;
  double loss = sharp > 0 ? sharp * (shift - double(x[target])) : 0, mass = sharp;
  if (even > 0 && !weights) {
    loss += even * (columns * shift - sumAlong(x, columns));
    mass += smoothing;
  } else if (even > 0) {
    for (int i = 0; i < columns; i++) {
      const double u = even * double(weights[i]);
      if (u == 0) continue;
      loss += u * (shift - double(x[i]));
      mass += u;
    }
  }
  const double factor = mass / sum;
  const double slope = isClass ? double(out[target]) * factor - even * weight - sharp : 0;
  const V by = splat(float(factor * scale)), rest = splat(float(even * scale));
  eachChannels(columns, [&](int i, int count) {
    const V u = weights ? loadUpTo(weights + i, count) * rest : rest;
    storeUpTo(out + i, loadUpTo(out + i, count) * by - u, count);
  });
  if (isClass) out[target] = float(slope * scale);
  return loss;
}

/**
 * One row's loss, whether its largest logit is the label's, and in `out` the gradient of the
 * logits. Sums are in double precision, since losses are compared with those of other frameworks. A
 * row of weight 0 is not read.
 */
inline void crossEntropy(const SoftmaxArgs& args, int r, const float* x, float* out, Thread& t) {
  const int columns = args.columns;
  const bool indices = args.kind == SoftmaxKind_CrossEntropyIndices;
  const float* labels = t.at(args.labels) + size_t(r) * (indices ? 1 : columns);
  float &lossOf = t.at(args.losses)[r], &correct = t.at(args.correct)[r];
  const float weight = args.weights ? t.at(args.weights)[r] : 1;
  if (weight == 0) {
    std::memset(out, 0, size_t(columns) * 4);
    lossOf = correct = 0;
    return;
  }
  const float largest = extremeAlong<true>(x, columns);
  const double sum = exponentials(x, out, columns, largest);
  const double scale = double(args.scale) * double(weight), shift = double(largest) + std::log(sum);
  const int target =
      indices ? *reinterpret_cast<const int32_t*>(labels) : firstLargest(labels, columns);
  correct = firstLargest(x, columns) == target ? weight : 0;
  if (indices && (args.classWeights || args.smoothing != 0)) {
    lossOf = float(spreadLabel(args, x, out, target, sum, shift, scale, t) * scale);
    return;
  }
  const bool isClass = indices && uint32_t(target) < uint32_t(columns);
  const float slope = isClass ? float((double(out[target]) / sum - 1) * scale) : 0;
  double loss = isClass ? shift - double(x[target]) : 0;
  const V factor = splat(float(scale / sum)), of = splat(float(scale));
  eachChannels(columns, [&](int i, int count) {
    V v = loadUpTo(out + i, count) * factor;
    if (!indices) v = v - loadUpTo(labels + i, count) * of;
    storeUpTo(out + i, v, count);
  });
  if (isClass) out[target] = slope;
  if (!indices)
    for (int i = 0; i < columns; i++)
      if (labels[i] != 0) loss -= double(labels[i]) * (double(x[i]) - shift);
  lossOf = float(loss * scale);
}

/**
 * One tile of the job is a block of rows. For the cross-entropy, out is the gradient of the logits
 * and losses the loss of each row.
 */
inline void softmax(const SoftmaxArgs& args, int tile, Thread& t) {
  const int columns = args.columns, end = min(args.rows, (tile + 1) * args.block);
  for (int r = tile * args.block; r < end; r++) {
    const float* x = t.at(args.x) + size_t(r) * columns;
    float* out = t.at(args.out) + size_t(r) * columns;
    if (args.kind >= SoftmaxKind_CrossEntropyIndices) {
      crossEntropy(args, r, x, out, t);
      continue;
    }
    const float largest = extremeAlong<true>(x, columns);
    const double sum = exponentials(x, out, columns, largest);
    if (args.kind == SoftmaxKind_Softmax) {
      const float factor = float(1 / sum);
      for (int i = 0; i < columns; i++) out[i] *= factor;
    } else {
      const float logSum = float(std::log(sum));
      for (int i = 0; i < columns; i++) out[i] = x[i] - largest - logSum;
    }
  }
}

}  // namespace DEEPEND_ISA
