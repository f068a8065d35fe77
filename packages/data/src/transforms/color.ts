/** Color transforms: toRgb and colorJitter. */
import { checkOptions, isUint8Array, rule } from '@deepend/core';
import type { ImageBatch, Rng, Transform } from '../types';
import { uniform } from './distributions';
import { emptyLike, imageAt, type Range, type TransformImpl } from './implementation';
import { strength } from './option-rules';

/**
 * Repeats the channel of gray images three times; RGB images stay. Loaders throw for images with
 * another number of channels.
 */
export function toRgb(): Transform {
  return { name: 'toRgb', options: {}, random: false };
}

export const toRgbImpl: TransformImpl<object> = {
  shape: ([height, width, channels]) => {
    if (channels === 1 || channels === 3) return [height, width, 3];
    throw new RangeError(
      `[data] toRgb: expected images of 1 or 3 channels, got ${channels}; ` +
        'write a transform with custom()',
    );
  },
  apply: (batch, options) => {
    const shape = toRgbImpl.shape?.(batch.shape, options) ?? batch.shape;
    if (batch.shape[2] === 3) return batch;
    const images = emptyLike(batch.images, batch.images.length * 3);
    for (let i = 0, at = 0; i < batch.images.length; i++) {
      const gray = batch.images[i] as number;
      images[at++] = gray;
      images[at++] = gray;
      images[at++] = gray;
    }
    return { ...batch, images, shape };
  },
};

export interface ColorJitterOptions {
  /**
   * For a number b, the factor is drawn uniformly from `[max(0, 1 - b), 1 + b]`; for
   * `[least, most]`, from that range. @default 0
   */
  brightness?: number | Range;
  /** Like `brightness`. Factor 0 gives a uniformly gray image. @default 0 */
  contrast?: number | Range;
}

const colorJitterRules = () => rule.object({ brightness: strength(), contrast: strength() });

const factorRange = (value: number | Range): Range =>
  typeof value === 'number' ? [Math.max(0, 1 - value), 1 + value] : value;

/**
 * Changes brightness and contrast by random factors, in random order, as torchvision's
 * `ColorJitter` does with PIL images. Floats are clamped to [0, 1], so put it before `normalize`.
 * @throws TypeError or RangeError for an unknown option or a value out of range
 */
export function colorJitter(options: ColorJitterOptions): Transform {
  const checked = checkOptions('[data] colorJitter', colorJitterRules(), options);
  const { brightness = 0, contrast = 0 } = checked;
  const implOptions = { brightness: factorRange(brightness), contrast: factorRange(contrast) };
  return { name: 'colorJitter', options: implOptions, random: true };
}

export interface ColorJitterImplOptions {
  /** Range of the brightness factor. */
  readonly brightness: Range;
  readonly contrast: Range;
}

export const colorJitterImpl: TransformImpl<ColorJitterImplOptions> = {
  shape: (shape) => {
    if (shape[2] === 1 || shape[2] === 3) return shape;
    throw new RangeError(
      `[data] colorJitter: expected images of 1 or 3 channels, got ${shape[2]}; ` +
        'remove the transform',
    );
  },
  apply: (batch, options, rng) => {
    colorJitterImpl.shape?.(batch.shape, options);
    for (let index = 0; index < batch.count; index++)
      jitter(imageAt(batch, index), batch, drawFactors(options, rng.image(index)));
    return batch;
  },
};

interface Factors {
  brightness: number;
  contrast: number;
  contrastFirst: boolean;
}

function drawFactors({ brightness, contrast }: ColorJitterImplOptions, rng: Rng): Factors {
  const contrastFirst = rng() < 0.5;
  return {
    contrastFirst,
    brightness: uniform(rng, ...brightness),
    contrast: uniform(rng, ...contrast),
  };
}

function jitter(
  image: Uint8Array | Float32Array,
  batch: ImageBatch,
  { brightness, contrast, contrastFirst }: Factors,
): void {
  const blend = isUint8Array(image) ? blendBytes : blendFloats;
  const changes = [
    () => blend(image, 0, brightness),
    () => blend(image, meanGray(image, batch.shape[2]), contrast),
  ];
  for (const change of contrastFirst ? changes.reverse() : changes) change();
}

/**
 * Pillow's `ImageEnhance` (`Image.blend`): interpolates in float32 between a uniform gray and the
 * image, extrapolates for factors above 1, and truncates to bytes.
 */
export function blendBytes(image: Uint8Array | Float32Array, gray: number, factor: number): void {
  const factor32 = Math.fround(factor);
  if (factor32 === 1) return;
  const table = new Uint8ClampedArray(256);
  for (let byte = 0; byte < 256; byte++)
    table[byte] = Math.trunc(Math.fround(gray + Math.fround(factor32 * (byte - gray))));
  for (let i = 0; i < image.length; i++) image[i] = table[image[i] as number] as number;
}

/** torchvision's `_blend` for float images, clamped to [0, 1]. */
function blendFloats(image: Uint8Array | Float32Array, gray: number, factor: number): void {
  if (factor === 1) return;
  for (let i = 0; i < image.length; i++) {
    image[i] = Math.min(1, Math.max(0, factor * (image[i] as number) + (1 - factor) * gray));
  }
}

/** The gray of a color of bytes, ITU-R 601 in Pillow's fixed point. */
export const luma = (red: number, green: number, blue: number): number =>
  (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16;

/**
 * The gray that contrast refers to: the image's mean luma (ITU-R 601), for bytes in Pillow's fixed
 * point and rounded.
 */
export function meanGray(image: Uint8Array | Float32Array, channels: number): number {
  const bytes = isUint8Array(image);
  let sum = 0;
  for (let i = 0; i < image.length; i += channels) {
    const red = image[i] as number;
    if (channels === 1) {
      sum += red;
      continue;
    }
    const green = image[i + 1] as number;
    const blue = image[i + 2] as number;
    sum += bytes ? luma(red, green, blue) : 0.2989 * red + 0.587 * green + 0.114 * blue;
  }
  const mean = sum / (image.length / channels);
  return bytes ? Math.trunc(mean + 0.5) : mean;
}
