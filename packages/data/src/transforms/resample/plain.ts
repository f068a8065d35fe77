/**
 * Pillow's resize in plain JavaScript. Float32 images are resampled in double precision and rounded
 * to float32 after each pass. Bytes come here only when Node has no WebAssembly (`--jitless`); they
 * use the fixed point of assembly/resize.ts, with the same results. Nearest neighbor is here too.
 */
import { isUint8Array } from '@deepend/core';
import { emptyLike } from '../implementation';
import { type Axis, PRECISION_BITS } from './axis';
import { fullBox, isIdentity, type Layout, type Resampling, rowFinder } from './layout';

const HALF = 1 << (PRECISION_BITS - 1);

/**
 * `[count, height, width, channels]` → `[count, newHeight, newWidth, channels]`, along the width
 * first.
 */
export function resamplePlain<T extends Uint8Array | Float32Array>(
  images: T,
  count: number,
  layout: Layout,
): T {
  const { region, across, down, shape } = layout;
  const inner = shape[2];
  const rows = count * region.height;
  const read = copyRegion(images, rows, layout); // [rows, region.width, channels]
  const wide = isIdentity(across) ? read : pass(read, across, { outer: rows, inner });
  return isIdentity(down) ? wide : pass(wide, down, { outer: count, inner: across.to * inner });
}

function copyRegion<T extends Uint8Array | Float32Array>(images: T, rows: number, layout: Layout) {
  const length = layout.region.width * layout.shape[2];
  const copied = emptyLike(images, rows * length);
  const findRow = rowFinder(layout);
  for (let row = 0; row < rows; row++)
    copied.set(images.subarray(findRow(row), findRow(row) + length), row * length);
  return copied;
}

interface Extent {
  /** Product of the sizes before the axis, and of those after it. */
  outer: number;
  inner: number;
}

/** `[outer, from, inner]` → `[outer, to, inner]`. */
function pass<T extends Uint8Array | Float32Array>(
  source: T,
  axis: Axis,
  { outer, inner }: Extent,
): T {
  const { from, to, starts } = axis;
  const into = emptyLike(source, outer * to * inner);
  const blend = isUint8Array(source) ? blendBytes : blendFloats;
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < to; i++) {
      const first = (o * from + (starts[i] as number)) * inner;
      const at = (o * to + i) * inner;
      for (let j = 0; j < inner; j++)
        into[at + j] = blend(source, first + j, { axis, output: i, step: inner });
    }
  }
  return into;
}

interface Taps {
  axis: Axis;
  output: number;
  step: number;
}

function blendBytes(
  source: ArrayLike<number>,
  first: number,
  { axis: { taps, fixed }, output, step }: Taps,
): number {
  let sum = HALF;
  for (let tap = 0; tap < taps; tap++) {
    const value = source[first + tap * step] as number;
    sum = (sum + Math.imul(value, fixed[output * taps + tap] as number)) | 0;
  }
  return Math.min(255, Math.max(0, sum >> PRECISION_BITS));
}

function blendFloats(
  source: ArrayLike<number>,
  first: number,
  { axis: { taps, weights }, output, step }: Taps,
): number {
  let sum = 0;
  for (let tap = 0; tap < taps; tap++)
    sum += (source[first + tap * step] as number) * (weights[output * taps + tap] as number);
  return sum;
}

/**
 * For each output, the input that contains its center. The steps are added up as in Pillow, because
 * a product would round differently.
 */
function nearestInputs(from: number, to: number): Int32Array {
  const step = from / to;
  const inputs = new Int32Array(to);
  for (let i = 0, at = step * 0.5; i < to; i++, at += step)
    inputs[i] = Math.min(from - 1, Math.trunc(at));
  return inputs;
}

/**
 * Nearest neighbor as Pillow's and torchvision's NEAREST: `ImagingScaleAffine` in
 * src/libImaging/Geometry.c.
 */
export function resampleNearest<T extends Uint8Array | Float32Array>(
  images: T,
  count: number,
  request: Resampling,
): T {
  const { shape, to, box = fullBox(shape[0], shape[1]), window = fullBox(...to) } = request;
  const [height, width, channels] = shape;
  const rows = nearestInputs(box.height, to[0]).subarray(window.top, window.top + window.height);
  const columns = Array.from(
    nearestInputs(box.width, to[1]).subarray(window.left, window.left + window.width),
    (x) => (box.left + x) * channels,
  );
  const rowLength = window.width * channels;
  const result = emptyLike(images, count * window.height * rowLength);
  let at = 0;
  for (let image = 0; image < count; image++) {
    for (let y = 0; y < rows.length; y++, at += rowLength) {
      if (y > 0 && rows[y] === rows[y - 1]) {
        result.copyWithin(at, at - rowLength, at);
        continue;
      }
      const row = (image * height + box.top + (rows[y] as number)) * width * channels;
      for (let x = 0, out = at; x < columns.length; x++) {
        const pixel = row + (columns[x] as number);
        for (let channel = 0; channel < channels; channel++)
          result[out++] = images[pixel + channel] as number;
      }
    }
  }
  return result;
}
