/**
 * AlexNet, Krizhevsky et al. 2012, https://doi.org/10.1145/3065386; in the book chapter 8.1, in
 * torchvision in the form of Krizhevsky 2014, https://arxiv.org/abs/1404.5997.
 */
import { checkOptions, rule } from '@deepend/core';
import {
  adaptiveAveragePool,
  type Block,
  chain,
  conv,
  dense,
  dropout,
  flatten,
  type ImageShape,
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

type Convolution = readonly [filters: number, kernel: number, stride: number, padding: number];

/**
 * One row per model: the convolutions of each stage. A stage ends with a 3×3 max-pool at stride 2.
 */
const ALEXNETS: Record<'torchvision' | 'book', readonly (readonly Convolution[])[]> = {
  torchvision: [
    [[64, 11, 4, 2]],
    [[192, 5, 1, 2]],
    [
      [384, 3, 1, 1],
      [256, 3, 1, 1],
      [256, 3, 1, 1],
    ],
  ],
  book: [
    [[96, 11, 4, 1]],
    [[256, 5, 1, 2]],
    [
      [384, 3, 1, 1],
      [384, 3, 1, 1],
      [256, 3, 1, 1],
    ],
  ],
};

export interface AlexNetOptions extends ModelOptions {
  /** Dropout rate at each hidden linear layer, in [0, 1). @default 0.5 */
  dropout?: number;
}

const alexNetOptions = rule.object({ ...modelRules, dropout: rule.fraction().optional() });

const stageParts = (convolutions: readonly Convolution[]): NamedLayer[] => [
  ...convolutions.flatMap(([filters, kernel, stride, padding]) => [
    namedLayer('conv', (name) => conv(filters, { kernel, stride, padding, name })),
    namedLayer('relu', relu),
  ]),
  namedLayer('pool', (name) => maxPool({ size: 3, stride: 2, name })),
];

const [linear, drop] = [
  (units: number) => namedLayer('dense', (name) => dense(units, name)),
  (rate: number) => namedLayer('dropout', (name) => dropout(rate, name)),
];

/**
 * Convolutions, each with a ReLU, and a 3×3 max-pool at stride 2. A row of `convolutions` is
 * filters, kernel, stride and padding: `[96, 11, 4, 1]`.
 */
export function alexNetStage(convolutions: readonly Convolution[]): Block {
  return (x) => numberedByKind(numbered('stage'), stageParts(convolutions))(x);
}

/**
 * Builds torchvision's AlexNet: `[batch, height, width, channels]` → logits `[batch, numClasses]`;
 * images must have at least 63×63 pixels.
 */
export function alexnet(options: AlexNetOptions = {}): LayersModel {
  const {
    numClasses,
    dropout: p,
    ...rest
  } = withDefaults(
    {
      inputShape: [224, 224, 3] as ImageShape,
      numClasses: 1000,
      init: 'he-normal' as const,
      dropout: 0.5,
    },
    checkOptions('[models] alexnet', alexNetOptions, options),
  );
  const hidden = [
    drop(p),
    linear(4096),
    namedLayer('relu', relu),
    drop(p),
    linear(4096),
    namedLayer('relu', relu),
    linear(numClasses),
  ];
  const head = chain(
    adaptiveAveragePool(6, 'avgpool'),
    flatten('flatten'),
    modules('classifier', hidden),
  );
  return sequential([modules('features', ALEXNETS.torchvision.flatMap(stageParts)), head], {
    name: 'alexnet',
    ...rest,
  });
}

/** Builds the book's AlexNet: `[batch, height, width, channels]` → logits `[batch, numClasses]`. */
export function bookAlexnet(options: AlexNetOptions = {}): LayersModel {
  const {
    numClasses,
    dropout: p,
    ...rest
  } = withDefaults(
    { inputShape: [224, 224, 1] as ImageShape, numClasses: 10, dropout: 0.5 },
    checkOptions('[models] book.alexnet', alexNetOptions, options),
  );
  const hidden = [4096, 4096].flatMap((units) => [
    linear(units),
    namedLayer('relu', relu),
    drop(p),
  ]);
  const head: Block = (x) =>
    scope('head', () =>
      chain(flatten('flatten'), numberedByKind('', [...hidden, linear(numClasses)]))(x),
    );
  return sequential([...ALEXNETS.book.map(alexNetStage), head], { name: 'book/alexnet', ...rest });
}
