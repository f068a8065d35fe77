/** Bytes as the floats of a batch. */
import type { ImageBatch } from '../types';
import { hasKernel, unitFast } from './resample/kernel';

/** 0 … 255 as float32 in [0, 1]: what torchvision's `ToTensor` makes of a byte. */
const UNIT = Float32Array.from({ length: 256 }, (_, byte) => byte / 255);

/**
 * Writes a batch's images as float32 `[count, height, width, channels]`: bytes as [0, 1], floats as
 * they are.
 * @throws RangeError when `into` is not as long as the images
 */
export function toFloats({ images }: ImageBatch, into: Float32Array): void {
  if (into.length !== images.length) {
    throw new RangeError(
      `[data] toFloats: expected room for ${images.length} floats, got ${into.length}`,
    );
  }
  if (!(images instanceof Uint8Array)) into.set(images);
  else if (hasKernel) unitFast(images, into);
  else for (let i = 0; i < images.length; i++) into[i] = UNIT[images[i] as number] as number;
}

/** A batch's images as floats: its own where they are such, else new ones. */
export function floatsOf(batch: ImageBatch): Float32Array {
  if (batch.images instanceof Float32Array) return batch.images;
  const floats = new Float32Array(batch.images.length);
  toFloats(batch, floats);
  return floats;
}
