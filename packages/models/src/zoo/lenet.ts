/**
 * LeNet-5, LeCun et al. 1998, https://doi.org/10.1109/5.726791, as in the book: chapter 7.6, and
 * with batch norm chapter 8.5.
 */
import { checkOptions, rule } from '@deepend/core';
import {
  averagePool,
  type Block,
  batchNorm,
  chain,
  conv,
  dense,
  flatten,
  type ImageShape,
  type ModelOptions,
  modelRules,
  type NamedLayer,
  namedLayer,
  numbered,
  numberedByKind,
  scope,
  sequential,
  sigmoid,
  withDefaults,
} from '@deepend/nn';
import type { LayersModel } from '@tensorflow/tfjs-layers';

/**
 * One row per model: the padding of each stage's convolution, and whether batch norm precedes each
 * sigmoid.
 */
export const BOOK_LENETS = {
  //    61,706 parameters for 28×28 pixels, 1 channel and 10 classes.
  lenet: { paddings: [2, 0], batchNorm: false },
  bn_lenet: { paddings: [0, 0], batchNorm: true }, //  44,878
} as const;
const FILTERS = [6, 16] as const;
const HIDDEN = [120, 84] as const;

export type BookLenetName = keyof typeof BOOK_LENETS;

interface LemodelOptions {
  /** Whether a batch normalization precedes each sigmoid. @default false */
  batchNorm?: boolean;
}

/** The layers after a convolution or a hidden linear layer. */
const activate = (normalize: boolean): NamedLayer[] => [
  ...(normalize ? [namedLayer('bn', (name) => batchNorm(name))] : []),
  namedLayer('sigmoid', sigmoid),
];

/**
 * 5×5 convolution, sigmoid, 2×2 average pool: `[batch, h, w, c]` → `[batch, ⌊(h + 2·padding − 4) /
 * 2⌋, …, filters]`.
 * @param options.padding pixels of zeros that are added on each side @default 0
 */
export function lenetStage(
  filters: number,
  options: LemodelOptions & { padding?: number } = {},
): Block {
  const { padding = 0, batchNorm: normalize = false } = options;
  const parts = [
    namedLayer('conv', (name) => conv(filters, { kernel: 5, padding, name })),
    ...activate(normalize),
    namedLayer('pool', (name) => averagePool({ size: 2, name })),
  ];
  return (x) => numberedByKind(numbered('stage'), parts)(x);
}

/**
 * Linear layers with sigmoids between them: `[batch, height, width, channels]` → logits `[batch,
 * numClasses]`.
 */
export function lenetHead(
  hidden: readonly number[],
  numClasses: number,
  options: LemodelOptions = {},
): Block {
  const linear = (units: number) => namedLayer('dense', (name) => dense(units, name));
  const parts = [
    ...hidden.flatMap((units) => [linear(units), ...activate(options.batchNorm ?? false)]),
    linear(numClasses),
  ];
  return (x) => scope('head', () => chain(flatten('flatten'), numberedByKind('', parts))(x));
}

/**
 * Builds a LeNet of the book: `[batch, height, width, channels]` → logits `[batch, numClasses]`.
 */
export function bookLenet(name: BookLenetName, options: ModelOptions = {}): LayersModel {
  const { numClasses, ...rest } = withDefaults(
    { inputShape: [28, 28, 1] as ImageShape, numClasses: 10 },
    checkOptions(`[models] book.${name}`, rule.object(modelRules), options),
  );
  const { paddings, batchNorm: normalize } = BOOK_LENETS[name];
  const stages = FILTERS.map((filters, i) =>
    lenetStage(filters, { padding: paddings[i] ?? 0, batchNorm: normalize }),
  );
  const head = lenetHead(HIDDEN, numClasses, { batchNorm: normalize });
  return sequential([...stages, head], { name: `book/${name}`, ...rest });
}
