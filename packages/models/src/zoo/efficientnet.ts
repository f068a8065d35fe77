/** EfficientNet, Tan & Le 2019, https://arxiv.org/abs/1905.11946, as torchvision builds it. */
import { checkOptions, rule } from '@deepend/core';
import {
  add,
  type Block,
  conv,
  dense,
  depthwiseConv,
  dropout,
  dropPath,
  globalAveragePool,
  type ImageShape,
  type ModelOptions,
  modelRules,
  modules,
  type NamedLayer,
  namedLayer,
  numbered,
  scope,
  sequential,
  shapeOf,
  squeezeExcitation,
  swish,
  withDefaults,
} from '@deepend/nn';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { convNormActivation, toEights } from './mobilenet';

export interface EfficientNetSpec {
  /** Factor of all numbers of channels, which are then rounded to multiples of 8. */
  readonly width: number;
  /** Factor of the number of blocks of each stage, rounded up. */
  readonly depth: number;
  /** Dropout rate before the linear layer. */
  readonly dropout: number;
}

export const EFFICIENTNETS = {
  efficientnet_b0: { width: 1, depth: 1, dropout: 0.2 }, //   5.3 M parameters
} as const satisfies Record<string, EfficientNetSpec>;

export type EfficientNetName = keyof typeof EFFICIENTNETS;

/**
 * One row per stage of B0: the expansion of channels inside a block, size of the depthwise kernel,
 * stride of the first block, output channels, and number of blocks.
 */
const STAGES: readonly (readonly [
  expansion: number,
  kernel: number,
  stride: number,
  filters: number,
  depth: number,
])[] = [
  [1, 3, 1, 16, 1],
  [6, 3, 2, 24, 2],
  [6, 5, 2, 40, 2],
  [6, 3, 2, 80, 3],
  [6, 5, 1, 112, 3],
  [6, 5, 2, 192, 4],
  [6, 3, 1, 320, 1],
];
const FIRST = 32;

const SILU = namedLayer('swish', swish);
const unit = (make: (name: string) => Block) => convNormActivation(make, SILU);

export interface MbConvOptions {
  /** Ratio of the channels inside the block to its input channels. @default 6 */
  expansion?: number;
  /** Height and width of the depthwise kernel, an odd number of pixels. @default 3 */
  kernel?: number;
  /** @default 1 */
  stride?: number;
  /**
   * Probability, in [0, 1), with which training drops the whole branch of a sample, where the block
   * has a shortcut. @default 0
   */
  dropRate?: number;
  /** Scope of the names of its layers. @default none */
  name?: string;
}

const blockOptions = rule.object({
  expansion: rule.positiveInteger().optional(),
  kernel: rule
    .custom<number>((n) => Number(n) % 2 === 1 && Number(n) > 0, 'an odd integer of at least 1')
    .optional(),
  stride: rule.positiveInteger().optional(),
  dropRate: rule.fraction().optional(),
  name: rule.string().optional(),
});

/**
 * MobileNetV2's inverted residual with squeeze-and-excitation and SiLU: 1×1 convolution to
 * `expansion` times the channels, depthwise convolution, squeeze-and-excitation with a quarter of
 * the input channels as hidden units, 1×1 convolution to `filters` channels without activation; a
 * shortcut where input and output have the same shape. `[batch, h, w, c]` → `[batch, ⌈h / stride⌉,
 * ⌈w / stride⌉, filters]`.
 */
export function mbConv(filters: number, options: MbConvOptions = {}): Block {
  const {
    expansion = 6,
    kernel = 3,
    stride = 1,
    dropRate = 0,
    name,
  } = checkOptions('[models] mbConv', blockOptions, options);
  return (x) =>
    scope(numbered('block', name), () => {
      const channels = shapeOf(x).at(-1) ?? 1;
      const wide = channels * expansion;
      const ratio = wide / Math.max(1, Math.floor(channels / 4));
      const padding = (kernel - 1) / 2;
      const parts = [
        ...(expansion === 1
          ? []
          : [unit((at) => conv(wide, { kernel: 1, bias: false, name: at }))]),
        unit((at) => depthwiseConv({ kernel, stride, padding, bias: false, name: at })),
        namedLayer('se', (at) => squeezeExcitation(ratio, { name: at, activation: 'swish' })),
        convNormActivation((at) => conv(filters, { kernel: 1, bias: false, name: at })),
      ];
      const y = modules('block', parts)(x); // [batch, ⌈h / stride⌉, ⌈w / stride⌉, filters]
      if (stride !== 1 || channels !== filters) return y;
      return add('add')(dropPath(dropRate, 'stochastic_depth')(y), x);
    });
}

export interface EfficientNetOptions extends ModelOptions {
  /** Dropout rate before the linear layer, in [0, 1). @default 0.2 */
  dropout?: number;
  /**
   * Probability, in [0, 1), with which training drops the branch of a block after the last; it
   * grows linearly from 0 at the first block. @default 0.2
   */
  stochasticDepth?: number;
}

const efficientNetOptions = rule.object({
  ...modelRules,
  dropout: rule.fraction().optional(),
  stochasticDepth: rule.fraction().optional(),
});

/** The stages' blocks, each with its share of the stochastic depth. */
function stages({ width, depth }: EfficientNetSpec, stochasticDepth: number): NamedLayer[] {
  const depths = STAGES.map((row) => Math.ceil(row[4] * depth));
  const total = depths.reduce((a, b) => a + b, 0);
  let blocks = 0;
  return STAGES.map(([expansion, kernel, first, channels], stage) => {
    const filters = toEights(channels * width);
    const made = Array.from({ length: depths[stage] as number }, (_, i) => {
      const shape = { expansion, kernel, stride: i === 0 ? first : 1 };
      const dropRate = (stochasticDepth * blocks++) / total;
      return namedLayer('block', (name) => mbConv(filters, { ...shape, dropRate, name }));
    });
    return namedLayer('stage', (name) => modules(name, made));
  });
}

/**
 * Builds torchvision's EfficientNet: `[batch, height, width, channels]` → logits `[batch,
 * numClasses]`.
 */
export function efficientnet(
  name: EfficientNetName,
  options: EfficientNetOptions = {},
): LayersModel {
  const spec = EFFICIENTNETS[name];
  const {
    numClasses,
    stochasticDepth,
    dropout: p,
    ...rest
  } = withDefaults(
    {
      inputShape: [224, 224, 3] as ImageShape,
      numClasses: 1000,
      init: 'he-normal' as const,
      dropout: spec.dropout,
      stochasticDepth: 0.2,
    },
    checkOptions(`[models] ${name}`, efficientNetOptions, options),
  );
  const stem = { kernel: 3, stride: 2, padding: 1, bias: false };
  const last = 4 * toEights((STAGES.at(-1)?.[3] ?? 1) * spec.width);
  const features = [
    unit((at) => conv(toEights(FIRST * spec.width), { ...stem, name: at })),
    ...stages(spec, stochasticDepth),
    unit((at) => conv(last, { kernel: 1, bias: false, name: at })),
  ];
  const head = modules('classifier', [
    namedLayer('dropout', (at) => dropout(p, at)),
    namedLayer('dense', (at) => dense(numClasses, at)),
  ]);
  return sequential([modules('features', features), globalAveragePool('avgpool'), head], {
    name,
    ...rest,
  });
}
