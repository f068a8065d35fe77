/** Affine maps of images, as Pillow computes them. */
import type { ImageShape } from '../types';

/** From a point of the result to one of the image: x = a·x′ + b·y′ + c, y = d·x′ + e·y′ + f. */
export type Matrix = readonly [a: number, b: number, c: number, d: number, e: number, f: number];

/** Counter-clockwise about the center, as Pillow's `Image.rotate`, which rounds to 15 digits. */
export function rotationMatrix(degrees: number, [height, width]: ImageShape): Matrix {
  const positive = ((degrees % 360) + 360) % 360;
  const angle = -(positive * (Math.PI / 180));
  const cos = Number(Math.cos(angle).toFixed(15));
  const sin = Number(Math.sin(angle).toFixed(15));
  const x = width / 2;
  const y = height / 2;
  return [cos, sin, cos * -x + sin * -y + x, -sin, cos, -sin * -x + cos * -y + y];
}

export interface AffineOptions {
  readonly matrix: Matrix;
  readonly shape: ImageShape;
}

/**
 * Writes the image under an affine map into `into`, of the same shape. Pixels that come from
 * outside the image keep their value.
 */
export type Warp = (
  image: ArrayLike<number>,
  into: Uint8Array | Float32Array,
  options: AffineOptions,
) => void;

/** Pillow's `affine_fixed` (src/libImaging/Geometry.c): 16.16 fixed point. */
function warpNearest(
  image: ArrayLike<number>,
  into: Uint8Array | Float32Array,
  { matrix, shape }: AffineOptions,
): void {
  const [height, width, channels] = shape;
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
function warpBilinear(
  image: ArrayLike<number>,
  into: Uint8Array | Float32Array,
  { matrix, shape }: AffineOptions,
): void {
  const [height, width, channels] = shape;
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

/** By the name of the interpolation. */
export const WARPS: Readonly<Record<'nearest' | 'bilinear', Warp>> = {
  nearest: warpNearest,
  bilinear: warpBilinear,
};
