/**
 * Nearest neighbour as Pillow's and torchvision's NEAREST: `ImagingScaleAffine` in
 * src/libImaging/Geometry.c.
 */
import { type Resampling, wholeOf } from './plan';

/**
 * For each output the input that its centre falls into. The steps are added up, as Pillow does: a
 * product would round otherwise.
 */
function places(from: number, to: number): Int32Array {
  const step = from / to;
  const chosen = new Int32Array(to);
  for (let i = 0, at = step * 0.5; i < to; i++, at += step)
    chosen[i] = Math.min(from - 1, Math.trunc(at));
  return chosen;
}

export function resampleNearest<T extends Uint8Array | Float32Array>(
  images: T,
  count: number,
  job: Resampling,
): T {
  const { shape, to, box = wholeOf(shape[0], shape[1]), window = wholeOf(...to) } = job;
  const [height, width, channels] = shape;
  const rows = places(box.height, to[0]).subarray(window.top, window.top + window.height);
  const columns = Array.from(
    places(box.width, to[1]).subarray(window.left, window.left + window.width),
    (x) => (box.left + x) * channels,
  );
  const rowLength = window.width * channels;
  const length = count * window.height * rowLength;
  const result = (
    images instanceof Uint8Array ? new Uint8Array(length) : new Float32Array(length)
  ) as T;
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
