/**
 * Network in network, Lin et al. 2013, https://arxiv.org/abs/1312.4400; in the book chapter 8.3.
 */
import { checkOptions, rule } from '@deepend/core';
import {
  type Block,
  chain,
  conv,
  dropout,
  globalAveragePool,
  type ImageShape,
  type ModelOptions,
  maxPool,
  modelRules,
  numbered,
  relu,
  scope,
  sequential,
  withDefaults,
} from '@deepend/nn';
import type { LayersModel } from '@tensorflow/tfjs-layers';

export interface NinBlockOptions {
  /**
   * Height and width of the first convolution's kernel.
   * @example 11
   */
  kernel: number;
  /** @default 1 */
  stride?: number;
  /** @default 0 */
  padding?: number;
  /** Scope of the names of its layers. @default none */
  name?: string;
}

const blockOptions = rule.object({
  kernel: rule.positiveInteger(),
  stride: rule.positiveInteger().optional(),
  padding: rule.nonNegativeInteger().optional(),
  name: rule.string().optional(),
});

/**
 * A convolution and two 1×1 convolutions (linear layers applied to each pixel), each with a ReLU:
 * `[batch, h, w, c]` → `[batch, h', w', filters]`.
 */
export function ninBlock(filters: number, options: NinBlockOptions): Block {
  const {
    kernel,
    stride = 1,
    padding = 0,
    name,
  } = checkOptions('[models] ninBlock', blockOptions, options);
  return (x) =>
    scope(numbered('block', name), () =>
      chain(
        conv(filters, { kernel, stride, padding, name: 'conv1' }),
        relu('relu1'),
        conv(filters, { kernel: 1, name: 'conv2' }),
        relu('relu2'),
        conv(filters, { kernel: 1, name: 'conv3' }),
        relu('relu3'),
      )(x),
    );
}

/**
 * One row per block: its filters and its first convolution. A 3×3 max-pool at stride 2 follows
 * each.
 */
const BLOCKS = [
  { filters: 96, kernel: 11, stride: 4, padding: 0 },
  { filters: 256, kernel: 5, stride: 1, padding: 2 },
  { filters: 384, kernel: 3, stride: 1, padding: 1 },
] as const;

export interface NinOptions extends ModelOptions {
  /** Dropout rate before the last block, in [0, 1). @default 0.5 */
  dropout?: number;
}

const ninOptions = rule.object({ ...modelRules, dropout: rule.fraction().optional() });

/**
 * Builds the book's NiN: `[batch, height, width, channels]` → logits `[batch, numClasses]`. It has
 * no linear layer.
 */
export function bookNin(options: NinOptions = {}): LayersModel {
  const {
    numClasses,
    dropout: p,
    ...rest
  } = withDefaults(
    { inputShape: [224, 224, 1] as ImageShape, numClasses: 10, dropout: 0.5 },
    checkOptions('[models] book.nin', ninOptions, options),
  );
  const stages = BLOCKS.map(({ filters, ...first }, i): Block => {
    const pool = maxPool({ size: 3, stride: 2, name: 'pool' });
    return (x) =>
      scope(`stage${i + 1}`, () => chain(ninBlock(filters, { ...first, name: '' }), pool)(x));
  });
  const last = chain(
    ninBlock(numClasses, { kernel: 3, padding: 1, name: '' }),
    globalAveragePool('pool'),
  );
  const head: Block = (x) => scope('head', () => chain(dropout(p, 'dropout'), last)(x));
  return sequential([...stages, head], { name: 'book/nin', ...rest });
}
