/**
 * How a loader goes about its batches: which transforms run where, on how many threads, how far
 * ahead.
 */
import os from 'node:os';
import { outputShape } from '../transforms/apply';
import type { AnyDataset, ImageShape, Transform } from '../types';

/** The transforms that any thread can do, and from the first function of the user's own on. */
export function splitLate(
  transforms: readonly Transform[],
): [early: readonly Transform[], late: readonly Transform[]] {
  const at = transforms.findIndex(({ apply }) => apply !== undefined);
  return at < 0 ? [transforms, []] : [transforms.slice(0, at), transforms.slice(at)];
}

/**
 * Sizes that files may have, tall, wide and square: transforms bring all to one size when they
 * bring these to one.
 */
const PROBES = [
  [8192, 6144],
  [6144, 8192],
  [8192, 8192],
] as const;

/**
 * Shape of an image behind all transforms.
 * @throws RangeError for files whose images may keep different sizes
 */
export function shapeBehind(dataset: AnyDataset, transforms: readonly Transform[]): ImageShape {
  if (!('files' in dataset)) return outputShape(transforms, dataset.imageShape);
  const [shape, ...others] = PROBES.map(([height, width]) =>
    outputShape(transforms, [height, width, dataset.channels]),
  ) as [ImageShape, ...ImageShape[]];
  if (others.every((other) => other.join() === shape.join())) return shape;
  throw new RangeError(
    '[data] DataLoader: expected transforms that bring images of any size to one size, got sizes that depend on the file; ' +
      'add resize([height, width]) or centerCrop',
  );
}

/**
 * Pixel values that one thread turns out in a millisecond or two: for less, sending a batch to and
 * fro is not worth it.
 */
const CHEAP = 2 ** 20;
const MOST_WORKERS = 4;

/** How many worker threads to take where nobody says so. */
export function defaultWorkers(
  dataset: AnyDataset,
  options: { early: readonly Transform[]; batchValues: number },
): number {
  const { early, batchValues } = options;
  const cores = os.availableParallelism();
  if ('files' in dataset) return Math.min(MOST_WORKERS, cores); // decoding is slower than most nets
  const cheap = early.length === 0 || batchValues * (1 + early.length) < CHEAP;
  return cheap ? 0 : Math.min(MOST_WORKERS, Math.max(1, cores - 1));
}

/** Bytes that batches made ahead may take where nobody says how many to make. */
const MOST_AHEAD = 2 ** 30;

export function defaultPrefetch(workers: number, batchValues: number): number {
  return Math.max(1, Math.min(2 * workers, Math.floor(MOST_AHEAD / (4 * batchValues))));
}
