/** A grid of images with titles: the book's `show_images`. */
import { checkOptions, rule, show } from '@deepend/checks';
import { Picture } from './picture';
import { type Mark, tag } from './svg';
import { fitText } from './text';
import type { ImageBatch } from './types';

export interface ShowImagesOptions {
  /** @default as many as `cols` needs */
  rows?: number;
  /** @default the images in rows of at most 8 */
  cols?: number;
  /** A title for each image; a line break makes a second line. */
  titles?: readonly string[];
  /** A colour for each title, such as '#D55E00'. */
  titleColors?: readonly string[];
  /** Side of the longer edge of an image, in pixels. @default 96 */
  size?: number;
}

const imagesOptions = rule.options({
  rows: rule.positiveInteger().optional(),
  cols: rule.positiveInteger().optional(),
  titles: rule.list(rule.text(), 'a list of texts').optional(),
  titleColors: rule.list(rule.text(), 'a list of colours').optional(),
  size: rule.positiveInteger().max(2048, 'a whole number of at most 2048').optional(),
});

const WHERE = '[plot] showImages';
const GAP = 14;
const TITLE = 12;
const LINE = 15;
const SHARPNESS = 2; // pixels of an embedded image for each of the picture's: as many as its PNG has

/**
 * Images in a grid, each pixel a sharp square, grey or in colour.
 * @param images a tensor or its like, `[count, height, width]` or `[count, height, width, channels]`; it stays the caller's
 * @throws RangeError when the shape is no image's, or titles and images differ in number
 * @example
 * const picture = await showImages(features, { cols: 6, titles: ['true: bag\npredicted: shirt', ...] });
 */
export async function showImages(images: ImageBatch, options: ShowImagesOptions = {}): Promise<Picture> {
  const { titles, titleColors, size = 96, ...grid } = checkOptions(WHERE, imagesOptions, options);
  const { count, height, width, channels } = readShape(images);
  const cols = grid.cols ?? (grid.rows ? Math.ceil(count / grid.rows) : Math.min(count, 8));
  const rows = grid.rows ?? Math.ceil(count / cols);
  if (rows * cols < count)
    throw new RangeError(`${WHERE}: ${rows} × ${cols} places hold fewer than the ${count} images; raise "rows" or "cols"`);
  for (const [name, list] of Object.entries({ titles, titleColors })) {
    if (list && list.length !== count)
      throw new RangeError(`${WHERE}: expected ${count} "${name}", one an image, got ${list.length}`);
  }
  const zoom = size / Math.max(height, width);
  const cell = { width: width * zoom, height: height * zoom };
  const lines = Math.max(0, ...(titles ?? []).map((title) => title.split('\n').length));
  const pitch = { x: Math.max(cell.width, titles ? size : 0) + GAP, y: cell.height + lines * LINE + GAP + (lines > 0 ? 4 : 0) };
  const titleSize = Math.min(
    TITLE,
    ...(titles ?? []).flatMap((title) => title.split('\n')).map((line) => fitText(line, pitch.x - GAP / 2, { size: TITLE }).size),
  );
  const values = await images.data();
  const toByte = images.dtype === undefined || images.dtype === 'float32' ? 255 : 1;
  const marks: Mark[] = [];
  for (let i = 0; i < count; i++) {
    const left = GAP + (i % cols) * pitch.x;
    const top = GAP + Math.floor(i / cols) * pitch.y;
    const middle = left + (pitch.x - GAP) / 2;
    marks.push(
      ...titleMarks(titles?.[i], { x: middle, y: top, width: pitch.x - GAP / 2, size: titleSize, fill: titleColors?.[i] }),
    );
    const pixels = Uint8Array.from({ length: height * width * channels }, (_, j) =>
      Math.round(Math.min(Math.max((values[i * height * width * channels + j] ?? 0) * toByte, 0), 255)),
    );
    const href = await toDataUri(pixels, { width, height, channels, zoom: zoom * SHARPNESS });
    marks.push(tag('image', { x: middle - cell.width / 2, y: top + lines * LINE + (lines > 0 ? 4 : 0), ...cell, href }));
  }
  const description = titles ? `${count} images: ${titles.join('; ').replaceAll('\n', ', ')}` : `${count} images`;
  return new Picture(marks, { width: Math.ceil(GAP + cols * pitch.x), height: Math.ceil(GAP + rows * pitch.y), description });
}

function readShape(images: ImageBatch) {
  const shape = images?.shape;
  const [count = 0, height = 0, width = 0, channels = 1] = shape ?? [];
  const right =
    Array.isArray(shape) &&
    [3, 4].includes(shape.length) &&
    [count, height, width].every((n) => n >= 1) &&
    [1, 3].includes(channels);
  if (right && typeof images.data === 'function') return { count, height, width, channels: channels as 1 | 3 };
  throw new RangeError(
    `${WHERE}: expected a tensor [count, height, width] or [count, height, width, 1 or 3], got ${shape ? show(shape) : show(images)}`,
  );
}

function titleMarks(
  title: string | undefined,
  { x, y, width, size, fill }: { x: number; y: number; width: number; size: number; fill: string | undefined },
): Mark[] {
  if (!title) return [];
  return title.split('\n').map((line, i) => ({
    ...fitText(line, width, { size }),
    x,
    y: y + (i + 1) * LINE - 4,
    anchor: 'middle',
    ...(fill && { fill }),
  }));
}

interface Raster {
  width: number;
  height: number;
  channels: 1 | 3;
  zoom: number;
}

/** Enlarged before it is embedded: viewers would blur small images. */
async function toDataUri(pixels: Uint8Array, { width, height, channels, zoom }: Raster): Promise<string> {
  const { default: sharp } = await import('sharp');
  const larger = { width: Math.max(1, Math.round(width * zoom)), height: Math.max(1, Math.round(height * zoom)) };
  const png = await sharp(pixels, { raw: { width, height, channels } })
    .resize({ ...larger, kernel: 'nearest', fit: 'fill' })
    .png()
    .toBuffer();
  return `data:image/png;base64,${png.toString('base64')}`;
}
