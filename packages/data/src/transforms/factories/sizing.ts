/** What a user writes for the transforms in ../sizing.ts. */
import { checkOptions, rule } from '@deepend/core';
import type { Transform } from '../../types';
import type { ResizeTo } from '../resample/size';
import {
  type CropSize,
  interpolation,
  padding,
  type Range,
  ratio,
  share,
  size,
  square,
  value,
} from './rules';

export interface ResizeTransformOptions {
  /**
   * How pixels between those of the image are found; the first two are antialiased where it
   * shrinks. @default 'bilinear'
   */
  interpolation?: 'bilinear' | 'bicubic' | 'nearest';
}

const RESIZE = rule.object({ size: size(), interpolation: interpolation() });

/**
 * Brings images to another size, as torchvision's `Resize` does with PIL images, byte for byte
 * (`bicubic`: Keys 1981 with a = -0.5).
 * @param size pixels: the shorter side, which keeps the image's form, or `[height, width]`
 * @throws TypeError or RangeError for an option that does not exist or is out of range
 */
export function resize(size: ResizeTo, options: ResizeTransformOptions = {}): Transform {
  const { interpolation = 'bilinear', ...rest } = checkOptions('[data] resize', RESIZE, {
    ...options,
    size,
  });
  return { name: 'resize', options: { ...rest, interpolation }, random: false };
}

const CENTER_CROP = rule.object({ size: size() });

/**
 * Cuts out the middle. A smaller image gets a border of 0, as in torchvision. Behind `resize` it
 * spares the work on what is cut away.
 * @param size pixels: the side of a square, or `[height, width]`
 * @throws TypeError or RangeError for a size that is none
 */
export function centerCrop(size: CropSize): Transform {
  const checked = checkOptions('[data] centerCrop', CENTER_CROP, { size });
  return { name: 'centerCrop', options: { size: square(checked.size) }, random: false };
}

export interface RandomCropOptions {
  /** Pixels that are added at each side before the cut. @default 0 */
  padding?: number;
  /**
   * Value of the pixels that are added, in units of floats: 1 is white, also of bytes. @default 0
   */
  fill?: number;
}

const RANDOM_CROP = rule.object({ size: size(), padding: padding(), fill: value() });

/**
 * Cuts out a part at a random place, as torchvision's `RandomCrop` (with `padding: 4` the usual
 * augmentation of CIFAR: He et al. 2015, section 4.2).
 * A loader refuses images that are smaller.
 * @param size pixels: the side of a square, or `[height, width]`
 * @throws TypeError or RangeError for an option that does not exist or is out of range
 */
export function randomCrop(size: CropSize, options: RandomCropOptions = {}): Transform {
  const {
    padding = 0,
    fill = 0,
    size: checked,
  } = checkOptions('[data] randomCrop', RANDOM_CROP, { ...options, size });
  return { name: 'randomCrop', options: { size: square(checked), padding, fill }, random: true };
}

export interface RandomResizedCropOptions {
  /** Share of the image's area that is cut out, drawn evenly. @default [0.08, 1] */
  scale?: Range;
  /** Width over height of what is cut out, its logarithm drawn evenly. @default [3 / 4, 4 / 3] */
  ratio?: Range;
  /** @default 'bilinear' */
  interpolation?: 'bilinear' | 'bicubic' | 'nearest';
}

const RANDOM_RESIZED_CROP = rule.object({
  size: size(),
  scale: share(),
  ratio: ratio(),
  interpolation: interpolation(),
});

/**
 * Cuts out a part of random area, form and place and resizes it, as torchvision's
 * `RandomResizedCrop`: the augmentation of ImageNet in
 * Szegedy et al. 2014, https://arxiv.org/abs/1409.4842, section 6.
 * @param size pixels of the result: the side of a square, or `[height, width]`
 * @throws TypeError or RangeError for an option that does not exist or is out of range
 */
export function randomResizedCrop(
  size: CropSize,
  options: RandomResizedCropOptions = {},
): Transform {
  const checked = checkOptions('[data] randomResizedCrop', RANDOM_RESIZED_CROP, {
    ...options,
    size,
  });
  const { scale = [0.08, 1], ratio = [3 / 4, 4 / 3], interpolation = 'bilinear' } = checked;
  return {
    name: 'randomResizedCrop',
    options: { size: square(checked.size), scale, ratio, interpolation },
    random: true,
  };
}
