/** What a user writes for the transforms in ../color.ts and ../erasing.ts. */
import { checkOptions, rule } from '@deepend/core';
import type { Transform } from '../../types';
import {
  amount,
  channels,
  probability,
  type Range,
  ratio,
  share,
  side,
  value as valueRule,
} from './rules';

/**
 * Gives gray images three equal channels; RGB images stay. A loader refuses images of other
 * channels.
 */
export function toRgb(): Transform {
  return { name: 'toRgb', options: {}, random: false };
}

export interface NormalizeOptions {
  /** For each channel, or one for all, of pixels in [0, 1]. */
  mean: readonly number[];
  /** As `mean`; above 0. */
  std: readonly number[];
}

const NORMALIZE = rule.object({
  mean: channels('a list of finite numbers, one for each channel', () => true),
  std: channels('a list of numbers above 0, one for each channel', (each) => each > 0),
});

/**
 * (pixel - mean) / std, in float32; bytes become floats in [0, 1] first. As torchvision's
 * `ToTensor` and `Normalize`.
 * @throws TypeError or RangeError for an option that is missing, does not exist or is out of range
 */
export function normalize(options: NormalizeOptions): Transform {
  const { mean, std } = checkOptions('[data] normalize', NORMALIZE, options);
  return { name: 'normalize', options: { mean, std }, random: false };
}

export interface ColorJitterOptions {
  /**
   * b: the factor is drawn evenly from `[max(0, 1 - b), 1 + b]`; or `[least, most]` of the factor.
   * @default 0
   */
  brightness?: number | Range;
  /** As `brightness`. 0 gives a plain gray image. @default 0 */
  contrast?: number | Range;
}

const COLOR_JITTER = rule.object({ brightness: amount(), contrast: amount() });

const factors = (at: number | Range): Range =>
  typeof at === 'number' ? [Math.max(0, 1 - at), 1 + at] : at;

/**
 * Brightness and contrast by random factors, in random order, as torchvision's `ColorJitter` does
 * with PIL images. Floats stay within [0, 1]:
 * it belongs before `normalize`.
 * @throws TypeError or RangeError for an option that does not exist or is out of range
 */
export function colorJitter(options: ColorJitterOptions): Transform {
  const { brightness = 0, contrast = 0 } = checkOptions(
    '[data] colorJitter',
    COLOR_JITTER,
    options,
  );
  return {
    name: 'colorJitter',
    options: { brightness: factors(brightness), contrast: factors(contrast) },
    random: true,
  };
}

export interface RandomErasingOptions {
  /** Of each image. @default 0.5 */
  probability?: number;
  /** Share of the image's area, drawn evenly. @default [0.02, 0.33] */
  scale?: Range;
  /** Height over width, its logarithm drawn evenly. @default [0.3, 3.3] */
  ratio?: Range;
  /**
   * What comes in, in units of floats (1 is white, also of bytes): a number, one for each channel,
   * or `random` for each value anew, standard normal
   * for floats, any byte for bytes. @default 0
   */
  value?: number | readonly number[] | 'random';
}

const isErasingValue = (at: unknown) =>
  at === 'random' ||
  Number.isFinite(at) ||
  (Array.isArray(at) && at.length > 0 && at.every((each) => Number.isFinite(each)));

const RANDOM_ERASING = rule.object({
  probability: probability(),
  scale: share(),
  ratio: ratio(),
  value: rule
    .custom<number | number[] | 'random'>(
      isErasingValue,
      "a finite number, a list of them or 'random'",
    )
    .optional(),
});

/**
 * Blots out a rectangle of random area, form and place, as torchvision's `RandomErasing`. Zhong et
 * al. 2017, https://arxiv.org/abs/1708.04896.
 * @throws TypeError or RangeError for an option that does not exist or is out of range
 */
export function randomErasing(options: RandomErasingOptions = {}): Transform {
  const checked = checkOptions('[data] randomErasing', RANDOM_ERASING, options);
  const { probability = 0.5, scale = [0.02, 0.33], ratio = [0.3, 3.3], value = 0 } = checked;
  const values = value === 'random' ? value : [value].flat();
  return {
    name: 'randomErasing',
    options: { probability, scale, ratio, value: values },
    random: true,
  };
}

export interface CutoutOptions {
  /** Squares in each image. @default 1 */
  holes?: number;
  /**
   * What comes in, in units of floats. Behind `normalize`, 0 is the mean, as in the paper. @default
   * 0
   */
  value?: number;
}

const CUTOUT = rule.object({
  size: side(),
  holes: rule.positiveInteger().optional(),
  value: valueRule(),
});

/**
 * Blots out a square about a random pixel of every image; at the border a part of it lies outside.
 * DeVries & Taylor 2017,
 * https://arxiv.org/abs/1708.04552: 16 pixels for CIFAR-10, 8 for CIFAR-100.
 * @param size the square's side, in pixels
 * @throws TypeError or RangeError for an option that does not exist or is out of range
 */
export function cutout(size: number, options: CutoutOptions = {}): Transform {
  const {
    holes = 1,
    value = 0,
    ...rest
  } = checkOptions('[data] cutout', CUTOUT, { ...options, size });
  return { name: 'cutout', options: { ...rest, holes, value }, random: true };
}
