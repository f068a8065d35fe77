/**
 * Fully convolutional networks for semantic segmentation, Long et al. 2015,
 * https://arxiv.org/abs/1411.4038; in the book chapter 14.11 (zh 13.11).
 */
import { checkOptions, formatValue, rule } from '@deepend/core';
import { INITIALIZERS, init as initializers } from '@deepend/nn';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { outputOf, sharing } from './transfer';

export interface FcnOptions {
  /**
   * Number of classes, the background included.
   * @example 21
   */
  numClasses: number;
  /** Seeds the 1 × 1 convolution: any safe integer. @default 0 */
  seed?: number;
}

const fcnRules = rule.object({
  numClasses: rule.integer({ min: 2 }),
  seed: rule.seed().default(0),
});

/**
 * Builds a model for semantic segmentation on the features of a model of the zoo:
 * `[batch, height, width, channels]` → logits `[batch, height, width, numClasses]`. A 1 × 1
 * convolution (`final_conv`, Xavier) gives each place of the features its classes, and a transposed
 * convolution (`transpose_conv`) enlarges them to the image, at first by bilinear interpolation.
 * All other layers are shared with the given model, as by `featureExtractor`.
 * @param features the layer or block whose output is used, such as `layer4`, the last of a ResNet
 * @throws RangeError for a name that the model does not have, features without height and width, or
 *   an image whose height and width are no multiple of theirs
 * @example
 * const trunk = createModel('resnet18', { inputShape: [320, 480, 3] });
 * await loadWeights(trunk, 'resnet18.safetensors');
 * const net = fcn(trunk, 'layer4', { numClasses: 21 });
 */
export function fcn(
  model: tfl.LayersModel,
  features: string,
  options: FcnOptions,
): tfl.LayersModel {
  const { numClasses, seed } = checkOptions('[models] fcn', fcnRules, options);
  const deep = outputOf('fcn', model, features);
  const stride = strideOf(model, deep, features);
  const scores = tfl.layers.conv2d({
    filters: numClasses,
    kernelSize: 1,
    kernelInitializer: INITIALIZERS['xavier-uniform'].conv({
      seed,
      fanIn: deep.shape[3] as number,
      fanOut: numClasses,
    }),
    name: 'final_conv',
  });
  const enlarge = tfl.layers.conv2dTranspose({
    filters: numClasses,
    kernelSize: 2 * stride, // with 'same' it cuts off stride / 2 on each side, as the book does
    strides: stride,
    padding: 'same',
    kernelInitializer: bilinearInitializer(),
    name: 'transpose_conv',
  });
  const logits = enlarge.apply(scores.apply(deep)) as tfl.SymbolicTensor;
  const name = `${model.name}.fcn`;
  return sharing(model, tfl.model({ name, inputs: model.inputs, outputs: logits }));
}

/** How many times as high and wide as the features the image is. */
function strideOf(model: tfl.LayersModel, deep: tfl.SymbolicTensor, features: string): number {
  const [, height, width] = model.inputs[0]?.shape ?? [];
  const [, rows, columns] = deep.shape;
  const stride = (height ?? 0) / (rows ?? 1);
  const isEven = Number.isInteger(stride) && stride >= 2 && stride % 2 === 0;
  if (deep.shape.length === 4 && isEven && stride === (width ?? 0) / (columns ?? 1)) return stride;
  throw new RangeError(
    `[models] fcn: expected features [batch, height / s, width / s, channels] of an even s, got ` +
      `${formatValue(deep.shape)} of '${features}' for images ` +
      `${formatValue(model.inputs[0]?.shape)}; choose another block, or build the model for ` +
      'images whose height and width are multiples of its stride',
  );
}

/** Kernels `[height, width, channels, channels]`; a stock initializer, for stock tfjs to load. */
function bilinearInitializer(): ReturnType<typeof tfl.initializers.zeros> {
  const initializer = tfl.initializers.zeros();
  initializer.apply = (shape) => {
    const [height = 0, width = 0, outputs = 0, inputs = 0] = shape as number[];
    const kernel = [inputs, outputs, height, width];
    const values = initializers.bilinear()(kernel, 0) as Float32Array;
    return tf.tidy(() => tf.transpose(tf.tensor(values, kernel), [2, 3, 1, 0]));
  };
  return initializer;
}
