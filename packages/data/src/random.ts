/**
 * Seeded random numbers: sfc32, the "small fast counting" generator of Chris Doty-Humphrey's
 * PractRand (http://pracrand.sourceforge.net/), and the generators of one batch.
 */
import type { BatchRng, Rng } from './types';

/** Rounds until each bit of the seed has reached each bit of the state; PractRand advises 12. */
const WARM_UP = 15;

/**
 * Makes a generator of integers in [0, 2³²). The same `seed`, `stream` and `lane` give the same
 * numbers on every machine; different ones give different numbers.
 * @param lane the start of the generator's counter: each stream has 2³² independent generators
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

/** Makes a generator of numbers in [0, 1). Parameters as for `sfc32`. */
export function uniform(seed: number, stream = 0, lane = 0): Rng {
  const next = sfc32(seed, stream, lane);
  return () => next() / 2 ** 32;
}

/**
 * Returns 0 … n-1 in an order that depends only on `seed` and `stream`. Fisher–Yates in
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

/**
 * Lanes of an epoch's stream: lane 0 shuffles the epoch. After it come the lanes of images and
 * batches for the worker transforms, then those for the main-thread transforms.
 */
const FIRST_LANE = 2;
const LANES_PER_STAGE = 2 ** 30;
const FIRST_BATCH_LANE = 2 ** 31;

export interface BatchRngOptions {
  readonly seed: number;
  /** The epoch's number, counted from 0. */
  readonly stream: number;
  /** The two stages may run in different threads, so they must not share generators. */
  readonly stage: 'worker' | 'main';
  /** Position in the epoch of the batch's first sample. */
  readonly start: number;
  /** Position in the epoch of each image. */
  readonly positions: ArrayLike<number>;
}

/**
 * Makes the generators of one batch. They depend on the seed, the epoch and the position of a
 * sample in the epoch, so the number of workers changes nothing. All transforms of a stage share
 * an image's generator.
 */
export function batchRng({ seed, stream, stage, start, positions }: BatchRngOptions): BatchRng {
  const lane = FIRST_LANE + (stage === 'worker' ? 0 : LANES_PER_STAGE);
  const images = new Map<number, Rng>();
  let batch: Rng | undefined;
  return {
    image(index) {
      let rng = images.get(index);
      if (!rng) {
        rng = uniform(seed, stream, lane + (positions[index] as number));
        images.set(index, rng);
      }
      return rng;
    },
    batch() {
      batch ??= uniform(seed, stream, lane + FIRST_BATCH_LANE + start);
      return batch();
    },
  };
}

/** The generators of a batch, for the image at `index` when it is transformed by itself. */
export const singleImageRng = (rng: BatchRng, index: number): BatchRng => ({
  image: () => rng.image(index),
  batch: rng.batch,
});
