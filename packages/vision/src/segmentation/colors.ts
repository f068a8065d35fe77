/** The colours of Pascal VOC's masks: to classes, and from classes to pictures. */
import { checkOptions, formatValue, rule } from '@deepend/core';
import type { VisionImage } from '../transforms/sample';

/** The classes of Pascal VOC 2012, in the order of their numbers. */
export const VOC_CLASSES = [
  ...['background', 'aeroplane', 'bicycle', 'bird', 'boat', 'bottle', 'bus', 'car', 'cat', 'chair'],
  ...['cow', 'diningtable', 'dog', 'horse', 'motorbike', 'person', 'potted plant', 'sheep'],
  ...['sofa', 'train', 'tv/monitor'],
] as readonly string[];

type Rgb = readonly [red: number, green: number, blue: number];

/**
 * The colour of a class, as the development kit of Pascal VOC makes it: the bits of the number,
 * three at a time, from the highest bit of red, green and blue down.
 */
export function vocColor(index: number): Rgb {
  const color = [0, 0, 0];
  for (let bit = 7, rest = index; bit >= 0 && rest > 0; bit--, rest >>= 3)
    for (let c = 0; c < 3; c++) color[c] = (color[c] as number) | (((rest >> c) & 1) << bit);
  return color as unknown as Rgb;
}

/** The colour of each class of Pascal VOC, in bytes. */
export const VOC_COLORMAP: readonly Rgb[] = VOC_CLASSES.map((_, index) => vocColor(index));

/** Drawn around objects, where the class is not sure. */
export const VOC_BOUNDARY: Rgb = [224, 224, 192];

/** A colour as one number, from 0 to 2²⁴ − 1. */
const colorKey = (color: ArrayLike<number>): number =>
  ((color[0] as number) << 16) | ((color[1] as number) << 8) | (color[2] as number);

const isColormap = (value: unknown): value is readonly Rgb[] =>
  Array.isArray(value) && value.length > 0 && value.every((color) => color?.length === 3);
const colorRules = rule.object({
  colormap: rule
    .custom<readonly Rgb[]>(isColormap, 'a list of colours [red, green, blue] in bytes')
    .optional(),
  boundary: rule.integer({ min: 0, max: 255 }).optional(),
  name: rule.string().optional(),
});

export interface MaskColorsOptions {
  /** The colour of each class. @default VOC_COLORMAP */
  colormap?: readonly Rgb[];
  /**
   * The number of pixels in the boundary's colour, [224, 224, 192]: 255 with
   * `crossEntropy({ ignoreIndex: 255 })` leaves them out. @default 0, the background, as the book
   */
  boundary?: number;
  /** What the image is, for errors: the path of its file. @default 'the mask' */
  name?: string;
}

/**
 * Converts a mask of colours to class numbers.
 * @param image in bytes, of 3 channels
 * @returns a class number for each pixel, `[height, width]`
 * @throws RangeError for a colour that is none of the colormap's, with its place
 */
export function maskFromColors(
  { data, shape }: VisionImage,
  options: MaskColorsOptions = {},
): Uint8Array {
  const checked = checkOptions('[vision] maskFromColors', colorRules, options);
  const { colormap = VOC_COLORMAP, boundary = 0, name = 'the mask' } = checked;
  const where = `[vision] maskFromColors: ${name}`;
  const [height = 0, width = 0, channels] = shape ?? [];
  if (channels !== 3 || data.length !== height * width * 3) {
    throw new RangeError(`${where}: expected an image of 3 channels, got ${formatValue(shape)}`);
  }
  const classes = new Map(colormap.map((color, index) => [colorKey(color), index]));
  if (!classes.has(colorKey(VOC_BOUNDARY))) classes.set(colorKey(VOC_BOUNDARY), boundary);
  return Uint8Array.from({ length: height * width }, (_, at) => {
    const color = data.subarray(3 * at, 3 * at + 3);
    const index = classes.get(colorKey(color));
    if (index !== undefined) return index;
    throw new RangeError(
      `${where}: expected colours of ${colormap.length} classes, got [${color.join(', ')}] in ` +
        `row ${Math.floor(at / width)}, column ${at % width}; a mask must not be resized or ` +
        'saved as JPEG, which mixes colours',
    );
  });
}

/**
 * Converts class numbers to a picture in the classes' colours (the book's `label2image`).
 * @param mask class numbers, `[height, width]` or `[count, height, width]`
 * @param shape of the mask
 * @returns bytes `[..., height, width, 3]`, for `showImages`
 * @throws RangeError for a number that has no colour, and a mask of another shape
 */
export function label2image(
  mask: ArrayLike<number>,
  shape: readonly number[],
  options: Omit<MaskColorsOptions, 'name'> = {},
): { data: Uint8Array; shape: number[] } {
  const where = '[vision] label2image';
  const { colormap = VOC_COLORMAP, boundary = 255 } = checkOptions(where, colorRules, options);
  const size = Array.isArray(shape) ? shape.reduce((a, b) => a * b, 1) : Number.NaN;
  if (size !== mask?.length) {
    throw new RangeError(
      `${where}: expected a class number for each pixel of the shape ${formatValue(shape)}, got ` +
        `${mask?.length} numbers`,
    );
  }
  const data = new Uint8Array(3 * mask.length);
  for (let at = 0; at < mask.length; at++) {
    const index = mask[at] as number;
    const color = colormap[index] ?? (index === boundary ? VOC_BOUNDARY : undefined);
    if (!color) {
      throw new RangeError(
        `${where}: expected class numbers from 0 to ${colormap.length - 1}, got ` +
          `${index} at place ${at}; give a "colormap" with a colour for each class`,
      );
    }
    data.set(color, 3 * at);
  }
  return { data, shape: [...shape, 3] };
}
