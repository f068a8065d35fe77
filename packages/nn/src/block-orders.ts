/**
 * How a residual block arranges convolution, batch normalization and ReLU: He et al. 2016,
 * "Identity mappings in deep residual networks", https://arxiv.org/abs/1603.05027, figure 4. x is
 * the block's input, g its branch, h its output.
 */

/** One step of a block: batch normalization or ReLU. */
export type Step = 'norm' | 'relu';

export interface BlockOrder {
  /** Before each convolution. */
  readonly before: readonly Step[];
  /** After each convolution but the last. */
  readonly between: readonly Step[];
  /** After the last convolution, before the sum. */
  readonly last: readonly Step[];
  /** After the sum. */
  readonly sum: readonly Step[];
  /** After the last block of the model, in place of the next block's `before`. */
  readonly end: readonly Step[];
  /** Whether this order normalizes the projection, in models with `normalizedProjection`. */
  readonly normalizedProjection: boolean;
}

export const BLOCK_ORDERS = {
  // (a) h = relu(x + g(x)), g: convolution, norm, relu, convolution, norm
  original: {
    before: [],
    between: ['norm', 'relu'],
    last: ['norm'],
    sum: ['relu'],
    end: [],
    normalizedProjection: true,
  },
  // (b) h = relu(norm(x + g(x))), g: convolution, norm, relu, convolution
  'bn-after-addition': {
    before: [],
    between: ['norm', 'relu'],
    last: [],
    sum: ['norm', 'relu'],
    end: [],
    normalizedProjection: false,
  },
  // (c) h = x + g(x), g: convolution, norm, relu, convolution, norm, relu: the branch only ever
  // adds
  'relu-before-addition': {
    before: [],
    between: ['norm', 'relu'],
    last: ['norm', 'relu'],
    sum: [],
    end: [],
    normalizedProjection: true,
  },
  // (d) h = x + g(x), g: relu, convolution, norm, relu, convolution, norm
  'relu-only-pre-activation': {
    before: ['relu'],
    between: ['norm'],
    last: ['norm'],
    sum: [],
    end: ['relu'],
    normalizedProjection: true,
  },
  // (e) h = x + g(x), g: norm, relu, convolution, norm, relu, convolution
  'full-pre-activation': {
    before: ['norm', 'relu'],
    between: [],
    last: [],
    sum: [],
    end: ['norm', 'relu'],
    normalizedProjection: false,
  },
} as const satisfies Record<string, BlockOrder>;

export type BlockOrderName = keyof typeof BLOCK_ORDERS;
export const BLOCK_ORDER_NAMES = Object.keys(BLOCK_ORDERS) as [BlockOrderName, ...BlockOrderName[]];
