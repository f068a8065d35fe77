/**
 * Residual blocks: He et al. 2015, https://arxiv.org/abs/1512.03385; ResNeXt's groups: Xie et al.
 * 2016, https://arxiv.org/abs/1611.05431. The defaults are those of the book (Dive into Deep
 * Learning, chapter 8.6): biased convolutions, no normalization on the projection.
 */
import { checkOptions, rule } from '@deepend/core';
import {
  BLOCK_ORDER_NAMES,
  BLOCK_ORDERS,
  type BlockOrder,
  type BlockOrderName,
  type Step,
} from './block-orders';
import {
  add,
  averagePool,
  type Block,
  batchNorm,
  type ConvOptions,
  chain,
  conv,
  dropPath,
  padChannels,
  relu,
  shapeOf,
} from './layers';
import { numbered, scope } from './naming';
import { squeezeExcitation } from './squeeze-excitation';

/**
 * What the shortcut does where a block changes height, width or channels: `A` takes every stride-th
 * pixel and adds channels of zeros, which needs no parameters; `B` projects by a 1×1 convolution;
 * `C` projects in every block, changed or not. He et al. 2015, section 4.1.
 */
export type Shortcut = 'A' | 'B' | 'C';

/** Options that the blocks of a model share. */
export interface BlockOptions {
  /** `basic`: two 3×3 convolutions; `bottleneck`: 1×1, 3×3 and 1×1. @default 'basic' */
  block?: 'basic' | 'bottleneck';
  /** The order of convolution, normalization and ReLU. @default 'original' */
  blockOrder?: BlockOrderName;
  /** Output channels of a bottleneck's 3×3 convolution. @default a quarter of the filters */
  width?: number;
  /** Groups of the bottleneck's 3×3 convolution. @default 1 */
  groups?: number;
  /**
   * Whether the convolutions have biases. @default true, as in the book; torchvision's have none
   */
  bias?: boolean;
  /**
   * Whether a batch normalization follows the projection. @default false, as in the book;
   * torchvision's have one
   */
  normalizedProjection?: boolean;
  /**
   * Initializes the factor of the branch's last normalization with 0, so that each block starts as
   * the identity. @default false
   */
  zeroInitResidual?: boolean;
  /** Probability, in [0, 1), with which training drops the whole branch of a sample. @default 0 */
  dropRate?: number;
  /**
   * Adds a squeeze-and-excitation at the end of the branch, with channels / squeezeRatio hidden
   * units; 16 in the paper. @default none
   */
  squeezeRatio?: number;
  /**
   * Names of the layers on the shortcut. @default the numbers after those of the branch: `conv3`,
   * `bn3` in a basic block
   */
  projectionNames?: readonly [conv: string, norm: string];
}

export interface ResidualOptions extends BlockOptions {
  /**
   * Whether a 1×1 convolution is on the shortcut. It is needed where the channels or the stride
   * change. @default false
   */
  projection?: boolean;
  /**
   * Whether a shortcut without projection takes every stride-th pixel and adds channels of zeros.
   * @default false
   */
  zeroPadding?: boolean;
  /** Stride of the first 3×3 convolution and of the shortcut. @default 1 */
  stride?: number;
  /**
   * Whether the input is already activated, as the output of a stem is; the block then skips its
   * pre-activation. @default false
   */
  activated?: boolean;
  /** Scope of the names of its layers. @default none */
  name?: string;
}

export const blockRules = {
  block: rule.oneOf(['basic', 'bottleneck']).optional(),
  blockOrder: rule.oneOf(BLOCK_ORDER_NAMES).optional(),
  width: rule.positiveInteger().optional(),
  groups: rule.positiveInteger().optional(),
  bias: rule.boolean().optional(),
  normalizedProjection: rule.boolean().optional(),
  zeroInitResidual: rule.boolean().optional(),
  dropRate: rule.fraction().optional(),
  squeezeRatio: rule.positiveInteger().optional(),
  projectionNames: rule.list(rule.string(), 'the names of two layers', { length: 2 }).optional(),
};

const residualOptions = rule.object({
  ...blockRules,
  projection: rule.boolean().optional(),
  zeroPadding: rule.boolean().optional(),
  stride: rule.positiveInteger().optional(),
  activated: rule.boolean().optional(),
  name: rule.string().optional(),
});

type Convolution = Pick<ConvOptions, 'kernel' | 'stride' | 'padding' | 'groups'> & {
  filters: number;
};

/** The convolutions of the branch, by the kind of block. */
const CONVOLUTIONS: Record<
  'basic' | 'bottleneck',
  (filters: number, options: { stride: number; width: number; groups: number }) => Convolution[]
> = {
  basic: (filters, { stride }) => [
    { filters, kernel: 3, stride, padding: 1 },
    { filters, kernel: 3, padding: 1 },
  ],
  // The stride is on the 3×3 convolution, as in torchvision and the book; He et al. had it on the
  // first 1×1.
  bottleneck: (filters, { stride, width, groups }) => [
    { filters: width, kernel: 1 },
    { filters: width, kernel: 3, stride, padding: 1, groups },
    { filters, kernel: 1 },
  ],
};

/**
 * A residual block of `filters` output channels: `[batch, h, w, c]` → `[batch, ⌈h / stride⌉, ⌈w /
 * stride⌉, filters]`. By default the book's block: f(x) = relu(x + g(x)), where g is 3×3
 * convolution, batch norm, ReLU, 3×3 convolution, batch norm.
 * @throws TypeError or RangeError for options that contradict each other
 */
export function residual(filters: number, options: ResidualOptions = {}): Block {
  const checked = checkOptions('[nn] residual', residualOptions, options) as ResidualOptions;
  const {
    blockOrder = 'original',
    zeroInitResidual,
    projection = false,
    stride = 1,
    activated = false,
    name,
  } = checked;
  if (zeroInitResidual && blockOrder === 'bn-after-addition') {
    throw new RangeError(
      "[nn] residual: zeroInitResidual with 'bn-after-addition' would silence the shortcut " +
        'too; leave one of them out',
    );
  }
  const order: BlockOrder = BLOCK_ORDERS[blockOrder];
  return (x) =>
    scope(numbered('block', name), () => {
      const layers = new BlockLayers();
      const before = activated ? [] : order.before;
      // A projection gets the branch's input, He et al. 2016, section 3.2; an identity gets x.
      const shared = projection ? layers.steps(before)(x) : x;
      const branched = branch(filters, {
        ...checked,
        order,
        first: projection ? [] : before,
        layers,
      })(shared);
      const past = shortcut(filters, {
        ...checked,
        stride,
        order,
        convolutions: layers.convolutions,
      })(shared);
      // [batch, ⌈h / stride⌉, ⌈w / stride⌉, filters].
      return layers.steps(order.sum)(add('add')(branched, past));
    });
}

/**
 * Numbers the layers of one block by their kind, as PyTorch's blocks do: `conv1`, `bn1`, `relu1`,
 * `conv2`, ...
 */
class BlockLayers {
  convolutions = 0;
  #norms = 0;
  #relus = 0;

  conv({ filters, ...options }: Convolution, bias: boolean): Block {
    return conv(filters, { ...options, bias, name: `conv${++this.convolutions}` });
  }

  steps(steps: readonly Step[], { zero = false }: { zero?: boolean } = {}): Block {
    return chain(
      ...steps.map((step) =>
        step === 'norm' ? batchNorm(`bn${++this.#norms}`, { zero }) : relu(`relu${++this.#relus}`),
      ),
    );
  }
}

type Branch = ResidualOptions & { order: BlockOrder; first: readonly Step[]; layers: BlockLayers };

function branch(filters: number, { order, first, layers, ...options }: Branch): Block {
  const {
    block = 'basic',
    stride = 1,
    bias = true,
    groups = 1,
    dropRate = 0,
    squeezeRatio,
    zeroInitResidual = false,
  } = options;
  const width = options.width ?? Math.max(1, Math.round(filters / 4));
  const convolutions = CONVOLUTIONS[block](filters, { stride, width, groups });
  const count = convolutions.length;
  const parts = convolutions.flatMap((convolution, i) => {
    const before = i === 0 ? first : order.before;
    const after = i < count - 1 ? order.between : order.last;
    // The last normalization of the branch comes after the last convolution or before it.
    const zeroAfter = zeroInitResidual && i === count - 1;
    const zeroBefore = zeroAfter && !order.last.includes('norm');
    return [
      layers.steps(before, { zero: zeroBefore }),
      layers.conv(convolution, bias),
      layers.steps(after, { zero: zeroAfter }),
    ];
  });
  const excite = squeezeRatio ? [squeezeExcitation(squeezeRatio, { name: 'se' })] : [];
  return chain(...parts, ...excite, dropPath(dropRate, 'drop'));
}

type Past = ResidualOptions & { stride: number; order: BlockOrder; convolutions: number };

function shortcut(filters: number, { order, stride, convolutions, ...options }: Past): Block {
  const {
    projection = false,
    zeroPadding = false,
    bias = true,
    normalizedProjection = false,
  } = options;
  const next = convolutions + 1;
  const [convName, normName] = options.projectionNames ?? [`conv${next}`, `bn${next}`];
  if (projection) {
    const project = conv(filters, { kernel: 1, stride, bias, name: convName });
    return normalizedProjection && order.normalizedProjection
      ? chain(project, batchNorm(normName))
      : project;
  }
  if (!zeroPadding) return (x) => x;
  return (x) => {
    // Every stride-th pixel.
    const thinned = stride === 1 ? x : averagePool({ size: 1, stride, name: 'thin' })(x);
    const more = filters - (shapeOf(x).at(-1) ?? filters);
    return more > 0 ? padChannels(more, 'pad')(thinned) : thinned;
  };
}
