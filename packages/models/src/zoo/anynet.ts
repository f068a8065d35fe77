/**
 * The design space AnyX and its RegNetX, Radosavovic et al. 2020, https://arxiv.org/abs/2003.13678,
 * as in the book, chapter 8.8.
 */
import { checkOptions, rule } from '@deepend/core';
import {
  type Block,
  batchNorm,
  chain,
  classifier,
  conv,
  type ImageShape,
  type ModelOptions,
  modelRules,
  type ResidualOptions,
  relu,
  residual,
  residualStem,
  scope,
  sequential,
  withDefaults,
} from '@deepend/nn';
import type { LayersModel } from '@tensorflow/tfjs-layers';

export interface ResNextBlockOptions
  extends Pick<ResidualOptions, 'projection' | 'stride' | 'name'> {
  /**
   * Channels of one group of the 3×3 convolution.
   * @example 16
   */
  groupWidth: number;
  /** Ratio of the 3×3 convolution's output channels to the block's. @default 1 */
  bottleneck?: number;
}

const blockOptions = rule.object({
  groupWidth: rule.positiveInteger(),
  bottleneck: rule.positiveNumber().optional(),
  projection: rule.boolean().optional(),
  stride: rule.positiveInteger().optional(),
  name: rule.string().optional(),
});

/**
 * The book's ResNeXt block (chapter 8.6.5): 1×1, grouped 3×3 and 1×1 convolutions with biases, each
 * with batch normalization; the projection is normalized too. `[batch, h, w, c]` → `[batch, ⌈h /
 * stride⌉, ⌈w / stride⌉, filters]`.
 */
export function resnextBlock(filters: number, options: ResNextBlockOptions): Block {
  const {
    groupWidth,
    bottleneck = 1,
    ...rest
  } = checkOptions('[models] resnextBlock', blockOptions, options);
  const width = Math.round(filters * bottleneck);
  if (width % groupWidth !== 0) {
    throw new RangeError(
      `[models] resnextBlock: option "groupWidth" must divide the ${width} channels inside, ` +
        `got ${groupWidth}`,
    );
  }
  const style = {
    block: 'bottleneck',
    width,
    groups: width / groupWidth,
    normalizedProjection: true,
  } as const;
  return residual(filters, { ...(rest as ResidualOptions), ...style });
}

export interface AnyNetSpec {
  /** Output channels of the stem. */
  readonly stem: number;
  /** Number of blocks and output channels of each stage; every stage halves the image. */
  readonly stages: readonly (readonly [depth: number, filters: number])[];
  /**
   * Channels of one group.
   * @example 16
   */
  readonly groupWidth: number;
  /** Ratio of the channels inside a block to its output channels. @default 1 */
  readonly bottleneck?: number;
}

/** The book's designs, with their parameters for 1 channel and 10 classes. */
export const ANYNETS = {
  regnetx32: {
    stem: 32,
    stages: [
      [4, 32],
      [6, 80],
    ],
    groupWidth: 16,
  }, //                            179,290 parameters
  // ResNet-18's stages made of ResNeXt blocks, the stem as in ResNet-18
  resnext18: {
    stem: 64,
    stages: [
      [2, 64],
      [2, 128],
      [2, 256],
      [2, 512],
    ],
    groupWidth: 16,
  },
} as const satisfies Record<string, AnyNetSpec>;

const spec = rule.object({
  stem: rule.positiveInteger(),
  stages: rule.custom<AnyNetSpec['stages']>(
    (value) =>
      Array.isArray(value) &&
      value.length > 0 &&
      value.every(
        (stage) =>
          Array.isArray(stage) &&
          stage.length === 2 &&
          stage.every((n) => Number.isInteger(n) && n >= 1),
      ),
    'a list of [depth, filters]',
  ),
  groupWidth: rule.positiveInteger(),
  bottleneck: rule.positiveNumber().optional(),
});

/** Convolution 3×3 at stride 2, batch norm, ReLU: the stem of AnyNet. */
const anyStem = (filters: number): Block => {
  const parts = chain(
    conv(filters, { kernel: 3, stride: 2, padding: 1, name: 'conv' }),
    batchNorm('bn'),
    relu('relu'),
  );
  return (x) => scope('stem', () => parts(x));
};

function stages(
  { stages: rows, ...block }: Omit<AnyNetSpec, 'stem'>,
  { halveFirst }: { halveFirst: boolean },
): Block[] {
  return rows.map(([depth, filters], s): Block => {
    const stride = s > 0 || halveFirst ? 2 : 1;
    const blocks = Array.from({ length: depth }, (_, i) =>
      resnextBlock(filters, {
        ...block,
        ...(i === 0 && (stride > 1 || halveFirst) && { projection: true, stride }),
      }),
    );
    return (x) => scope(`stage${s + 1}`, () => chain(...blocks)(x));
  });
}

/**
 * Builds any model of the design space: `[batch, height, width, channels]` → logits `[batch,
 * numClasses]`.
 * @param options.name the model's name @default 'anynet'
 */
export function anyNet(
  design: AnyNetSpec,
  options: ModelOptions & { name?: string } = {},
): LayersModel {
  const { stem, ...rest } = checkOptions('[models] anyNet', spec, design) as AnyNetSpec;
  const named = rule.object({ ...modelRules, name: rule.string().optional() });
  const { numClasses, ...modelOptions } = withDefaults(
    { inputShape: [96, 96, 1] as ImageShape, numClasses: 10, name: 'anynet' },
    checkOptions('[models] anyNet', named, options),
  );
  return sequential(
    [anyStem(stem), ...stages(rest, { halveFirst: true }), classifier(numClasses)],
    modelOptions,
  );
}

/**
 * Builds the book's RegNetX-32: `[batch, height, width, channels]` → logits `[batch, numClasses]`.
 */
export function bookRegnetx32(options: ModelOptions = {}): LayersModel {
  const checked = checkOptions('[models] book.regnetx32', rule.object(modelRules), options);
  return anyNet(ANYNETS.regnetx32, { ...(checked as ModelOptions), name: 'book/regnetx32' });
}

/**
 * Builds ResNet-18 with the book's ResNeXt blocks: `[batch, height, width, channels]` → logits
 * `[batch, numClasses]`.
 */
export function bookResnext18(options: ModelOptions = {}): LayersModel {
  const { numClasses, ...modelOptions } = withDefaults(
    { inputShape: [96, 96, 1] as ImageShape, numClasses: 10 },
    checkOptions('[models] book.resnext18', rule.object(modelRules), options),
  );
  const { stem, ...rest } = ANYNETS.resnext18;
  const blocks = [
    residualStem(stem),
    ...stages(rest, { halveFirst: false }),
    classifier(numClasses),
  ];
  return sequential(blocks, { name: 'book/resnext18', ...modelOptions });
}
