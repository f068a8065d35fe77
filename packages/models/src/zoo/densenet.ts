/** DenseNet, Huang et al. 2016, https://arxiv.org/abs/1608.06993; in the book chapter 8.7. */
import { checkOptions, rule } from '@deepend/core';
import {
  averagePool,
  type Block,
  batchNorm,
  chain,
  concatenate,
  conv,
  dense,
  globalAveragePool,
  type ImageShape,
  type ModelOptions,
  modelRules,
  numbered,
  relu,
  residualStem,
  scope,
  sequential,
  shapeOf,
  withDefaults,
} from '@deepend/nn';
import type { LayersModel } from '@tensorflow/tfjs-layers';

export interface DenseBlockOptions {
  /**
   * Adds a 1×1 convolution with `bottleneck`·growthRate output channels before each 3×3 one; 4 in
   * torchvision's models. @default none
   */
  bottleneck?: number;
  /** Whether the convolutions have biases. @default true, as in the book */
  bias?: boolean;
  /** Scope of the names of its layers. @default none */
  name?: string;
}

const denseBlockOptions = rule.object({
  bottleneck: rule.positiveInteger().optional(),
  bias: rule.boolean().optional(),
  name: rule.string().optional(),
});

/**
 * `depth` times batch norm, ReLU and a 3×3 convolution with `growthRate` output channels, which are
 * concatenated to all channels before: `[batch, h, w, c]` → `[batch, h, w, c + depth·growthRate]`.
 */
export function denseBlock(
  depth: number,
  growthRate: number,
  options: DenseBlockOptions = {},
): Block {
  const {
    bottleneck,
    bias = true,
    name,
  } = checkOptions('[models] denseBlock', denseBlockOptions, options);
  const layer = chain(
    ...(bottleneck ? normThenConv(bottleneck * growthRate, { kernel: 1, bias, place: 1 }) : []),
    ...normThenConv(growthRate, { kernel: 3, bias, place: bottleneck ? 2 : 1 }),
  );
  return (x) =>
    scope(numbered('denseblock', name), () => {
      let features = x;
      for (let i = 1; i <= depth; i++) {
        features = scope(`denselayer${i}`, () => concatenate('concat')(features, layer(features)));
      }
      return features;
    });
}

const normThenConv = (
  filters: number,
  { kernel, bias, place }: { kernel: number; bias: boolean; place: number },
): Block[] => [
  batchNorm(`norm${place}`),
  relu(`relu${place}`),
  conv(filters, { kernel, padding: (kernel - 1) / 2, bias, name: `conv${place}` }),
];

/**
 * Batch norm, ReLU, 1×1 convolution to `filters` channels and 2×2 average pool: `[batch, h, w, c]`
 * → `[batch, ⌊h / 2⌋, ⌊w / 2⌋, filters]`.
 * @param filters @default half of the channels
 * @param options.bias whether the convolution has a bias @default true
 * @param options.name scope of the names of its layers @default none
 */
export function transitionBlock(
  filters?: number,
  { bias = true, name }: { bias?: boolean; name?: string } = {},
): Block {
  return (x) =>
    scope(numbered('transition', name), () => {
      const half = Math.floor((shapeOf(x).at(-1) ?? 2) / 2);
      return chain(
        batchNorm('norm'),
        relu('relu'),
        conv(filters ?? half, { kernel: 1, bias, name: 'conv' }),
        averagePool({ size: 2, name: 'pool' }),
      )(x);
    });
}

/**
 * torchvision's DenseNets: layers of each dense block, channels that each layer adds, output
 * channels of the stem. The comments give the parameters for 1,000 classes.
 */
export const DENSENETS = {
  densenet121: { depths: [6, 12, 24, 16], growthRate: 32, stem: 64 }, //   8.0 M
  densenet161: { depths: [6, 12, 36, 24], growthRate: 48, stem: 96 }, //  28.7 M
  densenet169: { depths: [6, 12, 32, 32], growthRate: 32, stem: 64 }, //  14.1 M
  densenet201: { depths: [6, 12, 48, 32], growthRate: 32, stem: 64 }, //  20.0 M
} as const;
const BOOK = { depths: [4, 4, 4, 4], growthRate: 32, stem: 64 };

export type DenseNetName = keyof typeof DENSENETS;

const modelOptions = rule.object(modelRules);
const isLast = (i: number, depths: readonly number[]) => i === depths.length - 1;

/**
 * Builds a DenseNet of torchvision: `[batch, height, width, channels]` → logits `[batch,
 * numClasses]`.
 */
export function densenet(name: DenseNetName, options: ModelOptions = {}): LayersModel {
  const { numClasses, ...rest } = withDefaults(
    { inputShape: [224, 224, 3] as ImageShape, numClasses: 1000, init: 'he-normal' as const },
    checkOptions(`[models] ${name}`, modelOptions, options),
  );
  const { depths, growthRate, stem } = DENSENETS[name];
  const bias = false;
  const stages = depths.flatMap((depth, i) => [
    denseBlock(depth, growthRate, { bottleneck: 4, bias, name: `denseblock${i + 1}` }),
    ...(isLast(i, depths)
      ? []
      : [transitionBlock(undefined, { bias, name: `transition${i + 1}` })]),
  ]);
  const first = residualStem(stem, { bias, names: ['', 'conv0', 'norm0', 'relu0', 'pool0'] });
  const end = chain(batchNorm('norm5'), relu('relu5'));
  const features = [first, ...stages, end].map(
    (block): Block =>
      (x) =>
        scope('features', () => block(x)),
  );
  const head = chain(globalAveragePool('avgpool'), dense(numClasses, 'classifier'));
  return sequential([...features, head], { name, ...rest });
}

/**
 * Builds the book's DenseNet, four blocks of four: `[batch, height, width, channels]` → logits
 * `[batch, numClasses]`.
 */
export function bookDensenet(options: ModelOptions = {}): LayersModel {
  const { numClasses, ...rest } = withDefaults(
    { inputShape: [96, 96, 1] as ImageShape, numClasses: 10 },
    checkOptions('[models] book.densenet', modelOptions, options),
  );
  const { depths, growthRate, stem } = BOOK;
  const stages = depths.map((depth, i): Block => {
    const block = denseBlock(depth, growthRate, { name: 'dense' });
    const all = isLast(i, depths)
      ? [block]
      : [block, transitionBlock(undefined, { name: 'transition' })];
    return (x) => scope(`stage${i + 1}`, () => chain(...all)(x));
  });
  const last = [
    batchNorm('bn'),
    relu('relu'),
    globalAveragePool('pool'),
    dense(numClasses, 'dense'),
  ];
  const head: Block = (x) => scope('head', () => chain(...last)(x));
  return sequential([residualStem(stem), ...stages, head], { name: 'book/densenet', ...rest });
}
