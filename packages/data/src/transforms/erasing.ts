/** Transforms that blot out a part of each image: random erasing and Cutout. */
import type { ImageBatch, ImageShape, Random } from '../types';
import { below, logUniform, normal, roundHalfEven, uniform } from './draw';
import { imageAt, type Kind, stored } from './kind';
import type { Box } from './resample/plan';

type Range = readonly [least: number, most: number];

export interface ErasingKindOptions {
  readonly probability: number;
  readonly scale: Range;
  readonly ratio: Range;
  /** A number for all channels or one for each; `random`: new ones for each pixel. */
  readonly value: readonly number[] | 'random';
}

export const randomErasing: Kind<ErasingKindOptions> = {
  shape: (shape, { value }) => {
    if (value === 'random' || value.length === 1 || value.length === shape[2]) return shape;
    throw new RangeError(
      `[data] randomErasing: expected 1 or ${shape[2]} numbers in "value", got ${value.length}`,
    );
  },
  apply: (batch, options, draws) => {
    randomErasing.shape?.(batch.shape, options);
    for (let place = 0; place < batch.count; place++) {
      const random = draws.image(place);
      const box =
        random() < options.probability ? randomPart(batch.shape, options, random) : undefined;
      if (box) erase(batch, place, { box, nextValue: pixelValue(batch, options.value, random) });
    }
    return batch;
  },
};

const TRIES = 10; // torchvision's

/** torchvision's `RandomErasing.get_params`; none when none of ten fits. */
export function randomPart(
  [height, width]: ImageShape,
  { scale, ratio }: { scale: Range; ratio: Range },
  random: Random,
): Box | undefined {
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const area = height * width * uniform(random, ...scale);
    const aspect = logUniform(random, ratio);
    const [h, w] = [
      roundHalfEven(Math.sqrt(area * aspect)),
      roundHalfEven(Math.sqrt(area / aspect)),
    ];
    if (h >= height || w >= width) continue;
    return {
      top: below(random, height - h + 1),
      left: below(random, width - w + 1),
      height: h,
      width: w,
    };
  }
  return undefined;
}

/**
 * Random values: standard normal for floats, as torchvision's; any byte for bytes, as the paper's.
 */
function pixelValue(
  { images }: ImageBatch,
  value: ErasingKindOptions['value'],
  random: Random,
): (channel: number) => number {
  if (value === 'random')
    return images instanceof Uint8Array ? () => below(random, 256) : () => normal(random);
  const perChannel = value.map((each) => stored(images, each));
  return (channel) => perChannel[channel % perChannel.length] as number;
}

interface Erasing {
  box: Box;
  nextValue: (channel: number) => number;
}

function erase(
  batch: ImageBatch,
  place: number,
  { box: { top, left, height, width }, nextValue }: Erasing,
): void {
  const [, rowPixels, channels] = batch.shape;
  const image = imageAt(batch, place);
  for (let y = top; y < top + height; y++) {
    const row = (y * rowPixels + left) * channels;
    for (let i = 0; i < width * channels; i++) image[row + i] = nextValue(i % channels);
  }
}

export interface CutoutKindOptions {
  readonly size: number;
  readonly holes: number;
  readonly value: number;
}

export const cutout: Kind<CutoutKindOptions> = {
  apply: (batch, { size, holes, value }, draws) => {
    const filled = stored(batch.images, value);
    for (let place = 0; place < batch.count; place++) {
      const random = draws.image(place);
      for (let hole = 0; hole < holes; hole++) {
        erase(batch, place, {
          box: randomSquare(batch.shape, size, random),
          nextValue: () => filled,
        });
      }
    }
    return batch;
  },
};

/**
 * A square about any pixel of the image; what reaches beyond its border is cut off, so that holes
 * at the border are smaller.
 */
function randomSquare([height, width]: ImageShape, size: number, random: Random): Box {
  const [top, bottom] = span(below(random, height), size, height);
  const [left, right] = span(below(random, width), size, width);
  return { top, left, height: bottom - top, width: right - left };
}

function span(center: number, size: number, side: number): [from: number, to: number] {
  const from = center - Math.floor(size / 2);
  return [Math.max(0, from), Math.min(side, from + size)];
}
