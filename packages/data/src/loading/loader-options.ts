/** The options of a DataLoader: their rules, and the defaults that depend on the dataset. */
import os from 'node:os';
import { rule } from '@deepend/core';
import { outputShape } from '../transforms/apply';
import { isResize, LARGEST_SIDE, type ResizeTo } from '../transforms/resample/layout';
import type { AnyDataset, ImageShape, Transform } from '../types';

export interface DataLoaderOptions {
  /**
   * Samples in a batch.
   * @example 256
   */
  batchSize: number;
  /** Whether to shuffle the samples in each epoch. @default false */
  shuffle?: boolean;
  /** Whether to leave out the last batch when it is not full. @default false */
  dropLast?: boolean;
  /** Seeds the order of each epoch and the random transforms: any safe integer. @default 0 */
  seed?: number;
  /**
   * New size of the images in pixels: the shorter side, or `[height, width]`. Same as `resize(...)`
   * as the first transform. @default the images keep their size
   */
  resize?: ResizeTo;
  /** Transforms of the images, applied in this order. @default none */
  transforms?: readonly Transform[];
  /**
   * Worker threads that prepare batches while the main thread computes. 0: the main thread prepares
   * them itself. Datasets of files get as many as there are cores, datasets in memory one fewer,
   * both at most 4; if a batch takes at most a millisecond or two, there are none.
   * @default 'auto'
   */
  workers?: number | 'auto';
  /**
   * Number of batches that the workers prepare ahead of the loop.
   * @default 2 for each worker, or fewer if these would take more than 1 GiB
   */
  prefetch?: number;
  /**
   * `skip` leaves out files that cannot be decoded and lists them in `skipped`; `throw` ends the
   * loop with an error. @default 'throw'
   */
  onError?: 'throw' | 'skip';
}

/** The rule for `resize`. Functions that pass the option on to a loader use it too. */
export const resizeRule = () =>
  rule
    .custom<ResizeTo>(
      isResize,
      `an integer from 1 to ${LARGEST_SIDE} or [height, width] of such integers`,
    )
    .optional();

const isTransform = (value: unknown) =>
  typeof value === 'object' &&
  value !== null &&
  typeof (value as Transform).name === 'string' &&
  'options' in value;

/** The rule for `transforms`. */
export const transformsRule = () =>
  rule
    .list(
      rule.custom<Transform>(
        isTransform,
        'a transform, such as resize(96); wrap your own function in custom(...)',
      ),
      'a list of transforms',
    )
    .optional();

const LARGEST_WORKERS = 64;
const isWorkers = (value: unknown) =>
  value === 'auto' ||
  (Number.isInteger(value) && (value as number) >= 0 && (value as number) <= LARGEST_WORKERS);

/** The rule for `workers`. */
export const workersRule = () =>
  rule
    .custom<number | 'auto'>(isWorkers, `'auto' or an integer from 0 to ${LARGEST_WORKERS}`)
    .optional();

/** The rule for `prefetch`. */
export const prefetchRule = () => rule.positiveInteger().optional();

export const LOADER_OPTIONS = rule.object({
  batchSize: rule.positiveInteger(),
  shuffle: rule.boolean().optional(),
  dropLast: rule.boolean().optional(),
  seed: rule.seed().optional(),
  resize: resizeRule(),
  transforms: transformsRule(),
  workers: workersRule(),
  prefetch: prefetchRule(),
  onError: rule.oneOf(['throw', 'skip']).optional(),
});

interface SplitTransforms {
  /** Transforms that any thread can run. */
  readonly workerTransforms: readonly Transform[];
  /** All transforms from the first custom function on: functions cannot be sent to a thread. */
  readonly mainThreadTransforms: readonly Transform[];
}

export function splitTransforms(transforms: readonly Transform[]): SplitTransforms {
  const first = transforms.findIndex(({ apply }) => apply !== undefined);
  const at = first < 0 ? transforms.length : first;
  return {
    workerTransforms: transforms.slice(0, at),
    mainThreadTransforms: transforms.slice(at),
  };
}

/**
 * Image sizes that are tall, wide and square. Transforms that bring these to one size bring every
 * size to it.
 */
const PROBES = [
  [8192, 6144],
  [6144, 8192],
  [8192, 8192],
] as const;

/**
 * Finds the shape of a loader's images after all transforms.
 * @throws RangeError for files whose images may keep different sizes
 */
export function loaderOutputShape(
  dataset: AnyDataset,
  transforms: readonly Transform[],
): ImageShape {
  if (!('files' in dataset)) return outputShape(transforms, dataset.imageShape);
  const [shape, ...others] = PROBES.map(([height, width]) =>
    outputShape(transforms, [height, width, dataset.channels]),
  ) as [ImageShape, ...ImageShape[]];
  if (others.every((other) => other.join() === shape.join())) return shape;
  throw new RangeError(
    '[data] DataLoader: expected transforms that bring images of any size to one size, got sizes ' +
      'that depend on the file; add resize([height, width]) or centerCrop',
  );
}

/**
 * Pixel values that one thread prepares in a millisecond or two. For fewer, sending a batch between
 * threads costs more than it saves.
 */
const CHEAP_VALUES = 2 ** 20;
const MAX_AUTO_WORKERS = 4;

/** Chooses the number of worker threads for `workers: 'auto'`. */
export function defaultWorkers(
  dataset: AnyDataset,
  options: { workerTransforms: readonly Transform[]; batchValues: number },
): number {
  const { workerTransforms, batchValues } = options;
  const cores = os.availableParallelism();
  // Decoding takes longer than a step of most models, so it gets all cores.
  if ('files' in dataset) return Math.min(MAX_AUTO_WORKERS, cores);
  const values = batchValues * (1 + workerTransforms.length);
  const cheap = workerTransforms.length === 0 || values < CHEAP_VALUES;
  return cheap ? 0 : Math.min(MAX_AUTO_WORKERS, Math.max(1, cores - 1));
}

/** Largest memory of prefetched batches, in bytes, when `prefetch` is not given. */
const MAX_PREFETCHED_BYTES = 2 ** 30;

export function defaultPrefetch(workers: number, batchValues: number): number {
  const affordable = Math.floor(MAX_PREFETCHED_BYTES / (4 * batchValues));
  return Math.max(1, Math.min(2 * workers, affordable));
}
