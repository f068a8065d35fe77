/** Transforms that change the values of pixels: to RGB, normalization, brightness and contrast. */
import type { ImageBatch, Random } from '../types';
import { uniform } from './draw';
import { floatsOf } from './floats';
import { emptyLike, imageAt, type Kind } from './kind';
import { resampleToFloats } from './resample';
import { hasKernel, type Normalization } from './resample/kernel';

export const toRgb: Kind<object> = {
  shape: ([height, width, channels]) => {
    if (channels === 1 || channels === 3) return [height, width, 3];
    throw new RangeError(
      `[data] toRgb: expected images of 1 or 3 channels, got ${channels}; write a transform with custom()`,
    );
  },
  apply: (batch, options) => {
    const shape = toRgb.shape?.(batch.shape, options) ?? batch.shape;
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

export const normalize: Kind<Normalization> = {
  shape: (shape, { mean, std }) => {
    const [fault] = Object.entries({ mean, std }).filter(
      ([, { length }]) => length !== 1 && length !== shape[2],
    );
    if (!fault) return shape;
    const expected = shape[2] === 1 ? 'one number' : `1 or ${shape[2]} numbers`;
    throw new RangeError(
      `[data] normalize: expected ${expected} in "${fault[0]}" for images of ${shape[2]} channels, got ${fault[1].length}`,
    );
  },
  apply: (batch, options, draws) => {
    normalize.shape?.(batch.shape, options);
    const into = new Float32Array(batch.images.length);
    if (normalize.applyInto?.(batch, options, draws, { into })) return { ...batch, images: into };
    const images = floatsOf(batch);
    // float32 at each step, as PyTorch does.
    const [mean, std] = [Float32Array.from(options.mean), Float32Array.from(options.std)];
    for (let i = 0; i < images.length; i++) {
      const centered = Math.fround((images[i] as number) - (mean[i % mean.length] as number));
      images[i] = centered / (std[i % std.length] as number);
    }
    return { ...batch, images };
  },
  applyInto: ({ images, shape }, options, _, { into }) => {
    if (!(images instanceof Uint8Array && hasKernel)) return false;
    // Resized to its own size, an image keeps its bytes.
    resampleToFloats(
      images,
      { shape, to: [shape[0], shape[1]], interpolation: 'bilinear' },
      { into, normalization: options },
    );
    return true;
  },
};

type Range = readonly [least: number, most: number];

export interface JitterKindOptions {
  /** What the factors are drawn from. */
  readonly brightness: Range;
  readonly contrast: Range;
}

export const colorJitter: Kind<JitterKindOptions> = {
  shape: (shape) => {
    if (shape[2] === 1 || shape[2] === 3) return shape;
    throw new RangeError(
      `[data] colorJitter: expected images of 1 or 3 channels, got ${shape[2]}; leave it out`,
    );
  },
  apply: (batch, options, draws) => {
    colorJitter.shape?.(batch.shape, options);
    for (let place = 0; place < batch.count; place++)
      jitter(imageAt(batch, place), batch, drawFactors(options, draws.image(place)));
    return batch;
  },
};

interface Factors {
  brightness: number;
  contrast: number;
  contrastFirst: boolean;
}

function drawFactors({ brightness, contrast }: JitterKindOptions, random: Random): Factors {
  const contrastFirst = random() < 0.5;
  return {
    contrastFirst,
    brightness: uniform(random, ...brightness),
    contrast: uniform(random, ...contrast),
  };
}

function jitter(
  image: Uint8Array | Float32Array,
  batch: ImageBatch,
  { brightness, contrast, contrastFirst }: Factors,
): void {
  const blend = image instanceof Uint8Array ? blendBytes : blendFloats;
  const changes = [
    () => blend(image, 0, brightness),
    () => blend(image, meanGray(image, batch.shape[2]), contrast),
  ];
  for (const change of contrastFirst ? changes.reverse() : changes) change();
}

/**
 * Pillow's `ImageEnhance`: what lies between the image and a plain gray (`Image.blend`), in
 * float32, cut to bytes; beyond the image for a factor above 1.
 */
function blendBytes(image: Uint8Array | Float32Array, gray: number, factor: number): void {
  const share = Math.fround(factor);
  if (share === 1) return;
  const table = new Uint8ClampedArray(256);
  for (let byte = 0; byte < 256; byte++)
    table[byte] = Math.trunc(Math.fround(gray + Math.fround(share * (byte - gray))));
  for (let i = 0; i < image.length; i++) image[i] = table[image[i] as number] as number;
}

/** torchvision's `_blend` for float images: kept within 0 … 1. */
function blendFloats(image: Uint8Array | Float32Array, gray: number, factor: number): void {
  if (factor === 1) return;
  for (let i = 0; i < image.length; i++) {
    image[i] = Math.min(1, Math.max(0, factor * (image[i] as number) + (1 - factor) * gray));
  }
}

/**
 * The gray that contrast is measured from: the image's mean luma (ITU-R 601), of bytes in Pillow's
 * fixed point and rounded.
 */
function meanGray(image: Uint8Array | Float32Array, channels: number): number {
  const bytes = image instanceof Uint8Array;
  let sum = 0;
  for (let i = 0; i < image.length; i += channels) {
    const red = image[i] as number;
    if (channels === 1) {
      sum += red;
      continue;
    }
    const [green, blue] = [image[i + 1] as number, image[i + 2] as number];
    sum += bytes
      ? (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16
      : 0.2989 * red + 0.587 * green + 0.114 * blue;
  }
  const mean = sum / (image.length / channels);
  return bytes ? Math.trunc(mean + 0.5) : mean;
}
