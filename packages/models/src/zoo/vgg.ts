/** VGG, Simonyan & Zisserman 2014, https://arxiv.org/abs/1409.1556; in the book chapter 8.2. */
import { checkOptions, rule } from '@deepend/core';
import {
  adaptiveAveragePool,
  type Block,
  batchNorm,
  chain,
  conv,
  dense,
  dropout,
  flatten,
  type ModelOptions,
  maxPool,
  modelRules,
  modules,
  type NamedLayer,
  namedLayer,
  numbered,
  numberedByKind,
  relu,
  scope,
  sequential,
  withDefaults,
} from '@deepend/nn';
import type { LayersModel } from '@tensorflow/tfjs-layers';

/** 3×3 convolutions in each of the five stages, of 64, 128, 256, 512 and 512 filters. */
export const VGG_DEPTHS = {
  vgg11: [1, 1, 2, 2, 2],
  vgg13: [2, 2, 2, 2, 2],
  vgg16: [2, 2, 3, 3, 3],
  vgg19: [2, 2, 4, 4, 4],
} as const;
const FILTERS = [64, 128, 256, 512, 512] as const;
export const VGG_HIDDEN = [4096, 4096] as const;

export type VggDepth = keyof typeof VGG_DEPTHS;
export type VggName = VggDepth | `${VggDepth}_bn`;

export interface VggOptions extends ModelOptions {
  /** Divisor of every convolution's filters; a divisor of 64. The book trains with 4. @default 1 */
  widthDivisor?: number;
  /** Dropout rate after each hidden linear layer, in [0, 1). @default 0.5 */
  dropout?: number;
}

export interface BookVggOptions extends VggOptions {
  /** Whether a batch normalization follows each convolution. @default false */
  batchNorm?: boolean;
}

const DIVISOR = `an integer that divides ${FILTERS[0]}`;

export const vggRules = {
  ...modelRules,
  widthDivisor: rule
    .positiveInteger()
    .refine((divisor) => FILTERS[0] % divisor === 0, DIVISOR)
    .optional(),
  dropout: rule.fraction().optional(),
};

interface StageOptions {
  /** Whether a batch normalization is between convolution and ReLU. @default false */
  batchNorm?: boolean;
}

/** Convolution, batch norm if asked, and ReLU, `depth` times; then a pool. */
const stageParts = (
  filters: number,
  depth: number,
  { batchNorm: normalize = false }: StageOptions,
): NamedLayer[] => [
  ...Array.from({ length: depth }, () => [
    namedLayer('conv', (name) => conv(filters, { kernel: 3, padding: 1, name })),
    ...(normalize ? [namedLayer('bn', (name) => batchNorm(name))] : []),
    namedLayer('relu', relu),
  ]).flat(),
  namedLayer('pool', (name) => maxPool({ size: 2, name })),
];

/**
 * `depth` times 3×3 convolution and ReLU, then 2×2 max-pool: `[batch, h, w, c]` → `[batch, ⌊h / 2⌋,
 * ⌊w / 2⌋, filters]`.
 */
export function vggBlock(filters: number, depth: number, options: StageOptions = {}): Block {
  return (x) => numberedByKind(numbered('stage'), stageParts(filters, depth, options))(x);
}

export interface VggHeadOptions {
  /**
   * Units of each hidden linear layer.
   * @example [4096, 4096]
   */
  hidden: readonly number[];
  /**
   * Dropout rate after each hidden layer, in [0, 1).
   * @example 0.5
   */
  dropout: number;
  /**
   * Number of outputs.
   * @example 10
   */
  numClasses: number;
}

/**
 * Linear layers with ReLU and dropout, and a last one without: `[batch, height, width, channels]` →
 * logits `[batch, numClasses]`.
 */
export function vggHead({ hidden, dropout: drop, numClasses }: VggHeadOptions): Block {
  return (x) =>
    scope('head', () =>
      chain(
        flatten('flatten'),
        numberedByKind('', headParts({ hidden, dropout: drop, numClasses })),
      )(x),
    );
}

const headParts = ({ hidden, dropout: drop, numClasses }: VggHeadOptions): NamedLayer[] => [
  ...hidden.flatMap((units) => [
    namedLayer('dense', (name) => dense(units, name)),
    namedLayer('relu', relu),
    namedLayer('dropout', (name) => dropout(drop, name)),
  ]),
  namedLayer('dense', (name) => dense(numClasses, name)),
];

const filtersOf = (depth: VggDepth, divisor: number) =>
  VGG_DEPTHS[depth].map((convolutions, i) => [(FILTERS[i] ?? 64) / divisor, convolutions] as const);

const vggOptions = rule.object(vggRules);
const bookOptions = rule.object({ ...vggRules, batchNorm: rule.boolean().optional() });

/**
 * Builds a VGG of torchvision: `[batch, height, width, channels]` → logits `[batch, numClasses]`;
 * images must have at least 32×32 pixels.
 */
export function vgg(name: VggName, options: VggOptions = {}): LayersModel {
  const {
    numClasses,
    widthDivisor,
    dropout: drop,
    ...rest
  } = withDefaults(
    {
      inputShape: [224, 224, 3] as [number, number, number],
      numClasses: 1000,
      init: 'he-normal' as const,
      widthDivisor: 1,
      dropout: 0.5,
    },
    checkOptions(`[models] ${name}`, vggOptions, options),
  );
  const [depth, normalize] = [name.replace('_bn', '') as VggDepth, name.endsWith('_bn')];
  const features = filtersOf(depth, widthDivisor).flatMap(([filters, convolutions]) =>
    stageParts(filters, convolutions, { batchNorm: normalize }),
  );
  const classify = headParts({ hidden: VGG_HIDDEN, dropout: drop, numClasses });
  const head = chain(
    adaptiveAveragePool(7, 'avgpool'),
    flatten('flatten'),
    modules('classifier', classify),
  );
  return sequential([modules('features', features), head], { name, ...rest });
}

/** Builds a VGG of the book: `[batch, height, width, channels]` → logits `[batch, numClasses]`. */
export function bookVgg(name: VggDepth, options: BookVggOptions = {}): LayersModel {
  const {
    numClasses,
    widthDivisor,
    dropout: drop,
    batchNorm: normalize,
    ...rest
  } = withDefaults(
    {
      inputShape: [224, 224, 1] as [number, number, number],
      numClasses: 10,
      widthDivisor: 1,
      dropout: 0.5,
      batchNorm: false,
    },
    checkOptions(`[models] book.${name}`, bookOptions, options),
  );
  const stages = filtersOf(name, widthDivisor).map(([filters, depth]) =>
    vggBlock(filters, depth, { batchNorm: normalize }),
  );
  return sequential([...stages, vggHead({ hidden: VGG_HIDDEN, dropout: drop, numClasses })], {
    name: `book/${name}`,
    ...rest,
  });
}
