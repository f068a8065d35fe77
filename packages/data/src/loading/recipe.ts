/**
 * What the calling thread and the worker threads say to each other: plain data, so that it can be
 * sent.
 */
import type { ImageBatch, ImageShape, Transform } from '../types';

/** What all batches of an epoch have in common. */
export interface Recipe {
  /**
   * The set's images; without them each batch names its files. In shared memory where threads read
   * them.
   */
  readonly images?: Uint8Array | Float32Array;
  /** Shape of an image of the set, where they are in memory. */
  readonly storedShape?: ImageShape;
  /** Channels of an image that is read from a file. */
  readonly channels?: 1 | 3;
  /** What any thread may do: it ends before the first function of the user's own. */
  readonly transforms: readonly Transform[];
  /**
   * Where nothing comes behind the transforms: the shape that images must have then, to become the
   * floats of a batch.
   */
  readonly imageShape?: ImageShape;
  readonly numClasses: number;
  readonly seed: number;
  readonly epoch: number;
  /** Whether a file that cannot be decoded is left out. */
  readonly skip: boolean;
}

/** What one batch is made of. */
export interface Job {
  readonly batch: number;
  /** The first sample's position in the epoch. */
  readonly start: number;
  /** Indices of images, or paths of files. */
  readonly samples: Uint32Array | readonly string[];
  /** `numLabels / numSamples` for each sample, one after another. */
  readonly labels: Int32Array | Float32Array;
}

/** A file that was left out, and why. */
export interface Skipped {
  readonly file: string;
  readonly reason: string;
}

/**
 * A batch, its floats written into the memory that was given for them, or its images as far as the
 * transforms bring them.
 */
export interface Made {
  readonly batch: number;
  /** Images in it: fewer than samples where files were left out. */
  readonly count: number;
  readonly labels: Int32Array | Float32Array;
  readonly numClasses: number;
  /** Of each image in the epoch. */
  readonly positions: readonly number[];
  /**
   * All images together, or one by one while their sizes may differ. Absent where the floats were
   * written.
   */
  readonly parts?: readonly ImageBatch[];
  readonly skipped: readonly Skipped[];
}

/** Position in the epoch of each sample of a batch. */
export const positionsOf = ({ start, samples }: Job): number[] =>
  Array.from({ length: samples.length }, (_, place) => start + place);

/** The label of one sample of a batch. */
export function labelsAt({ samples, labels }: Job, place: number): Int32Array | Float32Array {
  const size = labels.length / samples.length;
  return labels.subarray(place * size, (place + 1) * size);
}
