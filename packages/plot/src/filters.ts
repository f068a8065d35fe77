/** Figures of a convolution's filters and of its feature maps. */
import { checkOptions, formatValue, rule } from '@deepend/core';
import type { Rgb } from './characters';
import { COLORMAPS, type ColormapName, colorAt, finiteExtent } from './colormap';
import type { Figure } from './figure';
import { showImages } from './images';

export interface FiltersOptions {
  /** The largest number of filters to show, the first ones. @default 64 */
  count?: number;
  /** The input channel to show, unless there are 1 or 3. @default 0 */
  channel?: number;
  /**
   * Colours of filters of one channel, with 0 in the middle; filters of 3 channels are drawn in
   * red, green and blue. @default 'coolwarm'
   *
   */
  cmap?: ColormapName;
  /** Filters a row. @default 8 */
  cols?: number;
  /** Side of a filter, in pixels. @default 48 */
  size?: number;
}

export interface FeatureMapsOptions {
  /** The largest number of maps to show, the first ones. @default 64 */
  count?: number;
  /**
   * Whether the colours of each map range from its own smallest value to its own largest, or all
   * maps share one range. @default true
   */
  scaleEach?: boolean;
  /** @default 'viridis' */
  cmap?: ColormapName;
  /** Maps a row. @default 8 */
  cols?: number;
  /** Longer side of a map, in pixels. @default 56 */
  size?: number;
}

const gridRules = {
  count: rule.positiveInteger().optional(),
  cmap: rule.oneOf(COLORMAPS).optional(),
  cols: rule.positiveInteger().optional(),
  size: rule.integer({ min: 1, max: 512 }).optional(),
};
const filtersOptions = rule.object({
  ...gridRules,
  channel: rule.nonNegativeInteger().optional(),
});
const mapsOptions = rule.object({ ...gridRules, scaleEach: rule.boolean().optional() });

/**
 * Draws the filters of a convolution, each below its number. All have the same scale: a weight of 0
 * has the colour in the middle, the weight with the largest absolute value a colour at an end.
 * @param weights the values, in the order of `shape`
 * @param shape `[height, width, input channels, filters]`
 * @throws RangeError when shape and number of weights do not match, or the channel does not exist
 */
export async function drawFilters(
  weights: ArrayLike<number>,
  shape: readonly number[],
  options: FiltersOptions = {},
): Promise<Figure> {
  const where = '[plot] drawFilters';
  const {
    count = 64,
    channel = 0,
    cmap = 'coolwarm',
    cols = 8,
    size = 48,
  } = checkOptions(where, filtersOptions, options);
  checkShape(where, weights, { shape, names: '[height, width, input channels, filters]' });
  const [height, width, inputs, filters] = shape as [number, number, number, number];
  if (channel >= inputs)
    throw new RangeError(
      `${where}: expected a "channel" below ${inputs}, the input channels, got ${channel}`,
    );
  const [low, high] = finiteExtent(Array.from(weights));
  const largest = Math.max(Math.abs(low), Math.abs(high)) || 1;
  const level = (i: number, input: number, filter: number) =>
    0.5 + (weights[(i * inputs + input) * filters + filter] ?? 0) / (2 * largest);
  const shown = Math.min(count, filters);
  const pixel = (filter: number, i: number): Rgb => {
    if (inputs !== 3) return colorAt(cmap, level(i, inputs === 1 ? 0 : channel, filter));
    const byte = (input: number) => Math.round(255 * level(i, input, filter));
    return [byte(0), byte(1), byte(2)];
  };
  return grid(pixel, { count: shown, height, width, cols, size });
}

/**
 * Draws the channels of an activation, each below its number.
 * @param values the values, in the order of `shape`
 * @param shape `[height, width, channels]`
 * @throws RangeError when shape and number of values do not match
 */
export async function drawFeatureMaps(
  values: ArrayLike<number>,
  shape: readonly number[],
  options: FeatureMapsOptions = {},
): Promise<Figure> {
  const where = '[plot] drawFeatureMaps';
  const {
    count = 64,
    scaleEach = true,
    cmap = 'viridis',
    cols = 8,
    size = 56,
  } = checkOptions(where, mapsOptions, options);
  checkShape(where, values, { shape, names: '[height, width, channels]' });
  const [height, width, channels] = shape as [number, number, number];
  const shown = Math.min(count, channels);
  const valueAt = (map: number, i: number) => values[i * channels + map] ?? Number.NaN;
  const mapExtent = (map: number) =>
    finiteExtent(Array.from({ length: height * width }, (_, i) => valueAt(map, i)));
  const extents = Array.from({ length: shown }, (_, map) => mapExtent(map));
  const all = finiteExtent(extents.flat());
  const pixel = (map: number, i: number): Rgb => {
    const [low, high] = scaleEach ? (extents[map] ?? all) : all;
    // A map with a single value is a dead one: draw it dark.
    return colorAt(cmap, high > low ? (valueAt(map, i) - low) / (high - low) : 0);
  };
  return grid(pixel, { count: shown, height, width, cols, size });
}

function checkShape(
  where: string,
  values: ArrayLike<number>,
  { shape, names }: { shape: readonly number[]; names: string },
): void {
  const rank = names.split(',').length;
  if (
    !Array.isArray(shape) ||
    shape.length !== rank ||
    !shape.every((side) => Number.isInteger(side) && side >= 1)
  ) {
    throw new RangeError(
      `${where}: expected a shape ${names} of integers of at least 1, got ${formatValue(shape)}`,
    );
  }
  const size = shape.reduce((a, b) => a * b, 1);
  if (values?.length !== size) {
    throw new RangeError(
      `${where}: expected ${size} values for shape ${formatValue(shape)}, ` +
        `got ${values?.length ?? formatValue(values)}`,
    );
  }
}

interface Grid {
  count: number;
  height: number;
  width: number;
  cols: number;
  size: number;
}

function grid(
  pixel: (image: number, i: number) => Rgb,
  { count, height, width, cols, size }: Grid,
): Promise<Figure> {
  const data = new Uint8Array(count * height * width * 3);
  for (let at = 0; at < count * height * width; at++) {
    data.set(pixel(Math.floor(at / (height * width)), at % (height * width)), 3 * at);
  }
  const titles = Array.from({ length: count }, (_, i) => String(i));
  return showImages(
    { data, shape: [count, height, width, 3] },
    { cols: Math.min(cols, count), size, titles },
  );
}
