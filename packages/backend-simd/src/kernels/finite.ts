/**
 * NaN and infinity come out where they do on stock cpu. Two fast ways of convolving spread them
 * further: Winograd's transforms over a
 * tile of outputs, and products with padding's zeros, which stock leaves out (0 · ∞ is NaN). Both
 * are looked for where they must show, in
 * far fewer places than there are numbers; what has met one is computed again by the way that does
 * not spread it.
 */
import type { SimdBackend } from '../backend';
import { type Geometry, tapsOf } from './conv-geometry';

const floats = (backend: SimdBackend, at: number, length: number) =>
  new Float32Array(backend.buffer, at, length);

/** NaN or infinity times zero is NaN, and stays so in a sum. */
const noneMet = (sumOfZeros: number) => sumOfZeros === 0;

interface Image {
  images: number;
  height: number;
  width: number;
  channels: number;
  /** Outputs along one axis of Winograd's tiles. */
  tile: number;
}

/**
 * Whether a result of Winograd's met only finite numbers. Every plane of a tile has a part in one
 * of the tile's corners, every
 * number of the source in all output channels, every number of the filter in all tiles: so the
 * corners of each tile in one channel,
 * and of one tile in all channels, tell.
 */
export function tilesAreFinite(
  backend: SimdBackend,
  at: number,
  { images, height, width, channels, tile }: Image,
): boolean {
  const out = floats(backend, at, images * height * width * channels);
  const [down, right] = [
    Math.min(tile - 1, height - 1) * width * channels,
    Math.min(tile - 1, width - 1) * channels,
  ];
  let zeros = 0;
  for (let c = 0; c < channels; c++)
    zeros += 0 * (valueAt(out, c) + valueAt(out, down + c) + valueAt(out, right + c));
  for (let c = 0; c < channels; c++) zeros += 0 * valueAt(out, down + right + c);
  for (let row = 0; row < images; row++) {
    for (let y = 0; y < height; y += tile) {
      const top = (row * height + y) * width;
      const bottom = (row * height + Math.min(y + tile - 1, height - 1)) * width;
      for (let x = 0; x < width; x += tile) {
        const last = Math.min(x + tile - 1, width - 1);
        const upper =
          0 * valueAt(out, (top + x) * channels) + 0 * valueAt(out, (top + last) * channels);
        zeros +=
          upper +
          0 * valueAt(out, (bottom + x) * channels) +
          0 * valueAt(out, (bottom + last) * channels);
      }
    }
  }
  return noneMet(zeros);
}

/**
 * The same for the filter's gradient through Winograd, where the planes meet in the corners of the
 * filter.
 */
export function filterIsFinite(
  backend: SimdBackend,
  at: number,
  { channels, columns }: Geometry,
): boolean {
  const tap = channels * columns;
  const out = floats(backend, at, 9 * tap);
  let zeros = 0;
  for (const corner of [0, 2, 6, 8]) {
    for (let n = 0; n < columns; n++) zeros += 0 * valueAt(out, corner * tap + n);
    for (let c = 0; c < channels; c++) zeros += 0 * valueAt(out, corner * tap + c * columns);
  }
  return noneMet(zeros);
}

/** Whether a list of numbers has neither NaN nor infinity. */
export function areFinite(backend: SimdBackend, at: number, length: number): boolean {
  const values = floats(backend, at, length);
  let zeros = 0;
  for (let i = 0; i < length; i++) zeros += 0 * valueAt(values, i);
  return noneMet(zeros);
}

/** Whether some window sticks out of the image. */
export const isPadded = (g: Geometry): boolean =>
  tapsOf(g).some(
    ({ y, x }) =>
      y < 0 ||
      x < 0 ||
      y + (g.outHeight - 1) * g.strideY >= g.height ||
      x + (g.outWidth - 1) * g.strideX >= g.width,
  );

/** Reads inside the array only. */
const valueAt = (values: Float32Array, i: number): number => values[i] as number;
