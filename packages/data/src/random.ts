/**
 * Seeded randomness: sfc32, the "small fast counting" generator of Chris Doty-Humphrey's PractRand
 * (http://pracrand.sourceforge.net/).
 */
import type { Random } from './types';

const WARM_UP = 15; // rounds until every bit of the seed has reached every bit of the state, as PractRand advises (12 or more)

/**
 * A generator of integers in [0, 2³²). The same `seed`, `stream` and `lane` give the same
 * numbers on every machine, others give others.
 * @param lane the start of the generator's counter, so that a stream has 2³² generators of its own
 */
export function sfc32(seed: number, stream = 0, lane = 0): () => number {
  let a = seed >>> 0;
  let b = Math.floor(seed / 2 ** 32) >>> 0;
  let c = stream >>> 0;
  let counter = (lane + 1) | 0;
  const next = () => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return sum >>> 0;
  };
  for (let round = 0; round < WARM_UP; round++) next();
  return next;
}

/** A generator of numbers in [0, 1). */
export function uniform(seed: number, stream = 0, lane = 0): Random {
  const next = sfc32(seed, stream, lane);
  return () => next() / 2 ** 32;
}

/**
 * The numbers 0 … n-1 in an order that depends only on `seed` and `stream`. Fisher–Yates in
 * Durstenfeld's form (1964).
 */
export function permutation(n: number, seed: number, stream = 0): Uint32Array {
  const next = sfc32(seed, stream);
  const order = Uint32Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = Math.floor((next() / 2 ** 32) * (i + 1));
    const swapped = order[i] as number;
    order[i] = order[j] as number;
    order[j] = swapped;
  }
  return order;
}
