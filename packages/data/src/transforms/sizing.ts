/** Transforms that change an image's size: resize and the crops. */
import type { ImageBatch, ImageShape, Random } from '../types';
import { below, logUniform, roundHalfEven, uniform } from './draw';
import { emptyLike, imageAt, type Kind, sizeOf, stored } from './kind';
import { canFuse, resample, resampleToFloats } from './resample';
import type { Box, Resampling } from './resample/plan';
import { type ResizeTo, sizeAfter } from './resample/size';

type Size = readonly [height: number, width: number];
type Interpolation = Resampling['interpolation'];

export interface ResizeKindOptions {
  readonly size: ResizeTo;
  readonly interpolation: Interpolation;
}

export const resize: Kind<ResizeKindOptions> = {
  shape: (shape, { size }) => [...sizeAfter(shape, size), shape[2]],
  apply: (batch, options) => resampled(batch, resizing(batch, options)),
  applyInto: (batch, options, _, target) => {
    const job = resizing(batch, options);
    if (!canFuse(batch.images, job)) return false;
    resampleToFloats(batch.images as Uint8Array, job, target);
    return true;
  },
};

const resizing = (
  { shape }: ImageBatch,
  { size, interpolation }: ResizeKindOptions,
): Resampling => ({
  shape,
  to: sizeAfter(shape, size),
  interpolation,
});

function resampled(batch: ImageBatch, job: Resampling): ImageBatch {
  const { height, width } = job.window ?? { height: job.to[0], width: job.to[1] };
  return {
    ...batch,
    images: resample(batch.images, batch.count, job),
    shape: [height, width, batch.shape[2]],
  };
}

export interface CropKindOptions {
  readonly size: Size;
}

const cropped = ([, , channels]: ImageShape, [height, width]: Size): ImageShape => [
  height,
  width,
  channels,
];

/**
 * torchvision's offset: from the middle, a half pixel to the even side; an image that is too small
 * gets its border in the middle as well.
 */
function centered(side: number, wanted: number): number {
  return wanted > side ? -Math.trunc((wanted - side) / 2) : roundHalfEven((side - wanted) / 2);
}

export const centerCrop: Kind<CropKindOptions> = {
  shape: (shape, { size }) => cropped(shape, size),
  apply: (batch, { size }) => {
    const corner = {
      top: centered(batch.shape[0], size[0]),
      left: centered(batch.shape[1], size[1]),
    };
    return cropEach(batch, size, { cornerOf: () => corner, fill: 0 });
  },
};

/** `resize` with `centerCrop` behind it: what the crop throws away is not worked out. */
export const resizeCrop: Kind<ResizeKindOptions & { readonly crop: Size }> = {
  shape: (shape, { crop }) => cropped(shape, crop),
  apply: (batch, options, draws) => {
    const window = windowOf(batch, options);
    if (window) return resampled(batch, { ...resizing(batch, options), window });
    return centerCrop.apply(resize.apply(batch, options, draws), { size: options.crop }, draws);
  },
  applyInto: (batch, options, _, target) => {
    const [window, job] = [windowOf(batch, options), resizing(batch, options)];
    if (!window || !canFuse(batch.images, job)) return false;
    resampleToFloats(batch.images as Uint8Array, { ...job, window }, target);
    return true;
  },
};

/** The part of the resized image that the crop leaves; none where it reaches beyond. */
function windowOf(
  { shape }: ImageBatch,
  { size, crop: [height, width] }: ResizeKindOptions & { crop: Size },
): Box | undefined {
  const [fromHeight, fromWidth] = sizeAfter(shape, size);
  if (height > fromHeight || width > fromWidth) return undefined;
  return { top: centered(fromHeight, height), left: centered(fromWidth, width), height, width };
}

export interface RandomCropKindOptions extends CropKindOptions {
  readonly padding: number;
  readonly fill: number;
}

export const randomCrop: Kind<RandomCropKindOptions> = {
  shape: (shape, { size, padding }) => {
    if (shape[0] + 2 * padding >= size[0] && shape[1] + 2 * padding >= size[1])
      return cropped(shape, size);
    const image = `${shape[0]} × ${shape[1]}${padding > 0 ? ` with ${padding} pixels of padding around` : ''}`;
    throw new RangeError(
      `[data] randomCrop: expected images of at least ${size.join(' × ')}, got ${image}; resize them or pad more`,
    );
  },
  apply: (batch, options, draws) => {
    const { size, padding, fill } = options;
    randomCrop.shape?.(batch.shape, options);
    const [height, width] = [batch.shape[0] + 2 * padding, batch.shape[1] + 2 * padding];
    const cornerOf = (place: number) => {
      const random = draws.image(place);
      return {
        top: below(random, height - size[0] + 1) - padding,
        left: below(random, width - size[1] + 1) - padding,
      };
    };
    return cropEach(batch, size, { cornerOf, fill });
  },
};

interface Cropping {
  /** May lie outside the image: what does is filled. */
  cornerOf: (place: number) => { top: number; left: number };
  fill: number;
}

function cropEach(batch: ImageBatch, size: Size, { cornerOf, fill }: Cropping): ImageBatch {
  const [height, width, channels] = batch.shape;
  const shape = cropped(batch.shape, size);
  const images = emptyLike(batch.images, batch.count * sizeOf(shape));
  if (fill !== 0) images.fill(stored(images, fill));
  for (let place = 0; place < batch.count; place++) {
    const { top, left } = cornerOf(place);
    const [first, end] = [Math.max(0, left), Math.min(width, left + size[1])];
    if (first >= end) continue;
    const image = imageAt(batch, place);
    for (let y = Math.max(0, top); y < Math.min(height, top + size[0]); y++) {
      const at = ((place * size[0] + y - top) * size[1] + first - left) * channels;
      images.set(image.subarray((y * width + first) * channels, (y * width + end) * channels), at);
    }
  }
  return { ...batch, images, shape };
}

type Range = readonly [least: number, most: number];

export interface RandomResizedCropKindOptions extends CropKindOptions {
  readonly scale: Range;
  readonly ratio: Range;
  readonly interpolation: Interpolation;
}

export const randomResizedCrop: Kind<RandomResizedCropKindOptions> = {
  shape: (shape, { size }) => cropped(shape, size),
  apply: (batch, options, draws) => {
    const shape = cropped(batch.shape, options.size);
    const images = emptyLike(batch.images, batch.count * sizeOf(shape));
    for (let place = 0; place < batch.count; place++) {
      const job = cropResizing(batch.shape, options, draws.image(place));
      images.set(resample(imageAt(batch, place), 1, job), place * sizeOf(shape));
    }
    return { ...batch, images, shape };
  },
  applyInto: (batch, options, draws, { into, normalization }) => {
    if (!canFuse(batch.images, options)) return false;
    const size = sizeOf(cropped(batch.shape, options.size));
    for (let place = 0; place < batch.count; place++) {
      const job = cropResizing(batch.shape, options, draws.image(place));
      const part = into.subarray(place * size, (place + 1) * size);
      resampleToFloats(imageAt(batch, place) as Uint8Array, job, { into: part, normalization });
    }
    return true;
  },
};

function cropResizing(
  shape: ImageShape,
  options: RandomResizedCropKindOptions,
  random: Random,
): Resampling {
  return {
    shape,
    to: options.size,
    interpolation: options.interpolation,
    box: randomBox(shape, options, random),
  };
}

const TRIES = 10; // torchvision's

/**
 * torchvision's `RandomResizedCrop.get_params`: area uniform, ratio log-uniform; the middle of the
 * image when none of ten fits.
 */
export function randomBox(
  [height, width]: ImageShape,
  { scale, ratio }: { scale: Range; ratio: Range },
  random: Random,
): Box {
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const area = height * width * uniform(random, ...scale);
    const aspect = logUniform(random, ratio);
    const [h, w] = [
      roundHalfEven(Math.sqrt(area / aspect)),
      roundHalfEven(Math.sqrt(area * aspect)),
    ];
    if (w < 1 || w > width || h < 1 || h > height) continue;
    return {
      top: below(random, height - h + 1),
      left: below(random, width - w + 1),
      height: h,
      width: w,
    };
  }
  const [least, most] = ratio;
  const h = width / height < least ? Math.max(1, roundHalfEven(width / least)) : height;
  const w = width / height > most ? Math.max(1, roundHalfEven(height * most)) : width;
  return {
    top: Math.floor((height - h) / 2),
    left: Math.floor((width - w) / 2),
    height: h,
    width: w,
  };
}
