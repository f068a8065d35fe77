/**
 * Vectors of N floats, by the vector extensions of GCC and Clang, so that one source serves every
 * instruction set. This file is compiled once for each of them, in a namespace of its own.
 *
 * The exponentials are accurate to about two units in the last place. NaN stays NaN, overflow gives
 * infinity, underflow gives a denormal number and then 0. Coefficients: Cephes (Moshier), expf.c
 * and tanhf.c.
 */
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>
#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#define INLINE inline __attribute__((always_inline))

namespace DEEPEND_ISA {

/** Floats in a vector register. The sanitizers' build sets it, to test a width without its register. */
#if defined(DEEPEND_WIDTH)
constexpr int W = DEEPEND_WIDTH;
#elif defined(__AVX512F__)
constexpr int W = 16;
#elif defined(__AVX2__)
constexpr int W = 8;
#else
constexpr int W = 4;
#endif

template <int N> struct Types;
#define DEFINE_TYPES(N)                                                      \
  template <> struct Types<N> {                                              \
    typedef float F __attribute__((vector_size(4 * N)));                     \
    typedef int32_t I __attribute__((vector_size(4 * N)));                   \
    typedef uint32_t U __attribute__((vector_size(4 * N)));                  \
    typedef float Floats __attribute__((vector_size(4 * N), aligned(4), may_alias)); \
    typedef int32_t Ints __attribute__((vector_size(4 * N), aligned(4), may_alias)); \
  };
DEFINE_TYPES(4)
DEFINE_TYPES(8)
DEFINE_TYPES(16)
#undef DEFINE_TYPES

/** N integers, or a mask: -1 where a comparison holds, else 0. */
template <int N> struct Int {
  typename Types<N>::I v;
};

/** N floats. */
template <int N> struct Vec {
  typename Types<N>::F v;
};

using V = Vec<W>;
using V4 = Vec<4>;

template <int N = W> INLINE Vec<N> load(const void* p) {
  return {*static_cast<const typename Types<N>::Floats*>(p)};
}
template <int N> INLINE void store(void* p, Vec<N> a) {
  *static_cast<typename Types<N>::Floats*>(p) = a.v;
}
template <int N = W> INLINE Int<N> loadInts(const void* p) {
  return {*static_cast<const typename Types<N>::Ints*>(p)};
}
template <int N> INLINE void store(void* p, Int<N> a) {
  *static_cast<typename Types<N>::Ints*>(p) = a.v;
}
/** Stores the first `count` numbers, fewer than a vector has: a copy of unknown length is a call. */
template <class T> INLINE void storeSome(void* p, T a, int count) {
  char* to = static_cast<char*>(p);
  const char* from = reinterpret_cast<const char*>(&a);
  auto copy = [&](auto numbers) {
    constexpr int N = decltype(numbers)::value;
    if (!(count & N)) return;
    std::memcpy(to, from, N * 4);
    to += N * 4;
    from += N * 4;
  };
  if constexpr (sizeof(T) > 32) copy(std::integral_constant<int, 8>{});
  if constexpr (sizeof(T) > 16) copy(std::integral_constant<int, 4>{});
  copy(std::integral_constant<int, 2>{});
  copy(std::integral_constant<int, 1>{});
}
/** Loads the first `count` numbers, with zeros after them: those may be another thread's. */
template <int N = W> INLINE Vec<N> loadSome(const float* p, int count) {
  Vec<N> a = {typename Types<N>::F{}};
  std::memcpy(&a, p, static_cast<size_t>(count) * 4);
  return a;
}
#if defined(__AVX2__)
template <> INLINE Vec<8> loadSome(const float* p, int count) {
  static const int32_t MASKS[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
  const __m256i mask = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(MASKS + 8 - count));
  return {(Types<8>::F)_mm256_maskload_ps(p, mask)};
}
#endif
#if defined(__AVX512F__)
template <> INLINE Vec<16> loadSome(const float* p, int count) {
  return {(Types<16>::F)_mm512_maskz_loadu_ps(__mmask16((1 << count) - 1), p)};
}
#endif
template <int N = W> INLINE Vec<N> splat(float x) {
  return {x - typename Types<N>::F{}};
}
template <int N = W> INLINE Int<N> splatInt(int32_t x) {
  return {x - typename Types<N>::I{}};
}
template <int N = W> INLINE Vec<N> zero() { return {typename Types<N>::F{}}; }

template <int N> INLINE Vec<N> operator+(Vec<N> a, Vec<N> b) { return {a.v + b.v}; }
template <int N> INLINE Vec<N> operator-(Vec<N> a, Vec<N> b) { return {a.v - b.v}; }
template <int N> INLINE Vec<N> operator*(Vec<N> a, Vec<N> b) { return {a.v * b.v}; }
template <int N> INLINE Vec<N> operator/(Vec<N> a, Vec<N> b) { return {a.v / b.v}; }
template <int N> INLINE Vec<N> operator-(Vec<N> a) { return {-a.v}; }
template <int N> INLINE Int<N> operator+(Int<N> a, Int<N> b) { return {a.v + b.v}; }
template <int N> INLINE Int<N> operator-(Int<N> a, Int<N> b) { return {a.v - b.v}; }
template <int N> INLINE Int<N> operator^(Int<N> a, Int<N> b) { return {a.v ^ b.v}; }
template <int N> INLINE Int<N> operator&(Int<N> a, Int<N> b) { return {a.v & b.v}; }

/** Product modulo 2³². */
template <int N> INLINE Int<N> operator*(Int<N> a, Int<N> b) {
  using U = typename Types<N>::U;
  return {(typename Types<N>::I)((U)a.v * (U)b.v)};
}
template <int N> INLINE Int<N> shiftRight(Int<N> a, int bits) {
  return {(typename Types<N>::I)((typename Types<N>::U)a.v >> bits)};
}

template <int N> INLINE Int<N> bits(Vec<N> a) { return {(typename Types<N>::I)a.v}; }
template <int N> INLINE Vec<N> fromBits(Int<N> a) { return {(typename Types<N>::F)a.v}; }

template <int N> INLINE Int<N> operator<(Vec<N> a, Vec<N> b) { return {a.v < b.v}; }
template <int N> INLINE Int<N> operator<=(Vec<N> a, Vec<N> b) { return {a.v <= b.v}; }
template <int N> INLINE Int<N> operator>(Vec<N> a, Vec<N> b) { return {a.v > b.v}; }
template <int N> INLINE Int<N> operator>=(Vec<N> a, Vec<N> b) { return {a.v >= b.v}; }
template <int N> INLINE Int<N> operator==(Vec<N> a, Vec<N> b) { return {a.v == b.v}; }
template <int N> INLINE Int<N> operator!=(Vec<N> a, Vec<N> b) { return {a.v != b.v}; }
template <int N> INLINE Int<N> operator==(Int<N> a, Int<N> b) { return {a.v == b.v}; }

/** mask ? a : b */
template <int N> INLINE Vec<N> select(Int<N> mask, Vec<N> a, Vec<N> b) {
  return {mask.v ? a.v : b.v};
}
template <int N> INLINE Int<N> select(Int<N> mask, Int<N> a, Int<N> b) {
  return {mask.v ? a.v : b.v};
}
/** mask ? a : 0 */
template <int N> INLINE Vec<N> keep(Int<N> mask, Vec<N> a) { return fromBits(mask & bits(a)); }

/** The larger; NaN if either is NaN. */
template <int N> INLINE Vec<N> larger(Vec<N> a, Vec<N> b) {
  return select(a != a, a, select(a > b, a, b));
}
/** The smaller; NaN if either is NaN. */
template <int N> INLINE Vec<N> smaller(Vec<N> a, Vec<N> b) {
  return select(a != a, a, select(a < b, a, b));
}

/** a · b + c, rounded once where the instruction set has it. */
template <int N> INLINE Vec<N> madd(Vec<N> a, Vec<N> b, Vec<N> c) { return {a.v * b.v + c.v}; }
#if defined(__FMA__)
template <> INLINE Vec<4> madd(Vec<4> a, Vec<4> b, Vec<4> c) {
  return {(Types<4>::F)_mm_fmadd_ps((__m128)a.v, (__m128)b.v, (__m128)c.v)};
}
template <> INLINE Vec<8> madd(Vec<8> a, Vec<8> b, Vec<8> c) {
  return {(Types<8>::F)_mm256_fmadd_ps((__m256)a.v, (__m256)b.v, (__m256)c.v)};
}
#endif
#if defined(__AVX512F__)
template <> INLINE Vec<16> madd(Vec<16> a, Vec<16> b, Vec<16> c) {
  return {(Types<16>::F)_mm512_fmadd_ps((__m512)a.v, (__m512)b.v, (__m512)c.v)};
}
#endif
#if defined(__aarch64__)
template <> INLINE Vec<4> madd(Vec<4> a, Vec<4> b, Vec<4> c) {
  return {(Types<4>::F)vfmaq_f32((float32x4_t)c.v, (float32x4_t)a.v, (float32x4_t)b.v)};
}
#endif

/** Applies a function to each number; the compiler makes one instruction of it where there is one. */
template <int N, class Fn> INLINE Vec<N> each(Vec<N> a, Fn fn) {
  Vec<N> r;
  for (int i = 0; i < N; i++) r.v[i] = fn(a.v[i]);
  return r;
}
template <int N> INLINE Vec<N> root(Vec<N> a) {
  return each(a, [](float x) { return __builtin_sqrtf(x); });
}
template <int N> INLINE Vec<N> roundDown(Vec<N> a) {
  return each(a, [](float x) { return __builtin_floorf(x); });
}
template <int N> INLINE Vec<N> roundUp(Vec<N> a) {
  return each(a, [](float x) { return __builtin_ceilf(x); });
}
/** To the nearest integer, ties to even. */
template <int N> INLINE Vec<N> nearest(Vec<N> a) {
  return each(a, [](float x) { return __builtin_nearbyintf(x); });
}
#if defined(__AVX2__)
template <> INLINE Vec<8> root(Vec<8> a) {
  return {(Types<8>::F)_mm256_sqrt_ps((__m256)a.v)};
}
template <> INLINE Vec<8> nearest(Vec<8> a) {
  return {(Types<8>::F)_mm256_round_ps((__m256)a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
template <> INLINE Vec<8> roundDown(Vec<8> a) { return {(Types<8>::F)_mm256_floor_ps((__m256)a.v)}; }
template <> INLINE Vec<8> roundUp(Vec<8> a) { return {(Types<8>::F)_mm256_ceil_ps((__m256)a.v)}; }
#endif
#if defined(__AVX512F__)
template <> INLINE Vec<16> root(Vec<16> a) { return {(Types<16>::F)_mm512_sqrt_ps((__m512)a.v)}; }
template <> INLINE Vec<16> nearest(Vec<16> a) {
  return {(Types<16>::F)_mm512_roundscale_ps((__m512)a.v, _MM_FROUND_TO_NEAREST_INT)};
}
#endif

template <int N> INLINE Vec<N> magnitude(Vec<N> a) {
  return fromBits(bits(a) & splatInt<N>(0x7fffffff));
}

/** The integers nearest to numbers that fit, and back. */
template <int N> INLINE Int<N> toInts(Vec<N> a) {
  return {__builtin_convertvector(a.v, typename Types<N>::I)};
}
template <int N> INLINE Vec<N> toFloats(Int<N> a) {
  return {__builtin_convertvector(a.v, typename Types<N>::F)};
}

/** 2ⁿ for integers n in [-126, 127]. */
template <int N> INLINE Vec<N> powerOfTwo(Int<N> n) {
  Int<N> sum = n + splatInt<N>(127);
  return fromBits(Int<N>{sum.v << 23});
}

/** x / ln 2, rounded to the nearest integer. */
template <int N> INLINE Vec<N> halvings(Vec<N> x) { return nearest(x * splat<N>(1.44269504f)); }

/** eʳ - 1 for r = x - n ln 2. ln 2 is split in two parts so that the first times n is exact. */
template <int N> INLINE Vec<N> expRest(Vec<N> x, Vec<N> n) {
  Vec<N> r = madd(n, splat<N>(2.12194440e-4f), madd(n, splat<N>(-0.693359375f), x));
  Vec<N> p = madd(r, splat<N>(1.9875691500e-4f), splat<N>(1.3981999507e-3f));
  p = madd(p, r, splat<N>(8.3334519073e-3f));
  p = madd(p, r, splat<N>(4.1665795894e-2f));
  p = madd(p, r, splat<N>(1.6666665459e-1f));
  p = madd(p, r, splat<N>(5.0000001201e-1f));
  return madd(p, r * r, r);
}

/** eˣ. */
template <int N> INLINE Vec<N> exponential(Vec<N> x) {
  Vec<N> bounded = larger(smaller(x, splat<N>(89)), splat<N>(-104));
  Vec<N> n = halvings(bounded);
  Vec<N> y = expRest(bounded, n) + splat<N>(1);
  // 2ⁿ as two factors, since n lies in [-150, 128]. NaN converts to some integer; y is NaN anyway.
  Int<N> whole = toInts(select(n == n, n, zero<N>()));
  Int<N> half = {whole.v >> 1};
  return y * powerOfTwo(half) * powerOfTwo(whole - half);
}

/** eˣ - 1, accurate near 0. */
template <int N> INLINE Vec<N> exponentialMinusOne(Vec<N> x) {
  Vec<N> bounded = larger(smaller(x, splat<N>(89)), splat<N>(-30));
  Vec<N> n = halvings(bounded);
  Vec<N> half = powerOfTwo(toInts(select(n == n, n, zero<N>())) - splatInt<N>(1));
  Vec<N> result = half * expRest(bounded, n) + (half - splat<N>(0.5f));
  return result + result;
}

/** 1 / (1 + e⁻ˣ), computed from e^-|x|, which cannot overflow. */
template <int N> INLINE Vec<N> sigmoid(Vec<N> x) {
  Vec<N> one = splat<N>(1), e = exponential(-magnitude(x));
  return select(x < zero<N>(), e, one) / (one + e);
}

template <int N> INLINE Vec<N> hyperbolicTangent(Vec<N> x) {
  Vec<N> one = splat<N>(1), size = magnitude(x), z = x * x;
  Vec<N> p = madd(z, splat<N>(-5.70498872745e-3f), splat<N>(2.06390887954e-2f));
  p = madd(p, z, splat<N>(-5.37397155531e-2f));
  p = madd(p, z, splat<N>(1.33314422036e-1f));
  p = madd(p, z, splat<N>(-3.33332819422e-1f));
  Vec<N> small = madd(p * z, x, x);
  Vec<N> large = one - splat<N>(2) / (exponential(size + size) + one);
  Int<N> sign = bits(x) & splatInt<N>(INT32_MIN);
  Vec<N> signedLarge = fromBits(Int<N>{bits(large).v | sign.v});
  return select(size < splat<N>(0.625f), small, signedLarge);
}

}  // namespace DEEPEND_ISA
