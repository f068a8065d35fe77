/** Stages of residual blocks, and the stems and heads of residual models. */
import { checkOptions, rule } from '@deepend/core';
import { BLOCK_ORDER_NAMES, BLOCK_ORDERS, type BlockOrderName } from './block-orders';
import {
  type Block,
  batchNorm,
  chain,
  conv,
  dense,
  globalAveragePool,
  maxPool,
  relu,
  shapeOf,
} from './layers';
import { numbered, scope } from './naming';
import { type BlockOptions, blockRules, residual, type Shortcut } from './residual';

export interface ResidualStageOptions extends BlockOptions {
  /**
   * Whether this is the first stage of a model: it does not halve the image, and its input is
   * already activated by the stem. @default false
   */
  firstBlock?: boolean;
  /** Stride of the first block. @default 1 for the first stage, else 2 */
  stride?: number;
  /**
   * What the shortcut does where a block changes height, width or channels. @default 'B', a
   * projection
   */
  shortcut?: Shortcut;
  /**
   * Probability for each block with which training drops its branch, in place of `dropRate`.
   * @default `dropRate` for each
   */
  dropRates?: readonly number[];
  /** Scope of the names of its layers. @default none */
  name?: string;
  /** Name of each block, from its index (the first is 0). @default block1, block2, ... */
  blockName?: (place: number) => string;
}

export const stageRules = {
  ...blockRules,
  firstBlock: rule.boolean().optional(),
  stride: rule.positiveInteger().optional(),
  shortcut: rule.oneOf(['A', 'B', 'C']).optional(),
  dropRates: rule.list(rule.fraction(), 'a list of probabilities').optional(),
  name: rule.string().optional(),
  blockName: rule.func<(place: number) => string>().optional(),
};

const stageOptions = rule.object(stageRules);

/**
 * `depth` residual blocks of `filters` output channels. The first block halves height and width
 * (not with `firstBlock`) and changes the channels to `filters`: `[batch, h, w, c]` → `[batch, ⌈h /
 * 2⌉, ⌈w / 2⌉, filters]`.
 */
export function residualStage(
  filters: number,
  depth: number,
  options: ResidualStageOptions = {},
): Block {
  const checked = checkOptions('[nn] residualStage', stageOptions, options) as ResidualStageOptions;
  const {
    firstBlock = false,
    shortcut = 'B',
    dropRates,
    name,
    blockName = (i) => `block${i + 1}`,
    ...rest
  } = checked;
  const { stride: first = firstBlock ? 1 : 2, ...common } = rest;
  const blocks = Array.from(
    { length: depth },
    (_, i): Block =>
      (x) => {
        const stride = i === 0 ? first : 1;
        const changes = stride !== 1 || shapeOf(x).at(-1) !== filters;
        const dropRate = dropRates?.[i] ?? common.dropRate ?? 0;
        return residual(filters, {
          ...common,
          dropRate,
          stride,
          projection: shortcut === 'C' || (changes && shortcut === 'B'),
          zeroPadding: changes && shortcut === 'A',
          activated: firstBlock && i === 0,
          name: blockName(i),
        })(x);
      },
  );
  return (x) => scope(numbered('stage', name), () => chain(...blocks)(x));
}

/**
 * Ends a model of pre-activated blocks, with the normalization and ReLU that their order leaves to
 * the next block; adds no layer for the other orders.
 * @param names.norm the normalization's name @default TensorFlow.js's
 * @param names.relu the ReLU's name @default TensorFlow.js's
 */
export function residualEnd(
  blockOrder: BlockOrderName = 'original',
  names: { norm?: string; relu?: string } = {},
): Block {
  checkOptions('[nn] residualEnd', rule.object({ blockOrder: rule.oneOf(BLOCK_ORDER_NAMES) }), {
    blockOrder,
  });
  const { norm = 'bn', relu: activation = 'relu' } = names;
  const steps = BLOCK_ORDERS[blockOrder].end.map((step) =>
    step === 'norm' ? batchNorm(norm) : relu(activation),
  );
  return (x) => chain(...steps)(x);
}

export interface StemOptions {
  /** Whether the convolution has a bias. @default true, as in the book */
  bias?: boolean;
  /** Names of the scope and of the layers. @default stem.conv, stem.bn, stem.relu, stem.pool */
  names?: readonly [scope: string, conv: string, norm: string, relu: string, pool: string];
}

const STEM_NAMES = ['stem', 'conv', 'bn', 'relu', 'pool'] as const;

/**
 * The stem for photographs: 7×7 convolution at stride 2, batch norm, ReLU, 3×3 max-pool at stride
 * 2: height and width become a quarter.
 */
export function residualStem(
  filters = 64,
  { bias = true, names = STEM_NAMES }: StemOptions = {},
): Block {
  const [place, convName, normName, reluName, poolName] = names;
  const first = cifarParts(filters, {
    kernel: 7,
    stride: 2,
    bias,
    names: [convName, normName, reluName],
  });
  return (x) =>
    scope(place, () =>
      chain(first, maxPool({ size: 3, stride: 2, padding: 1, name: poolName }))(x),
    );
}

/**
 * The stem for small images, He et al. 2015, section 4.2: 3×3 convolution, batch norm, ReLU; height
 * and width stay.
 */
export function cifarStem(
  filters = 64,
  { bias = true, names = STEM_NAMES }: StemOptions = {},
): Block {
  const [place, convName, normName, reluName] = names;
  return (x) =>
    scope(place, () =>
      cifarParts(filters, { kernel: 3, bias, names: [convName, normName, reluName] })(x),
    );
}

type First = {
  kernel: number;
  stride?: number;
  bias: boolean;
  names: readonly [string, string, string];
};

/** Convolution (padded by half the kernel), batch norm, ReLU. */
const cifarParts = (
  filters: number,
  { kernel, stride = 1, bias, names: [convName, normName, reluName] }: First,
): Block =>
  chain(
    conv(filters, { kernel, stride, padding: (kernel - 1) / 2, bias, name: convName }),
    batchNorm(normName),
    relu(reluName),
  );

/**
 * Global average pool and a linear layer: `[batch, height, width, channels]` → logits `[batch,
 * numClasses]`.
 * @param options.names of the scope and of its two layers @default ['head', 'pool', 'dense']
 */
export function classifier(
  numClasses: number,
  {
    names = ['head', 'pool', 'dense'],
  }: { names?: readonly [scope: string, pool: string, dense: string] } = {},
): Block {
  const [place, pool, linear] = names;
  return (x) => scope(place, () => chain(globalAveragePool(pool), dense(numClasses, linear))(x));
}
