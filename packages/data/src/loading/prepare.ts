/**
 * Prepares one batch without tensors: gathers or decodes its images, transforms them and writes
 * them as floats. Worker threads and the main thread run the same code with the same result.
 */
import { isUint8Array } from '@deepend/core';
import { batchRng, singleImageRng } from '../random';
import { applyTransforms } from '../transforms/apply';
import type { ImageBatch, ImageShape, Transform } from '../types';
import { prepareFromFiles } from './prepare-files';
import { copyImages, errorWithContext, splitBatchwise, transformInto } from './transform-images';

/** What all batches of an epoch share. Plain data, because it is sent to worker threads. */
export interface EpochSpec {
  /**
   * All images of the dataset, in shared memory when worker threads read them. Absent for datasets
   * of files: there each request lists its paths.
   */
  readonly images?: Uint8Array | Float32Array;
  /** Shape of an image in `images`. */
  readonly storedShape?: ImageShape;
  /** Channels of an image that is read from a file. */
  readonly channels?: 1 | 3;
  /** The transforms before the first custom function. */
  readonly transforms: readonly Transform[];
  /** Shape of a transformed image. Absent when main-thread transforms follow. */
  readonly outputShape?: ImageShape;
  readonly numClasses: number;
  readonly seed: number;
  /** The epoch's number, counted from 0: the stream of its random numbers. */
  readonly stream: number;
  /** Whether to leave out files that cannot be decoded. */
  readonly skip: boolean;
}

/** A request for one batch. */
export interface BatchRequest {
  /** The batch's number in the epoch, from 0. */
  readonly batch: number;
  /** Position in the epoch of the first sample. */
  readonly start: number;
  /** Indices of images, or paths of files. */
  readonly samples: Uint32Array | readonly string[];
  /** The same number of values for each sample, one sample after another. */
  readonly labels: Int32Array | Float32Array;
  /**
   * Memory for the result, float32 `[samples, height, width, channels]`. Without it the images
   * come back as `parts`.
   */
  readonly into?: Float32Array;
}

/** A file that was left out, and why. */
export interface SkippedFile {
  readonly file: string;
  readonly reason: string;
}

/** A batch whose floats are in the request's memory, or whose images are in `parts`. */
export interface PreparedBatch {
  readonly batch: number;
  /** Number of images: below the number of samples when files were left out. */
  readonly count: number;
  readonly labels: Int32Array | Float32Array;
  readonly numClasses: number;
  /** Position of each image in the epoch. */
  readonly positions: readonly number[];
  /**
   * All images together, or one part for each image while their sizes may differ. Absent when the
   * floats were written.
   */
  readonly parts?: readonly ImageBatch[];
  readonly skipped: readonly SkippedFile[];
}

/** Prepares one batch. Its floats are overwritten when the request's memory is used again. */
export type PrepareBatch = (request: BatchRequest) => Promise<PreparedBatch>;

/** Returns the function that prepares the batches of an epoch, one at a time. */
export function batchPreparer(spec: EpochSpec): PrepareBatch {
  if (!spec.images) return (request) => prepareFromFiles(spec, request);
  const gather = imageGatherer(spec);
  return async (request) => prepareFromMemory(spec, request, gather);
}

function prepareFromMemory(spec: EpochSpec, request: BatchRequest, gather: Gather): PreparedBatch {
  const { batch, labels, into, samples } = request;
  const { transforms, outputShape: expected = [0, 0, 0] } = spec;
  const name = `batch ${batch}`;
  const positions = epochPositions(request);
  const rng = batchRng({ ...spec, ...request, stage: 'worker', positions });
  const images = imageBatch(spec, gather(samples as Uint32Array), labels);
  try {
    const done = into
      ? transformInto(transforms, images, { rng, into, expected, name })
      : copyImages(applyTransforms(transforms, images, rng));
    return {
      batch,
      count: positions.length,
      labels: done.labels,
      numClasses: done.numClasses,
      positions,
      ...(!into && { parts: [done] }),
      skipped: [],
    };
  } catch (error) {
    throw firstFailing(spec, request, gather) ?? errorWithContext(name, error);
  }
}

type Gather = (indices: Uint32Array) => Uint8Array | Float32Array;

/** Returns a function that copies the images of a batch into memory which the next call reuses. */
function imageGatherer(spec: EpochSpec): Gather {
  const { images = new Uint8Array(0), storedShape: shape = [0, 0, 0] } = spec;
  const size = shape[0] * shape[1] * shape[2];
  const Values = isUint8Array(images) ? Uint8Array : Float32Array;
  let buffer = new Values(0);
  return (indices) => {
    if (buffer.length < indices.length * size) buffer = new Values(indices.length * size);
    for (let i = 0; i < indices.length; i++) {
      const at = (indices[i] as number) * size;
      buffer.set(images.subarray(at, at + size), i * size);
    }
    return buffer.subarray(0, indices.length * size);
  };
}

function imageBatch(
  { storedShape: shape = [0, 0, 0], numClasses }: EpochSpec,
  images: ImageBatch['images'],
  labels: BatchRequest['labels'],
): ImageBatch {
  const count = images.length / (shape[0] * shape[1] * shape[2]);
  return { images, count, shape, labels, numClasses };
}

/**
 * Transforms the images one by one to find the first that fails, so that the error can name it.
 * @returns undefined when only the whole batch fails
 */
function firstFailing(spec: EpochSpec, request: BatchRequest, gather: Gather): Error | undefined {
  const indices = request.samples as Uint32Array;
  const positions = epochPositions(request);
  const rng = batchRng({ ...spec, ...request, stage: 'worker', positions });
  const { perImage } = splitBatchwise(spec.transforms);
  for (let i = 0; i < indices.length; i++) {
    try {
      const pixels = gather(indices.subarray(i, i + 1));
      const image = imageBatch(spec, pixels, labelsAt(request, i));
      applyTransforms(perImage, image, singleImageRng(rng, i));
    } catch (error) {
      return errorWithContext(`sample ${indices[i]}`, error);
    }
  }
  return undefined;
}

/** Position in the epoch of each sample of a batch. */
export const epochPositions = ({ start, samples }: BatchRequest): number[] =>
  Array.from({ length: samples.length }, (_, i) => start + i);

/** The label values of the sample at `index`. */
export function labelsAt({ samples, labels }: BatchRequest, index: number) {
  const size = labels.length / samples.length;
  return labels.subarray(index * size, (index + 1) * size);
}
