/** What a loader may be told. */
import { rule } from '@deepend/core';
import { isResize, type ResizeTo } from '../resize';
import type { Transform } from '../types';

export interface DataLoaderOptions {
  /** Samples in a batch. */
  batchSize: number;
  /** Whether each epoch has an order of its own. @default false */
  shuffle?: boolean;
  /** Whether to leave out a last batch that is not full. @default false */
  dropLast?: boolean;
  /** What the orders and the random transforms depend on. @default 0 */
  seed?: number;
  /**
   * New size of the images, in pixels: the shorter side, or `[height, width]`. Short for a first
   * transform. As they are without it.
   */
  resize?: ResizeTo;
  /** What is done to the images, in this order. */
  transforms?: readonly Transform[];
  /**
   * Worker threads that make batches while the loop's thread computes; 0: that thread makes them
   * itself.
   * @default 'auto': 0 where a batch is made in a millisecond or two, as many as there are cores
   *   for files, else one less; at most 4
   */
  workers?: number | 'auto';
  /**
   * Batches that the workers make ahead. @default 2 for each worker; fewer where these would take
   * more than 1 GiB
   */
  prefetch?: number;
  /**
   * What to do about a file that cannot be decoded: `skip` leaves it out of its batch and names it
   * in `skipped`. @default 'throw'
   */
  onError?: 'throw' | 'skip';
}

/** The rule for `resize`, for whoever passes it on to a loader. */
export const resizeRule = () =>
  rule
    .custom<ResizeTo>(isResize, 'an integer from 1 to 16384 or [height, width] of such numbers')
    .optional();

const isTransform = (value: unknown) =>
  typeof value === 'object' &&
  value !== null &&
  typeof (value as Transform).name === 'string' &&
  'options' in value;

/** The rule for `transforms`, likewise. */
export const transformsRule = () =>
  rule
    .list(
      rule.custom<Transform>(
        isTransform,
        'a transform, such as resize(96); a function of your own goes into custom(...)',
      ),
      'a list of transforms',
    )
    .optional();

const MOST_WORKERS = 64;
const isWorkers = (value: unknown) =>
  value === 'auto' ||
  (Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MOST_WORKERS);

/** The rule for `workers`, likewise. */
export const workersRule = () =>
  rule
    .custom<number | 'auto'>(isWorkers, `'auto' or an integer from 0 to ${MOST_WORKERS}`)
    .optional();

/** The rule for `prefetch`, likewise. */
export const prefetchRule = () => rule.positiveInteger().optional();

export const LOADER_OPTIONS = rule.object({
  batchSize: rule.positiveInteger(),
  shuffle: rule.boolean().optional(),
  dropLast: rule.boolean().optional(),
  seed: rule.nonNegativeInteger().optional(),
  resize: resizeRule(),
  transforms: transformsRule(),
  workers: workersRule(),
  prefetch: prefetchRule(),
  onError: rule.oneOf(['throw', 'skip']).optional(),
});
