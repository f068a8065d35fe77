/**
 * What is to be resampled: which part of each image, to what size, and which part of that is
 * wanted.
 */
import type { ImageShape } from '../../types';
import { type Axis, axis, type FilterName, partOf } from './axis';

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
  /** Size that `box` is brought to. */
  readonly to: readonly [height: number, width: number];
  readonly interpolation: FilterName | 'nearest';
  /** The part of each image that is resampled. @default all of it */
  readonly box?: Box;
  /** The part of the result that is wanted: the rest is not worked out. @default all of it */
  readonly window?: Box;
}

/** The region of each image that is read, and the axes from it to the result. */
export interface Plan {
  readonly shape: ImageShape;
  readonly region: Box;
  readonly across: Axis;
  readonly down: Axis;
}

export const wholeOf = (height: number, width: number): Box => ({ top: 0, left: 0, height, width });

/** Shape of an image of the result. */
export function resultShape({ shape, to, window = wholeOf(...to) }: Resampling): ImageShape {
  return [window.height, window.width, shape[2]];
}

export function planOf(job: Resampling, filter: FilterName): Plan {
  const { shape, to, box = wholeOf(shape[0], shape[1]), window = wholeOf(...to) } = job;
  const down = partOf(axis(box.height, to[0], filter), window.top, window.height);
  const across = partOf(axis(box.width, to[1], filter), window.left, window.width);
  const region: Box = {
    top: box.top + down.offset,
    left: box.left + across.offset,
    height: down.axis.from,
    width: across.axis.from,
  };
  return { shape, region, across: across.axis, down: down.axis };
}

/** Whether an axis gives back what it is given. */
export const isIdentity = ({ from, to, taps }: Axis): boolean => from === to && taps === 1;

/**
 * Where the rows of a region of `[count, height, width, channels]` begin, `row` counted through all
 * images' regions.
 */
export function rowFinder({
  shape: [height, width, channels],
  region,
}: Plan): (row: number) => number {
  return (row) => {
    const image = Math.floor(row / region.height);
    return ((image * height + region.top + (row % region.height)) * width + region.left) * channels;
  };
}
