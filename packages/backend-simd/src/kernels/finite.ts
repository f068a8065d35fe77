/**
 * Detects NaN and infinity, so that they appear in the same outputs as on stock cpu. Two fast
 * algorithms would spread them further: Winograd's transforms spread them over a tile of outputs,
 * and gathered windows multiply them by the zeros of the padding (0 · ∞ is NaN), which stock cpu
 * skips. The checks read only a few numbers, in places where a NaN must show; if one does, the
 * caller computes the result again with an algorithm that does not spread it.
 */
import type { SimdBackend } from '../backend';
import { type Geometry, listTaps } from './conv-geometry';

const floats = (backend: SimdBackend, at: number, length: number) =>
  new Float32Array(backend.buffer, at, length);

/** Zero times NaN or infinity is NaN, and so is any sum that contains it. */
const isFiniteSum = (sumOfZeros: number) => sumOfZeros === 0;

interface Image {
  batch: number;
  height: number;
  width: number;
  channels: number;
  /** Side of a Winograd tile. */
  tile: number;
}

/**
 * Whether Winograd's algorithm met only finite numbers. Each plane of a tile contributes to one of
 * the tile's corners, each input to all output channels, and each weight to all tiles. So it is
 * enough to check the corners of each tile in one channel, and of one tile in all channels.
 */
export function tilesAreFinite(
  backend: SimdBackend,
  at: number,
  { batch, height, width, channels, tile }: Image,
): boolean {
  const out = floats(backend, at, batch * height * width * channels);
  const down = Math.min(tile - 1, height - 1) * width * channels;
  const right = Math.min(tile - 1, width - 1) * channels;
  let zeros = 0;
  for (let c = 0; c < channels; c++)
    zeros += 0 * (valueAt(out, c) + valueAt(out, down + c) + valueAt(out, right + c));
  for (let c = 0; c < channels; c++) zeros += 0 * valueAt(out, down + right + c);
  for (let image = 0; image < batch; image++) {
    for (let y = 0; y < height; y += tile) {
      const top = (image * height + y) * width;
      const bottom = (image * height + Math.min(y + tile - 1, height - 1)) * width;
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
  return isFiniteSum(zeros);
}

/** The same for the filter's gradient, where each plane contributes to a corner of the filter. */
export function filterIsFinite(
  backend: SimdBackend,
  at: number,
  { channels, outChannels }: Geometry,
): boolean {
  const tap = channels * outChannels;
  const out = floats(backend, at, 9 * tap);
  let zeros = 0;
  for (const corner of [0, 2, 6, 8]) {
    for (let n = 0; n < outChannels; n++) zeros += 0 * valueAt(out, corner * tap + n);
    for (let c = 0; c < channels; c++) zeros += 0 * valueAt(out, corner * tap + c * outChannels);
  }
  return isFiniteSum(zeros);
}

/** Whether `length` numbers from address `at` on contain neither NaN nor infinity. */
export function areFinite(backend: SimdBackend, at: number, length: number): boolean {
  const values = floats(backend, at, length);
  let zeros = 0;
  for (let i = 0; i < length; i++) zeros += 0 * valueAt(values, i);
  return isFiniteSum(zeros);
}

/** Whether any window reaches beyond the image. */
export const isPadded = (g: Geometry): boolean =>
  listTaps(g).some(
    ({ y, x }) =>
      y < 0 ||
      x < 0 ||
      y + (g.outHeight - 1) * g.strideY >= g.height ||
      x + (g.outWidth - 1) * g.strideX >= g.width,
  );

/** Callers keep the index inside the array. */
const valueAt = (values: Float32Array, i: number): number => values[i] as number;
