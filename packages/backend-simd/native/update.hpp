/**
 * Updates all weights in one pass. The rules and their sources are those of the optimizers that
 * launch `deepend.update`.
 */
#pragma once
#include "elementwise.hpp"

namespace DEEPEND_ISA {

/** keep·before + rest·now */
INLINE V average(float keep, V before, float rest, V now) {
  return madd(splat(keep), before, splat(rest) * now);
}

/** Updates the running mean at `slot`. @returns its new value */
INLINE V updateMean(float* slot, float keep, float rest, V now) {
  const V mean = average(keep, load(slot), rest, now);
  store(slot, mean);
  return mean;
}

/** Updates the velocity at `slot` to β₁·before + now. @returns its new value */
INLINE V updateVelocity(float* slot, float beta1, V now) {
  const V velocity = madd(splat(beta1), load(slot), now);
  store(slot, velocity);
  return velocity;
}

/** −1, 0, 1, or NaN. */
INLINE V sign(V x) {
  const V one = splat(1), none = zero<W>();
  return select(x == x, keep(x > none, one) - keep(x < none, one), x);
}

/** The change of W weights with gradients g. Updates the slots, at p, q and r. */
template <int RULE>
INLINE V computeChange(const UpdateArgs& args, float correction, V g, float* p, float* q,
                       float* r) {
  const V epsilon = splat(args.epsilon);
  if constexpr (RULE == UpdateRule_Sgd) return g;
  else if constexpr (RULE == UpdateRule_Momentum) return updateVelocity(p, args.beta1, g);
  else if constexpr (RULE == UpdateRule_Nesterov)
    return madd(splat(args.beta1), updateVelocity(p, args.beta1, g), g);
  else if constexpr (RULE == UpdateRule_Adam) {
    const V mean = updateMean(p, args.beta1, args.rest1, g);
    const V square = updateMean(q, args.beta2, args.rest2, g * g);
    return mean / (root(square) / splat(correction) + epsilon);
  } else if constexpr (RULE == UpdateRule_Adagrad) {
    const V sum = madd(g, g, load(p));
    store(p, sum);
    return g / (root(sum) + epsilon);
  } else if constexpr (RULE == UpdateRule_Lion) {
    const V before = load(p);
    store(p, average(args.beta2, before, args.rest2, g));
    return sign(average(args.beta1, before, args.rest1, g));
  } else {
    constexpr bool centered =
        RULE == UpdateRule_RmspropCentered || RULE == UpdateRule_RmspropCenteredMomentum;
    V variance = updateMean(p, args.beta2, args.rest2, g * g);
    if constexpr (centered) {
      const V mean = updateMean(q, args.beta2, args.rest2, g);
      // If all gradients were equal, rounding can make it negative.
      variance = larger(variance - mean * mean, zero<W>());
    }
    const V scaled = g / (root(variance) + epsilon);
    if constexpr (RULE == UpdateRule_RmspropMomentum) return updateVelocity(q, args.beta1, scaled);
    else if constexpr (RULE == UpdateRule_RmspropCenteredMomentum)
      return updateVelocity(r, args.beta1, scaled);
    else return scaled;
  }
}

/** One tile of the job is a block of one weight's elements. */
inline void update(const UpdateArgs& args, int tile, Thread& t) {
  const UpdateEntry* entries = t.at<UpdateEntry>(args.table);
  int low = 0, high = args.entries - 1;
  while (low < high) {
    const int middle = (low + high + 1) >> 1;
    if (entries[middle].first <= tile) low = middle;
    else high = middle - 1;
  }
  const UpdateEntry& entry = entries[low];
  const int first = (tile - entry.first) * args.block;
  const int end = min(entry.count, first + args.block);
  float *w = t.at(entry.weight), *g = t.at(entry.gradient);
  float *p = t.at(entry.slot1), *q = t.at(entry.slot2), *r = t.at(entry.slot3);
  const V lr = splat(entry.lr), decay = splat(entry.decay), shrink = splat(entry.shrink);
  withOperation<UpdateRule_Lion>(args.rule, [&](auto rule) {
    auto step = [&](float* weights, const float* gradients, float* s1, float* s2, float* s3) {
      const V weight = load(weights);
      const V gradient = madd(decay, weight, load(gradients));
      const V change = computeChange<decltype(rule)::value>(args, entry.correction, gradient, s1,
                                                            s2, s3);
      store(weights, shrink * weight - lr * change);
    };
    int i = first;
    for (; i + W <= end; i += W) step(w + i, g + i, p + i, q + i, r + i);
    if (i >= end) return;
    // The last numbers are copied, so that nothing is written after the end of a tensor.
    const uint32_t places[] = {entry.weight, entry.gradient, entry.slot1, entry.slot2, entry.slot3};
    const size_t bytes = size_t(end - i) * 4;
    float rest[5][W] = {};
    for (int k = 0; k < 5; k++)
      if (places[k]) std::memcpy(rest[k], t.at(places[k]) + i, bytes);
    step(rest[0], rest[1], rest[2], rest[3], rest[4]);
    for (int k = 0; k < 5; k++)
      if (places[k]) std::memcpy(t.at(places[k]) + i, rest[k], bytes);
  });
}

}  // namespace DEEPEND_ISA
