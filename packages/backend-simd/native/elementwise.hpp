/** Unary and binary operations, select, casts, constants, one-hot rows and random numbers. */
#pragma once
#include "curves.hpp"
#include "norm.hpp"

namespace DEEPEND_ISA {

/** Calls `use` with the operation as a constant, for 0 … LAST. */
template <int LAST, class Use> INLINE void withOperation(int op, Use use) {
  if constexpr (LAST > 0) {
    if (op < LAST) {
      withOperation<LAST - 1>(op, use);
      return;
    }
  }
  use(std::integral_constant<int, LAST>{});
}

template <int OP> INLINE V applyUnary(V v, V a, V b) {
  const V none = zero<W>(), one = splat(1);
  switch (OP) {
    case UnaryOp_Relu: return larger(v, none);
    case UnaryOp_Relu6: return smaller(larger(v, none), splat(6));
    case UnaryOp_Neg: return -v;
    case UnaryOp_Abs: return magnitude(v);
    case UnaryOp_Square: return v * v;
    case UnaryOp_Sqrt: return root(v);
    case UnaryOp_Rsqrt: return one / root(v);
    case UnaryOp_Step: return select(v == v, select(v > none, one, a), v);
    case UnaryOp_Reciprocal: return one / v;
    case UnaryOp_Floor: return roundDown(v);
    case UnaryOp_Ceil: return roundUp(v);
    case UnaryOp_Round: return nearest(v);
    case UnaryOp_LeakyRelu: return select(v < none, v * a, v);
    case UnaryOp_Clip: return larger(smaller(v, b), a);
    case UnaryOp_Affine: return v * a + b;
    case UnaryOp_Exp: return exponential(v);
    case UnaryOp_Expm1: return exponentialMinusOne(v);
    case UnaryOp_Elu: return select(v >= none, v, exponentialMinusOne(v));
    case UnaryOp_Sigmoid: return sigmoid(v);
    case UnaryOp_Tanh: return hyperbolicTangent(v);
    case UnaryOp_Gelu: return gelu(v);
    case UnaryOp_GeluTanh: return geluTanh(v);
    default: return silu(v);
  }
}

/** In double precision and rounded once, like JavaScript's functions. */
inline double applyScalar(int op, double x) {
  if (op == UnaryOp_Log) return std::log(x);
  if (op == UnaryOp_Log1p) return std::log1p(x);
  if (op == UnaryOp_Softplus)
    return x > 15 ? x : x < -15 ? std::exp(x) : std::log1p(std::exp(x));
  if (op == UnaryOp_Sin) return std::sin(x);
  return std::cos(x);
}

/** One tile of the job is a block of numbers. */
inline void unary(const UnaryArgs& args, int tile, Thread& t) {
  const int first = tile * args.block, count = min(args.block, args.count - first);
  const float* x = t.at(args.x) + first;
  float* out = t.at(args.out) + first;
  if (args.op >= UnaryOp_Log) {
    for (int i = 0; i < count; i++) out[i] = float(applyScalar(args.op, x[i]));
    return;
  }
  const V a = splat(args.alpha), b = splat(args.beta);
  withOperation<UnaryOp_Silu>(args.op, [&](auto op) {
    eachChannels(count, [&](int i, int some) {
      storeUpTo(out + i, applyUnary<decltype(op)::value>(load(x + i), a, b), some);
    });
  });
}

template <int OP> INLINE V applyBinary(V a, V b) {
  const V none = zero<W>(), one = splat(1);
  switch (OP) {
    case BinaryOp_Add: return a + b;
    case BinaryOp_Sub: return a - b;
    case BinaryOp_Mul: return a * b;
    case BinaryOp_Div: return a / b;
    case BinaryOp_Max: return larger(a, b);
    case BinaryOp_Min: return smaller(a, b);
    case BinaryOp_SquaredDifference: return (a - b) * (a - b);
    case BinaryOp_Prelu: return select(a < none, a * b, a);
    // In the gradients, a is dy and b is y.
    case BinaryOp_ReluGrad: return keep(b > none, a);
    case BinaryOp_Relu6Grad: return keep((b > none) & (b < splat(6)), a);
    case BinaryOp_SigmoidGrad: return a * (b * (one - b));
    case BinaryOp_TanhGrad: return a * (one - b * b);
    case BinaryOp_EluGrad: return select(b >= none, a, a * (b + one));
    // Here b is x.
    case BinaryOp_GeluGrad: return a * geluSlope(b);
    case BinaryOp_GeluTanhGrad: return a * geluTanhSlope(b);
    default: return a * siluSlope(b);
  }
}

template <int OP> INLINE Int<W> compare(V a, V b) {
  switch (OP) {
    case BinaryOp_Greater: return a > b;
    case BinaryOp_GreaterEqual: return a >= b;
    case BinaryOp_Less: return a < b;
    case BinaryOp_LessEqual: return a <= b;
    case BinaryOp_Equal: return a == b;
    case BinaryOp_NotEqual: return a != b;
    case BinaryOp_GreaterInt: return {bits(a).v > bits(b).v};
    case BinaryOp_GreaterEqualInt: return {bits(a).v >= bits(b).v};
    case BinaryOp_LessInt: return {bits(a).v < bits(b).v};
    case BinaryOp_LessEqualInt: return {bits(a).v <= bits(b).v};
    case BinaryOp_EqualInt: return {bits(a).v == bits(b).v};
    default: return {bits(a).v != bits(b).v};
  }
}

/** The numbers of a row from the i-th on, or one number that serves the whole row. */
INLINE V loadStep(const float* at, int step, int i) { return step ? load(at + i) : splat(*at); }

/** Where a row begins, in floats from the start of the tensor. */
INLINE ptrdiff_t rowPlace(const BinaryArgs& args, int r, const int32_t* strides) {
  ptrdiff_t at = ptrdiff_t(r % args.size1) * strides[0];
  r /= args.size1;
  at += ptrdiff_t(r % args.size2) * strides[1];
  r /= args.size2;
  at += ptrdiff_t(r % args.size3) * strides[2];
  r /= args.size3;
  at += ptrdiff_t(r % args.size4) * strides[3];
  return at + ptrdiff_t(r / args.size4) * strides[4];
}

/** One tile of the job is a block of rows and columns. */
inline void binary(const BinaryArgs& args, int tile, Thread& t) {
  const int32_t aStrides[] = {args.a0, args.a1, args.a2, args.a3, args.a4};
  const int32_t bStrides[] = {args.b0, args.b1, args.b2, args.b3, args.b4};
  const int firstColumn = tile % args.columnBlocks * args.columnBlock;
  const int endColumn = min(args.inner, firstColumn + args.columnBlock);
  const int firstRow = tile / args.columnBlocks * args.rowBlock;
  const int endRow = min(args.rows, firstRow + args.rowBlock);
  withOperation<BinaryOp_NotEqualInt>(args.op, [&](auto op) {
    constexpr int OP = decltype(op)::value;
    constexpr bool BYTES = OP >= BinaryOp_Greater;
    for (int r = firstRow; r < endRow;) {
      // Within the innermost dimension of the rows, the next row is one stride away. Only at its
      // end is the start computed again.
      const int runEnd = min(endRow, r + args.size1 - r % args.size1);
      const float* a = t.at(args.a) + rowPlace(args, r, aStrides);
      const float* b = t.at(args.b) + rowPlace(args, r, bStrides);
      for (; r < runEnd; r++, a += args.a0, b += args.b0) {
        const size_t start = size_t(r) * args.inner;
        for (int i = firstColumn; i < endColumn; i += W) {
          const V x = loadStep(a, args.aStep, i), y = loadStep(b, args.bStep, i);
          const int count = min(W, endColumn - i);
          if constexpr (BYTES) {
            const Int<W> mask = compare<OP>(x, y);
            uint8_t* to = t.at<uint8_t>(args.out) + start + i;
            for (int j = 0; j < count; j++) to[j] = uint8_t(mask.v[j] & 1);
          } else {
            storeUpTo(t.at(args.out) + start + i, applyBinary<OP>(x, y), count);
          }
        }
      }
    }
  });
}

/** out = condition ? a : b; a condition is one byte. One tile of the job is a block of numbers. */
inline void select4(const SelectArgs& args, int tile, Thread& t) {
  const int end = min(args.count, (tile + 1) * args.block);
  const uint8_t* condition = t.at<uint8_t>(args.condition);
  auto choose = [&](auto* out, const auto* a, const auto* b) {
    for (int i = tile * args.block; i < end; i++) out[i] = condition[i] == 1 ? a[i] : b[i];
  };
  if (args.bytes == 1)
    choose(t.at<uint8_t>(args.out), t.at<uint8_t>(args.a), t.at<uint8_t>(args.b));
  else choose(t.at<uint32_t>(args.out), t.at<uint32_t>(args.a), t.at<uint32_t>(args.b));
}

/** One tile of the job is a block of numbers. */
inline void cast(const CastArgs& args, int tile, Thread& t) {
  const int first = tile * args.block, end = min(args.count, first + args.block);
  const int32_t* words = t.at<int32_t>(args.x);
  const uint8_t* bytes = t.at<uint8_t>(args.x);
  float* floats = t.at(args.out);
  int32_t* ints = t.at<int32_t>(args.out);
  uint8_t* flags = t.at<uint8_t>(args.out); // 1 where a number is not 0, NaN too
  if (args.kind == CastKind_IntToFloat)
    for (int i = first; i < end; i++) floats[i] = float(words[i]);
  else if (args.kind == CastKind_ByteToFloat)
    for (int i = first; i < end; i++) floats[i] = float(bytes[i]);
  else if (args.kind == CastKind_ByteToInt)
    for (int i = first; i < end; i++) ints[i] = bytes[i];
  else if (args.kind == CastKind_FloatToByte)
    for (int i = first; i < end; i++) flags[i] = t.at(args.x)[i] != 0;
  else
    for (int i = first; i < end; i++) flags[i] = words[i] != 0;
}

/** One tile of the job is a block of numbers. */
inline void fill(const FillArgs& args, int tile, Thread& t) {
  const int end = min(args.count, (tile + 1) * args.block);
  int32_t* out = t.at<int32_t>(args.out);
  for (int i = tile * args.block; i < end; i++) out[i] = args.bits;
}

/**
 * Rows of `depth` numbers: `on` at the index that x holds for the row, `off` elsewhere. One tile of
 * the job is a block of rows.
 */
inline void oneHot(const OneHotArgs& args, int tile, Thread& t) {
  const int end = min(args.count, (tile + 1) * args.block);
  for (int i = tile * args.block; i < end; i++) {
    int32_t* row = t.at<int32_t>(args.out) + size_t(i) * args.depth;
    for (int d = 0; d < args.depth; d++) row[d] = args.off;
    const int32_t hot = t.at<int32_t>(args.x)[i];
    if (uint32_t(hot) < uint32_t(args.depth)) row[hot] = args.on;
  }
}

/**
 * A 32-bit mix, a bijection. The constants are lowbias32's,
 * https://github.com/skeeto/hash-prospector.
 */
INLINE uint32_t mixBits(uint32_t h) {
  h = (h ^ (h >> 16)) * 0x21f0aaadu;
  h = (h ^ (h >> 15)) * 0xd35a2d97u;
  return h ^ (h >> 15);
}

/**
 * Number `index`, in [0, 1). The second key is added between the two mixes, so that one seed's
 * numbers are not another's, shifted.
 */
INLINE float uniform(uint32_t index, uint32_t key0, uint32_t key1) {
  return float(int32_t(mixBits(mixBits(index ^ key0) + key1) >> 8)) * (1.0f / 16777216);
}

/** One tile of the job is a block of numbers. */
inline void randomUniform(const RandomArgs& args, int tile, Thread& t) {
  const int end = min(args.count, (tile + 1) * args.block);
  const uint32_t key0 = args.key0, key1 = args.key1;
  float* out = t.at(args.out);
  for (int i = tile * args.block; i < end; i++) out[i] = uniform(i, key0, key1);
}

/**
 * out = u < rate ? 0 : x · scale, with the numbers u of `randomUniform`. One tile of the job is a
 * block of numbers.
 */
inline void dropout(const RandomArgs& args, int tile, Thread& t) {
  const int end = min(args.count, (tile + 1) * args.block);
  const uint32_t key0 = args.key0, key1 = args.key1;
  const float rate = args.rate, scale = args.scale;
  const float* x = t.at(args.x);
  float* out = t.at(args.out);
  for (int i = tile * args.block; i < end; i++) {
    const float scaled = x[i] * scale;
    out[i] = uniform(i, key0, key1) >= rate ? scaled : 0;
  }
}

}  // namespace DEEPEND_ISA
