/** Heat maps over images. */
import { checkOptions, formatValue, rule } from '@deepend/core';
import { COLORMAPS, type ColormapName, colorAt } from './colormap';
import type { Figure } from './figure';
import { imageGrid, type ShowImagesOptions } from './images';
import { type ImageBatch, type Raster, readImages } from './pixels';

/** One map for each image, of any size. */
export interface HeatMaps {
  /** `[count, height, width]` */
  readonly shape: readonly number[];
  readonly data: ArrayLike<number>;
}

export interface ShowHeatOverlayOptions
  extends Pick<ShowImagesOptions, 'cols' | 'titles' | 'size'> {
  /** @default 'viridis' */
  cmap?: ColormapName;
  /** Share of the colour where a map is largest; where it is 0 the image stays. @default 0.7 */
  opacity?: number;
}

const overlayOptions = rule.object({
  cols: rule.positiveInteger().optional(),
  titles: rule.list(rule.string(), 'a list of strings').optional(),
  size: rule.integer({ min: 1, max: 2048 }).optional(),
  cmap: rule.oneOf(COLORMAPS).optional(),
  opacity: rule.number({ min: 0, max: 1 }).optional(),
});

const WHERE = '[plot] showHeatOverlay';

/**
 * Draws images in gray with a heat map over each. A map is enlarged to its image (bilinear) and
 * divided by its largest value; values below 0 count as 0.
 * @param images as for `showImages`
 * @throws RangeError when the numbers of images and maps differ, or a value is not finite
 */
export async function showHeatOverlay(
  images: ImageBatch | readonly ImageBatch[],
  maps: HeatMaps,
  options: ShowHeatOverlayOptions = {},
): Promise<Figure> {
  const checked = checkOptions(WHERE, overlayOptions, options);
  const { cmap = 'viridis', opacity = 0.7, ...grid } = checked;
  const rasters = await readImages(WHERE, images);
  const [count, height = 0, width = 0] = maps?.shape ?? [];
  if (maps?.shape?.length !== 3 || count !== rasters.length || !(height >= 1 && width >= 1)) {
    throw new RangeError(
      `${WHERE}: expected maps [${rasters.length}, height, width], one for each image, ` +
        `got ${formatValue(maps?.shape)}`,
    );
  }
  const size = height * width;
  if (maps.data?.length !== count * size)
    throw new RangeError(`${WHERE}: expected ${count * size} values, got ${maps.data?.length}`);
  const bad = Array.prototype.findIndex.call(maps.data, (value) => !Number.isFinite(value));
  if (bad >= 0) {
    throw new RangeError(
      `${WHERE}: expected finite values, got ${maps.data[bad]} in map ${Math.floor(bad / size)}; ` +
        "look for NaN in the model's weights and in the features",
    );
  }
  const drawn = rasters.map((raster, i) => {
    const values = Array.from({ length: size }, (_, at) => maps.data[i * size + at] ?? 0);
    return blend(raster, { values, height, width }, { cmap, opacity });
  });
  return imageGrid(WHERE, drawn, grid);
}

interface HeatMap {
  readonly values: readonly number[];
  readonly height: number;
  readonly width: number;
}

function blend(
  { width, height, channels, bytes }: Raster,
  map: HeatMap,
  { cmap, opacity }: { cmap: ColormapName; opacity: number },
): Raster {
  const largest = map.values.reduce((most, value) => Math.max(most, value), 0);
  const result = new Uint8Array(width * height * 3);
  for (let i = 0; i < width * height; i++) {
    const y = ((Math.floor(i / width) + 0.5) * map.height) / height - 0.5;
    const x = (((i % width) + 0.5) * map.width) / width - 0.5;
    const heat = largest > 0 ? Math.max(0, valueAt(map, y, x)) / largest : 0;
    const color = colorAt(cmap, heat);
    const pixel = bytes.subarray(i * channels, (i + 1) * channels);
    const gray = pixel.reduce((sum, byte) => sum + byte, 0) / channels;
    const share = opacity * heat;
    for (let channel = 0; channel < 3; channel++)
      result[3 * i + channel] = Math.round((1 - share) * gray + share * (color[channel] ?? 0));
  }
  return { width, height, channels: 3, bytes: result };
}

/** Bilinear; points beyond the middle of the outer cells have the outer cells' values. */
function valueAt({ values, height, width }: HeatMap, y: number, x: number): number {
  const [row, column] = [Math.min(Math.max(y, 0), height - 1), Math.min(Math.max(x, 0), width - 1)];
  const [top, left] = [Math.floor(row), Math.floor(column)];
  const [bottom, right] = [Math.min(top + 1, height - 1), Math.min(left + 1, width - 1)];
  const at = (i: number, j: number) => values[i * width + j] ?? 0;
  const mix = (from: number, to: number, share: number) => from + (to - from) * share;
  const upper = mix(at(top, left), at(top, right), column - left);
  const lower = mix(at(bottom, left), at(bottom, right), column - left);
  return mix(upper, lower, row - top);
}
