/** The shapes that the rest of deepend shares with this package: structural types, so that anyone's own set or loader fits. */
import type { Tensor } from '@tensorflow/tfjs-core';

/** `[height, width, channels]` of one image. */
export type ImageShape = readonly [height: number, width: number, channels: number];

/** One minibatch. Whoever takes it from a loader owns both tensors and disposes them. */
export interface Batch {
  /** float32 `[batch, height, width, channels]` in [0, 1]. */
  readonly features: Tensor;
  /** int32 `[batch]`, class indices. */
  readonly labels: Tensor;
}

/** Images and labels in memory, as bytes: Fashion-MNIST takes 47 MB so, and 188 MB as floats. */
export interface Dataset {
  /** uint8 `[numSamples, height, width, channels]`, one image after another. */
  readonly images: Uint8Array;
  /** A class index for each image. */
  readonly labels: Uint8Array | Int32Array;
  readonly imageShape: ImageShape;
  /** What the class indices mean; a label must be below its length. */
  readonly classNames?: readonly string[];
  /** The folder the set was read from. */
  readonly source?: string;
}

/** What `train`, `evaluate` and `predict` loop over. Each `for await` over it is one epoch. */
export interface Loader extends AsyncIterable<Batch> {
  /** Samples in an epoch. */
  readonly numSamples: number;
  /** Batches in an epoch, the last partial one counted. */
  readonly numBatches: number;
  /** Samples in each batch but perhaps the last. */
  readonly batchSize: number;
  /** Shape of an image as it comes out of the loader, after any resize. */
  readonly imageShape: ImageShape;
  readonly classNames?: readonly string[];
  /** Classes that labels may name: every label is below it. */
  readonly numClasses?: number;
}
