/** Transforms that erase a part of each image: randomErasing and cutout. */
import { checkOptions, isUint8Array, rule } from '@deepend/core';
import type { ImageBatch, ImageShape, Rng, Transform } from '../types';
import { below, logUniform, normal, roundHalfEven, uniform } from './distributions';
import { imageAt, type Range, type TransformImpl, toStoredUnits } from './implementation';
import { areaRange, probability, ratioRange, side, value as valueRule } from './option-rules';
import type { Box } from './resample/layout';

export interface RandomErasingOptions {
  /** The probability that an image is changed. @default 0.5 */
  probability?: number;
  /** Fraction of the image's area, drawn uniformly. @default [0.02, 0.33] */
  scale?: Range;
  /** Height over width, drawn log-uniformly. @default [0.3, 3.3] */
  ratio?: Range;
  /**
   * Value of the erased pixels in units of floats (1 is white, also for bytes): a number, one for
   * each channel, or `random` for new values at each pixel: standard normal for floats, any byte
   * for bytes. @default 0
   */
  value?: number | readonly number[] | 'random';
}

const isErasingValue = (value: unknown) =>
  value === 'random' ||
  Number.isFinite(value) ||
  (Array.isArray(value) && value.length > 0 && value.every((each) => Number.isFinite(each)));

const erasingRules = () =>
  rule.object({
    probability: probability(),
    scale: areaRange(),
    ratio: ratioRange(),
    value: rule
      .custom<number | number[] | 'random'>(
        isErasingValue,
        "a finite number, a list of them or 'random'",
      )
      .optional(),
  });

/**
 * Erases a rectangle of random area, aspect ratio and position, as torchvision's `RandomErasing`.
 * Zhong et al. 2017, https://arxiv.org/abs/1708.04896.
 * @throws TypeError or RangeError for an unknown option or a value out of range
 */
export function randomErasing(options: RandomErasingOptions = {}): Transform {
  const checked = checkOptions('[data] randomErasing', erasingRules(), options);
  const { probability = 0.5, scale = [0.02, 0.33], ratio = [0.3, 3.3], value = 0 } = checked;
  const values = value === 'random' ? value : [value].flat();
  const implOptions = { probability, scale, ratio, value: values };
  return { name: 'randomErasing', options: implOptions, random: true };
}

export interface ErasingImplOptions {
  readonly probability: number;
  readonly scale: Range;
  readonly ratio: Range;
  /** One number for all channels, one for each, or `random`. */
  readonly value: readonly number[] | 'random';
}

export const randomErasingImpl: TransformImpl<ErasingImplOptions> = {
  shape: (shape, { value }) => {
    if (value === 'random' || value.length === 1 || value.length === shape[2]) return shape;
    throw new RangeError(
      `[data] randomErasing: expected 1 or ${shape[2]} numbers in "value", got ${value.length}`,
    );
  },
  apply: (batch, options, rng) => {
    randomErasingImpl.shape?.(batch.shape, options);
    for (let index = 0; index < batch.count; index++) {
      const random = rng.image(index);
      if (random() >= options.probability) continue;
      const box = randomRectangle(batch.shape, options, random);
      if (box) erase(batch, index, { box, nextValue: valueSource(batch, options.value, random) });
    }
    return batch;
  },
};

const ATTEMPTS = 10; // torchvision's

/** torchvision's `RandomErasing.get_params`. @returns undefined when none of ten attempts fits */
export function randomRectangle(
  [height, width]: ImageShape,
  { scale, ratio }: { scale: Range; ratio: Range },
  rng: Rng,
): Box | undefined {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const area = height * width * uniform(rng, ...scale);
    const aspect = logUniform(rng, ratio);
    const h = roundHalfEven(Math.sqrt(area * aspect));
    const w = roundHalfEven(Math.sqrt(area / aspect));
    if (h >= height || w >= width) continue;
    const top = below(rng, height - h + 1);
    return { top, left: below(rng, width - w + 1), height: h, width: w };
  }
  return undefined;
}

type ValueSource = (channel: number) => number;

/** `random`: standard normal for floats as in torchvision, any byte for bytes as in the paper. */
function valueSource(
  { images }: ImageBatch,
  value: ErasingImplOptions['value'],
  rng: Rng,
): ValueSource {
  if (value === 'random') return isUint8Array(images) ? () => below(rng, 256) : () => normal(rng);
  const perChannel = value.map((each) => toStoredUnits(images, each));
  return (channel) => perChannel[channel % perChannel.length] as number;
}

interface Erasing {
  box: Box;
  nextValue: ValueSource;
}

function erase(
  batch: ImageBatch,
  index: number,
  { box: { top, left, height, width }, nextValue }: Erasing,
): void {
  const [, imageWidth, channels] = batch.shape;
  const image = imageAt(batch, index);
  for (let y = top; y < top + height; y++) {
    const row = (y * imageWidth + left) * channels;
    for (let i = 0; i < width * channels; i++) image[row + i] = nextValue(i % channels);
  }
}

export interface CutoutOptions {
  /** Number of squares in each image. @default 1 */
  holes?: number;
  /**
   * Value of the erased pixels in units of floats. After `normalize`, 0 is the mean, as in the
   * paper. @default 0
   */
  value?: number;
}

const cutoutRules = () =>
  rule.object({
    size: side(),
    holes: rule.positiveInteger().optional(),
    value: valueRule(),
  });

/**
 * Erases a square around a random pixel of each image. Near the border a part of the square lies
 * outside. DeVries & Taylor 2017, https://arxiv.org/abs/1708.04552: 16 pixels for CIFAR-10, 8 for
 * CIFAR-100.
 * @param size side of the square, in pixels
 * @throws TypeError or RangeError for an unknown option or a value out of range
 */
export function cutout(size: number, options: CutoutOptions = {}): Transform {
  const checked = checkOptions('[data] cutout', cutoutRules(), { ...options, size });
  const { holes = 1, value = 0, ...rest } = checked;
  return { name: 'cutout', options: { ...rest, holes, value }, random: true };
}

export interface CutoutImplOptions {
  readonly size: number;
  readonly holes: number;
  readonly value: number;
}

export const cutoutImpl: TransformImpl<CutoutImplOptions> = {
  apply: (batch, { size, holes, value }, rng) => {
    const stored = toStoredUnits(batch.images, value);
    for (let index = 0; index < batch.count; index++) {
      const random = rng.image(index);
      for (let hole = 0; hole < holes; hole++) {
        const box = randomSquare(batch.shape, size, random);
        erase(batch, index, { box, nextValue: () => stored });
      }
    }
    return batch;
  },
};

/** A square around any pixel of the image, cut off at the image's border. */
function randomSquare([height, width]: ImageShape, size: number, rng: Rng): Box {
  const [top, bottom] = clippedSpan(below(rng, height), size, height);
  const [left, right] = clippedSpan(below(rng, width), size, width);
  return { top, left, height: bottom - top, width: right - left };
}

function clippedSpan(center: number, size: number, side: number): [from: number, to: number] {
  const from = center - Math.floor(size / 2);
  return [Math.max(0, from), Math.min(side, from + size)];
}
