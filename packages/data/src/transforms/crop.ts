/** Crops: centerCrop, randomCrop and randomResizedCrop. */
import { checkOptions, rule } from '@deepend/core';
import type { ImageBatch, ImageShape, Rng, Transform } from '../types';
import { below, logUniform, roundHalfEven, uniform } from './distributions';
import {
  emptyLike,
  imageAt,
  imageLength,
  type Range,
  type TransformImpl,
  toStoredUnits,
} from './implementation';
import {
  areaRange,
  asHeightWidth,
  type CropSize,
  interpolation,
  padding,
  ratioRange,
  size,
  value,
} from './option-rules';
import { type Box, type Resampling, resizedSize } from './resample/layout';
import { canFuse, resample, resampleToFloats } from './resample/resample';
import {
  type Interpolation,
  type ResizeImplOptions,
  resampleBatch,
  resizeImpl,
  resizeRequest,
} from './resize';

type HeightWidth = readonly [height: number, width: number];

export interface CropImplOptions {
  readonly size: HeightWidth;
}

const croppedShape = ([, , channels]: ImageShape, [height, width]: HeightWidth): ImageShape => [
  height,
  width,
  channels,
];

const centerCropRules = () => rule.object({ size: size() });

/**
 * Crops the center of each image. Smaller images are padded with 0, as in torchvision. Directly
 * after `resize`, only the pixels inside the crop are computed.
 * @param size pixels: the side of a square, or `[height, width]`
 * @throws TypeError or RangeError for an invalid size
 */
export function centerCrop(size: CropSize): Transform {
  const checked = checkOptions('[data] centerCrop', centerCropRules(), { size });
  return { name: 'centerCrop', options: { size: asHeightWidth(checked.size) }, random: false };
}

/**
 * torchvision's offset of a centered crop, rounded half to even. It is negative for an image that
 * is too small, whose padding is centered too.
 */
function centerOffset(side: number, wanted: number): number {
  return wanted > side ? -Math.trunc((wanted - side) / 2) : roundHalfEven((side - wanted) / 2);
}

export const centerCropImpl: TransformImpl<CropImplOptions> = {
  shape: (shape, { size }) => croppedShape(shape, size),
  apply: (batch, { size }) => {
    const corner = {
      top: centerOffset(batch.shape[0], size[0]),
      left: centerOffset(batch.shape[1], size[1]),
    };
    return cropEach(batch, size, { cornerAt: () => corner, fill: 0 });
  },
};

/** `resize` followed by `centerCrop`, which computes only the pixels that remain. */
export const resizeCropImpl: TransformImpl<ResizeImplOptions & { readonly crop: HeightWidth }> = {
  shape: (shape, { crop }) => croppedShape(shape, crop),
  apply: (batch, options, rng) => {
    const window = cropWindow(batch, options);
    if (window) return resampleBatch(batch, { ...resizeRequest(batch, options), window });
    const resized = resizeImpl.apply(batch, options, rng);
    return centerCropImpl.apply(resized, { size: options.crop }, rng);
  },
  applyInto: (batch, options, _, target) => {
    const window = cropWindow(batch, options);
    const request = resizeRequest(batch, options);
    if (!window || !canFuse(batch.images, request)) return false;
    resampleToFloats(batch.images as Uint8Array, { ...request, window }, target);
    return true;
  },
};

/** The part of the resized image inside the crop; undefined when the crop needs padding. */
function cropWindow(
  { shape }: ImageBatch,
  { size, crop: [height, width] }: ResizeImplOptions & { crop: HeightWidth },
): Box | undefined {
  const [resizedHeight, resizedWidth] = resizedSize(shape, size);
  if (height > resizedHeight || width > resizedWidth) return undefined;
  const top = centerOffset(resizedHeight, height);
  return { top, left: centerOffset(resizedWidth, width), height, width };
}

export interface RandomCropOptions {
  /** Pixels of padding on each side before the crop. @default 0 */
  padding?: number;
  /** Value of the padding in units of floats: 1 is white, also for bytes. @default 0 */
  fill?: number;
}

const randomCropRules = () => rule.object({ size: size(), padding: padding(), fill: value() });

/**
 * Crops each image at a random position, as torchvision's `RandomCrop`. With `padding: 4` it is the
 * usual augmentation for CIFAR (He et al. 2015, section 4.2).
 * @param size pixels: the side of a square, or `[height, width]`
 * @throws TypeError or RangeError for an unknown option or a value out of range. Loaders throw for
 *   images that are smaller than `size` after padding.
 */
export function randomCrop(size: CropSize, options: RandomCropOptions = {}): Transform {
  const checked = checkOptions('[data] randomCrop', randomCropRules(), { ...options, size });
  const { padding = 0, fill = 0 } = checked;
  const implOptions = { size: asHeightWidth(checked.size), padding, fill };
  return { name: 'randomCrop', options: implOptions, random: true };
}

export interface RandomCropImplOptions extends CropImplOptions {
  readonly padding: number;
  readonly fill: number;
}

export const randomCropImpl: TransformImpl<RandomCropImplOptions> = {
  shape: (shape, { size, padding }) => {
    if (shape[0] + 2 * padding >= size[0] && shape[1] + 2 * padding >= size[1])
      return croppedShape(shape, size);
    const padded = padding > 0 ? ` with ${padding} pixels of padding on each side` : '';
    throw new RangeError(
      `[data] randomCrop: expected images of at least ${size.join(' × ')}, ` +
        `got ${shape[0]} × ${shape[1]}${padded}; resize them or increase "padding"`,
    );
  },
  apply: (batch, options, rng) => {
    const { size, padding, fill } = options;
    randomCropImpl.shape?.(batch.shape, options);
    const height = batch.shape[0] + 2 * padding;
    const width = batch.shape[1] + 2 * padding;
    const cornerAt = (index: number) => {
      const random = rng.image(index);
      return {
        top: below(random, height - size[0] + 1) - padding,
        left: below(random, width - size[1] + 1) - padding,
      };
    };
    return cropEach(batch, size, { cornerAt, fill });
  },
};

interface Cropping {
  /** The crop's upper left corner. Pixels outside the image are filled. */
  cornerAt: (index: number) => { top: number; left: number };
  fill: number;
}

function cropEach(batch: ImageBatch, size: HeightWidth, { cornerAt, fill }: Cropping): ImageBatch {
  const [height, width, channels] = batch.shape;
  const shape = croppedShape(batch.shape, size);
  const images = emptyLike(batch.images, batch.count * imageLength(shape));
  if (fill !== 0) images.fill(toStoredUnits(images, fill));
  for (let index = 0; index < batch.count; index++) {
    const { top, left } = cornerAt(index);
    const first = Math.max(0, left);
    const end = Math.min(width, left + size[1]);
    if (first >= end) continue;
    const image = imageAt(batch, index);
    for (let y = Math.max(0, top); y < Math.min(height, top + size[0]); y++) {
      const at = ((index * size[0] + y - top) * size[1] + first - left) * channels;
      images.set(image.subarray((y * width + first) * channels, (y * width + end) * channels), at);
    }
  }
  return { ...batch, images, shape };
}

export interface RandomResizedCropOptions {
  /** Fraction of the image's area that is cropped, drawn uniformly. @default [0.08, 1] */
  scale?: Range;
  /** Width over height of the crop, drawn log-uniformly. @default [3 / 4, 4 / 3] */
  ratio?: Range;
  /** @default 'bilinear' */
  interpolation?: Interpolation;
}

const randomResizedCropRules = () =>
  rule.object({
    size: size(),
    scale: areaRange(),
    ratio: ratioRange(),
    interpolation: interpolation(),
  });

/**
 * Crops a part of random area, aspect ratio and position and resizes it, as torchvision's
 * `RandomResizedCrop`: the augmentation for ImageNet in Szegedy et al. 2014, section 6,
 * https://arxiv.org/abs/1409.4842.
 * @param size pixels of the result: the side of a square, or `[height, width]`
 * @throws TypeError or RangeError for an unknown option or a value out of range
 */
export function randomResizedCrop(
  size: CropSize,
  options: RandomResizedCropOptions = {},
): Transform {
  const checked = checkOptions('[data] randomResizedCrop', randomResizedCropRules(), {
    ...options,
    size,
  });
  const { scale = [0.08, 1], ratio = [3 / 4, 4 / 3], interpolation = 'bilinear' } = checked;
  const implOptions = { size: asHeightWidth(checked.size), scale, ratio, interpolation };
  return { name: 'randomResizedCrop', options: implOptions, random: true };
}

export interface RandomResizedCropImplOptions extends CropImplOptions {
  readonly scale: Range;
  readonly ratio: Range;
  readonly interpolation: Interpolation;
}

export const randomResizedCropImpl: TransformImpl<RandomResizedCropImplOptions> = {
  shape: (shape, { size }) => croppedShape(shape, size),
  apply: (batch, options, rng) => {
    const shape = croppedShape(batch.shape, options.size);
    const images = emptyLike(batch.images, batch.count * imageLength(shape));
    for (let index = 0; index < batch.count; index++) {
      const request = cropRequest(batch.shape, options, rng.image(index));
      images.set(resample(imageAt(batch, index), 1, request), index * imageLength(shape));
    }
    return { ...batch, images, shape };
  },
  applyInto: (batch, options, rng, { into, normalization }) => {
    if (!canFuse(batch.images, options)) return false;
    const size = imageLength(croppedShape(batch.shape, options.size));
    for (let index = 0; index < batch.count; index++) {
      const request = cropRequest(batch.shape, options, rng.image(index));
      const target = { into: into.subarray(index * size, (index + 1) * size), normalization };
      resampleToFloats(imageAt(batch, index) as Uint8Array, request, target);
    }
    return true;
  },
};

function cropRequest(
  shape: ImageShape,
  options: RandomResizedCropImplOptions,
  rng: Rng,
): Resampling {
  const { size: to, interpolation } = options;
  return { shape, to, interpolation, box: randomBox(shape, options, rng) };
}

const ATTEMPTS = 10; // torchvision's

/**
 * torchvision's `RandomResizedCrop.get_params`: uniform area, log-uniform ratio. When none of ten
 * attempts fits, the center of the image.
 */
export function randomBox(
  [height, width]: ImageShape,
  { scale, ratio }: { scale: Range; ratio: Range },
  rng: Rng,
): Box {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const area = height * width * uniform(rng, ...scale);
    const aspect = logUniform(rng, ratio);
    const h = roundHalfEven(Math.sqrt(area / aspect));
    const w = roundHalfEven(Math.sqrt(area * aspect));
    if (w < 1 || w > width || h < 1 || h > height) continue;
    const top = below(rng, height - h + 1);
    return { top, left: below(rng, width - w + 1), height: h, width: w };
  }
  const [least, most] = ratio;
  const h = width / height < least ? Math.max(1, roundHalfEven(width / least)) : height;
  const w = width / height > most ? Math.max(1, roundHalfEven(height * most)) : width;
  const top = Math.floor((height - h) / 2);
  return { top, left: Math.floor((width - w) / 2), height: h, width: w };
}
