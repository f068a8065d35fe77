/** ConvNeXt, Liu et al. 2022, https://arxiv.org/abs/2201.03545, as torchvision builds it. */
import { checkOptions, rule } from '@deepend/core';
import {
  add,
  type Block,
  chain,
  conv,
  dense,
  depthwiseConv,
  dropPath,
  gelu,
  globalAveragePool,
  type ImageShape,
  layerNorm,
  layerScale,
  type ModelOptions,
  modelRules,
  modules,
  type NamedLayer,
  namedLayer,
  numbered,
  scope,
  sequential,
  shapeOf,
  withDefaults,
} from '@deepend/nn';
import type { LayersModel } from '@tensorflow/tfjs-layers';

export interface ConvNextSpec {
  /** Number of blocks of each stage. */
  readonly depths: readonly number[];
  /** Channels of each stage. */
  readonly filters: readonly number[];
  /** The default of `stochasticDepth`. */
  readonly stochasticDepth: number;
}

export const CONVNEXTS = {
  //                                                                            28.6 M parameters
  convnext_tiny: { depths: [3, 3, 9, 3], filters: [96, 192, 384, 768], stochasticDepth: 0.1 },
} as const satisfies Record<string, ConvNextSpec>;

export type ConvNextName = keyof typeof CONVNEXTS;

const norm = namedLayer('ln', (name) => layerNorm(name, { epsilon: 1e-6 }));

export interface ConvNextBlockOptions {
  /** Factor of each channel of the branch in a new model. @default 1e-6 */
  layerScale?: number;
  /**
   * Probability, in [0, 1), with which training drops the whole branch of a sample. @default 0
   */
  dropRate?: number;
  /** Scope of the names of its layers. @default none */
  name?: string;
}

const blockOptions = rule.object({
  layerScale: rule.positiveNumber().optional(),
  dropRate: rule.fraction().optional(),
  name: rule.string().optional(),
});

/**
 * 7×7 depthwise convolution, layer normalization, and a linear layer to four times the channels,
 * GELU and a linear layer back, at each pixel; the branch is scaled and added to the input:
 * `[batch, h, w, c]` → the same shape.
 */
export function convNextBlock(options: ConvNextBlockOptions = {}): Block {
  const {
    layerScale: initial = 1e-6,
    dropRate = 0,
    name,
  } = checkOptions('[models] convNextBlock', blockOptions, options);
  return (x) =>
    scope(numbered('block', name), () => {
      const channels = shapeOf(x).at(-1) ?? 1;
      // PyTorch's modules 1 and 6 put the channels last, and first again.
      const branch = chain(
        depthwiseConv({ kernel: 7, padding: 3, name: 'block.0' }),
        norm.make('block.2'),
        dense(4 * channels, 'block.3'),
        gelu('block.4'),
        dense(channels, 'block.5'),
        layerScale('layer_scale', { initial }),
        dropPath(dropRate, 'stochastic_depth'),
      );
      return add('add')(branch(x), x);
    });
}

export interface ConvNextOptions extends ModelOptions {
  /** Factor of each channel of a block's branch in a new model. @default 1e-6 */
  layerScale?: number;
  /**
   * Probability, in [0, 1), with which training drops the last block's branch; it grows linearly
   * from 0 at the first block. @default 0.1
   */
  stochasticDepth?: number;
}

const convNextOptions = rule.object({
  ...modelRules,
  layerScale: rule.positiveNumber().optional(),
  stochasticDepth: rule.fraction().optional(),
});

/** The stages: all but the first begin by halving the image. */
function stages(
  { depths, filters }: ConvNextSpec,
  {
    stochasticDepth,
    layerScale,
  }: Required<Pick<ConvNextOptions, 'stochasticDepth' | 'layerScale'>>,
): NamedLayer[] {
  const last = depths.reduce((a, b) => a + b, 0) - 1;
  let blocks = 0;
  return depths.flatMap((depth, stage) => {
    const made = Array.from({ length: depth }, () => {
      const dropRate = (stochasticDepth * blocks++) / last;
      return namedLayer('block', (name) => convNextBlock({ layerScale, dropRate, name }));
    });
    const halving = [
      norm,
      namedLayer('conv', (name) => conv(filters[stage] ?? 1, { kernel: 2, stride: 2, name })),
    ];
    return [
      ...(stage === 0 ? [] : [namedLayer('halving', (name) => modules(name, halving))]),
      namedLayer('stage', (name) => modules(name, made)),
    ];
  });
}

/**
 * Builds torchvision's ConvNeXt: `[batch, height, width, channels]` → logits `[batch,
 * numClasses]`.
 */
export function convnext(name: ConvNextName, options: ConvNextOptions = {}): LayersModel {
  const spec = CONVNEXTS[name];
  const { numClasses, stochasticDepth, layerScale, ...rest } = withDefaults(
    {
      inputShape: [224, 224, 3] as ImageShape,
      numClasses: 1000,
      init: 'he-normal' as const,
      layerScale: 1e-6,
      stochasticDepth: spec.stochasticDepth as number,
    },
    checkOptions(`[models] ${name}`, convNextOptions, options),
  );
  const stem = [
    namedLayer('conv', (at) => conv(spec.filters[0], { kernel: 4, stride: 4, name: at })),
    norm,
  ];
  const features = [
    namedLayer('stem', (at) => modules(at, stem)),
    ...stages(spec, { stochasticDepth, layerScale }),
  ];
  const head: Block = (x) =>
    scope('classifier', () => chain(norm.make('0'), dense(numClasses, '2'))(x));
  return sequential([modules('features', features), globalAveragePool('avgpool'), head], {
    name,
    ...rest,
  });
}
