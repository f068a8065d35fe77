/** Transforms that turn images around: flips and rotation. */
import type { ImageBatch } from '../types';
import { uniform } from './draw';
import { emptyLike, imageAt, type Kind, sizeOf, stored } from './kind';

export interface FlipKindOptions {
  readonly probability: number;
}

/** A kind that does something in place to each image with a probability. */
function inPlace(
  change: (image: Uint8Array | Float32Array, batch: ImageBatch) => void,
): Kind<FlipKindOptions> {
  return {
    apply: (batch, { probability }, draws) => {
      for (let place = 0; place < batch.count; place++) {
        if (draws.image(place)() < probability) change(imageAt(batch, place), batch);
      }
      return batch;
    },
  };
}

/** Left becomes right. */
export const randomHorizontalFlip = inPlace((image, { shape: [height, width, channels] }) => {
  for (let y = 0; y < height; y++) {
    const row = y * width * channels;
    for (let left = 0, right = width - 1; left < right; left++, right--) {
      for (let channel = 0; channel < channels; channel++) {
        const [from, to] = [row + left * channels + channel, row + right * channels + channel];
        const swapped = image[from] as number;
        image[from] = image[to] as number;
        image[to] = swapped;
      }
    }
  }
});

/** Top becomes bottom. */
export const randomVerticalFlip = inPlace((image, { shape: [height, width, channels] }) => {
  const length = width * channels;
  for (let top = 0, bottom = height - 1; top < bottom; top++, bottom--) {
    const kept = image.slice(top * length, (top + 1) * length);
    image.copyWithin(top * length, bottom * length, (bottom + 1) * length);
    image.set(kept, bottom * length);
  }
});

export interface RotationKindOptions {
  readonly degrees: readonly [least: number, most: number];
  readonly interpolation: 'nearest' | 'bilinear';
  readonly fill: number;
}

export const randomRotation: Kind<RotationKindOptions> = {
  apply: (batch, { degrees, interpolation, fill }, draws) => {
    const images = emptyLike(batch.images, batch.images.length);
    images.fill(stored(images, fill));
    const size = sizeOf(batch.shape);
    const rotate = interpolation === 'nearest' ? rotateNearest : rotateBilinear;
    for (let place = 0; place < batch.count; place++) {
      const matrix = rotation(uniform(draws.image(place), ...degrees), batch);
      rotate(imageAt(batch, place), images.subarray(place * size, (place + 1) * size), {
        matrix,
        batch,
      });
    }
    return { ...batch, images };
  },
};

/** From a place in the result to the one in the image: x = a·x′ + b·y′ + c, y = d·x′ + e·y′ + f. */
type Matrix = readonly [a: number, b: number, c: number, d: number, e: number, f: number];

/**
 * Counter-clockwise about the centre, as Pillow's `Image.rotate` works it out, its rounding to 15
 * places included.
 */
function rotation(degrees: number, { shape: [height, width] }: ImageBatch): Matrix {
  const turned = ((degrees % 360) + 360) % 360;
  const angle = -(turned * (Math.PI / 180));
  const [cos, sin] = [Number(Math.cos(angle).toFixed(15)), Number(Math.sin(angle).toFixed(15))];
  const [x, y] = [width / 2, height / 2];
  return [cos, sin, cos * -x + sin * -y + x, -sin, cos, -sin * -x + cos * -y + y];
}

interface Rotating {
  matrix: Matrix;
  batch: ImageBatch;
}

/** Pillow's `affine_fixed` (src/libImaging/Geometry.c): 16.16 fixed point. */
function rotateNearest(
  image: ArrayLike<number>,
  into: Uint8Array | Float32Array,
  { matrix, batch }: Rotating,
): void {
  const [height, width, channels] = batch.shape;
  const fixed = (value: number) => Math.floor(value * 65536 + 0.5);
  const [a, b, c, d, e, f] = matrix;
  const [dx, dy] = [fixed(a), fixed(d)];
  for (let row = 0, at = 0; row < height; row++) {
    let x = fixed(c + a * 0.5 + b * 0.5) + row * fixed(b);
    let y = fixed(f + d * 0.5 + e * 0.5) + row * fixed(e);
    for (let column = 0; column < width; column++, at += channels, x += dx, y += dy) {
      const [fromX, fromY] = [x >> 16, y >> 16];
      if (fromX < 0 || fromX >= width || fromY < 0 || fromY >= height) continue;
      const from = (fromY * width + fromX) * channels;
      for (let channel = 0; channel < channels; channel++)
        into[at + channel] = image[from + channel] as number;
    }
  }
}

/**
 * Pillow's `affine_transform` and `bilinear_filter` (src/libImaging/Geometry.c): double precision,
 * cut to bytes.
 */
function rotateBilinear(
  image: ArrayLike<number>,
  into: Uint8Array | Float32Array,
  { matrix, batch }: Rotating,
): void {
  const [height, width, channels] = batch.shape;
  const [a, b, c, d, e, f] = matrix;
  for (let row = 0, at = 0; row < height; row++) {
    for (let column = 0; column < width; column++, at += channels) {
      const x = a * (column + 0.5) + b * (row + 0.5) + c;
      const y = d * (column + 0.5) + e * (row + 0.5) + f;
      if (x < 0 || x >= width || y < 0 || y >= height) continue;
      const [left, top] = [Math.floor(x - 0.5), Math.floor(y - 0.5)];
      const [across, down] = [x - 0.5 - left, y - 0.5 - top];
      const [x0, x1] = [Math.max(0, left) * channels, Math.min(width - 1, left + 1) * channels];
      const [y0, y1] = [
        Math.max(0, top) * width * channels,
        Math.min(height - 1, top + 1) * width * channels,
      ];
      for (let channel = 0; channel < channels; channel++) {
        const upper = between(
          image[y0 + x0 + channel] as number,
          image[y0 + x1 + channel] as number,
          across,
        );
        const lower = between(
          image[y1 + x0 + channel] as number,
          image[y1 + x1 + channel] as number,
          across,
        );
        into[at + channel] = between(upper, lower, down);
      }
    }
  }
}

const between = (from: number, to: number, share: number): number => from + (to - from) * share;
