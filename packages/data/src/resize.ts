/**
 * Resizing as Pillow does it, bit for bit: half-pixel bilinear, widened when it shrinks (antialias), in 8-bit fixed point, first along
 * the width, then along the height, rounded to uint8 after each. From src/libImaging/Resample.c of https://github.com/python-pillow/Pillow;
 * torchvision's `Resize` on a PIL image is this.
 */
import { show } from '@deepend/checks';
import type { ImageShape } from './types';

/** A number is the length of the shorter side, as in torchvision; a square image becomes a square. */
export type ResizeTo = number | readonly [height: number, width: number];

const PRECISION_BITS = 32 - 8 - 2;
const HALF = 1 << (PRECISION_BITS - 1);

/** How one axis is resampled: output `i` is the sum of `taps` inputs from `starts[i]` on, weighted by `weights[i * taps …]`. */
interface Axis {
  readonly from: number;
  readonly to: number;
  readonly taps: number;
  readonly starts: Int32Array;
  /** Fixed point: 1 is `1 << PRECISION_BITS`. */
  readonly weights: Int32Array;
}

/** The shape of an image after a resize. @throws RangeError when it is not a whole number or a pair of them, each at least 1 */
export function resizedShape([height, width, channels]: ImageShape, resize: ResizeTo): ImageShape {
  if (!isResize(resize)) {
    throw new RangeError(`[data] resize: expected a whole number of at least 1 or [height, width] of them, got ${show(resize)}`);
  }
  if (typeof resize !== 'number') return [resize[0], resize[1], channels];
  const longer = (side: number, shorter: number) => Math.max(1, Math.trunc((resize * side) / shorter));
  return height <= width ? [resize, longer(width, height), channels] : [longer(height, width), resize, channels];
}

/** Whether a value says what to resize to. */
export function isResize(value: unknown): value is ResizeTo {
  const size = (side: unknown) => typeof side === 'number' && Number.isInteger(side) && side >= 1 && side <= 16384;
  return Array.isArray(value) ? value.length === 2 && value.every(size) : size(value);
}

/**
 * A function that resizes uint8 `[count, height, width, channels]`, its weights worked out once.
 * Its result is valid until its next call: the memory is used again.
 */
export function resizer(shape: ImageShape, resize: ResizeTo): (images: Uint8Array, count: number) => Uint8Array {
  const [height, width, channels] = shape;
  const [toHeight, toWidth] = resizedShape(shape, resize);
  const across = axis(width, toWidth);
  const down = axis(height, toHeight);
  let wide = new Uint8Array(0);
  let result = new Uint8Array(0);
  return (images, count) => {
    let current = images;
    if (toWidth !== width) {
      wide = room(wide, count * height * toWidth * channels);
      resampleWidth(current, wide, across, { rows: count * height, channels });
      current = wide;
    }
    if (toHeight !== height) {
      result = room(result, count * toHeight * toWidth * channels);
      resampleHeight(current, result, down, { count, rowLength: toWidth * channels });
      current = result;
    }
    return current.subarray(0, count * toHeight * toWidth * channels);
  };
}

/**
 * Resizes images once: uint8 `[count, height, width, channels]` → uint8 `[count, newHeight, newWidth, channels]`.
 * @throws RangeError when the bytes do not make whole images, or `resize` is no size
 */
export function resizeImages(images: Uint8Array, shape: ImageShape, resize: ResizeTo): Uint8Array {
  const count = images.length / (shape[0] * shape[1] * shape[2]);
  if (!Number.isInteger(count)) {
    throw new RangeError(`[data] resizeImages: expected whole images of the shape ${show(shape)}, got ${images.length} bytes`);
  }
  return resizer(shape, resize)(images, count).slice();
}

const room = (buffer: Uint8Array<ArrayBuffer>, length: number) => (buffer.length >= length ? buffer : new Uint8Array(length));

/** Pillow's `precompute_coeffs` and `normalize_coeffs_8bpc` for the triangle filter, zero weights cut away. */
function axis(from: number, to: number): Axis {
  const scale = from / to;
  const support = Math.max(scale, 1); // the triangle reaches 1 to each side, in pixels of the coarser grid
  const rows = Array.from({ length: to }, (_, i) => {
    const center = (i + 0.5) * scale;
    const first = Math.max(0, Math.trunc(center - support + 0.5));
    const end = Math.min(from, Math.trunc(center + support + 0.5));
    const raw = Array.from({ length: end - first }, (_, k) =>
      Math.max(0, 1 - Math.abs((k + first - center + 0.5) * (1 / support))),
    );
    const total = raw.reduce((sum, weight) => sum + weight, 0);
    const fixed = raw.map((weight) => Math.trunc(0.5 + (weight / total) * (1 << PRECISION_BITS)));
    const skipped = fixed.findIndex((weight) => weight > 0);
    return { start: first + skipped, weights: fixed.slice(skipped, fixed.findLastIndex((weight) => weight > 0) + 1) };
  });
  // Each output gets as many taps as the widest one, so that the loops below have no inner bounds to look up.
  const taps = Math.max(...rows.map(({ weights }) => weights.length));
  const starts = new Int32Array(to);
  const weights = new Int32Array(to * taps);
  rows.forEach((row, i) => {
    const start = Math.min(row.start, from - taps);
    starts[i] = start;
    weights.set(row.weights, i * taps + row.start - start);
  });
  return { from, to, taps, starts, weights };
}

/** `[rows, from, channels]` → `[rows, to, channels]`. The triangle has no negative weights, so no sum leaves 0 … 255. */
function resampleWidth(
  source: Uint8Array,
  into: Uint8Array,
  axis: Axis,
  { rows, channels }: { rows: number; channels: number },
): void {
  const { from, to, taps, starts, weights } = axis;
  let at = 0;
  for (let row = 0; row < rows; row++) {
    const rowStart = row * from * channels;
    for (let x = 0; x < to; x++) {
      const first = rowStart + (starts[x] as number) * channels;
      const weight = x * taps;
      for (let channel = 0; channel < channels; channel++) {
        let sum = HALF;
        for (let tap = 0; tap < taps; tap++) {
          sum = (sum + Math.imul(source[first + tap * channels + channel] as number, weights[weight + tap] as number)) | 0;
        }
        into[at++] = sum >> PRECISION_BITS;
      }
    }
  }
}

/** `[count, from, rowLength]` → `[count, to, rowLength]`. */
function resampleHeight(
  source: Uint8Array,
  into: Uint8Array,
  axis: Axis,
  { count, rowLength }: { count: number; rowLength: number },
): void {
  const { from, to, taps, starts, weights } = axis;
  const sums = new Int32Array(rowLength);
  for (let image = 0; image < count; image++) {
    for (let y = 0; y < to; y++) {
      const first = (image * from + (starts[y] as number)) * rowLength;
      sums.fill(HALF);
      for (let tap = 0; tap < taps; tap++) {
        addScaled(sums, source, first + tap * rowLength, weights[y * taps + tap] as number);
      }
      const at = (image * to + y) * rowLength;
      for (let x = 0; x < rowLength; x++) into[at + x] = (sums[x] as number) >> PRECISION_BITS;
    }
  }
}

function addScaled(sums: Int32Array, source: Uint8Array, start: number, weight: number): void {
  if (weight === 0) return;
  for (let x = 0; x < sums.length; x++) {
    sums[x] = (sums[x] as number) + Math.imul(source[start + x] as number, weight);
  }
}
