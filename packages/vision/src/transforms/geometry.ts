/** Crop, flip, resize and rotate an image together with its boxes and its mask. */
import { formatValue, type ImageShape } from '@deepend/core';
import { resizeImages } from '@deepend/data';
import type { Box } from '../boxes/format';
import { checkSample, type VisionSample } from './sample';

/** A window of an image in pixels. */
export interface CropWindow {
  readonly top: number;
  readonly left: number;
  readonly height: number;
  readonly width: number;
}

type Plane = Uint8Array | Int32Array;
type Size = readonly [height: number, width: number];

/** The pixel of the original at each place of the result, by its number; −1 is none. */
type Source = (row: number, column: number) => number;

/** Copies pixels from where `source` says; places without one keep `fill`. */
function gather<T extends Plane>(
  values: T,
  {
    size: [height, width],
    channels = 1,
    fill = 0,
  }: { size: Size; channels?: number; fill?: number },
  source: Source,
): T {
  const Type = values.constructor as new (length: number) => T;
  const result = new Type(height * width * channels).fill(fill) as T;
  for (let row = 0, at = 0; row < height; row++) {
    for (let column = 0; column < width; column++, at += channels) {
      const from = source(row, column);
      if (from < 0) continue;
      for (let c = 0; c < channels; c++) result[at + c] = values[from * channels + c] as number;
    }
  }
  return result;
}

/** Image and mask by one source. */
function gatherBoth({ image, mask }: VisionSample, size: Size, source: Source) {
  const channels = image.shape[2];
  const shape: ImageShape = [...size, channels];
  return {
    image: { data: gather(image.data, { size, channels }, source), shape },
    ...(mask && { mask: gather(mask, { size }, source) }),
  };
}

/** The part of an object that has to stay visible: a box of less than a pixel is left out. */
const VISIBLE_PIXELS = 1 - 1e-6; // fractions are rounded

/** Boxes after `change`, cut off at the border; objects that are outside are left out. */
function mapBoxes(
  { boxes, labels }: VisionSample,
  [height, width]: Size,
  change: (box: Box) => Box,
): Pick<VisionSample, 'boxes' | 'labels'> {
  if (!boxes) return {};
  const cut = (value: number) => Math.min(1, Math.max(0, value));
  const kept = boxes.flatMap((box, i) => {
    const [x1, y1, x2, y2] = change(box).map(cut) as unknown as Box;
    const isVisible = (x2 - x1) * width >= VISIBLE_PIXELS && (y2 - y1) * height >= VISIBLE_PIXELS;
    return isVisible ? [{ box: [x1, y1, x2, y2] as const, label: labels?.[i] }] : [];
  });
  return {
    boxes: kept.map(({ box }) => box),
    ...(labels && { labels: kept.map(({ label }) => label as number) }),
  };
}

/**
 * Cuts a window out of image and mask. Boxes are cut off at its border, and those that are outside
 * are left out.
 * @throws RangeError for a window that is not within the image
 */
export function crop(sample: VisionSample, window: CropWindow): VisionSample {
  checkSample('[vision] crop', sample);
  const { top, left, height, width } = window;
  const [rows, columns] = sample.image.shape;
  const areIntegers = [top, left, height, width].every(Number.isInteger);
  const isWithin = top >= 0 && left >= 0 && top + height <= rows && left + width <= columns;
  if (!areIntegers || !isWithin || height < 1 || width < 1) {
    throw new RangeError(
      `[vision] crop: expected a window within the image of ${rows} × ${columns} pixels, got top ` +
        `${top}, left ${left}, height ${height}, width ${width}`,
    );
  }
  return {
    ...gatherBoth(sample, [height, width], (row, column) => (top + row) * columns + left + column),
    ...mapBoxes(
      sample,
      [height, width],
      ([x1, y1, x2, y2]) =>
        [
          ...[(x1 * columns - left) / width, (y1 * rows - top) / height],
          ...[(x2 * columns - left) / width, (y2 * rows - top) / height],
        ] as unknown as Box,
    ),
  };
}

/** Exchanges left and right. */
export function horizontalFlip(sample: VisionSample): VisionSample {
  checkSample('[vision] horizontalFlip', sample);
  const [height, width] = sample.image.shape;
  return {
    ...gatherBoth(sample, [height, width], (row, column) => row * width + width - 1 - column),
    ...mapBoxes(sample, [height, width], ([x1, y1, x2, y2]) => [1 - x2, y1, 1 - x1, y2]),
  };
}

/**
 * Scales an image bilinearly, antialiased as Pillow does, and its mask by the nearest pixel, so
 * that no class appears between two others. Boxes are fractions, and stay.
 * @param size `[height, width]` in pixels
 * @throws RangeError for a size that is not two positive integers
 */
export function resize(sample: VisionSample, size: Size): VisionSample {
  checkSample('[vision] resize', sample);
  const { image, mask, ...rest } = sample;
  const [rows, columns] = image.shape;
  if (!Array.isArray(size) || size.length !== 2) {
    throw new RangeError(
      `[vision] resize: expected a size [height, width] in pixels, got ${formatValue(size)}`,
    );
  }
  const data = resizeImages(image.data, image.shape, [...size] as [number, number]);
  const nearest: Source = (row, column) =>
    Math.floor(((row + 0.5) * rows) / size[0]) * columns +
    Math.floor(((column + 0.5) * columns) / size[1]);
  return {
    ...rest,
    image: { data, shape: [...size, image.shape[2]] as unknown as ImageShape },
    ...(mask && { mask: gather(mask, { size }, nearest) }),
  };
}

/**
 * Rotates image and mask about the center, each pixel by the nearest one; the size stays, and
 * corners that nothing covers are 0. A box becomes the smallest one around its rotated corners.
 * @param degrees counter-clockwise
 */
export function rotate(sample: VisionSample, degrees: number): VisionSample {
  checkSample('[vision] rotate', sample);
  if (!Number.isFinite(degrees)) {
    throw new RangeError(
      `[vision] rotate: expected an angle in degrees, got ${formatValue(degrees)}`,
    );
  }
  const [height, width] = sample.image.shape;
  // Exact for quarter turns, whose sines are no floating-point zeros.
  const round = (value: number) => Number(value.toFixed(15));
  const [cos, sin] = [Math.cos, Math.sin].map((f) => round(f((degrees * Math.PI) / 180)));
  const turn = (x: number, y: number, by: number) =>
    [
      x * (cos as number) - by * y * (sin as number),
      by * x * (sin as number) + y * (cos as number),
    ] as const;
  const source: Source = (row, column) => {
    const [x, y] = turn(column + 0.5 - width / 2, row + 0.5 - height / 2, 1);
    const [from, line] = [Math.floor(x + width / 2), Math.floor(y + height / 2)];
    return from < 0 || from >= width || line < 0 || line >= height ? -1 : line * width + from;
  };
  return {
    ...gatherBoth(sample, [height, width], source),
    ...mapBoxes(sample, [height, width], ([x1, y1, x2, y2]) => {
      const corners = [x1, x2].flatMap((x) =>
        [y1, y2].map((y) => turn((x - 0.5) * width, (y - 0.5) * height, -1)),
      );
      const [xs, ys] = [0, 1].map((axis) => corners.map((corner) => corner[axis] as number));
      const across = (xs as number[]).map((x) => x / width + 0.5);
      const down = (ys as number[]).map((y) => y / height + 0.5);
      return [Math.min(...across), Math.min(...down), Math.max(...across), Math.max(...down)];
    }),
  };
}
