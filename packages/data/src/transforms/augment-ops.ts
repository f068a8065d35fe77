/**
 * The operations of RandAugment and TrivialAugment on one image of bytes, each as Pillow does it.
 * Their names and the meaning of their magnitudes are torchvision's (`transforms.autoaugment`).
 */
import type { ImageShape } from '../types';
import { type Matrix, rotationMatrix, WARPS } from './affine';
import { blendBytes, luma, meanGray } from './color';

export interface OpOptions {
  /** 0 for operations without one. */
  readonly magnitude: number;
  readonly shape: ImageShape;
  readonly interpolation: 'nearest' | 'bilinear';
  /** Value of uncovered pixels, a byte. */
  readonly fill: number;
}

/** Changes the image in its place. */
type Op = (image: Uint8Array, options: OpOptions) => void;

const warp =
  (matrixOf: (magnitude: number, shape: ImageShape) => Matrix): Op =>
  (image, { magnitude, shape, interpolation, fill }) => {
    const source = image.slice();
    image.fill(fill);
    WARPS[interpolation](source, image, { matrix: matrixOf(magnitude, shape), shape });
  };

/** torchvision takes the shear in degrees, so the number passes through an angle. */
const shear = (magnitude: number) =>
  Math.tan(((Math.atan(magnitude) * 180) / Math.PI) * (Math.PI / 180));

/** Replaces each byte of a channel (of all channels by default) by its entry in a table. */
function lookUp(
  image: Uint8Array,
  table: (byte: number) => number,
  { start = 0, step = 1 } = {},
): void {
  const bytes = Uint8ClampedArray.from({ length: 256 }, (_, byte) => Math.trunc(table(byte)));
  for (let i = start; i < image.length; i += step) image[i] = bytes[image[i] as number] as number;
}

/** For each channel, a table made of its histogram; `undefined` leaves the channel as it is. */
const perChannel =
  (tableOf: (counts: Uint32Array) => ((byte: number) => number) | undefined): Op =>
  (image, { shape: [, , channels] }) => {
    for (let channel = 0; channel < channels; channel++) {
      const counts = new Uint32Array(256);
      for (let i = channel; i < image.length; i += channels) {
        const byte = image[i] as number;
        counts[byte] = (counts[byte] as number) + 1;
      }
      const table = tableOf(counts);
      if (table) lookUp(image, table, { start: channel, step: channels });
    }
  };

/** Pillow's `ImageOps.autocontrast`: the darkest value becomes 0 and the brightest 255. */
function stretched(counts: Uint32Array) {
  const darkest = counts.findIndex(Boolean);
  const brightest = counts.findLastIndex(Boolean);
  if (brightest <= darkest) return undefined;
  const scale = 255 / (brightest - darkest);
  const offset = -darkest * scale;
  return (byte: number) => byte * scale + offset;
}

/** Pillow's `ImageOps.equalize`: the cumulative histogram becomes as even as it can. */
function equalized(counts: Uint32Array) {
  const present = counts.filter(Boolean);
  const total = present.reduce((sum, count) => sum + count, 0);
  const step = Math.floor((total - (present.at(-1) as number)) / 255);
  if (present.length <= 1 || step === 0) return undefined;
  const below = new Float64Array(256);
  for (let byte = 1; byte < 256; byte++)
    below[byte] = (below[byte - 1] as number) + (counts[byte - 1] as number);
  return (byte: number) => Math.floor((Math.floor(step / 2) + (below[byte] as number)) / step);
}

/**
 * Pillow's `Image.blend` of a changed image and the image: factor 1 gives the image, 0 the changed
 * one, and above 1 the difference grows.
 */
function blend(image: Uint8Array, changed: ArrayLike<number>, factor: number): void {
  const factor32 = Math.fround(factor);
  if (factor32 === 1) return;
  for (let i = 0; i < image.length; i++) {
    const from = changed[i] as number;
    const value = Math.fround(from + Math.fround(factor32 * ((image[i] as number) - from)));
    image[i] = Math.min(255, Math.max(0, Math.trunc(value)));
  }
}

function grayOf(image: Uint8Array): Uint8Array {
  const gray = new Uint8Array(image.length);
  for (let i = 0; i < image.length; i += 3)
    gray.fill(luma(image[i] as number, image[i + 1] as number, image[i + 2] as number), i, i + 3);
  return gray;
}

/** Pillow's `ImageFilter.SMOOTH`: weights 1, and 5 in the middle, over 13. The border stays. */
function smoothed(image: Uint8Array, [height, width, channels]: ImageShape): Uint8Array {
  const result = image.slice();
  const row = width * channels;
  for (let y = 1; y < height - 1; y++) {
    for (let i = y * row + channels; i < (y + 1) * row - channels; i++) {
      let sum = 4 * (image[i] as number);
      for (const line of [i - row, i, i + row])
        for (const at of [line - channels, line, line + channels]) sum += image[at] as number;
      result[i] = Math.floor(sum / 13 + 0.5);
    }
  }
  return result;
}

/** By name, in torchvision's order, which a random number chooses from. */
export const AUGMENT_OPS = {
  identity: () => {},
  shearX: warp((magnitude) => [1, shear(magnitude), 0, 0, 1, 0]),
  shearY: warp((magnitude) => [1, 0, 0, shear(magnitude), 1, 0]),
  translateX: warp((magnitude) => [1, 0, -Math.trunc(magnitude), 0, 1, 0]),
  translateY: warp((magnitude) => [1, 0, 0, 0, 1, -Math.trunc(magnitude)]),
  rotate: warp(rotationMatrix), // degrees, counter-clockwise
  brightness: (image, { magnitude }) => blendBytes(image, 0, 1 + magnitude),
  color: (image, { magnitude, shape }) => {
    if (shape[2] === 3) blend(image, grayOf(image), 1 + magnitude);
  },
  contrast: (image, { magnitude, shape }) =>
    blendBytes(image, meanGray(image, shape[2]), 1 + magnitude),
  sharpness: (image, { magnitude, shape }) => blend(image, smoothed(image, shape), 1 + magnitude),
  /** The magnitude is the number of bits that stay. */
  posterize: (image, { magnitude }) => lookUp(image, (byte) => byte & ~(2 ** (8 - magnitude) - 1)),
  solarize: (image, { magnitude }) =>
    lookUp(image, (byte) => (byte < magnitude ? byte : 255 - byte)),
  autoContrast: perChannel(stretched),
  equalize: perChannel(equalized),
} as const satisfies Record<string, Op>;

export type AugmentOp = keyof typeof AUGMENT_OPS;
