/** Grad-CAM: which parts of an image speak for a class. */
import { checkOptions, formatValue, rule } from '@deepend/core';
import type * as nn from '@deepend/nn';
import {
  type Figure,
  type ImageBatch,
  type ShowHeatOverlayOptions,
  showHeatOverlay,
} from '@deepend/plot';
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { type Explained, isOfModules, layerOf } from './explained-layer';

export interface GradCamOptions {
  /**
   * The layer whose output is weighted, which gives images: the name of a layer, or of a block by
   * the part of its layers' names before a dot; of a module, its path, such as `layers.3`.
   * @default the last one with images as large as the last convolution's
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
const WHERE = '[deepend] gradCam';

/**
 * Computes Grad-CAM heat maps: the channels of a layer's output, weighted by the mean gradient of
 * the class score, summed, and 0 where the sum is negative. Selvaraju et al. 2017,
 * https://arxiv.org/abs/1610.02391. The score is the logit: what comes before a final softmax or
 * sigmoid, if the model's last layer is one, otherwise its output. The model is in inference mode.
 * @param features float32 `[batch, height, width, channels]`, which stay the caller's
 * @throws RangeError when the model has no such layer or class, takes images of another shape, or
 *   does not give one `[batch, numClasses]`
 * @example
 * const { shape, data, classes } = await gradCam(net, features);
 */
export async function gradCam(
  net: LayersModel | nn.Module,
  features: tf.Tensor,
  options: GradCamOptions = {},
): Promise<GradCam> {
  const { layer, classes } = checkOptions(WHERE, rule.object(rules), options);
  checkFeatures(net, features);
  const explained = layerOf(WHERE, net, { features, layer });
  const held: tf.Tensor[] = [];
  try {
    const { scores, activations } = forwardOnce(explained, features);
    held.push(scores, activations);
    checkScores(scores, features);
    const chosen = await chooseClasses(scores, classes);
    const maps = tf.tidy(() => mapsOf(explained, features, { scores, activations }, chosen));
    held.push(maps);
    const shape = maps.shape as [number, number, number];
    return { shape, data: (await maps.data()) as Float32Array, classes: chosen };
  } finally {
    tf.dispose(held);
  }
}

/** Both are the caller's. */
function forwardOnce(explained: Explained, features: tf.Tensor) {
  let activations: tf.Tensor | undefined;
  const scores = tf.tidy(() => {
    const pass = explained(features);
    activations = pass.activations;
    return pass.scores;
  });
  return { scores, activations: activations as unknown as tf.Tensor };
}

function checkFeatures(net: LayersModel | nn.Module, features: tf.Tensor): void {
  if (!isOfModules(net) && (net.inputs.length !== 1 || net.outputs.length !== 1))
    throw new RangeError(`${WHERE}: expected a model of one input that gives [batch, numClasses]`);
  if (features?.rank === 4) {
    const [, ...expected] = isOfModules(net) ? [] : (net.inputs[0]?.shape ?? []);
    const isOther = expected.some((size, i) => size !== null && size !== features.shape[i + 1]);
    if (!isOther) return;
    throw new RangeError(
      `${WHERE}: expected images of the model's shape ${formatValue(expected)}, got ` +
        `${formatValue(features.shape.slice(1))}; resize them`,
    );
  }
  throw new RangeError(
    `${WHERE}: expected features [batch, height, width, channels], got ` +
      `${formatValue(features?.shape)}; give one image a batch axis with expandDims(0)`,
  );
}

function checkScores(scores: tf.Tensor, features: tf.Tensor): void {
  if (scores.rank === 2 && scores.shape[0] === features.shape[0]) return;
  throw new RangeError(
    `${WHERE}: expected a model that gives [batch, numClasses], got ${formatValue(scores.shape)}`,
  );
}

async function chooseClasses(
  scores: tf.Tensor,
  classes: GradCamOptions['classes'],
): Promise<number[]> {
  const [count, numClasses] = scores.shape as [number, number];
  if (classes === undefined) {
    const best = tf.argMax(scores, 1);
    const chosen = Array.from(await best.data());
    best.dispose();
    return chosen;
  }
  const chosen =
    typeof classes === 'number' ? new Array<number>(count).fill(classes) : [...classes];
  if (chosen.length === count && chosen.every((each) => each < numClasses)) return chosen;
  throw new RangeError(
    `${WHERE}: expected "classes" below ${numClasses} for ${count} images, got ` +
      `${formatValue(classes)}`,
  );
}

/**
 * `[batch, h, w]`. The gradient of each image's score with respect to the layer's output is that
 * with respect to a zero that is added to it. Images do not influence each other in inference mode.
 */
function mapsOf(
  explained: Explained,
  features: tf.Tensor,
  { scores, activations }: { scores: tf.Tensor; activations: tf.Tensor },
  classes: readonly number[],
): tf.Tensor {
  const mask = tf.oneHot(tf.tensor1d([...classes], 'int32'), scores.shape[1] ?? 0);
  const score = (change: tf.Tensor): tf.Scalar =>
    tf.sum(tf.mul(explained(features, change).scores, mask));
  const gradient = tf.grad(score)(tf.zerosLike(activations));
  const weights = tf.mean(gradient, [1, 2], true); // [batch, 1, 1, channels]
  return tf.relu(tf.sum(tf.mul(weights, activations), 3)); // [batch, h, w]
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
  net: LayersModel | nn.Module,
  features: tf.Tensor,
  options: ShowGradCamOptions = {},
): Promise<Figure> {
  const { layer, classes, images, classNames, ...overlay } = options;
  const given = Object.entries({ layer, classes }).filter(([, value]) => value !== undefined);
  const cam = await gradCam(net, features, Object.fromEntries(given));
  const titles = cam.classes.map((each) => classNames?.[each] ?? `class ${each}`);
  return showHeatOverlay(images ?? (features as ImageBatch), cam, { ...overlay, titles });
}
