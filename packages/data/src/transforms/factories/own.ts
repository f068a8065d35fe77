/** What a user writes for a transform of their own. */
import { checkOptions, rule } from '@deepend/core';
import type { Draws, ImageBatch, ImageShape, Transform } from '../../types';

export interface CustomOptions {
  /**
   * Whether it draws random numbers: then it is for training only, unless told otherwise. @default
   * false
   */
  random?: boolean;
  /** Shape of an image behind it. @default as before it */
  outputShape?: ImageShape;
}

const CUSTOM = rule.object({
  apply: rule.func<(batch: ImageBatch, draws: Draws) => ImageBatch>(),
  random: rule.boolean().optional(),
  outputShape: rule.imageShape().optional(),
});

/**
 * A function of your own as a transform. It and all behind it run on the training thread.
 * @param apply `[count, height, width, channels]` bytes or floats → the same or another batch of as
 *   many images; random numbers from `draws`
 * alone keep a run repeatable
 * @throws TypeError or RangeError for an option that does not exist or is out of range
 *
 * @example
 * const invert = custom((batch) => ({ ...batch, images: batch.images.map((value) => 255 - value)
 * })); // of bytes
 */
export function custom(
  apply: (batch: ImageBatch, draws: Draws) => ImageBatch,
  options: CustomOptions = {},
): Transform {
  const checked = checkOptions('[data] custom', CUSTOM, { ...options, apply });
  const { random = false, outputShape } = checked;
  return {
    name: 'custom',
    options: outputShape ? { outputShape } : {},
    random,
    apply: checked.apply,
  };
}
