/** Flips and rotation, which keep an image's size. */
import { checkOptions, rule } from '@deepend/core';
import type { ImageBatch, Transform } from '../types';
import { rotationMatrix, WARPS } from './affine';
import { uniform } from './distributions';
import {
  emptyLike,
  imageAt,
  imageLength,
  type Range,
  type TransformImpl,
  toStoredUnits,
} from './implementation';
import { degrees as degreesRule, probability, value } from './option-rules';

export interface RandomFlipOptions {
  /** The probability that an image is flipped. @default 0.5 */
  probability?: number;
}

const flipRules = () => rule.object({ probability: probability() });

function flip(name: string, options: RandomFlipOptions): Transform {
  const { probability = 0.5 } = checkOptions(`[data] ${name}`, flipRules(), options);
  return { name, options: { probability }, random: true };
}

/**
 * Flips images horizontally (left and right change places) with a probability.
 * @throws TypeError or RangeError for an unknown option or a value out of range
 */
export function randomHorizontalFlip(options: RandomFlipOptions = {}): Transform {
  return flip('randomHorizontalFlip', options);
}

/**
 * Flips images vertically (top and bottom change places) with a probability.
 * @throws TypeError or RangeError for an unknown option or a value out of range
 */
export function randomVerticalFlip(options: RandomFlipOptions = {}): Transform {
  return flip('randomVerticalFlip', options);
}

export interface FlipImplOptions {
  readonly probability: number;
}

function flipImpl(
  flipImage: (image: Uint8Array | Float32Array, batch: ImageBatch) => void,
): TransformImpl<FlipImplOptions> {
  return {
    apply: (batch, { probability }, rng) => {
      for (let index = 0; index < batch.count; index++) {
        if (rng.image(index)() < probability) flipImage(imageAt(batch, index), batch);
      }
      return batch;
    },
  };
}

export const horizontalFlipImpl = flipImpl((image, { shape: [height, width, channels] }) => {
  for (let y = 0; y < height; y++) {
    const row = y * width * channels;
    for (let left = 0, right = width - 1; left < right; left++, right--) {
      for (let channel = 0; channel < channels; channel++) {
        const from = row + left * channels + channel;
        const to = row + right * channels + channel;
        const swapped = image[from] as number;
        image[from] = image[to] as number;
        image[to] = swapped;
      }
    }
  }
});

export const verticalFlipImpl = flipImpl((image, { shape: [height, width, channels] }) => {
  const length = width * channels;
  for (let top = 0, bottom = height - 1; top < bottom; top++, bottom--) {
    const kept = image.slice(top * length, (top + 1) * length);
    image.copyWithin(top * length, bottom * length, (bottom + 1) * length);
    image.set(kept, bottom * length);
  }
});

export interface RandomRotationOptions {
  /** @default 'nearest' */
  interpolation?: 'nearest' | 'bilinear';
  /** Value of the uncovered corners in units of floats: 1 is white, also for bytes. @default 0 */
  fill?: number;
}

const rotationRules = () =>
  rule.object({
    degrees: degreesRule(),
    interpolation: rule.oneOf(['nearest', 'bilinear']).optional(),
    fill: value(),
  });

/**
 * Rotates images about their center by a random angle, drawn uniformly, as torchvision's
 * `RandomRotation` does with PIL images. The size stays.
 * @param degrees counter-clockwise, `[least, most]`; a number d means `[-d, d]`
 * @throws TypeError or RangeError for an unknown option or a value out of range
 */
export function randomRotation(
  degrees: number | Range,
  options: RandomRotationOptions = {},
): Transform {
  const checked = checkOptions('[data] randomRotation', rotationRules(), { ...options, degrees });
  const { interpolation = 'nearest', fill = 0 } = checked;
  const range =
    typeof checked.degrees === 'number' ? [-checked.degrees, checked.degrees] : checked.degrees;
  return { name: 'randomRotation', options: { degrees: range, interpolation, fill }, random: true };
}

export interface RotationImplOptions {
  readonly degrees: Range;
  readonly interpolation: 'nearest' | 'bilinear';
  readonly fill: number;
}

export const rotationImpl: TransformImpl<RotationImplOptions> = {
  apply: (batch, { degrees, interpolation, fill }, rng) => {
    const images = emptyLike(batch.images, batch.images.length);
    images.fill(toStoredUnits(images, fill));
    const size = imageLength(batch.shape);
    const rotate = WARPS[interpolation];
    for (let index = 0; index < batch.count; index++) {
      const matrix = rotationMatrix(uniform(rng.image(index), ...degrees), batch.shape);
      const into = images.subarray(index * size, (index + 1) * size);
      rotate(imageAt(batch, index), into, { matrix, shape: batch.shape });
    }
    return { ...batch, images };
  },
};
