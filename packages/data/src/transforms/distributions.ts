/** The distributions that transforms draw from, over a generator of numbers in [0, 1). */
import type { Rng } from '../types';

export const uniform = (rng: Rng, least: number, most: number): number =>
  least + (most - least) * rng();

/** An integer from 0 to `count` - 1. */
export const below = (rng: Rng, count: number): number => Math.floor(rng() * count);

/** A number whose logarithm is uniform: a ratio and its inverse are equally likely. */
export function logUniform(rng: Rng, [least, most]: readonly [number, number]): number {
  return Math.exp(uniform(rng, Math.log(least), Math.log(most)));
}

/** Standard normal, by Box and Muller 1958. */
export function normal(rng: Rng): number {
  const radius = Math.sqrt(-2 * Math.log(1 - rng())); // 1 - rng() is above 0
  return radius * Math.cos(2 * Math.PI * rng());
}

/**
 * The logarithm of a gamma variate of any shape above 0, by Marsaglia and Tsang 2000. For small
 * shapes the variate itself would underflow to 0.
 */
function logGamma(rng: Rng, shape: number): number {
  if (shape < 1) return logGamma(rng, shape + 1) + Math.log(1 - rng()) / shape;
  const d = shape - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = normal(rng);
    const v = (1 + c * x) ** 3;
    if (v > 0 && Math.log(1 - rng()) < 0.5 * x * x + d - d * v + d * Math.log(v))
      return Math.log(d * v);
  }
}

/** Beta(alpha, alpha). */
export function beta(rng: Rng, alpha: number): number {
  return 1 / (1 + Math.exp(logGamma(rng, alpha) - logGamma(rng, alpha)));
}

/** 0 … count - 1 in random order. Fisher–Yates in Durstenfeld's form (1964). */
export function shuffled(rng: Rng, count: number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = below(rng, i + 1);
    const swapped = order[i] as number;
    order[i] = order[j] as number;
    order[j] = swapped;
  }
  return order;
}

/** Rounds to the nearest integer, halves to the even one, as Python does. */
export function roundHalfEven(value: number): number {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}
