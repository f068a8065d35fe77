/** Bounding boxes on images: the book's `show_bboxes` (d2l 14.4, zh 13.4). */
import { checkOptions, formatValue, rule } from '@deepend/core';
import type { Figure } from './figure';
import { type ImagePlace, imageGrid } from './images';
import { type ImageBatch, readImages } from './pixels';
import { type Mark, tag } from './svg';
import { fitText, textWidth } from './text';
import { ON_DARK } from './theme';

/** Objects of one image. */
export interface ImageObjects {
  /** [x1, y1, x2, y2] of each object. */
  readonly boxes: readonly (readonly number[])[];
  /** Class of each object, from 0. */
  readonly labels?: readonly number[];
  /** Probability of each object's class. */
  readonly scores?: readonly number[];
}

interface CommonOptions {
  /** Unit of the boxes: parts of the image's width and height, or its pixels. */
  unit?: 'fraction' | 'pixel';
  /** Colours such as '#D55E00', in turn. @default ten */
  colors?: readonly string[];
  /** Width of the lines in pixels. @default 2 */
  lineWidth?: number;
}

export interface ShowBoxesOptions extends CommonOptions {
  /** @default 'pixel', as in the book */
  unit?: 'fraction' | 'pixel';
  /** Words for each box. @default none */
  labels?: readonly string[];
  /** Length of the image's longer side, in pixels. @default 384 */
  size?: number;
}

export interface ShowObjectsOptions extends CommonOptions {
  /** @default 'fraction', as detections have */
  unit?: 'fraction' | 'pixel';
  /** Names of the classes; without them boxes show the numbers. @default none */
  classNames?: readonly string[];
  /** @default what the images need */
  rows?: number;
  /** @default at most 8 */
  cols?: number;
  /** A title for each image. @default none */
  titles?: readonly string[];
  /** Length of an image's longer side, in pixels. @default 192 */
  size?: number;
}

const COMMON = {
  unit: rule.oneOf(['fraction', 'pixel']).optional(),
  colors: rule.list(rule.nonEmptyString(), 'a list of colours', { min: 1 }).optional(),
  lineWidth: rule.positiveNumber().optional(),
  size: rule.integer({ min: 16, max: 4096 }).optional(),
};
const BOXES = rule.object({
  ...COMMON,
  labels: rule.list(rule.string(), 'a list of strings').optional(),
});
const OBJECTS = rule.object({
  ...COMMON,
  classNames: rule.list(rule.string(), 'a list of strings').optional(),
  rows: rule.positiveInteger().optional(),
  cols: rule.positiveInteger().optional(),
  titles: rule.list(rule.string(), 'a list of strings').optional(),
});

/** As the book's blue, green, red, magenta and cyan, and five more. */
const COLORS = [
  ...['#0072B2', '#009E73', '#D55E00', '#CC79A7', '#0F9AEC'],
  ...['#6B5200', '#7F3C8D', '#B2182B', '#56606B', '#3F7A1A'],
];

/**
 * Draws boxes on an image, with words at their upper left corners. The book's `show_bboxes`.
 * @param image a tensor or `{ data, shape }` of `[height, width]` or `[height, width, channels]`;
 *   bytes are 0 to 255, floats 0 to 1. Tensors are not disposed
 * @param boxes [x1, y1, x2, y2] of each box; parts outside the image are drawn at its border
 * @throws TypeError or RangeError for another shape, x1 > x2 or y1 > y2, and another number of
 *   labels
 * @example
 * const figure = await showBoxes(image, [[60, 45, 378, 516]], { labels: ['dog'] });
 * await figure.save('dog.png');
 */
export async function showBoxes(
  image: ImageBatch,
  boxes: readonly (readonly number[])[],
  options: ShowBoxesOptions = {},
): Promise<Figure> {
  const where = '[plot] showBoxes';
  const checked = checkOptions(where, BOXES, options);
  const { labels, unit = 'pixel', size = 384, colors = COLORS, lineWidth = 2 } = checked;
  checkBoxes(where, boxes);
  if (labels && labels.length !== boxes.length)
    throw new RangeError(
      `${where}: expected ${boxes.length} "labels", one a box, got ${labels.length}`,
    );
  const rasters = await readImages(where, [image]);
  const drawn = boxes.map((box, i) => ({
    box,
    color: colors[i % colors.length] as string,
    words: labels?.[i] ?? '',
  }));
  return imageGrid(where, rasters, {
    size,
    overlay: (_, place) => overlay(drawn, place, { unit, lineWidth }),
  });
}

/**
 * Draws the objects of several images in a grid: each class in its colour, with its name and score.
 * @param images `[count, height, width, channels]` or a list of images, as for `showImages`
 * @param objects the objects of each image: detections, or true objects
 * @throws TypeError or RangeError for another number of images, x1 > x2, and a class without a name
 * @example
 * const found = vision.detectObjects(net, features);
 * const figure = await showObjects(features, found, { classNames, cols: 4 });
 */
export async function showObjects(
  images: ImageBatch | readonly ImageBatch[],
  objects: readonly ImageObjects[],
  options: ShowObjectsOptions = {},
): Promise<Figure> {
  const where = '[plot] showObjects';
  const {
    unit = 'fraction',
    size = 192,
    colors = COLORS,
    lineWidth = 2,
    ...rest
  } = checkOptions(where, OBJECTS, options);
  const { classNames, ...grid } = rest;
  const rasters = await readImages(where, images);
  if (objects?.length !== rasters.length)
    throw new RangeError(
      `${where}: expected objects of ${rasters.length} images, got ${objects?.length ?? 'none'}`,
    );
  const drawn = objects.map(({ boxes, labels = [], scores = [] }, image) => {
    checkBoxes(where, boxes);
    checkObjects(where, { boxes, labels, scores }, { unit, image });
    return boxes.map((box, i) => ({
      box,
      color: colors[(labels[i] ?? i) % colors.length] as string,
      words: [nameOf(where, labels[i], classNames), scores[i]?.toFixed(2)]
        .filter(Boolean)
        .join(' '),
    }));
  });
  return imageGrid(where, rasters, {
    ...grid,
    size,
    overlay: (i, place) => overlay(drawn[i] as Drawn[], place, { unit, lineWidth }),
  });
}

/** Boxes may reach over the border; a pixel is far beyond this. */
const FRACTION = 2;

/** @throws RangeError for pixels in the place of fractions, and surplus labels or scores */
function checkObjects(
  where: string,
  { boxes, ...lists }: Required<ImageObjects>,
  { unit, image }: { unit: 'fraction' | 'pixel'; image: number },
): void {
  const pixels = boxes.find((box) => unit === 'fraction' && box.some((at) => at > FRACTION));
  if (pixels)
    throw new RangeError(
      `${where}: expected boxes as fractions of the image, got [${pixels.join(', ')}] in ` +
        `image ${image}; pass "unit: 'pixel'"`,
    );
  for (const [name, { length }] of Object.entries(lists)) {
    if (length === 0 || length === boxes.length) continue;
    throw new RangeError(
      `${where}: expected ${name} for the ${boxes.length} boxes of image ${image}, got ${length}`,
    );
  }
}

function nameOf(where: string, label?: number, names?: readonly string[]): string {
  if (label === undefined) return '';
  const name = names ? names[label] : `${label}`;
  if (name !== undefined) return name;
  throw new RangeError(
    `${where}: expected a name for class ${label}, got ${names?.length} "classNames"; add it`,
  );
}

function checkBoxes(where: string, boxes: readonly (readonly number[])[]): void {
  if (!Array.isArray(boxes))
    throw new TypeError(`${where}: expected a list of boxes, got ${formatValue(boxes)}`);
  boxes.forEach((box, i) => {
    const [x1, y1, x2, y2] = box as [number, number, number, number];
    if (box?.length === 4 && box.every(Number.isFinite) && x1 <= x2 && y1 <= y2) return;
    throw new RangeError(
      `${where}: expected boxes [x1, y1, x2, y2] with x1 ≤ x2 and y1 ≤ y2, got ` +
        `${formatValue(box)} at ${i}`,
    );
  });
}

interface Drawn {
  readonly box: readonly number[];
  readonly color: string;
  readonly words: string;
}

interface OverlayOptions {
  readonly unit: 'fraction' | 'pixel';
  readonly lineWidth: number;
}

function overlay(drawn: readonly Drawn[], place: ImagePlace, options: OverlayOptions) {
  const placed = drawn.map((one) => ({ ...one, rect: rectOf(one.box, place, options) }));
  return {
    marks: [
      ...placed.map(({ rect, color }) =>
        tag('rect', { ...rect, fill: 'none', stroke: color, 'stroke-width': options.lineWidth }),
      ),
      ...placed.flatMap(({ words, color, rect }) =>
        words ? labelMarks(words, { color, rect, place }) : [],
      ),
    ],
    about: drawn.map(({ words }) => words || 'a box').join(', '),
  };
}

/** A box in pixels of the figure, within the image. */
function rectOf(box: readonly number[], { box: image, zoom }: ImagePlace, options: OverlayOptions) {
  const half = options.lineWidth / 2;
  const [x, y] = options.unit === 'pixel' ? [zoom, zoom] : [image.width, image.height];
  const within = (value: number, most: number) => Math.min(most - half, Math.max(half, value));
  const [x1, y1, x2, y2] = box.map((value, i) =>
    i % 2 === 0 ? within(value * x, image.width) : within(value * y, image.height),
  ) as [number, number, number, number];
  return { x: image.x + x1, y: image.y + y1, width: x2 - x1, height: y2 - y1 };
}

const LABEL = 11; // font size in pixels
const PADDING = 3; // pixels between words and the edge of their patch

type Rect = ReturnType<typeof rectOf>;

/**
 * Words on a patch of the box's colour, above the box or, where there is no room, in its corner.
 */
function labelMarks(
  words: string,
  { color, rect, place }: { color: string; rect: Rect; place: ImagePlace },
): Mark[] {
  const image = place.box;
  const fitted = fitText(words, image.width - 2 * PADDING, { size: LABEL });
  const width = textWidth(fitted.text, fitted.size) + 2 * PADDING;
  const height = fitted.size + PADDING;
  const x = Math.min(rect.x - 1, image.x + image.width - width);
  const above = rect.y - height;
  const y = above >= image.y ? above : rect.y;
  return [
    tag('rect', { x, y, width, height, fill: color }),
    { ...fitted, x: x + PADDING, y: y + height - PADDING - 0.5, fill: ON_DARK },
  ];
}
