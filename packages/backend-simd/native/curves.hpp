/** GELU, its approximation with tanh, and SiLU. See assembly/curves.ts for the formulas. */
#pragma once
#include "vector.hpp"

namespace DEEPEND_ISA {

/** e^(−x²/2), which Φ and its slope share. */
INLINE V bell(V x) { return exponential(x * x * splat(-0.5f)); }

/** Φ(x) with an error below 1e-7. @param e e^(−x²/2) */
INLINE V cumulative(V x, V e) {
  const V one = splat(1), t = one / madd(magnitude(x), splat(0.231641888f), one);
  V p = madd(t, splat(0.5307027145f), splat(-0.7265760135f));
  p = madd(p, t, splat(0.7107068705f));
  p = madd(p, t, splat(-0.142248368f));
  p = madd(p, t, splat(0.127414796f));
  const V tail = p * t * e; // Φ(−|x|)
  return select(x < zero<W>(), tail, one - tail);
}

INLINE V gelu(V x) { return x * cumulative(x, bell(x)); }

/** Φ(x) + x · φ(x) */
INLINE V geluSlope(V x) {
  const V e = bell(x);
  return madd(x * e, splat(0.3989422804f), cumulative(x, e));
}

/** (1 + tanh(√(2/π) · (x + 0.044715 x³))) / 2 */
INLINE V approximate(V x) {
  return sigmoid(x * madd(x * x, splat(0.0713548163f), splat(1.5957691216f)));
}

INLINE V geluTanh(V x) { return x * approximate(x); }

INLINE V geluTanhSlope(V x) {
  const V s = approximate(x);
  const V du = madd(x * x, splat(0.2140644488f), splat(1.5957691216f));
  return madd(x * du, s * (splat(1) - s), s);
}

INLINE V silu(V x) { return x * sigmoid(x); }

INLINE V siluSlope(V x) {
  const V s = sigmoid(x);
  return madd(x * s, splat(1) - s, s);
}

}  // namespace DEEPEND_ISA
