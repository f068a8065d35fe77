/** normalize: subtracts the mean of each channel and divides by its standard deviation. */
import { checkOptions, isUint8Array, rule } from '@deepend/core';
import type { Transform } from '../types';
import { asFloats, type TransformImpl } from './implementation';
import { channelValues } from './option-rules';
import { hasKernel, type Normalization } from './resample/kernel';
import { resampleToFloats } from './resample/resample';

export interface NormalizeOptions {
  /**
   * One value for each channel, or one for all, for pixels in [0, 1].
   * @example [0.485, 0.456, 0.406]
   */
  mean: readonly number[];
  /**
   * Like `mean`; each above 0.
   * @example [0.229, 0.224, 0.225]
   */
  std: readonly number[];
}

const normalizeRules = () =>
  rule.object({
    mean: channelValues('a list of finite numbers, one for each channel', () => true),
    std: channelValues('a list of numbers above 0, one for each channel', (each) => each > 0),
  });

/**
 * (pixel - mean) / std in float32; bytes are scaled to [0, 1] first. Same as torchvision's
 * `ToTensor` and `Normalize`.
 * @throws TypeError or RangeError for an option that is missing, unknown or out of range
 */
export function normalize(options: NormalizeOptions): Transform {
  const { mean, std } = checkOptions('[data] normalize', normalizeRules(), options);
  return { name: 'normalize', options: { mean, std }, random: false };
}

export const normalizeImpl: TransformImpl<Normalization> = {
  shape: (shape, { mean, std }) => {
    const [wrong] = Object.entries({ mean, std }).filter(
      ([, { length }]) => length !== 1 && length !== shape[2],
    );
    if (!wrong) return shape;
    const expected = shape[2] === 1 ? 'one number' : `1 or ${shape[2]} numbers`;
    throw new RangeError(
      `[data] normalize: expected ${expected} in "${wrong[0]}" for images of ` +
        `${shape[2]} channels, got ${wrong[1].length}`,
    );
  },
  apply: (batch, options, rng) => {
    normalizeImpl.shape?.(batch.shape, options);
    const into = new Float32Array(batch.images.length);
    if (normalizeImpl.applyInto?.(batch, options, rng, { into })) return { ...batch, images: into };
    const images = asFloats(batch);
    // float32 at each step, as in PyTorch.
    const mean = Float32Array.from(options.mean);
    const std = Float32Array.from(options.std);
    for (let i = 0; i < images.length; i++) {
      const centered = Math.fround((images[i] as number) - (mean[i % mean.length] as number));
      images[i] = centered / (std[i % std.length] as number);
    }
    return { ...batch, images };
  },
  applyInto: ({ images, shape }, options, _, { into }) => {
    if (!(isUint8Array(images) && hasKernel())) return false;
    // Resized to its own size, an image keeps its bytes.
    const to = [shape[0], shape[1]] as const;
    const target = { into, normalization: options };
    resampleToFloats(images, { shape, to, interpolation: 'bilinear' }, target);
    return true;
  },
};
