/** GoogLeNet, Szegedy et al. 2014, https://arxiv.org/abs/1409.4842; in the book chapter 8.4. */
import { checkOptions, rule } from '@deepend/core';
import {
  apply,
  type Block,
  batchNorm,
  chain,
  concatenate,
  conv,
  dense,
  dropout,
  globalAveragePool,
  type ImageShape,
  isDry,
  layerConfig,
  type ModelOptions,
  maxPool,
  modelRules,
  numbered,
  relu,
  scope,
  sequential,
  withDefaults,
} from '@deepend/nn';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';

type Reduced = readonly [reduce: number, filters: number];
type Filters = readonly [point: number, three: Reduced, five: Reduced, pooled: number];

/** The differences between the book's model and torchvision's. */
interface Style {
  /** Whether convolutions have no bias and a batch normalization of epsilon 1e-3. */
  readonly normalized: boolean;
  /**
   * Kernel of the third branch: 5 in the paper. It is 3 in torchvision, also in its published
   * weights.
   */
  readonly five: 3 | 5;
}

const BOOK: Style = { normalized: false, five: 5 };
const TORCHVISION: Style = { normalized: true, five: 3 };

/** Convolution, batch norm if the style has it, ReLU, in their own scope. */
const unit =
  (
    filters: number,
    {
      name,
      style,
      ...options
    }: { name: string; kernel: number; stride?: number; padding?: number; style: Style },
  ): Block =>
  (x) =>
    scope(name, () => {
      const linear = conv(filters, { ...options, bias: !style.normalized, name: 'conv' });
      return chain(
        linear,
        ...(style.normalized ? [batchNorm('bn', { epsilon: 1e-3 })] : []),
        relu('relu'),
      )(x);
    });

export interface InceptionOptions {
  /**
   * Whether a batch normalization follows each convolution, which then has no bias. @default false,
   * as in the book
   */
  batchNorm?: boolean;
  /** Kernel of the third branch: 5, or 3 as in torchvision. @default 5 */
  kernel?: 3 | 5;
  /** Scope of the names of its layers. @default none */
  name?: string;
}

const inceptionOptions = rule.object({
  batchNorm: rule.boolean().optional(),
  kernel: rule.custom<3 | 5>((value) => value === 3 || value === 5, '3 or 5').optional(),
  name: rule.string().optional(),
});

/**
 * Four branches over one image, joined by channels: 1×1 convolution; 1×1 then 3×3; 1×1 then 5×5;
 * 3×3 max-pool then 1×1. `[batch, h, w, c]` → `[batch, h, w, point + three[1] + five[1] + pooled]`.
 * Its input must not be negative, since the max-pool pads with zeros.
 */
export function inception(filters: Filters, options: InceptionOptions = {}): Block {
  const {
    batchNorm: normalized = false,
    kernel = 5,
    name,
  } = checkOptions('[models] inception', inceptionOptions, options);
  return inceptionOf(filters, { normalized, five: kernel }, name);
}

function inceptionOf([point, three, five, pooled]: Filters, style: Style, name?: string): Block {
  const two = ([reduce, filters]: Reduced, kernel: number, branch: string) =>
    chain(
      unit(reduce, { kernel: 1, name: `${branch}.0`, style }),
      unit(filters, { kernel, padding: (kernel - 1) / 2, name: `${branch}.1`, style }),
    );
  return (x) =>
    scope(numbered('inception', name), () => {
      const pool = chain(
        maxPool({ size: 3, stride: 1, padding: 1, name: 'branch4.0' }),
        unit(pooled, { kernel: 1, name: 'branch4.1', style }),
      );
      const branches = [
        unit(point, { kernel: 1, name: 'branch1', style }),
        two(three, 3, 'branch2'),
        two(five, style.five, 'branch3'),
        pool,
      ];
      return concatenate('concat')(...branches.map((branch) => branch(x)));
    });
}

/** One object per stage with its inception blocks, by the paper's letters. */
const INCEPTIONS: Readonly<Record<string, Filters>>[] = [
  { a: [64, [96, 128], [16, 32], 32], b: [128, [128, 192], [32, 96], 64] },
  {
    a: [192, [96, 208], [16, 48], 64],
    b: [160, [112, 224], [24, 64], 64],
    c: [128, [128, 256], [24, 64], 64],
    d: [112, [144, 288], [32, 64], 64],
    e: [256, [160, 320], [32, 128], 128],
  },
  { a: [256, [160, 320], [32, 128], 128], b: [384, [192, 384], [48, 128], 128] },
];

/**
 * Builds the book's GoogLeNet: `[batch, height, width, channels]` → logits `[batch, numClasses]`.
 */
export function bookGooglenet(options: ModelOptions = {}): tfl.LayersModel {
  const { numClasses, ...rest } = withDefaults(
    { inputShape: [96, 96, 1] as ImageShape, numClasses: 10 },
    checkOptions('[models] book.googlenet', rule.object(modelRules), options),
  );
  const pool = () => maxPool({ size: 3, stride: 2, padding: 1, name: 'pool' });
  const style = BOOK;
  const firsts = [
    [unit(64, { kernel: 7, stride: 2, padding: 3, name: '', style })],
    [
      unit(64, { kernel: 1, name: 'unit1', style }),
      unit(192, { kernel: 3, padding: 1, name: 'unit2', style }),
    ],
  ];
  const later = INCEPTIONS.map((stage) =>
    Object.values(stage).map((filters) => inceptionOf(filters, style)),
  );
  const stages = [...firsts, ...later].map((blocks, i): Block => {
    const all = i < 4 ? [...blocks, pool()] : blocks;
    return (x) => scope(`stage${i + 1}`, () => chain(...all)(x));
  });
  const head: Block = (x) =>
    scope('head', () => chain(globalAveragePool('pool'), dense(numClasses, 'dense'))(x));
  return sequential([...stages, head], { name: 'book/googlenet', ...rest });
}

export interface GoogLeNetOptions extends ModelOptions {
  /** Dropout rate before the linear layer, in [0, 1). @default 0.2 */
  dropout?: number;
  /**
   * Whether to convert images that are normalized by ImageNet's mean and standard deviation, as for
   * torchvision's other models, to the mean and standard deviation of 0.5 that the published
   * weights were trained with. torchvision sets it whenever it loads them. @default false
   */
  transformInput?: boolean;
}

const googlemodelOptions = rule.object({
  ...modelRules,
  dropout: rule.fraction().optional(),
  transformInput: rule.boolean().optional(),
});

/**
 * Builds torchvision's GoogLeNet, without its auxiliary classifiers: `[batch, height, width,
 * channels]` → logits `[batch, numClasses]`.
 */
export function googlenet(options: GoogLeNetOptions = {}): tfl.LayersModel {
  const {
    numClasses,
    dropout: p,
    transformInput,
    ...rest
  } = withDefaults(
    {
      inputShape: [224, 224, 3] as ImageShape,
      numClasses: 1000,
      init: 'he-normal' as const,
      dropout: 0.2,
      transformInput: false,
    },
    checkOptions('[models] googlenet', googlemodelOptions, options),
  );
  if (transformInput && rest.inputShape[2] !== 3) {
    throw new RangeError(
      `[models] googlenet: transformInput is for images of 3 channels, got ` +
        `${rest.inputShape[2]}; leave it out`,
    );
  }
  const style = TORCHVISION;
  const pool = (place: number, size: number) =>
    maxPool({ size, stride: 2, ceil: true, name: `maxpool${place}` });
  const stages = INCEPTIONS.map((stage, i) =>
    Object.entries(stage).map(([letter, filters]) =>
      inceptionOf(filters, style, `inception${i + 3}${letter}`),
    ),
  );
  const [third = [], fourth = [], fifth = []] = stages;
  const blocks = [
    unit(64, { kernel: 7, stride: 2, padding: 3, name: 'conv1', style }),
    pool(1, 3),
    unit(64, { kernel: 1, name: 'conv2', style }),
    unit(192, { kernel: 3, padding: 1, name: 'conv3', style }),
    pool(2, 3),
    ...third,
    pool(3, 3),
    ...fourth,
    pool(4, 2),
    ...fifth,
    chain(globalAveragePool('avgpool'), dropout(p, 'dropout'), dense(numClasses, 'fc')),
  ];
  return sequential(transformInput ? [toHalves, ...blocks] : blocks, {
    name: 'googlenet',
    ...rest,
  });
}

const IMAGENET = { mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225] };

/**
 * (x·deviation + mean − 0.5) / 0.5 for each channel, as a depthwise convolution with fixed weights.
 */
const toHalves: Block = (x) => {
  const config = {
    kernelSize: 1,
    trainable: false,
    name: layerConfig('transform_input_fixed').name,
  };
  const layer = tfl.layers.depthwiseConv2d({ ...config, depthwiseInitializer: 'zeros' });
  const y = apply(layer, x);
  const factors = IMAGENET.deviation.map((deviation) => deviation / 0.5);
  const shifts = IMAGENET.mean.map((mean) => (mean - 0.5) / 0.5);
  if (!isDry())
    tf.tidy(() => layer.setWeights([tf.tensor4d(factors, [1, 1, 3, 1]), tf.tensor1d(shifts)]));
  return y;
};
