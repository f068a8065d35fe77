/** Random numbers of the kinds that transforms draw, from a generator of numbers in [0, 1). */
import type { Random } from '../types';

export const uniform = (random: Random, least: number, most: number): number =>
  least + (most - least) * random();

/** An integer from 0 to `count` - 1. */
export const below = (random: Random, count: number): number => Math.floor(random() * count);

/** A number whose logarithm is uniform: a ratio and its inverse are equally likely. */
export function logUniform(random: Random, [least, most]: readonly [number, number]): number {
  return Math.exp(uniform(random, Math.log(least), Math.log(most)));
}

/** Standard normal, by Box and Muller 1958. */
export function normal(random: Random): number {
  const radius = Math.sqrt(-2 * Math.log(1 - random())); // 1 - random() is above 0
  return radius * Math.cos(2 * Math.PI * random());
}

/**
 * The logarithm of a gamma variate of any shape above 0, by Marsaglia and Tsang 2000: small shapes
 * give numbers that only their logarithm can tell from 0.
 */
function logGamma(random: Random, shape: number): number {
  if (shape < 1) return logGamma(random, shape + 1) + Math.log(1 - random()) / shape;
  const d = shape - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = normal(random);
    const v = (1 + c * x) ** 3;
    if (v > 0 && Math.log(1 - random()) < 0.5 * x * x + d - d * v + d * Math.log(v))
      return Math.log(d * v);
  }
}

/** Beta(alpha, alpha). */
export function beta(random: Random, alpha: number): number {
  return 1 / (1 + Math.exp(logGamma(random, alpha) - logGamma(random, alpha)));
}

/** 0 … count - 1 in random order. Fisher–Yates in Durstenfeld's form (1964). */
export function shuffled(random: Random, count: number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = below(random, i + 1);
    [order[i], order[j]] = [order[j] as number, order[i] as number];
  }
  return order;
}

/** To the nearest integer, halves to the even one, as Python does. */
export function roundHalfEven(value: number): number {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}
