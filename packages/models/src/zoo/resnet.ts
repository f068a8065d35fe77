/**
 * ResNet and its family for NHWC images. He et al. 2015, https://arxiv.org/abs/1512.03385; block
 * orders: He et al. 2016, https://arxiv.org/abs/1603.05027; wide: Zagoruyko & Komodakis 2016,
 * https://arxiv.org/abs/1605.07146; ResNeXt: Xie et al. 2016, https://arxiv.org/abs/1611.05431.
 */
import { checkOptions, rule } from '@deepend/core';
import type { Block, BlockOptions, Init, Shortcut } from '@deepend/nn';
import {
  BLOCK_ORDER_NAMES,
  type BlockOrderName,
  cifarStem,
  classifier,
  type ImageShape,
  type ModelOptions,
  modelRules,
  residualEnd,
  residualStage,
  residualStem,
  sequential,
  withDefaults,
} from '@deepend/nn';
import type { LayersModel } from '@tensorflow/tfjs-layers';

/** The architecture of one model of the family. */
export interface ResNetSpec {
  readonly block: 'basic' | 'bottleneck';
  /** Blocks of each stage; a stage has twice the filters of the one before. */
  readonly depths: readonly number[];
  /** Output channels of the stem and of the first stage's 3×3 convolutions. @default 64 */
  readonly filters?: number;
  /**
   * Groups of a bottleneck's 3×3 convolution (@default 1), and the channels of one group in a stage
   * of 64 filters (@default 64).
   */
  readonly groups?: number;
  readonly groupWidth?: number;
}

/** torchvision's ResNets. The comments give the parameters for 1,000 classes. */
export const RESNETS = {
  //                                            11.7 M.
  resnet18: { block: 'basic', depths: [2, 2, 2, 2] },
  //                                            21.8 M.
  resnet34: { block: 'basic', depths: [3, 4, 6, 3] },
  //                                       25.6 M.
  resnet50: { block: 'bottleneck', depths: [3, 4, 6, 3] },
  //                                     44.5 M.
  resnet101: { block: 'bottleneck', depths: [3, 4, 23, 3] },
  //                                     60.2 M.
  resnet152: { block: 'bottleneck', depths: [3, 8, 36, 3] },
  //     25.0 M.
  resnext50_32x4d: { block: 'bottleneck', depths: [3, 4, 6, 3], groups: 32, groupWidth: 4 },
  //   88.8 M.
  resnext101_32x8d: { block: 'bottleneck', depths: [3, 4, 23, 3], groups: 32, groupWidth: 8 },
  //   83.5 M.
  resnext101_64x4d: { block: 'bottleneck', depths: [3, 4, 23, 3], groups: 64, groupWidth: 4 },
  //               68.9 M.
  wide_resnet50_2: { block: 'bottleneck', depths: [3, 4, 6, 3], groupWidth: 128 },
  //            126.9 M.
  wide_resnet101_2: { block: 'bottleneck', depths: [3, 4, 23, 3], groupWidth: 128 },
} as const satisfies Record<string, ResNetSpec>;

export type ResNetName = keyof typeof RESNETS;

const cifarBasic = (depth: number) =>
  ({ block: 'basic', depths: Array(3).fill((depth - 2) / 6), filters: 16 }) as const;
const cifarBottleneck = (depth: number) =>
  ({ block: 'bottleneck', depths: Array(3).fill((depth - 2) / 9), filters: 16 }) as const;

/**
 * For 32×32 pixels: He et al. 2015, section 4.2 (6n + 2 layers), and He et al. 2016 (9n + 2);
 * parameters with shortcut A and 10 classes.
 */
export const CIFAR_RESNETS = {
  resnet20: cifarBasic(20), //           0.27 M
  resnet32: cifarBasic(32), //           0.46 M
  resnet44: cifarBasic(44), //           0.66 M
  resnet56: cifarBasic(56), //           0.85 M
  resnet110: cifarBasic(110), //         1.73 M
  resnet164: cifarBottleneck(164), //    1.7 M
  resnet1001: cifarBottleneck(1001), // 10.3 M
} as const satisfies Record<string, ResNetSpec>;

export type CifarResNetName = keyof typeof CIFAR_RESNETS;

/**
 * `imagenet`: 7×7 at stride 2 and max-pool; `book`: the same with a bias; `cifar`: 3×3 at stride 1,
 * which keeps the size of a small image, with a bias where the model's other convolutions have one.
 */
export const STEMS = {
  imagenet: (filters, { names }) => residualStem(filters, { bias: false, names }),
  book: (filters, { names }) => residualStem(filters, { bias: true, names }),
  cifar: (filters, { bias, names }) => cifarStem(filters, { bias, names }),
} as const satisfies Record<
  string,
  (filters: number, style: { bias: boolean; names: StemNames }) => Block
>;

type StemNames = readonly [scope: string, conv: string, norm: string, relu: string, pool: string];

export type ResNetStem = keyof typeof STEMS;
export const STEM_NAMES = ['imagenet', 'cifar', 'book'] as const satisfies readonly ResNetStem[];

export interface ResNetOptions extends ModelOptions {
  /** How a block arranges convolution, normalization and activation. @default 'original' */
  blockOrder?: BlockOrderName;
  /**
   * @default 'imagenet' for torchvision's models, 'book' for the book's, 'cifar' for those of CIFAR
   */
  stem?: ResNetStem;
  /**
   * What the shortcut does where a block changes height, width or channels: `A` adds channels of
   * zeros, `B` projects, `C` projects in every block. @default 'B'; 'A' for CIFAR models of basic
   * blocks
   */
  shortcut?: Shortcut;
  /**
   * Initializes the factor of each branch's last normalization with 0 (Goyal et al. 2017, section
   * 5.1). @default false
   */
  zeroInitResidual?: boolean;
  /**
   * Probability, in [0, 1), with which training drops the last block's branch; it decreases
   * linearly towards the first block (Huang et al. 2016). @default 0
   */
  stochasticDepth?: number;
  /**
   * Adds a squeeze-and-excitation with channels / squeezeRatio hidden units at the end of each
   * branch; 16 in the paper. @default none
   */
  squeezeRatio?: number;
}

export const resNetRules = {
  ...modelRules,
  blockOrder: rule.oneOf(BLOCK_ORDER_NAMES).optional(),
  stem: rule.oneOf(STEM_NAMES).optional(),
  shortcut: rule.oneOf(['A', 'B', 'C']).optional(),
  zeroInitResidual: rule.boolean().optional(),
  stochasticDepth: rule.fraction().optional(),
  squeezeRatio: rule.positiveInteger().optional(),
};

const resNetOptions = rule.object(resNetRules);

/**
 * The conventions of one source (torchvision, the book, CIFAR): names of layers, biases, and
 * default options.
 */
export interface ResNetStyle {
  readonly names: {
    readonly stem: StemNames;
    readonly stage: (place: number) => string;
    readonly block: (place: number) => string;
    readonly projection?: readonly [conv: string, norm: string];
    readonly end: { readonly norm: string; readonly relu: string };
    readonly head: readonly [scope: string, pool: string, dense: string];
  };
  readonly bias: boolean;
  readonly normalizedProjection: boolean;
  readonly defaults: {
    inputShape: ImageShape;
    numClasses: number;
    init: Init;
    stem: ResNetStem;
    shortcut: Shortcut;
  };
}

/** The names of PyTorch's modules. */
const TORCH_NAMES: ResNetStyle['names'] = {
  stem: ['', 'conv1', 'bn1', 'relu', 'maxpool'],
  stage: (place) => `layer${place + 1}`,
  block: (place) => `${place}`,
  projection: ['downsample.0', 'downsample.1'],
  end: { norm: 'bn', relu: 'relu_end' },
  head: ['', 'avgpool', 'fc'],
};
const torch = { names: TORCH_NAMES, bias: false, normalizedProjection: true };

const TORCHVISION: ResNetStyle = {
  ...torch,
  defaults: {
    inputShape: [224, 224, 3],
    numClasses: 1000,
    init: 'he-normal',
    stem: 'imagenet',
    shortcut: 'B',
  },
};

const cifarStyle = (block: ResNetSpec['block']): ResNetStyle => ({
  ...torch,
  // Zeros fit channels that double; the first bottleneck changes 16 channels to 64.
  defaults: {
    inputShape: [32, 32, 3],
    numClasses: 10,
    init: 'he-normal',
    stem: 'cifar',
    shortcut: block === 'basic' ? 'A' : 'B',
  },
});

/** Ratio of a stage's output channels to those of its 3×3 convolutions. */
const EXPANSION = { basic: 1, bottleneck: 4 } as const;

/**
 * Builds any model of the family: `[batch, height, width, channels]` → logits `[batch,
 * numClasses]`.
 */
export function buildResNet(
  name: string,
  spec: ResNetSpec,
  options: ResNetOptions,
  style: ResNetStyle,
): LayersModel {
  const { names, bias, normalizedProjection, defaults } = style;
  const {
    numClasses,
    stem,
    shortcut,
    stochasticDepth = 0,
    blockOrder = 'original',
    zeroInitResidual,
    squeezeRatio,
    ...rest
  } = withDefaults(defaults, options);
  const { block, depths, filters = 64, groups = 1, groupWidth = 64 } = spec;
  const total = depths.reduce((sum, depth) => sum + depth, 0);
  const common: BlockOptions = { block, blockOrder, groups, bias, normalizedProjection };
  if (names.projection) common.projectionNames = names.projection;
  if (squeezeRatio) common.squeezeRatio = squeezeRatio;
  if (zeroInitResidual) common.zeroInitResidual = true;
  let blocks = 0;
  const stages = depths.map((depth, i) => {
    const planes = filters << i;
    // Huang et al. 2016, equation 4: the l-th of L blocks is dropped with l / L of the last one's
    // probability.
    const dropRates = Array.from({ length: depth }, () => (stochasticDepth * ++blocks) / total);
    const width = Math.floor((planes * groupWidth) / 64) * groups;
    const stage = {
      firstBlock: i === 0,
      shortcut,
      dropRates,
      name: names.stage(i),
      blockName: names.block,
    };
    return residualStage(planes * EXPANSION[block], depth, { ...common, width, ...stage });
  });
  const first = STEMS[stem](filters, { bias, names: names.stem });
  const last = [residualEnd(blockOrder, names.end), classifier(numClasses, { names: names.head })];
  return sequential([first, ...stages, ...last], { name, ...rest });
}

/**
 * Builds a ResNet of torchvision: `[batch, height, width, channels]` → logits `[batch,
 * numClasses]`.
 */
export function resnet(name: ResNetName, options: ResNetOptions = {}): LayersModel {
  return buildResNet(
    name,
    RESNETS[name],
    checkOptions(`[models] ${name}`, resNetOptions, options) as ResNetOptions,
    TORCHVISION,
  );
}

/**
 * Builds a ResNet for 32×32 pixels: `[batch, height, width, channels]` → logits `[batch,
 * numClasses]`.
 */
export function cifarResnet(name: CifarResNetName, options: ResNetOptions = {}): LayersModel {
  const checked = checkOptions(`[models] cifar.${name}`, resNetOptions, options) as ResNetOptions;
  const spec = CIFAR_RESNETS[name];
  return buildResNet(`cifar/${name}`, spec, checked, cifarStyle(spec.block));
}
