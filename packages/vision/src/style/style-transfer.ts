/** Neural style transfer, Gatys et al. 2016; the book's section 14.12 (zh 13.12). */
import { checkOptions, formatValue, rule } from '@deepend/core';
import { resizeImages } from '@deepend/data';
import { featureExtractor } from '@deepend/models';
import { VariableOptimizer } from '@deepend/optim';
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { IMAGENET_STATISTICS } from '../segmentation/voc';
import { checkSample, type VisionImage } from '../transforms/sample';
import { contentLoss, gram, styleLoss, tvLoss } from './losses';

/** The layers of VGG-19 that the book reads: outputs of convolutions, by torchvision's names. */
export const VGG19_LAYERS = {
  contentLayers: ['features.25'],
  styleLayers: ['features.0', 'features.5', 'features.10', 'features.19', 'features.28'],
} as const;

export interface FeatureLayers {
  /**
   * A trained model of images.
   * @example createModel('vgg19', { inputShape: [300, 450, 3] })
   */
  trunk: LayersModel;
  /**
   * Layers whose features keep the content: deep ones.
   * @example ['features.25']
   */
  contentLayers: readonly string[];
  /**
   * Layers whose features keep the style: of several depths.
   * @example ['features.0', 'features.5', 'features.10']
   */
  styleLayers: readonly string[];
}

/** Losses of a step, each with its weight. */
export interface StyleRecord {
  /** From 1. */
  readonly step: number;
  readonly content: number;
  readonly style: number;
  /** Total variation. */
  readonly tv: number;
  /** Their sum. */
  readonly loss: number;
}

export interface StyleTransferOptions extends FeatureLayers {
  /** @default 1 */
  contentWeight?: number;
  /** @default 10000 */
  styleWeight?: number;
  /** Of the total variation. @default 10 */
  tvWeight?: number;
  /** Learning rate of Adam. @default 0.3 */
  lr?: number;
  /** Number of updates of the image. @default 500 */
  numSteps?: number;
  /** Number of steps after which the learning rate is multiplied by 0.8. @default 50 */
  lrDecaySteps?: number;
  /** Called after each step. @default none */
  onStep?: (record: StyleRecord) => void | Promise<void>;
}

const DECAY = 0.8;
const WHERE = '[vision] styleTransfer';
const names = rule.list(rule.string(), 'a list of names of layers', { min: 1 });
const styleRules = rule.object({
  trunk: rule.custom<LayersModel>(
    (value) => Array.isArray((value as LayersModel | null)?.inputs),
    'a tf.LayersModel, such as createModel gives',
  ),
  contentLayers: names,
  styleLayers: names,
  contentWeight: rule.nonNegativeNumber().default(1),
  styleWeight: rule.nonNegativeNumber().default(1e4),
  tvWeight: rule.nonNegativeNumber().default(10),
  lr: rule.positiveNumber().default(0.3),
  numSteps: rule.positiveInteger().default(500),
  lrDecaySteps: rule.positiveInteger().default(50),
  onStep: rule.func<NonNullable<StyleTransferOptions['onStep']>>().optional(),
});

interface Features {
  contents: tf.Tensor[];
  styles: tf.Tensor[];
}

/** A function from an image to its features, on one model that has all of them as outputs. */
function featuresOf({ trunk, contentLayers, styleLayers }: FeatureLayers) {
  const model = featureExtractor(trunk, [...contentLayers, ...styleLayers]);
  const extract = (x: tf.Tensor): Features => {
    const outputs = [model.apply(x, { training: false }) as tf.Tensor | tf.Tensor[]].flat();
    return {
      contents: outputs.slice(0, contentLayers.length),
      styles: outputs.slice(contentLayers.length),
    };
  };
  return { extract, model };
}

/**
 * The features of an image at some layers of a model (the book's `extract_features`).
 * @param x `[batch, height, width, channels]` as the model takes it
 * @returns `contents` and `styles`, in the order of the layers; the caller disposes them
 * @throws RangeError for a name that the model does not have
 */
export function extractFeatures(x: tf.Tensor, layers: FeatureLayers): Features {
  const { extract, model } = featuresOf(layers);
  try {
    return tf.tidy(() => extract(x) as unknown as tf.TensorContainer) as unknown as Features;
  } finally {
    model.dispose();
  }
}

/**
 * Makes an image with the content of one image and the style of another: the image itself is what
 * Adam optimizes, first the content image. Both are resized to the images of the trunk.
 * @param content an image in bytes, of 3 channels
 * @param style an image in bytes, of 3 channels
 * @param options.trunk its weights say what content and style are: load those of ImageNet
 * @returns the image in bytes, and the losses of each step
 * @throws TypeError or RangeError for an option out of range, a layer that the trunk does not have,
 *   or images of other channels; Error when the loss becomes NaN or infinite
 * @example
 * const trunk = createModel('vgg19', { inputShape: [300, 450, 3] });
 * await loadWeights(trunk, 'vgg19.safetensors');
 * const { image } = await vision.styleTransfer(content, style, { trunk, ...vision.VGG19_LAYERS });
 */
export async function styleTransfer(
  content: VisionImage,
  style: VisionImage,
  options: StyleTransferOptions,
): Promise<{ image: VisionImage; history: StyleRecord[] }> {
  const checked = checkOptions(WHERE, styleRules, options);
  const size = sizeOf(checked.trunk);
  const [first, model] = [toTensor('content', content, size), toTensor('style', style, size)];
  const { extract, model: features } = featuresOf(checked);
  const targets = tf.tidy(() => {
    const { contents } = extract(first);
    return { contents, grams: extract(model).styles.map(gram) };
  });
  const image = tf.variable(first, true);
  try {
    const history = await optimize(image, { ...checked, extract, targets });
    return { image: await toImage(image), history };
  } finally {
    tf.dispose([first, model, image, ...targets.contents, ...targets.grams]);
    features.dispose();
  }
}

/** What the image is compared with. */
interface Targets {
  readonly contents: tf.Tensor[];
  readonly grams: tf.Tensor2D[];
}

interface Optimization
  extends Omit<Required<StyleTransferOptions>, keyof FeatureLayers | 'onStep'> {
  onStep?: StyleTransferOptions['onStep'];
  extract: (x: tf.Tensor) => Features;
  targets: Targets;
}

async function optimize(
  image: tf.Variable,
  { lr, numSteps, lrDecaySteps, onStep, ...settings }: Optimization,
): Promise<StyleRecord[]> {
  const optimizer = new VariableOptimizer('adam', [image], { lr });
  const history: StyleRecord[] = [];
  try {
    for (let step = 1; step <= numSteps; step++) {
      optimizer.lr = lr * DECAY ** Math.floor((step - 1) / lrDecaySteps);
      let parts: tf.Tensor[] = [];
      const loss = optimizer.step(() => {
        const weighted = lossesOf(image, settings);
        parts = weighted.map((part) => tf.keep(part.clone()));
        return tf.addN(weighted) as tf.Scalar;
      });
      const read = [...parts, loss].map(async (part) => (await part.data())[0] as number);
      const [contentPart, stylePart, tv, total] = (await Promise.all(read)) as [
        ...[number, number, number, number],
      ];
      tf.dispose([...parts, loss]);
      if (!Number.isFinite(total)) {
        throw new Error(
          `${WHERE}: expected a finite loss, got ${total} in step ${step}; lower "lr"`,
        );
      }
      history.push({ step, content: contentPart, style: stylePart, tv, loss: total });
      await onStep?.(history.at(-1) as StyleRecord);
    }
    return history;
  } finally {
    optimizer.dispose();
  }
}

/** Content, style and total variation, each with its weight. */
function lossesOf(
  image: tf.Tensor,
  {
    extract,
    targets,
    contentWeight,
    styleWeight,
    tvWeight,
  }: Pick<Optimization, 'extract' | 'targets' | 'contentWeight' | 'styleWeight' | 'tvWeight'>,
): tf.Scalar[] {
  const { contents, styles } = extract(image);
  const content = contents.map((y, i) => contentLoss(y, targets.contents[i] as tf.Tensor));
  const style = styles.map((y, i) => styleLoss(y, targets.grams[i] as tf.Tensor2D));
  return [
    tf.mul(tf.addN(content), contentWeight),
    tf.mul(tf.addN(style), styleWeight),
    tf.mul(tvLoss(image), tvWeight),
  ];
}

type Size = readonly [height: number, width: number];

function sizeOf(trunk: LayersModel): Size {
  const [, height, width, channels] = trunk.inputs[0]?.shape ?? [];
  if (height && width && channels === 3) return [height, width];
  throw new RangeError(
    `${WHERE}: expected a trunk of images [height, width, 3], got one of ` +
      `${formatValue(trunk.inputs[0]?.shape)}; give "inputShape" when you build it`,
  );
}

/** Resized and normalized, float32 `[1, height, width, 3]`. */
function toTensor(name: string, image: VisionImage, size: Size): tf.Tensor4D {
  checkSample(`${WHERE}: ${name}`, { image });
  const { data, shape } = image;
  if (shape[2] !== 3) {
    throw new RangeError(
      `${WHERE}: ${name}: expected an image of 3 channels, got ${formatValue(shape)}; decode it ` +
        'with 3',
    );
  }
  const bytes = resizeImages(data, shape, [...size] as [number, number]);
  const { mean, std } = IMAGENET_STATISTICS;
  return tf.tidy(() => {
    const pixels = tf.div(tf.tensor4d(Float32Array.from(bytes), [1, ...size, 3]), 255);
    return tf.div(tf.sub(pixels, mean), std);
  });
}

/** The inverse of `toTensor`; values outside of [0, 1] are clipped. */
async function toImage(x: tf.Tensor): Promise<VisionImage> {
  const { mean, std } = IMAGENET_STATISTICS;
  const pixels = tf.tidy(() => tf.mul(tf.clipByValue(tf.add(tf.mul(x, std), mean), 0, 1), 255));
  const data = Uint8Array.from(await pixels.data(), Math.round);
  pixels.dispose();
  const [, height = 0, width = 0] = x.shape;
  return { data, shape: [height, width, 3] };
}
