/** Sends images through transforms, together or one by one, with errors that name the sample. */

import { isError, isFloat32Array, isInt32Array, isUint8Array } from '@deepend/core';
import { singleImageRng } from '../random';
import { applyTransforms, isBatchwise, outputShape, transformToFloats } from '../transforms/apply';
import { toFloats } from '../transforms/implementation';
import type { BatchRng, ImageBatch, ImageShape, Transform } from '../types';

interface SplitTransforms {
  /** Transforms that treat each image by itself. */
  readonly perImage: readonly Transform[];
  /** All transforms from the first that needs the whole batch (`mixUp`, `cutMix`). */
  readonly batchwise: readonly Transform[];
}

export function splitBatchwise(transforms: readonly Transform[]): SplitTransforms {
  const first = transforms.findIndex(isBatchwise);
  const at = first < 0 ? transforms.length : first;
  return { perImage: transforms.slice(0, at), batchwise: transforms.slice(at) };
}

export interface PartsOptions {
  rng: BatchRng;
  /** Names the sample at an index, for errors. */
  nameAt: (index: number) => string;
}

/** Transforms images of which each is a part of its own, and joins them to one batch. */
export function transformParts(
  transforms: readonly Transform[],
  parts: readonly ImageBatch[],
  { rng, nameAt }: PartsOptions,
): ImageBatch {
  const { perImage, batchwise } = splitBatchwise(transforms);
  const done = parts.map((part, index) =>
    withContext(nameAt(index), () =>
      copyImages(applyTransforms(perImage, part, singleImageRng(rng, index))),
    ),
  );
  return applyTransforms(batchwise, joinImages(done, nameAt), rng);
}

/** Joins parts of one image each to one batch. @throws RangeError when their sizes differ */
export function joinImages(
  parts: readonly ImageBatch[],
  nameAt: PartsOptions['nameAt'],
): ImageBatch {
  const [first] = parts as [ImageBatch];
  const size = first.shape[0] * first.shape[1] * first.shape[2];
  const bytes = parts.every(({ images }) => isUint8Array(images));
  const images = new (bytes ? Uint8Array : Float32Array)(parts.length * size);
  const Labels = isInt32Array(first.labels) ? Int32Array : Float32Array;
  const labels = new Labels(parts.length * first.labels.length);
  parts.forEach((part, index) => {
    checkShape(part.shape, first.shape, nameAt(index));
    const into = images.subarray(index * size, (index + 1) * size);
    if (isFloat32Array(into)) toFloats(part, into);
    else into.set(part.images);
    labels.set(part.labels, index * first.labels.length);
  });
  return { ...first, images, count: parts.length, labels };
}

/** Copies the pixels, because a transform may return memory that it uses again. */
export function copyImages(batch: ImageBatch): ImageBatch {
  return { ...batch, images: batch.images.slice() };
}

export interface TransformIntoOptions {
  rng: BatchRng;
  /** float32 `[count, height, width, channels]`. */
  into: Float32Array;
  /** The shape that the loader has announced. */
  expected: ImageShape;
  /** The sample or batch, for errors. */
  name: string;
}

/**
 * Transforms a batch and writes its floats.
 * @throws RangeError when the transformed images do not have the announced shape
 */
export function transformInto(
  transforms: readonly Transform[],
  batch: ImageBatch,
  { rng, into, expected, name }: TransformIntoOptions,
): ImageBatch {
  checkShape(outputShape(transforms, batch.shape), expected, name);
  return transformToFloats(transforms, batch, { rng, into });
}

function checkShape(shape: ImageShape, expected: ImageShape, name: string): void {
  if (shape.every((size, axis) => size === expected[axis])) return;
  throw new RangeError(
    `[data] DataLoader: ${name}: expected an image of [${expected.join(', ')}] after the ` +
      `transforms, got [${shape.join(', ')}]; bring all images to one size with ` +
      'resize([height, width]) or centerCrop, or give your custom function its "outputShape"',
  );
}

/** Calls `work`; an error that it throws then names the sample. */
export function withContext<T>(name: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw errorWithContext(name, error);
  }
}

export function errorWithContext(name: string, error: unknown): Error {
  const message = isError(error) ? error.message : String(error);
  return new Error(`[data] DataLoader: ${name}: ${message}`, { cause: error });
}
