/** Flips and rotation, which keep an image's size. */
import { checkOptions, rule } from '@deepend/core';
import type { ImageBatch, Transform } from '../types';
import { uniform } from './distributions';
import {
  emptyLike,
  imageAt,
  imageLength,
  type Range,
  type TransformImpl,
  toStoredUnits,
} from './implementation';
import { degrees as degreesRule, probability, value } from './option-rules';

export interface RandomFlipOptions {
  /** The probability that an image is flipped. @default 0.5 */
  probability?: number;
}

const flipRules = () => rule.object({ probability: probability() });

function flip(name: string, options: RandomFlipOptions): Transform {
  const { probability = 0.5 } = checkOptions(`[data] ${name}`, flipRules(), options);
  return { name, options: { probability }, random: true };
}

/**
 * Flips images horizontally (left and right change places) with a probability.
 * @throws TypeError or RangeError for an unknown option or a value out of range
 */
export function randomHorizontalFlip(options: RandomFlipOptions = {}): Transform {
  return flip('randomHorizontalFlip', options);
}

/**
 * Flips images vertically (top and bottom change places) with a probability.
 * @throws TypeError or RangeError for an unknown option or a value out of range
 */
export function randomVerticalFlip(options: RandomFlipOptions = {}): Transform {
  return flip('randomVerticalFlip', options);
}

export interface FlipImplOptions {
  readonly probability: number;
}

function flipImpl(
  flipImage: (image: Uint8Array | Float32Array, batch: ImageBatch) => void,
): TransformImpl<FlipImplOptions> {
  return {
    apply: (batch, { probability }, rng) => {
      for (let index = 0; index < batch.count; index++) {
        if (rng.image(index)() < probability) flipImage(imageAt(batch, index), batch);
      }
      return batch;
    },
  };
}

export const horizontalFlipImpl = flipImpl((image, { shape: [height, width, channels] }) => {
  for (let y = 0; y < height; y++) {
    const row = y * width * channels;
    for (let left = 0, right = width - 1; left < right; left++, right--) {
      for (let channel = 0; channel < channels; channel++) {
        const from = row + left * channels + channel;
        const to = row + right * channels + channel;
        const swapped = image[from] as number;
        image[from] = image[to] as number;
        image[to] = swapped;
      }
    }
  }
});

export const verticalFlipImpl = flipImpl((image, { shape: [height, width, channels] }) => {
  const length = width * channels;
  for (let top = 0, bottom = height - 1; top < bottom; top++, bottom--) {
    const kept = image.slice(top * length, (top + 1) * length);
    image.copyWithin(top * length, bottom * length, (bottom + 1) * length);
    image.set(kept, bottom * length);
  }
});

export interface RandomRotationOptions {
  /** @default 'nearest' */
  interpolation?: 'nearest' | 'bilinear';
  /** Value of the uncovered corners in units of floats: 1 is white, also for bytes. @default 0 */
  fill?: number;
}

const rotationRules = () =>
  rule.object({
    degrees: degreesRule(),
    interpolation: rule.oneOf(['nearest', 'bilinear']).optional(),
    fill: value(),
  });

/**
 * Rotates images about their center by a random angle, drawn uniformly, as torchvision's
 * `RandomRotation` does with PIL images. The size stays.
 * @param degrees counter-clockwise, `[least, most]`; a number d means `[-d, d]`
 * @throws TypeError or RangeError for an unknown option or a value out of range
 */
export function randomRotation(
  degrees: number | Range,
  options: RandomRotationOptions = {},
): Transform {
  const checked = checkOptions('[data] randomRotation', rotationRules(), { ...options, degrees });
  const { interpolation = 'nearest', fill = 0 } = checked;
  const range =
    typeof checked.degrees === 'number' ? [-checked.degrees, checked.degrees] : checked.degrees;
  return { name: 'randomRotation', options: { degrees: range, interpolation, fill }, random: true };
}

export interface RotationImplOptions {
  readonly degrees: Range;
  readonly interpolation: 'nearest' | 'bilinear';
  readonly fill: number;
}

export const rotationImpl: TransformImpl<RotationImplOptions> = {
  apply: (batch, { degrees, interpolation, fill }, rng) => {
    const images = emptyLike(batch.images, batch.images.length);
    images.fill(toStoredUnits(images, fill));
    const size = imageLength(batch.shape);
    const rotate = interpolation === 'nearest' ? rotateNearest : rotateBilinear;
    for (let index = 0; index < batch.count; index++) {
      const matrix = rotationMatrix(uniform(rng.image(index), ...degrees), batch);
      const into = images.subarray(index * size, (index + 1) * size);
      rotate(imageAt(batch, index), into, { matrix, batch });
    }
    return { ...batch, images };
  },
};

/** From a point of the result to one of the image: x = a·x′ + b·y′ + c, y = d·x′ + e·y′ + f. */
type Matrix = readonly [a: number, b: number, c: number, d: number, e: number, f: number];

/** Counter-clockwise about the center, as Pillow's `Image.rotate`, which rounds to 15 digits. */
function rotationMatrix(degrees: number, { shape: [height, width] }: ImageBatch): Matrix {
  const positive = ((degrees % 360) + 360) % 360;
  const angle = -(positive * (Math.PI / 180));
  const cos = Number(Math.cos(angle).toFixed(15));
  const sin = Number(Math.sin(angle).toFixed(15));
  const x = width / 2;
  const y = height / 2;
  return [cos, sin, cos * -x + sin * -y + x, -sin, cos, -sin * -x + cos * -y + y];
}

interface Rotation {
  matrix: Matrix;
  batch: ImageBatch;
}

/** Pillow's `affine_fixed` (src/libImaging/Geometry.c): 16.16 fixed point. */
function rotateNearest(
  image: ArrayLike<number>,
  into: Uint8Array | Float32Array,
  { matrix, batch }: Rotation,
): void {
  const [height, width, channels] = batch.shape;
  const fixed = (value: number) => Math.floor(value * 65536 + 0.5);
  const [a, b, c, d, e, f] = matrix;
  const dx = fixed(a);
  const dy = fixed(d);
  for (let row = 0, at = 0; row < height; row++) {
    let x = fixed(c + a * 0.5 + b * 0.5) + row * fixed(b);
    let y = fixed(f + d * 0.5 + e * 0.5) + row * fixed(e);
    for (let column = 0; column < width; column++, at += channels, x += dx, y += dy) {
      const fromX = x >> 16;
      const fromY = y >> 16;
      if (fromX < 0 || fromX >= width || fromY < 0 || fromY >= height) continue;
      const from = (fromY * width + fromX) * channels;
      for (let channel = 0; channel < channels; channel++)
        into[at + channel] = image[from + channel] as number;
    }
  }
}

/**
 * Pillow's `affine_transform` with `bilinear_filter` (src/libImaging/Geometry.c): double precision,
 * truncated to bytes.
 */
function rotateBilinear(
  image: ArrayLike<number>,
  into: Uint8Array | Float32Array,
  { matrix, batch }: Rotation,
): void {
  const [height, width, channels] = batch.shape;
  const [a, b, c, d, e, f] = matrix;
  for (let row = 0, at = 0; row < height; row++) {
    for (let column = 0; column < width; column++, at += channels) {
      const x = a * (column + 0.5) + b * (row + 0.5) + c;
      const y = d * (column + 0.5) + e * (row + 0.5) + f;
      if (x < 0 || x >= width || y < 0 || y >= height) continue;
      const left = Math.floor(x - 0.5);
      const top = Math.floor(y - 0.5);
      const x0 = Math.max(0, left) * channels;
      const x1 = Math.min(width - 1, left + 1) * channels;
      const y0 = Math.max(0, top) * width * channels;
      const y1 = Math.min(height - 1, top + 1) * width * channels;
      for (let channel = 0; channel < channels; channel++) {
        const upperLeft = image[y0 + x0 + channel] as number;
        const upperRight = image[y0 + x1 + channel] as number;
        const lowerLeft = image[y1 + x0 + channel] as number;
        const lowerRight = image[y1 + x1 + channel] as number;
        const upper = lerp(upperLeft, upperRight, x - 0.5 - left);
        const lower = lerp(lowerLeft, lowerRight, x - 0.5 - left);
        into[at + channel] = lerp(upper, lower, y - 0.5 - top);
      }
    }
  }
}

const lerp = (from: number, to: number, fraction: number): number => from + (to - from) * fraction;
