/** Transforms that a loader applies to image, boxes and mask together, at random places. */
import { checkOptions, rule } from '@deepend/core';
import { crop, horizontalFlip, resize, rotate } from './geometry';
import type { VisionSample } from './sample';

/** A step between the stored samples and the model. */
export interface JointTransform {
  readonly name: string;
  /** As plain JSON, for the loader's `config()`. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Whether it draws random numbers. */
  readonly random: boolean;
  /** @param rng random numbers in [0, 1) */
  readonly apply: (sample: VisionSample, rng: () => number) => VisionSample;
}

type Size = readonly [height: number, width: number];
const side = rule.positiveInteger();
const sizeRule = rule.list(side, '[height, width] of positive integers', { length: 2 });
const probabilityRule = rule.number({ min: 0, max: 1 }).default(0.5);

/**
 * Cuts a window of a fixed size out of a random place (the book's `voc_rand_crop`).
 * @param size `[height, width]` in pixels
 * @throws RangeError when applied to an image that is smaller
 */
export function randomCrop(size: Size): JointTransform {
  const where = '[vision] randomCrop';
  const [height, width] = checkOptions(where, rule.object({ size: sizeRule }), { size })
    .size as unknown as Size;
  return {
    name: 'randomCrop',
    options: { size: [height, width] },
    random: true,
    apply: (sample, rng) => {
      const [rows, columns] = sample.image.shape;
      if (rows < height || columns < width) {
        throw new RangeError(
          `${where}: expected an image of at least ${height} × ${width} pixels, got ` +
            `${rows} × ${columns}; leave it out, or resize it first`,
        );
      }
      const top = Math.floor(rng() * (rows - height + 1));
      const left = Math.floor(rng() * (columns - width + 1));
      return crop(sample, { top, left, height, width });
    },
  };
}

/**
 * Exchanges left and right with a probability.
 * @param options.probability @default 0.5
 */
export function randomHorizontalFlip(options: { probability?: number } = {}): JointTransform {
  const rules = rule.object({ probability: probabilityRule });
  const { probability } = checkOptions('[vision] randomHorizontalFlip', rules, options);
  return {
    name: 'randomHorizontalFlip',
    options: { probability },
    random: true,
    apply: (sample, rng) => (rng() < probability ? horizontalFlip(sample) : sample),
  };
}

/**
 * Rotates about the center by a random angle; the size stays.
 * @param degrees counter-clockwise; a number d means `[-d, d]`
 */
export function randomRotation(degrees: number | readonly [number, number]): JointTransform {
  const pair = typeof degrees === 'number' ? [-degrees, degrees] : degrees;
  const rules = rule.object({
    degrees: rule.list(rule.finiteNumber(), 'a number, or [least, most]', { length: 2 }),
  });
  const [least, most] = checkOptions('[vision] randomRotation', rules, { degrees: pair })
    .degrees as [number, number];
  return {
    name: 'randomRotation',
    options: { degrees: [least, most] },
    random: true,
    apply: (sample, rng) => rotate(sample, least + (most - least) * rng()),
  };
}

/**
 * Scales image and mask to one size.
 * @param size `[height, width]` in pixels
 */
export function resizeTo(size: Size): JointTransform {
  const rules = rule.object({ size: sizeRule });
  const checked = checkOptions('[vision] resizeTo', rules, { size }).size as unknown as Size;
  return {
    name: 'resizeTo',
    options: { size: checked },
    random: false,
    apply: (sample) => resize(sample, checked),
  };
}

/** Applies transforms one after the other. */
export const applyJoint = (
  sample: VisionSample,
  transforms: readonly JointTransform[],
  rng: () => number,
): VisionSample => transforms.reduce((before, transform) => transform.apply(before, rng), sample);
