/** What a transform does, apart from its options' checks: of this alone worker threads need. */
import type { Draws, ImageBatch, ImageShape } from '../types';
import type { Normalization } from './resample/kernel';

export interface FloatTarget {
  /** float32 `[count, height, width, channels]`. */
  readonly into: Float32Array;
  readonly normalization?: Normalization | undefined;
}

export interface Kind<Options> {
  /**
   * Shape of an image behind it. @default as before it @throws RangeError for a shape that it
   * cannot take
   */
  readonly shape?: (shape: ImageShape, options: Options) => ImageShape;
  readonly apply: (batch: ImageBatch, options: Options, draws: Draws) => ImageBatch;
  /**
   * Does the same to bytes and writes what floats become of them; false where it has no such form
   * for this batch, and has done nothing.
   */
  readonly applyInto?: (
    batch: ImageBatch,
    options: Options,
    draws: Draws,
    target: FloatTarget,
  ) => boolean;
  /** Whether it wants the whole batch, and not each image alone. */
  readonly batchwise?: true;
}

export const sizeOf = ([height, width, channels]: ImageShape): number => height * width * channels;

/** An array of the same kind: bytes of bytes, floats of floats. */
export function emptyLike(
  images: Uint8Array | Float32Array,
  length: number,
): Uint8Array | Float32Array {
  return images instanceof Uint8Array ? new Uint8Array(length) : new Float32Array(length);
}

/** A pixel's value in units of floats, 0 … 1, as these images hold it. */
export const stored = (images: Uint8Array | Float32Array, value: number): number =>
  images instanceof Uint8Array ? Math.min(255, Math.max(0, Math.round(255 * value))) : value;

/** The pixels of one image of a batch, as a view. */
export function imageAt({ images, shape }: ImageBatch, place: number): Uint8Array | Float32Array {
  const size = sizeOf(shape);
  return images.subarray(place * size, (place + 1) * size);
}
