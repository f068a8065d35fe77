/**
 * Where the random numbers of a batch come from: the seed, the epoch and the place in the epoch, so
 * that neither threads nor batches matter.
 */
import { uniform } from '../random';
import type { Draws, Random } from '../types';

/**
 * Lanes of an epoch's stream: lane 0 is the order, then come the images and the batches, before and
 * behind the user's first function.
 */
const FIRST = 2;
const STAGES = 2 ** 30;
const BATCHES = 2 ** 31;

export interface DrawsOptions {
  readonly seed: number;
  readonly epoch: number;
  /**
   * 0 before the user's first function, 1 from it on: the two may run in different threads, so
   * neither goes on with the other's numbers.
   */
  readonly stage: 0 | 1;
  /** The batch's first position in the epoch. */
  readonly start: number;
  /** Position in the epoch of each image. */
  readonly positions: ArrayLike<number>;
}

/** The draws of a batch. A place has one generator, with which every transform goes on. */
export function drawsFor({ seed, epoch, stage, start, positions }: DrawsOptions): Draws {
  const lane = FIRST + stage * STAGES;
  const images = new Map<number, Random>();
  let whole: Random | undefined;
  return {
    image(place) {
      let random = images.get(place);
      if (!random) {
        random = uniform(seed, epoch, lane + (positions[place] as number));
        images.set(place, random);
      }
      return random;
    },
    batch() {
      whole ??= uniform(seed, epoch, lane + BATCHES + start);
      return whole();
    },
  };
}

/** The draws of one image of a batch, for whoever has it alone. */
export const drawsOfOne = (draws: Draws, place: number): Draws => ({
  image: () => draws.image(place),
  batch: draws.batch,
});
