/** What every transform implements, and helpers for the images that they work on. */
import { isFloat32Array, isUint8Array } from '@deepend/core';
import type { BatchRng, ImageBatch, ImageShape } from '../types';
import { bytesToFloats, hasKernel, type Normalization } from './resample/kernel';

export interface FloatTarget {
  /** float32 `[count, height, width, channels]`. */
  readonly into: Float32Array;
  readonly normalization?: Normalization | undefined;
}

/**
 * The code behind a transform's name. Worker threads run it with options that the factory has
 * already checked.
 */
export interface TransformImpl<Options> {
  /**
   * Shape of an image after the transform. @default the shape before it
   * @throws RangeError for a shape that the transform cannot handle
   */
  readonly shape?: (shape: ImageShape, options: Options) => ImageShape;
  readonly apply: (batch: ImageBatch, options: Options, rng: BatchRng) => ImageBatch;
  /**
   * Transforms a batch of bytes and writes it as floats, in one pass over the pixels.
   * @returns false, having done nothing, when this batch has no such fast path
   */
  readonly applyInto?: (
    batch: ImageBatch,
    options: Options,
    rng: BatchRng,
    target: FloatTarget,
  ) => boolean;
  /** Whether it needs the whole batch instead of one image at a time. */
  readonly batchwise?: true;
}

/** `[least, most]`. */
export type Range = readonly [least: number, most: number];

export const imageLength = ([height, width, channels]: ImageShape): number =>
  height * width * channels;

/** Makes an array of the same type: bytes for bytes, floats for floats. */
export function emptyLike<T extends Uint8Array | Float32Array>(images: T, length: number): T {
  return (isUint8Array(images) ? new Uint8Array(length) : new Float32Array(length)) as T;
}

/** Converts a value in units of floats (1 is white) to the units of these images. */
export const toStoredUnits = (images: Uint8Array | Float32Array, value: number): number =>
  isUint8Array(images) ? Math.min(255, Math.max(0, Math.round(255 * value))) : value;

/** The pixels of one image of a batch, as a view. */
export function imageAt({ images, shape }: ImageBatch, index: number): Uint8Array | Float32Array {
  const size = imageLength(shape);
  return images.subarray(index * size, (index + 1) * size);
}

/** 0 … 255 as float32 in [0, 1], as torchvision's `ToTensor` converts bytes. */
const UNIT = Float32Array.from({ length: 256 }, (_, byte) => byte / 255);

/**
 * Writes a batch's images as float32 `[count, height, width, channels]`. Bytes are scaled to
 * [0, 1], floats are copied.
 * @throws RangeError when `into` has another length than the images
 */
export function toFloats({ images }: ImageBatch, into: Float32Array): void {
  if (into.length !== images.length) {
    throw new RangeError(
      `[data] toFloats: expected memory for ${images.length} floats, got ${into.length}`,
    );
  }
  if (!isUint8Array(images)) into.set(images);
  else if (hasKernel()) bytesToFloats(images, into);
  else for (let i = 0; i < images.length; i++) into[i] = UNIT[images[i] as number] as number;
}

/** Returns a batch's images as floats: the same array if they are floats, else a new one. */
export function asFloats(batch: ImageBatch): Float32Array {
  if (isFloat32Array(batch.images)) return batch.images;
  const floats = new Float32Array(batch.images.length);
  toFloats(batch, floats);
  return floats;
}
