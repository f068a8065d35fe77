/**
 * Pseudo-random numbers for initial weights: fast enough for the 138 million of VGG-16, and the
 * same on every backend.
 */
import { mixSeed } from '@deepend/core';

/** Returns the next number in [0, 1). */
export type Random = () => number;

/**
 * xoshiro128++ (Blackman & Vigna 2019, https://prng.di.unimi.it), its state filled from the seed by
 * a 32-bit splitmix.
 * @param seed any safe integer
 */
export function randomFrom(seed: number): Random {
  let at = mixSeed(seed);
  const fill = () => {
    at = (at + 0x9e3779b9) | 0;
    let h = Math.imul(at ^ (at >>> 16), 0x21f0aaad);
    h = Math.imul(h ^ (h >>> 15), 0x735a2d97);
    return h ^ (h >>> 15);
  };
  let [a, b, c, d] = [fill(), fill(), fill(), fill()];
  return () => {
    const sum = (a + d) | 0;
    const result = (((sum << 7) | (sum >>> 25)) + a) | 0;
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = (d << 11) | (d >>> 21);
    return (result >>> 8) / 2 ** 24;
  };
}

/** `size` numbers, uniform in [−bound, bound). */
export function uniform(size: number, bound: number, seed: number): Float32Array {
  const random = randomFrom(seed);
  const values = new Float32Array(size);
  for (let i = 0; i < size; i++) values[i] = (2 * random() - 1) * bound;
  return values;
}

/** `size` normal numbers of mean 0, two at a time (Box & Muller 1958). */
export function normal(size: number, deviation: number, seed: number): Float32Array {
  const random = randomFrom(seed);
  const values = new Float32Array(size);
  for (let i = 0; i < size; i += 2) {
    const radius = deviation * Math.sqrt(-2 * Math.log(1 - random())); // 1 − [0, 1) is never 0
    const angle = 2 * Math.PI * random();
    values[i] = radius * Math.cos(angle);
    if (i + 1 < size) values[i + 1] = radius * Math.sin(angle);
  }
  return values;
}
