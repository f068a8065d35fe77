/** Images through transforms: together, or one by one while their sizes may differ. */
import { applyTransforms, isBatchwise, outputShape, transformToFloats } from '../transforms/apply';
import { toFloats } from '../transforms/floats';
import type { Draws, ImageBatch, ImageShape, Transform } from '../types';
import { drawsOfOne } from './draws';

/** The transforms that treat each image alone, and from the first that wants the whole batch on. */
export function splitBatchwise(
  transforms: readonly Transform[],
): [alone: readonly Transform[], together: readonly Transform[]] {
  const at = transforms.findIndex(isBatchwise);
  return at < 0 ? [transforms, []] : [transforms.slice(0, at), transforms.slice(at)];
}

export interface PartsOptions {
  draws: Draws;
  /** The sample at a place, for errors. */
  nameOf: (place: number) => string;
}

/** Does the transforms to images that each have a part of their own, and gives them together. */
export function transformParts(
  transforms: readonly Transform[],
  parts: readonly ImageBatch[],
  { draws, nameOf }: PartsOptions,
): ImageBatch {
  const [alone, together] = splitBatchwise(transforms);
  const done = parts.map((part, place) =>
    owned(naming(nameOf(place), () => applyTransforms(alone, part, drawsOfOne(draws, place)))),
  );
  return applyTransforms(together, join(done, nameOf), draws);
}

/** The images of several parts as one. @throws RangeError when their sizes differ */
export function join(parts: readonly ImageBatch[], nameOf: PartsOptions['nameOf']): ImageBatch {
  const [first] = parts as [ImageBatch];
  const size = first.shape[0] * first.shape[1] * first.shape[2];
  const bytes = parts.every(({ images }) => images instanceof Uint8Array);
  const images = new (bytes ? Uint8Array : Float32Array)(parts.length * size);
  parts.forEach((part, place) => {
    checkShape(part.shape, first.shape, nameOf(place));
    const into = images.subarray(place * size, (place + 1) * size);
    if (into instanceof Float32Array) toFloats(part, into);
    else into.set(part.images);
  });
  const labels = new (first.labels instanceof Int32Array ? Int32Array : Float32Array)(
    parts.length * first.labels.length,
  );
  parts.forEach((part, place) => {
    labels.set(part.labels, place * first.labels.length);
  });
  return { ...first, images, count: parts.length, labels };
}

/** A part in memory of its own: transforms may give memory that they use again. */
export function owned(part: ImageBatch): ImageBatch {
  return { ...part, images: part.images.slice() };
}

export interface FloatsOptions {
  draws: Draws;
  /** float32 `[count, height, width, channels]`. */
  into: Float32Array;
  /** The shape that the loader has promised. */
  expected: ImageShape;
  /** Whose images they are, for errors. */
  name: string;
}

/**
 * Sends a batch through the transforms and writes its floats. @throws RangeError when its images
 * come out in another shape than promised
 */
export function transformInto(
  transforms: readonly Transform[],
  batch: ImageBatch,
  { draws, into, expected, name }: FloatsOptions,
): ImageBatch {
  checkShape(outputShape(transforms, batch.shape), expected, name);
  return transformToFloats(transforms, batch, { draws, into });
}

function checkShape(shape: ImageShape, expected: ImageShape, name: string): void {
  if (shape.every((size, axis) => size === expected[axis])) return;
  throw new RangeError(
    `[data] DataLoader: ${name}: expected an image of [${expected.join(', ')}] after the transforms, got [${shape.join(', ')}]; ` +
      'bring all images to one size, by resize([height, width]) or centerCrop, or give a function of your own its "outputShape"',
  );
}

/** Does `work`, whose error then names the sample. */
export function naming<T>(name: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw named(name, error);
  }
}

export function named(name: string, error: unknown): Error {
  const text = error instanceof Error ? error.message : String(error);
  return new Error(`[data] DataLoader: ${name}: ${text}`, { cause: error });
}
