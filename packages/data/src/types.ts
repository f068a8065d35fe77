/**
 * The shapes that the rest of deepend shares with this package: structural types, so that anyone's
 * own set or loader fits.
 */
import type { Tensor } from '@tensorflow/tfjs-core';

/** `[height, width, channels]` of one image. */
export type ImageShape = readonly [height: number, width: number, channels: number];

/** One minibatch. Whoever takes it from a loader owns both tensors and disposes them. */
export interface Batch {
  /** float32 `[batch, height, width, channels]`, in [0, 1] unless a transform says otherwise. */
  readonly features: Tensor;
  /**
   * int32 `[batch]`, class indices; float32 `[batch, numClasses]` where labels are soft; float32
   * `[batch, ...]` where they are numbers.
   */
  readonly labels: Tensor;
}

/** Samples in memory: Fashion-MNIST takes 47 MB as bytes, and 188 MB as floats. */
export interface Dataset {
  /** uint8 or float32 `[numSamples, height, width, channels]`, one image after another. */
  readonly images: Uint8Array | Float32Array;
  /** A class index for each image; float32: numbers to be learned, `labelSize` for each image. */
  readonly labels: Uint8Array | Int32Array | Float32Array;
  readonly imageShape: ImageShape;
  /** Numbers in the label of one image where labels are float32. @default 1 */
  readonly labelSize?: number;
  /** What the class indices mean; a label must be below its length. */
  readonly classNames?: readonly string[];
  /** Of each channel, over the training set, of pixels in [0, 1]: what `normalize` wants. */
  readonly mean?: readonly number[];
  readonly std?: readonly number[];
  /** The folder the set was read from. */
  readonly source?: string;
}

/** Samples in files that are decoded when they are wanted; their sizes may differ. */
export interface FileDataset {
  /** Paths of images: jpg, png, webp. */
  readonly files: readonly string[];
  /** A class index for each file. */
  readonly labels: Int32Array;
  /** Every image is brought to so many: 3 for RGB, 1 for gray. */
  readonly channels: 1 | 3;
  readonly classNames?: readonly string[];
  readonly mean?: readonly number[];
  readonly std?: readonly number[];
  readonly source?: string;
}

/** What a loader makes batches of. */
export type AnyDataset = Dataset | FileDataset;

/** What `train`, `evaluate` and `predict` loop over. Each `for await` over it is one epoch. */
export interface Loader extends AsyncIterable<Batch> {
  /** Samples in an epoch. */
  readonly numSamples: number;
  /** Batches in an epoch, the last partial one counted. */
  readonly numBatches: number;
  /** Samples in each batch but perhaps the last. */
  readonly batchSize: number;
  /** Shape of an image as it comes out of the loader, after all transforms. */
  readonly inputShape: ImageShape;
  readonly classNames?: readonly string[];
  /** Classes that labels may name: every label is below it. */
  readonly numClasses?: number;
}

/** Numbers in [0, 1). */
export type Random = () => number;

/**
 * Images of one size while transforms work on them. A transform may write into the arrays it is
 * given, or give others.
 */
export interface ImageBatch {
  /** `[count, height, width, channels]`: bytes, or floats once a transform has made them so. */
  readonly images: Uint8Array | Float32Array;
  readonly count: number;
  readonly shape: ImageShape;
  /** int32 `[count]`, or float32 `[count, numClasses]` once they are soft. */
  readonly labels: Int32Array | Float32Array;
  readonly numClasses: number;
}

/**
 * Where a transform's random numbers come from. The same seed, epoch and place give the same
 * numbers, in whatever thread.
 */
export interface Draws {
  /** A generator of its own for each image of the batch, by its place in the batch. */
  readonly image: (place: number) => Random;
  /** One for the batch as a whole. */
  readonly batch: Random;
}

/**
 * One step from stored images to what a net is given: a name in the table of transforms and plain
 * options, so that it can be sent to a worker thread.
 */
export interface Transform {
  readonly name: string;
  readonly options: Readonly<Record<string, unknown>>;
  /** Whether it draws random numbers: then it is for training only, unless told otherwise. */
  readonly random: boolean;
  /** A function of one's own: it and all behind it run on the training thread. */
  readonly apply?: (batch: ImageBatch, draws: Draws) => ImageBatch;
}
