/**
 * The types that the rest of deepend shares with this package. They are structural, so that any
 * dataset or loader of the right shape fits.
 */
import type { ImageShape } from '@deepend/core';
import type { Tensor } from '@tensorflow/tfjs-core';

export type { ImageShape };

/** One minibatch. Who takes it from a loader owns both tensors and disposes them. */
export interface Batch {
  /** float32 `[batch, height, width, channels]`, in [0, 1] unless a transform changes that. */
  readonly features: Tensor;
  /**
   * Class indices, int32 `[batch]`; soft labels, float32 `[batch, numClasses]`; or continuous
   * labels, float32 `[batch, ...]`.
   */
  readonly labels: Tensor;
}

/** Samples in memory. Fashion-MNIST takes 47 MB as bytes and would take 188 MB as floats. */
export interface Dataset {
  /** uint8 or float32 `[numSamples, height, width, channels]`. */
  readonly images: Uint8Array | Float32Array;
  /** A class index for each image; in a Float32Array `labelSize` continuous values each. */
  readonly labels: Uint8Array | Int32Array | Float32Array;
  readonly imageShape: ImageShape;
  /** Values in the label of one image; only for float32 labels. @default 1 */
  readonly labelSize?: number;
  /** Names of the classes; every label must be below its length. */
  readonly classNames?: readonly string[];
  /** Mean of each channel over the training set, for pixels in [0, 1]; for `normalize`. */
  readonly mean?: readonly number[];
  /** Standard deviation of each channel, likewise. */
  readonly std?: readonly number[];
  /** The folder that the dataset was read from. */
  readonly source?: string;
}

/** A file or folder that is not part of a dataset, and why. */
export interface LeftOutFile {
  readonly file: string;
  readonly reason: string;
}

/** Samples in files, which are decoded when their batch is prepared; sizes may differ. */
export interface FileDataset {
  /** Paths of images in any format that `decodeImage` reads. */
  readonly files: readonly string[];
  /** A class index for each file. */
  readonly labels: Int32Array;
  /** Channels that every image is converted to: 3 for RGB, 1 for gray. */
  readonly channels: 1 | 3;
  /** Files and folders that `imageFolder` found and did not use, with the reasons. */
  readonly leftOut?: readonly LeftOutFile[];
  readonly classNames?: readonly string[];
  readonly mean?: readonly number[];
  readonly std?: readonly number[];
  readonly source?: string;
}

/** The datasets that a loader accepts. */
export type AnyDataset = Dataset | FileDataset;

/** What `train`, `evaluate` and `predict` loop over. Each `for await` over it is one epoch. */
export interface Loader extends AsyncIterable<Batch> {
  /** Samples in an epoch. */
  readonly numSamples: number;
  /** Batches in an epoch, including a last partial one. */
  readonly numBatches: number;
  /** Samples in each batch; the last one may have fewer. */
  readonly batchSize: number;
  /** Shape of an image after all transforms. */
  readonly inputShape: ImageShape;
  /** Names of the classes, in the order of the labels. */
  readonly classNames?: readonly string[];
  /** Number of classes: every label is below it. */
  readonly numClasses?: number;
}

/** A generator of random numbers in [0, 1). */
export type Rng = () => number;

/** Images of one size, while transforms work on them. Transforms may write to the arrays. */
export interface ImageBatch {
  /** `[count, height, width, channels]`: bytes, or floats after a transform has converted them. */
  readonly images: Uint8Array | Float32Array;
  readonly count: number;
  readonly shape: ImageShape;
  /** int32 `[count]`, or float32 `[count, numClasses]` once labels are soft. */
  readonly labels: Int32Array | Float32Array;
  readonly numClasses: number;
}

/**
 * The random number generators of a batch. The same seed, epoch and position give the same numbers
 * in every thread.
 */
export interface BatchRng {
  /** The generator of one image, by its index in the batch. */
  readonly image: (index: number) => Rng;
  /** The generator of the batch as a whole. */
  readonly batch: Rng;
}

/**
 * One preprocessing step between the stored images and the model: a name and plain options, so that
 * it can be sent to a worker thread.
 */
export interface Transform {
  readonly name: string;
  readonly options: Readonly<Record<string, unknown>>;
  /** Whether it draws random numbers. `load...` functions leave these out of the test set. */
  readonly random: boolean;
  /** Your own function. It and all transforms after it run on the main thread. */
  readonly apply?: (batch: ImageBatch, rng: BatchRng) => ImageBatch;
}
