/** Random policies over a table of operations: randAugment and trivialAugmentWide. */
import { checkOptions, isUint8Array, rule } from '@deepend/core';
import type { ImageShape, Rng, Transform } from '../types';
import { AUGMENT_OPS, type AugmentOp } from './augment-ops';
import { below, roundHalfEven } from './distributions';
import { imageAt, type TransformImpl, toStoredUnits } from './implementation';
import { value } from './option-rules';

interface AugmentOptions {
  /** Number of magnitudes of an operation, from its least to its most, at least 2. @default 31 */
  numMagnitudeBins?: number;
  /** Of shears, translations and rotations. @default 'nearest' */
  interpolation?: 'nearest' | 'bilinear';
  /** Value of the uncovered pixels in units of floats: 1 is white, also for bytes. @default 0 */
  fill?: number;
}

export interface RandAugmentOptions extends AugmentOptions {
  /** Number of operations applied to an image, one after another. @default 2 */
  numOps?: number;
  /** Strength of all operations, an integer from 0 to `numMagnitudeBins` - 1. @default 9 */
  magnitude?: number;
}

export interface TrivialAugmentWideOptions extends AugmentOptions {}

const sharedRules = () => ({
  numMagnitudeBins: rule
    .custom<number>(
      (bins) => Number.isInteger(bins) && (bins as number) >= 2,
      'an integer of at least 2',
    )
    .optional(),
  interpolation: rule.oneOf(['nearest', 'bilinear']).optional(),
  fill: value(),
});

const randRules = () =>
  rule.object({
    ...sharedRules(),
    numOps: rule.positiveInteger().optional(),
    magnitude: rule
      .custom<number>(
        (each) => Number.isInteger(each) && (each as number) >= 0,
        'an integer of at least 0',
      )
      .optional(),
  });

/**
 * Applies `numOps` random operations of one strength to each image, as torchvision's `RandAugment`
 * does with PIL images: shears, translations, rotation, brightness, color, contrast, sharpness,
 * posterize, solarize, autocontrast, equalize, or none. Floats are rounded to 256 levels of [0, 1],
 * so put it before `normalize`. Cubuk et al. 2019, https://arxiv.org/abs/1909.13719.
 * @throws TypeError or RangeError for an unknown option or a value out of range
 */
export function randAugment(options: RandAugmentOptions = {}): Transform {
  const checked = checkOptions('[data] randAugment', randRules(), options);
  const { numOps = 2, magnitude = 9, numMagnitudeBins = 31 } = checked;
  const { interpolation = 'nearest', fill = 0 } = checked;
  if (magnitude >= numMagnitudeBins) {
    throw new RangeError(
      '[data] randAugment: expected a "magnitude" below "numMagnitudeBins" ' +
        `(${numMagnitudeBins}), got ${magnitude}; reduce it or increase the number of bins`,
    );
  }
  const implOptions = { numOps, magnitude, numMagnitudeBins, interpolation, fill };
  return { name: 'randAugment', options: implOptions, random: true };
}

/**
 * Applies one random operation of random strength to each image, as torchvision's
 * `TrivialAugmentWide` does with PIL images: the operations of `randAugment` with wider ranges.
 * Floats are rounded to 256 levels of [0, 1], so put it before `normalize`. Müller & Hutter 2021,
 * https://arxiv.org/abs/2103.10158.
 * @throws TypeError or RangeError for an unknown option or a value out of range
 */
export function trivialAugmentWide(options: TrivialAugmentWideOptions = {}): Transform {
  const rules = rule.object(sharedRules());
  const checked = checkOptions('[data] trivialAugmentWide', rules, options);
  const { numMagnitudeBins = 31, interpolation = 'nearest', fill = 0 } = checked;
  const implOptions = { numMagnitudeBins, interpolation, fill };
  return { name: 'trivialAugmentWide', options: implOptions, random: true };
}

/** The magnitudes of an operation; without one, it has no magnitude. */
interface Magnitudes {
  /** Of the first and the last bin. */
  readonly range: (shape: ImageShape) => readonly [first: number, last: number];
  /** Whether a random number decides the sign. */
  readonly signed?: true;
  /** Whether they are integers. */
  readonly rounded?: true;
}

type Policy = readonly (readonly [op: AugmentOp, magnitudes?: Magnitudes])[];

const signed = (most: number): Magnitudes => ({ range: () => [0, most], signed: true });
const solarize: Magnitudes = { range: () => [255, 0] };
/** Bits that stay of the 8. */
const posterize = (fewest: number): Magnitudes => ({ range: () => [8, fewest], rounded: true });

/** torchvision's `RandAugment`, in its order. The paper translates by 150 of 331 pixels. */
export const RAND_AUGMENT: Policy = [
  ['identity'],
  ['shearX', signed(0.3)],
  ['shearY', signed(0.3)],
  ['translateX', { range: ([, width]) => [0, (150 / 331) * width], signed: true }],
  ['translateY', { range: ([height]) => [0, (150 / 331) * height], signed: true }],
  ['rotate', signed(30)],
  ['brightness', signed(0.9)],
  ['color', signed(0.9)],
  ['contrast', signed(0.9)],
  ['sharpness', signed(0.9)],
  ['posterize', posterize(4)],
  ['solarize', solarize],
  ['autoContrast'],
  ['equalize'],
];

/** torchvision's `TrivialAugmentWide`, in its order. Translations are in pixels. */
const TRIVIAL_AUGMENT_WIDE: Policy = [
  ['identity'],
  ['shearX', signed(0.99)],
  ['shearY', signed(0.99)],
  ['translateX', signed(32)],
  ['translateY', signed(32)],
  ['rotate', signed(135)],
  ['brightness', signed(0.99)],
  ['color', signed(0.99)],
  ['contrast', signed(0.99)],
  ['sharpness', signed(0.99)],
  ['posterize', posterize(2)],
  ['solarize', solarize],
  ['autoContrast'],
  ['equalize'],
];

/** Entry `bin` of PyTorch's `linspace`, in float32, which computes the second half from the end. */
export function magnitudeOf({ range, rounded }: Magnitudes, bin: Bin, shape: ImageShape): number {
  const [first, last] = range(shape);
  const { index, bins } = bin;
  if (rounded) return first - roundHalfEven(Math.fround(index / ((bins - 1) / (first - last))));
  const [start, end] = [Math.fround(first), Math.fround(last)];
  const step = Math.fround(Math.fround(end - start) / (bins - 1));
  return index < Math.floor(bins / 2)
    ? Math.fround(start + step * index)
    : Math.fround(end - step * (bins - index - 1));
}

interface Bin {
  readonly index: number;
  readonly bins: number;
}

interface PolicyImplOptions {
  readonly numMagnitudeBins: number;
  readonly interpolation: 'nearest' | 'bilinear';
  readonly fill: number;
}

export interface RandAugmentImplOptions extends PolicyImplOptions {
  readonly numOps: number;
  readonly magnitude: number;
}

export type TrivialAugmentImplOptions = PolicyImplOptions;

/** Draws an operation, its magnitude if there is no `index`, and its sign, as torchvision does. */
function applyRandomOp(
  image: Uint8Array,
  policy: Policy,
  { shape, options, rng, index }: OpDraw,
): void {
  const [op, magnitudes] = policy[below(rng, policy.length)] as Policy[number];
  let magnitude = 0;
  if (magnitudes) {
    const bins = options.numMagnitudeBins;
    magnitude = magnitudeOf(magnitudes, { index: index ?? below(rng, bins), bins }, shape);
    if (magnitudes.signed && below(rng, 2) === 1) magnitude = -magnitude;
  }
  const { interpolation } = options;
  AUGMENT_OPS[op](image, {
    magnitude,
    shape,
    interpolation,
    fill: toStoredUnits(image, options.fill),
  });
}

interface OpDraw {
  readonly shape: ImageShape;
  readonly options: PolicyImplOptions;
  readonly rng: Rng;
  /** The bin of the magnitude. @default a random one */
  readonly index?: number;
}

/** Changes an image as bytes; floats are rounded to bytes and become floats again. */
function asBytes(image: Uint8Array | Float32Array, change: (bytes: Uint8Array) => void): void {
  if (isUint8Array(image)) {
    change(image);
    return;
  }
  const bytes = Uint8Array.from(image, (each) => Math.round(255 * Math.min(1, Math.max(0, each))));
  change(bytes);
  for (let i = 0; i < image.length; i++) image[i] = (bytes[i] as number) / 255;
}

function augmentImpl<Options extends PolicyImplOptions>(
  name: string,
  augment: (image: Uint8Array, draw: OpDraw & { options: Options }) => void,
): TransformImpl<Options> {
  const shapeOf = (shape: ImageShape) => {
    if (shape[2] === 1 || shape[2] === 3) return shape;
    throw new RangeError(
      `[data] ${name}: expected images of 1 or 3 channels, got ${shape[2]}; remove the transform`,
    );
  };
  return {
    shape: shapeOf,
    apply: (batch, options, rng) => {
      const shape = shapeOf(batch.shape);
      for (let place = 0; place < batch.count; place++) {
        const draw = { shape, options, rng: rng.image(place) };
        asBytes(imageAt(batch, place), (bytes) => augment(bytes, draw));
      }
      return batch;
    },
  };
}

export const randAugmentImpl = augmentImpl<RandAugmentImplOptions>(
  'randAugment',
  (image, { options, ...draw }) => {
    const index = options.magnitude;
    for (let op = 0; op < options.numOps; op++)
      applyRandomOp(image, RAND_AUGMENT, { ...draw, options, index });
  },
);

export const trivialAugmentWideImpl = augmentImpl<TrivialAugmentImplOptions>(
  'trivialAugmentWide',
  (image, draw) => applyRandomOp(image, TRIVIAL_AUGMENT_WIDE, draw),
);
