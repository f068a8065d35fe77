/** Grids of images with titles: the book's `show_images`. */
import { checkOptions, rule } from '@deepend/core';
import { blockGrid } from './blocks';
import { Figure } from './figure';
import { type ImageBatch, type Raster, readImages, toDataUri, toPixels } from './pixels';
import { type Box, type Mark, tag } from './svg';
import { fitText } from './text';

export interface ShowImagesOptions {
  /** @default what the images need */
  rows?: number;
  /** @default at most 8 */
  cols?: number;
  /** A title for each image; `\n` starts a second line. @default none */
  titles?: readonly string[];
  /** A colour for each title, such as '#D55E00'. @default black on light, white on dark */
  titleColors?: readonly string[];
  /** Length of an image's longer side, in pixels. @default 96 */
  size?: number;
  /** The same in the book's units of 64 pixels; give `size` or `scale`. @default 1.5 */
  scale?: number;
}

const imagesOptions = rule.object({
  rows: rule.positiveInteger().optional(),
  cols: rule.positiveInteger().optional(),
  titles: rule.list(rule.string(), 'a list of strings').optional(),
  titleColors: rule.list(rule.string(), 'a list of colours').optional(),
  size: rule.integer({ min: 1, max: 2048 }).optional(),
  scale: rule.number({ above: 0, max: 32 }).optional(),
});

const WHERE = '[plot] showImages';
const GAP = 14; // pixels between images
const TITLE = 12; // font size in pixels
const LINE = 15; // height of a line of a title in pixels
const UNIT = 64; // pixels of the option `scale`
const SHARPNESS = 2; // embedded pixels for each pixel of the figure, as many as in a PNG

/**
 * Draws images in a grid, grey or in colour, each pixel as a sharp square. The book's
 * `show_images` (d2l 23.7, zh 3.5).
 * @param images a tensor or `{ data, shape }` of shape `[count, height, width]` or `[count, height,
 *   width, channels]`, or a list of such images without the count. Bytes are 0 to 255, floats 0 to
 *   1. Tensors are not disposed
 * @throws RangeError when the shape is not that of images, or the numbers of values or titles do
 *   not match
 * @example
 * const figure = await showImages(features, 2, 9, { titles: labels, scale: 1.5 });
 *
 */
export async function showImages(
  images: ImageBatch | readonly ImageBatch[],
  options?: ShowImagesOptions,
): Promise<Figure>;
export async function showImages(
  images: ImageBatch | readonly ImageBatch[],
  rows: number,
  cols: number,
  options?: Omit<ShowImagesOptions, 'rows' | 'cols'>,
): Promise<Figure>;
export async function showImages(
  images: ImageBatch | readonly ImageBatch[],
  ...rest: [ShowImagesOptions?] | [number, number, ShowImagesOptions?]
): Promise<Figure> {
  const given =
    typeof rest[0] === 'number' ? { ...rest[2], rows: rest[0], cols: rest[1] } : rest[0];
  const checked = checkOptions(WHERE, imagesOptions, given ?? {});
  return imageGrid(WHERE, await readImages(WHERE, images), checked);
}

/** What a grid of images looks like; all options are checked. */
type GridSettings = {
  readonly [K in keyof ShowImagesOptions]: ShowImagesOptions[K] | undefined;
} & {
  /** What is drawn over each image, and its words. @default nothing */
  readonly overlay?: (index: number, place: ImagePlace) => { marks: Mark[]; about: string };
};

/** Where an image is in a figure. */
export interface ImagePlace {
  readonly box: Box;
  /** Pixels of the figure for each pixel of the image. */
  readonly zoom: number;
}

/** Draws a grid of images, for `showImages` and `showBoxes`. */
export async function imageGrid(
  where: string,
  rasters: readonly Raster[],
  { titles, titleColors, overlay, ...settings }: GridSettings,
): Promise<Figure> {
  const size = chooseSize(where, settings);
  const count = rasters.length;
  const { rows, cols } = chooseGrid(where, count, settings);
  for (const [name, list] of Object.entries({ titles, titleColors })) {
    if (list && list.length !== count)
      throw new RangeError(
        `${where}: expected ${count} "${name}", one an image, got ${list.length}`,
      );
  }
  const lines = Math.max(0, ...(titles ?? []).map((title) => title.split('\n').length));
  const { places, width, height, room } = layOut(rasters, { size, rows, cols, lines });
  const titleSize = smallestTitle(titles ?? [], room);
  const hrefs = await Promise.all(
    rasters.map((raster, i) => toDataUri(raster, (places[i]?.zoom ?? 1) * SHARPNESS)),
  );
  const over = places.map((place, i) => overlay?.(i, place) ?? { marks: [], about: '' });
  const marks = places.flatMap(({ x, top, zoom, box }, i): Mark[] => [
    ...titleMarks(titles?.[i], { x, y: top, width: room, size: titleSize, fill: titleColors?.[i] }),
    tag('image', { ...box, href: hrefs[i], ...(zoom > 1 && SHARP) }),
    ...(over[i]?.marks ?? []),
  ]);
  const words = places.map((_, i) =>
    [titles?.[i]?.replaceAll('\n', ', '), over[i]?.about].filter(Boolean).join(': '),
  );
  const about = words.some(Boolean) ? `: ${words.join('; ')}` : '';
  return new Figure(marks, {
    width,
    height,
    description: `${count} image${count === 1 && overlay ? '' : 's'}${about}`,
    points: places.map(({ x, box }, i) => ({
      x,
      y: box.y + box.height / 2,
      label: [`image ${i}`, words[i]].filter(Boolean).join(': '),
    })),
    reach: size * 0.75, // a little more than the distance from an image's middle to its corner
    text: (terminal) => blockGrid(rasters.map(toPixels), { titles, cols, size: terminal }),
  });
}

interface Grid {
  size: number;
  rows: number;
  cols: number;
  /** Lines of the titles. */
  lines: number;
}

/** Places each image, with its title above it; `room` is the width of a title. */
function layOut(rasters: readonly Raster[], { size, rows, cols, lines }: Grid) {
  const head = lines > 0 ? lines * LINE + 4 : 0;
  const zoomed = rasters.map((raster) => {
    const zoom = size / Math.max(raster.width, raster.height);
    return { zoom, width: raster.width * zoom, height: raster.height * zoom };
  });
  const widest = Math.max(...zoomed.map(({ width }) => width), lines > 0 ? size : 0);
  const pitch = {
    x: widest + GAP,
    y: Math.max(...zoomed.map(({ height }) => height)) + head + GAP,
  };
  const places = zoomed.map(({ zoom, width, height }, i) => {
    const x = GAP + (i % cols) * pitch.x + widest / 2;
    const top = GAP + Math.floor(i / cols) * pitch.y;
    return { x, top, zoom, box: { x: x - width / 2, y: top + head, width, height } };
  });
  return {
    places,
    width: Math.ceil(GAP + cols * pitch.x),
    height: Math.ceil(GAP + rows * pitch.y),
    room: pitch.x - GAP / 2,
  };
}

/** The font size at which all titles fit. */
function smallestTitle(titles: readonly string[], room: number): number {
  const sizes = titles
    .flatMap((title) => title.split('\n'))
    .map((line) => fitText(line, room, { size: TITLE }).size);
  return Math.min(TITLE, ...sizes);
}

/** For viewers that enlarge the embedded pixels. */
const SHARP = { 'image-rendering': 'pixelated' };

function chooseSize(
  where: string,
  { size, scale }: { size?: number | undefined; scale?: number | undefined },
): number {
  if (size !== undefined && scale !== undefined)
    throw new TypeError(`${where}: expected "size" or "scale", got both; remove one`);
  return size ?? Math.round((scale ?? 1.5) * UNIT);
}

function chooseGrid(
  where: string,
  count: number,
  grid: { rows?: number | undefined; cols?: number | undefined },
) {
  const cols = grid.cols ?? (grid.rows ? Math.ceil(count / grid.rows) : Math.min(count, 8));
  const rows = grid.rows ?? Math.ceil(count / cols);
  if (rows * cols < count)
    throw new RangeError(
      `${where}: expected at least ${count} places for ${count} images, got ${rows} × ${cols}; ` +
        'raise "rows" or "cols"',
    );
  return { rows, cols };
}

interface TitlePlace {
  x: number;
  y: number;
  width: number;
  size: number;
  fill: string | undefined;
}

function titleMarks(title: string | undefined, { x, y, width, size, fill }: TitlePlace): Mark[] {
  if (!title) return [];
  return title.split('\n').map((line, i) => ({
    ...fitText(line, width, { size }),
    x,
    y: y + (i + 1) * LINE - 4,
    anchor: 'middle',
    ...(fill && { fill }),
  }));
}
