/** What a user writes for the transforms in ../turning.ts. */
import { checkOptions, rule } from '@deepend/core';
import type { Transform } from '../../types';
import { degrees as degreesRule, probability, type Range, value } from './rules';

export interface RandomFlipOptions {
  /** Of each image. @default 0.5 */
  probability?: number;
}

const FLIP = rule.object({ probability: probability() });

function flip(name: string, options: RandomFlipOptions): Transform {
  const { probability = 0.5 } = checkOptions(`[data] ${name}`, FLIP, options);
  return { name, options: { probability }, random: true };
}

/**
 * Mirrors images, left for right, with a probability. @throws TypeError or RangeError for an option
 * that does not exist or is out of range
 */
export function randomHorizontalFlip(options: RandomFlipOptions = {}): Transform {
  return flip('randomHorizontalFlip', options);
}

/**
 * Turns images upside down, mirrored, with a probability. @throws TypeError or RangeError for an
 * option that does not exist or is out of range
 */
export function randomVerticalFlip(options: RandomFlipOptions = {}): Transform {
  return flip('randomVerticalFlip', options);
}

export interface RandomRotationOptions {
  /** How pixels between those of the image are found. @default 'nearest' */
  interpolation?: 'nearest' | 'bilinear';
  /**
   * Value of the corners that come in, in units of floats: 1 is white, also of bytes. @default 0
   */
  fill?: number;
}

const ROTATION = rule.object({
  degrees: degreesRule(),
  interpolation: rule.oneOf(['nearest', 'bilinear']).optional(),
  fill: value(),
});

/**
 * Turns images about their centre by a random angle, drawn evenly, as torchvision's
 * `RandomRotation` does with PIL images; their size stays.
 * @param degrees counter-clockwise, `[least, most]`; a number d is `[-d, d]`
 * @throws TypeError or RangeError for an option that does not exist or is out of range
 */
export function randomRotation(
  degrees: number | Range,
  options: RandomRotationOptions = {},
): Transform {
  const checked = checkOptions('[data] randomRotation', ROTATION, { ...options, degrees });
  const { interpolation = 'nearest', fill = 0 } = checked;
  const range =
    typeof checked.degrees === 'number' ? [-checked.degrees, checked.degrees] : checked.degrees;
  return { name: 'randomRotation', options: { degrees: range, interpolation, fill }, random: true };
}
