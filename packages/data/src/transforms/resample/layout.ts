/** Describes a resize: which part of each image, to what size, and which part of the result. */
import type { ImageShape } from '../../types';
import { type Axis, type FilterName, findAxis, sliceAxis } from './axis';

/** A number is the length of the shorter side, as in torchvision. */
export type ResizeTo = number | readonly [height: number, width: number];

export const LARGEST_SIDE = 16384;

export const isSide = (side: unknown): boolean =>
  typeof side === 'number' && Number.isInteger(side) && side >= 1 && side <= LARGEST_SIDE;

/** Whether a value is a valid size to resize to. */
export function isResize(value: unknown): value is ResizeTo {
  return Array.isArray(value) ? value.length === 2 && value.every(isSide) : isSide(value);
}

/** Height and width of an image after a resize. */
export function resizedSize(
  [height, width]: ImageShape,
  resize: ResizeTo,
): readonly [height: number, width: number] {
  if (typeof resize !== 'number') return resize;
  const longer = (side: number, shorter: number) =>
    Math.max(1, Math.trunc((resize * side) / shorter));
  return height <= width ? [resize, longer(width, height)] : [longer(height, width), resize];
}

/** A rectangle of pixels. */
export interface Box {
  readonly top: number;
  readonly left: number;
  readonly height: number;
  readonly width: number;
}

export interface Resampling {
  /** Shape of each image. */
  readonly shape: ImageShape;
  /** The size that `box` is resized to. */
  readonly to: readonly [height: number, width: number];
  readonly interpolation: FilterName | 'nearest';
  /** The part of each image that is resized. @default the whole image */
  readonly box?: Box;
  /** The part of the result that is computed. @default the whole result */
  readonly window?: Box;
}

/** The region of each image that is read, and how its axes map to the result. */
export interface Layout {
  readonly shape: ImageShape;
  readonly region: Box;
  /** Along the width. */
  readonly across: Axis;
  /** Along the height. */
  readonly down: Axis;
}

export const fullBox = (height: number, width: number): Box => ({ top: 0, left: 0, height, width });

/** Shape of an image of the result. */
export function resultShape({ shape, to, window = fullBox(...to) }: Resampling): ImageShape {
  return [window.height, window.width, shape[2]];
}

export function computeLayout(request: Resampling, filter: FilterName): Layout {
  const { shape, to, box = fullBox(shape[0], shape[1]), window = fullBox(...to) } = request;
  const down = sliceAxis(findAxis(box.height, to[0], filter), window.top, window.height);
  const across = sliceAxis(findAxis(box.width, to[1], filter), window.left, window.width);
  const region: Box = {
    top: box.top + down.offset,
    left: box.left + across.offset,
    height: down.axis.from,
    width: across.axis.from,
  };
  return { shape, region, across: across.axis, down: down.axis };
}

/** Whether an axis leaves its input unchanged. */
export const isIdentity = ({ from, to, taps }: Axis): boolean => from === to && taps === 1;

/**
 * Returns a function from a row's number, counted through the regions of all images, to the start
 * of that row in `[count, height, width, channels]`.
 */
export function rowFinder({
  shape: [height, width, channels],
  region,
}: Layout): (row: number) => number {
  return (row) => {
    const image = Math.floor(row / region.height);
    return ((image * height + region.top + (row % region.height)) * width + region.left) * channels;
  };
}
