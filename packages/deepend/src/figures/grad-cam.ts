/** Grad-CAM: which parts of an image speak for a class. */
import { findEnding, type Patch, withPatches } from '@deepend/compiler';
import { checkOptions, formatValue, rule } from '@deepend/core';
import { featureExtractor } from '@deepend/models';
import {
  type Figure,
  type ImageBatch,
  type ShowHeatOverlayOptions,
  showHeatOverlay,
} from '@deepend/plot';
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel, layers, SymbolicTensor } from '@tensorflow/tfjs-layers';

export interface GradCamOptions {
  /**
   * A layer that gives images, or a block by the part of its layers' names before a dot.
   * @default the last convolution
   */
  layer?: string;
  /**
   * The class whose score the maps explain: one for all images, or a list of one for each.
   * @default the class with the largest score, for each image
   */
  classes?: number | readonly number[];
}

export interface GradCam {
  /** `[batch, height, width]` of the layer's output. */
  readonly shape: readonly [batch: number, height: number, width: number];
  /** At least 0, in units of the score, not normalized. */
  readonly data: Float32Array;
  /** The class that each map explains. */
  readonly classes: readonly number[];
}

const isClass = (value: unknown) => Number.isInteger(value) && (value as number) >= 0;
const rules = {
  layer: rule.nonEmptyString().optional(),
  classes: rule
    .custom<number | number[]>(
      (value) => isClass(value) || (Array.isArray(value) && value.every(isClass)),
      'an integer of at least 0, or a list of one for each image',
    )
    .optional(),
};

/**
 * Computes Grad-CAM heat maps: the channels of a layer's output, weighted by the mean gradient of
 * the class score (before a final softmax or sigmoid), summed, and 0 where the sum is negative.
 * Selvaraju et al. 2017, https://arxiv.org/abs/1610.02391. The model is in inference mode.
 * @param features float32 `[batch, height, width, channels]`, which stay the caller's
 * @throws RangeError when the model has no such layer or class, or does not give one
 *   `[batch, numClasses]`
 * @example
 * const { shape, data, classes } = await gradCam(net, features);
 */
export async function gradCam(
  net: LayersModel,
  features: tf.Tensor,
  options: GradCamOptions = {},
): Promise<GradCam> {
  const where = '[deepend] gradCam';
  const { layer: name, classes } = checkOptions(where, rule.object(rules), options);
  checkShapes(where, net, features);
  const extractor = featureExtractor(net, name ?? lastConvolution(where, net));
  let maps: tf.Tensor | undefined;
  try {
    const output = extractor.outputs[0] as SymbolicTensor;
    if (output.shape.length !== 4) {
      throw new RangeError(
        `${where}: expected a layer that gives [batch, height, width, channels], '${name}' gives ` +
          `${output.shape.length} axes`,
      );
    }
    const chosen = await chooseClasses(where, net, { features, classes });
    maps = tf.tidy(() => {
      const activations = extractor.predict(features) as tf.Tensor4D; // [batch, h, w, channels]
      const layer = output.sourceLayer as layers.Layer;
      const gradient = scoreGradient(net, features, { layer, activations, classes: chosen });
      const weights = tf.mean(gradient, [1, 2], true); // [batch, 1, 1, channels]
      return tf.relu(tf.sum(tf.mul(weights, activations), 3)); // [batch, h, w]
    });
    const shape = maps.shape as [number, number, number];
    return { shape, data: (await maps.data()) as Float32Array, classes: chosen };
  } finally {
    maps?.dispose();
    extractor.dispose();
  }
}

function checkShapes(where: string, net: LayersModel, features: tf.Tensor): void {
  if (net.inputs.length !== 1 || net.outputs.length !== 1 || net.outputs[0]?.shape.length !== 2)
    throw new RangeError(`${where}: expected a model of one input that gives [batch, numClasses]`);
  if (features?.rank === 4) return;
  throw new RangeError(
    `${where}: expected features [batch, height, width, channels], got ` +
      `${formatValue(features?.shape)}; give one image a batch axis with expandDims(0)`,
  );
}

const CONVOLUTIONS = ['Conv2D', 'SeparableConv2D', 'DepthwiseConv2D'];

function lastConvolution(where: string, net: LayersModel): string {
  const last = net.layers.findLast((layer) => CONVOLUTIONS.includes(layer.getClassName()));
  if (last) return last.name;
  throw new RangeError(
    `${where}: the model '${net.name}' has no convolution; name a layer that gives images in ` +
      '"layer"',
  );
}

/** The outputs before a final softmax or sigmoid, `[batch, numClasses]`, in inference mode. */
function scores(net: LayersModel, features: tf.Tensor, patches: readonly Patch[] = []): tf.Tensor {
  const ending = findEnding(net.outputs[0] as SymbolicTensor)?.patch;
  const all = ending ? [ending, ...patches] : patches;
  return withPatches(all, () => net.apply(features, { training: false }) as tf.Tensor);
}

async function chooseClasses(
  where: string,
  net: LayersModel,
  { features, classes }: { features: tf.Tensor; classes: GradCamOptions['classes'] },
): Promise<number[]> {
  const [count] = features.shape as [number];
  if (classes === undefined) {
    const best = tf.tidy(() => tf.argMax(scores(net, features), 1));
    const chosen = Array.from(await best.data());
    best.dispose();
    return chosen;
  }
  const chosen =
    typeof classes === 'number' ? new Array<number>(count).fill(classes) : [...classes];
  const numClasses = net.outputs[0]?.shape[1] ?? 0;
  if (chosen.length === count && chosen.every((each) => each < numClasses)) return chosen;
  throw new RangeError(
    `${where}: expected "classes" below ${numClasses} for ${count} images, got ` +
      `${formatValue(classes)}`,
  );
}

interface Explained {
  readonly layer: layers.Layer;
  /** The layer's output, `[batch, h, w, channels]`. */
  readonly activations: tf.Tensor4D;
  readonly classes: readonly number[];
}

/**
 * The gradient of each image's score with respect to the layer's output: that with respect to a
 * zero that is added to it. Images do not influence each other in inference mode.
 */
function scoreGradient(
  net: LayersModel,
  features: tf.Tensor,
  { layer, activations, classes }: Explained,
): tf.Tensor {
  const original = layer.call.bind(layer);
  const mask = tf.oneHot(tf.tensor1d([...classes], 'int32'), net.outputs[0]?.shape[1] ?? 0);
  const score = (change: tf.Tensor): tf.Scalar => {
    const call: layers.Layer['call'] = (inputs, options) =>
      tf.add(original(inputs, options) as tf.Tensor, change);
    const patches = [{ object: layer, field: 'call', value: call }];
    return tf.sum(tf.mul(scores(net, features, patches), mask));
  };
  return tf.grad(score)(tf.zerosLike(activations));
}

export interface ShowGradCamOptions extends GradCamOptions, Omit<ShowHeatOverlayOptions, 'titles'> {
  /** The images to draw if the features are normalized, as for `showImages`. @default features */
  images?: ImageBatch;
  /** A name for each class, for the titles. @default numbers */
  classNames?: readonly string[];
}

/**
 * Draws the Grad-CAM heat maps of a batch over its images, each below the class that it explains.
 * @param features float32 `[batch, height, width, channels]`, which stay the caller's
 * @throws RangeError as `gradCam`
 * @example
 * await (await showGradCam(net, features)).save('grad-cam.png');
 */
export async function showGradCam(
  net: LayersModel,
  features: tf.Tensor,
  options: ShowGradCamOptions = {},
): Promise<Figure> {
  const { layer, classes, images, classNames, ...overlay } = options;
  const given = Object.entries({ layer, classes }).filter(([, value]) => value !== undefined);
  const cam = await gradCam(net, features, Object.fromEntries(given));
  const titles = cam.classes.map((each) => classNames?.[each] ?? `class ${each}`);
  return showHeatOverlay(images ?? (features as ImageBatch), cam, { ...overlay, titles });
}
