/** Transforms that mix the images of a batch and their labels: mixUp and cutMix. */
import { checkOptions, isFloat32Array, rule } from '@deepend/core';
import type { ImageBatch, ImageShape, Rng, Transform } from '../types';
import { below, beta, shuffled } from './distributions';
import { asFloats, imageLength, type TransformImpl } from './implementation';

export interface MixOptions {
  /**
   * The fraction of each image is drawn from Beta(alpha, alpha), once for each batch. Small values
   * leave most images nearly unchanged. @default 1
   */
  alpha?: number;
}

const mixRules = () => rule.object({ alpha: rule.positiveNumber().optional() });

function mix(name: string, options: MixOptions): Transform {
  const { alpha = 1 } = checkOptions(`[data] ${name}`, mixRules(), options);
  return { name, options: { alpha }, random: true };
}

/**
 * Replaces each image by a weighted sum of itself and another image of its batch. Images become
 * floats, and labels soft: float32 `[batch, numClasses]`. Zhang et al. 2017,
 * https://arxiv.org/abs/1710.09412.
 * @throws TypeError or RangeError for an unknown option or a value out of range
 */
export function mixUp(options: MixOptions = {}): Transform {
  return mix('mixUp', options);
}

/**
 * Replaces a rectangle of each image by the same rectangle of another image of its batch. Labels
 * become soft, float32 `[batch, numClasses]`, by the rectangle's area. Yun et al. 2019,
 * https://arxiv.org/abs/1905.04899.
 * @throws TypeError or RangeError for an unknown option or a value out of range
 */
export function cutMix(options: MixOptions = {}): Transform {
  return mix('cutMix', options);
}

export interface MixImplOptions {
  readonly alpha: number;
}

export const mixUpImpl: TransformImpl<MixImplOptions> = {
  batchwise: true,
  apply: (batch, { alpha }, rng) => {
    const fraction = beta(rng.batch, alpha);
    const partners = shuffled(rng.batch, batch.count);
    const images = mixRows(asFloats(batch), partners, fraction);
    return { ...batch, images, labels: mixRows(softLabels(batch), partners, fraction) };
  },
};

export const cutMixImpl: TransformImpl<MixImplOptions> = {
  batchwise: true,
  apply: (batch, { alpha }, rng) => {
    const [height, width, channels] = batch.shape;
    const size = imageLength(batch.shape);
    const fraction = beta(rng.batch, alpha);
    const { top, bottom, left, right } = randomPatch(batch.shape, fraction, rng.batch);
    const partners = shuffled(rng.batch, batch.count);
    const images = batch.images.slice();
    partners.forEach((partner, index) => {
      for (let y = top; y < bottom; y++) {
        const from = (y * width + left) * channels;
        const to = (y * width + right) * channels;
        const pixels = batch.images.subarray(partner * size + from, partner * size + to);
        images.set(pixels, index * size + from);
      }
    });
    // A part of the patch may lie outside the image: labels follow the visible area.
    const kept = 1 - ((bottom - top) * (right - left)) / (height * width);
    return { ...batch, images, labels: mixRows(softLabels(batch), partners, kept) };
  },
};

/**
 * The paper's patch: of the image's aspect ratio and 1 - `fraction` of its area, around any pixel,
 * cut off at the border.
 */
function randomPatch([height, width]: ImageShape, fraction: number, rng: Rng) {
  const reach = 0.5 * Math.sqrt(1 - fraction);
  const x = below(rng, width);
  const y = below(rng, height);
  const halfWidth = Math.trunc(reach * width);
  const halfHeight = Math.trunc(reach * height);
  return {
    top: Math.max(0, y - halfHeight),
    bottom: Math.min(height, y + halfHeight),
    left: Math.max(0, x - halfWidth),
    right: Math.min(width, x + halfWidth),
  };
}

/**
 * Mixes each row with its partner's, which gets the weight 1 - `fraction`, in new memory:
 * `[count, …]` → `[count, …]`.
 */
function mixRows(rows: Float32Array, partners: Uint32Array, fraction: number): Float32Array {
  const mixed = new Float32Array(rows.length);
  const length = rows.length / partners.length;
  partners.forEach((partner, index) => {
    const own = index * length;
    const other = partner * length;
    for (let i = 0; i < length; i++) {
      mixed[own + i] =
        fraction * (rows[own + i] as number) + (1 - fraction) * (rows[other + i] as number);
    }
  });
  return mixed;
}

/**
 * Converts class indices to float32 `[count, numClasses]`; float labels stay as they are.
 * @throws RangeError for a label that is not a class
 */
function softLabels({ labels, numClasses, count }: ImageBatch): Float32Array {
  if (isFloat32Array(labels)) return labels;
  const soft = new Float32Array(count * numClasses);
  labels.forEach((label, index) => {
    if (!(label >= 0 && label < numClasses)) {
      throw new RangeError(
        `[data] mixUp, cutMix: expected labels from 0 to ${numClasses - 1}, ` +
          `got ${label} at index ${index} of the batch`,
      );
    }
    soft[index * numClasses + label] = 1;
  });
  return soft;
}
