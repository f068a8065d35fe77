/** MobileNetV2, Sandler et al. 2018, https://arxiv.org/abs/1801.04381, as torchvision builds it. */
import { checkOptions, rule } from '@deepend/core';
import {
  add,
  type Block,
  batchNorm,
  conv,
  dense,
  depthwiseConv,
  dropout,
  globalAveragePool,
  type ImageShape,
  type ModelOptions,
  modelRules,
  modules,
  type NamedLayer,
  namedLayer,
  numbered,
  relu6,
  scope,
  sequential,
  shapeOf,
  withDefaults,
} from '@deepend/nn';
import type { LayersModel } from '@tensorflow/tfjs-layers';

/**
 * One row per stage: the expansion of channels inside a block, output channels, number of blocks,
 * and the stride of the first block.
 */
const STAGES: readonly (readonly [
  expansion: number,
  filters: number,
  depth: number,
  stride: number,
])[] = [
  [1, 16, 1, 1],
  [6, 24, 2, 2],
  [6, 32, 3, 2],
  [6, 64, 4, 2],
  [6, 96, 3, 1],
  [6, 160, 3, 2],
  [6, 320, 1, 1],
];
const [FIRST, LAST] = [32, 1280];

/**
 * Convolution, batch norm, and an activation if there is one: modules 0, 1 and 2 of torchvision's
 * `Conv2dNormActivation`.
 */
export const convNormActivation = (
  make: (name: string) => Block,
  activation?: NamedLayer,
): NamedLayer =>
  namedLayer('unit', (name) =>
    modules(name, [
      namedLayer('conv', make),
      namedLayer('bn', (bn) => batchNorm(bn)),
      ...(activation ? [activation] : []),
    ]),
  );

const RELU6 = namedLayer('relu', relu6);
const unit = (make: (name: string) => Block) => convNormActivation(make, RELU6);

export interface InvertedResidualOptions {
  /** Ratio of the channels inside the block to its input channels. @default 6 */
  expansion?: number;
  /** @default 1 */
  stride?: number;
  /** Scope of the names of its layers. @default none */
  name?: string;
}

const blockOptions = rule.object({
  expansion: rule.positiveInteger().optional(),
  stride: rule.positiveInteger().optional(),
  name: rule.string().optional(),
});

/**
 * 1×1 convolution to `expansion` times the channels, 3×3 depthwise convolution, 1×1 convolution to
 * `filters` channels without activation; a shortcut where input and output have the same shape.
 * `[batch, h, w, c]` → `[batch, ⌈h / stride⌉, ⌈w / stride⌉, filters]`.
 */
export function invertedResidual(filters: number, options: InvertedResidualOptions = {}): Block {
  const {
    expansion = 6,
    stride = 1,
    name,
  } = checkOptions('[models] invertedResidual', blockOptions, options);
  return (x) =>
    scope(numbered('block', name), () => {
      const channels = shapeOf(x).at(-1) ?? 1;
      const parts = [
        ...(expansion === 1
          ? []
          : [unit((at) => conv(channels * expansion, { kernel: 1, bias: false, name: at }))]),
        unit((at) => depthwiseConv({ kernel: 3, stride, padding: 1, bias: false, name: at })),
        namedLayer('conv', (at) => conv(filters, { kernel: 1, bias: false, name: at })),
        namedLayer('bn', (at) => batchNorm(at)),
      ];
      const y = modules('conv', parts)(x); // [batch, ⌈h / stride⌉, ⌈w / stride⌉, filters]
      return stride === 1 && channels === filters ? add('add')(x, y) : y;
    });
}

export interface MobileNetOptions extends ModelOptions {
  /** Factor of all numbers of channels, which are then rounded to multiples of 8. @default 1 */
  widthMultiplier?: number;
  /** Dropout rate before the linear layer, in [0, 1). @default 0.2 */
  dropout?: number;
}

const mobileNetOptions = rule.object({
  ...modelRules,
  widthMultiplier: rule.positiveNumber().optional(),
  dropout: rule.fraction().optional(),
});

/**
 * Rounds to the nearest multiple of 8 that is at least 8 and at least 0.9 times the number, as the
 * authors' code does.
 */
export function toEights(channels: number): number {
  const rounded = Math.max(8, Math.floor((channels + 4) / 8) * 8);
  return rounded < 0.9 * channels ? rounded + 8 : rounded;
}

/**
 * Builds torchvision's MobileNetV2: `[batch, height, width, channels]` → logits `[batch,
 * numClasses]`.
 */
export function mobilenet_v2(options: MobileNetOptions = {}): LayersModel {
  const {
    numClasses,
    widthMultiplier,
    dropout: p,
    ...rest
  } = withDefaults(
    {
      inputShape: [224, 224, 3] as ImageShape,
      numClasses: 1000,
      init: 'he-normal' as const,
      widthMultiplier: 1,
      dropout: 0.2,
    },
    checkOptions('[models] mobilenet_v2', mobileNetOptions, options),
  );
  const stages = STAGES.flatMap(([expansion, filters, depth, first]) =>
    Array.from({ length: depth }, (_, i) =>
      namedLayer('block', (name) =>
        invertedResidual(toEights(filters * widthMultiplier), {
          expansion,
          stride: i === 0 ? first : 1,
          name,
        }),
      ),
    ),
  );
  const last = toEights(LAST * Math.max(1, widthMultiplier));
  const features = [
    unit((name) =>
      conv(toEights(FIRST * widthMultiplier), {
        kernel: 3,
        stride: 2,
        padding: 1,
        bias: false,
        name,
      }),
    ),
    ...stages,
    unit((name) => conv(last, { kernel: 1, bias: false, name })),
  ];
  const head = modules('classifier', [
    namedLayer('dropout', (name) => dropout(p, name)),
    namedLayer('dense', (name) => dense(numClasses, name)),
  ]);
  return sequential([modules('features', features), globalAveragePool('avgpool'), head], {
    name: 'mobilenet_v2',
    ...rest,
  });
}
