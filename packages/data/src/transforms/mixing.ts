/** Transforms that mix the images of a batch and their labels: MixUp and CutMix. */
import type { ImageBatch, ImageShape, Random } from '../types';
import { below, beta, shuffled } from './draw';
import { floatsOf } from './floats';
import { type Kind, sizeOf } from './kind';

export interface MixKindOptions {
  readonly alpha: number;
}

export const mixUp: Kind<MixKindOptions> = {
  batchwise: true,
  apply: (batch, { alpha }, draws) => {
    const share = beta(draws.batch, alpha);
    const partners = shuffled(draws.batch, batch.count);
    const images = mixed(floatsOf(batch), partners, share);
    return { ...batch, images, labels: mixed(softLabels(batch), partners, share) };
  },
};

export const cutMix: Kind<MixKindOptions> = {
  batchwise: true,
  apply: (batch, { alpha }, draws) => {
    const [height, width, channels] = batch.shape;
    const { top, bottom, left, right } = randomPatch(
      batch.shape,
      beta(draws.batch, alpha),
      draws.batch,
    );
    const partners = shuffled(draws.batch, batch.count);
    const images = batch.images.slice();
    partners.forEach((partner, place) => {
      for (let y = top; y < bottom; y++) {
        const [from, to] = [(y * width + left) * channels, (y * width + right) * channels];
        const pixels = batch.images.subarray(
          partner * sizeOf(batch.shape) + from,
          partner * sizeOf(batch.shape) + to,
        );
        images.set(pixels, place * sizeOf(batch.shape) + from);
      }
    });
    // The patch may reach beyond the border: labels go by what is seen of it.
    const share = 1 - ((bottom - top) * (right - left)) / (height * width);
    return { ...batch, images, labels: mixed(softLabels(batch), partners, share) };
  },
};

/**
 * The paper's patch: of the image's form and 1 - `share` of its area, about any pixel, its part
 * within the image.
 */
function randomPatch([height, width]: ImageShape, share: number, random: Random) {
  const reach = 0.5 * Math.sqrt(1 - share);
  const [x, y] = [below(random, width), below(random, height)];
  const [halfWidth, halfHeight] = [Math.trunc(reach * width), Math.trunc(reach * height)];
  return {
    top: Math.max(0, y - halfHeight),
    bottom: Math.min(height, y + halfHeight),
    left: Math.max(0, x - halfWidth),
    right: Math.min(width, x + halfWidth),
  };
}

/**
 * `share` of each row and the rest of its partner's, in new memory: `[count, …]` → `[count, …]`.
 */
function mixed(rows: Float32Array, partners: Uint32Array, share: number): Float32Array {
  const result = new Float32Array(rows.length);
  const length = rows.length / partners.length;
  partners.forEach((partner, place) => {
    const [own, other] = [place * length, partner * length];
    for (let i = 0; i < length; i++) {
      result[own + i] =
        share * (rows[own + i] as number) + (1 - share) * (rows[other + i] as number);
    }
  });
  return result;
}

/**
 * Labels as float32 `[count, numClasses]`; float labels as they are. @throws RangeError for a label
 * that is no class
 */
function softLabels({ labels, numClasses, count }: ImageBatch): Float32Array {
  if (labels instanceof Float32Array) return labels;
  const soft = new Float32Array(count * numClasses);
  labels.forEach((label, place) => {
    if (!(label >= 0 && label < numClasses)) {
      throw new RangeError(
        `[data] mixUp, cutMix: expected labels from 0 to ${numClasses - 1}, got ${label} at place ${place} of the batch`,
      );
    }
    soft[place * numClasses + label] = 1;
  });
  return soft;
}
