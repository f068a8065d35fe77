/** What a user writes for the transforms in ../mixing.ts. */
import { checkOptions, rule } from '@deepend/core';
import type { Transform } from '../../types';

export interface MixOptions {
  /**
   * The share of each image is drawn from Beta(alpha, alpha), once a batch: small values leave most
   * images nearly whole. @default 1
   */
  alpha?: number;
}

const MIX = rule.object({ alpha: rule.positiveNumber().optional() });

function mix(name: string, options: MixOptions): Transform {
  const { alpha = 1 } = checkOptions(`[data] ${name}`, MIX, options);
  return { name, options: { alpha }, random: true };
}

/**
 * Each image becomes a sum of itself and another of its batch, and labels become soft, float32
 * `[batch, numClasses]`. Images become floats.
 * Zhang et al. 2017, https://arxiv.org/abs/1710.09412.
 * @throws TypeError or RangeError for an option that does not exist or is out of range
 */
export function mixUp(options: MixOptions = {}): Transform {
  return mix('mixUp', options);
}

/**
 * A rectangle of each image comes from another of its batch, and labels become soft, float32
 * `[batch, numClasses]`, by the rectangle's area.
 * Yun et al. 2019, https://arxiv.org/abs/1905.04899.
 * @throws TypeError or RangeError for an option that does not exist or is out of range
 */
export function cutMix(options: MixOptions = {}): Transform {
  return mix('cutMix', options);
}
