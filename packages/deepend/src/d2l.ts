/**
 * The namespace `d2l`: functions and classes of the book's `d2l/torch.py` under their names in
 * camelCase, each a line or two over the toolkit. Arguments stand in the book's order. Where the
 * book passes a model's parameters, gradients are passed here. What touches a device or a file
 * returns a promise. Sections are those of the English edition 1.0.
 */
import type { Loss, ParameterGradient } from '@deepend/compiler';
import type { EpochRecord } from '@deepend/core';
import { activate, type Device, device, listDevices } from '@deepend/device';
import { book, resnextBlock } from '@deepend/models';
import { residual } from '@deepend/nn';
import { clipByNorm, metrics, sgdStep } from '@deepend/optim';
import type { Figure } from '@deepend/plot';
import {
  evaluate,
  type Loader,
  type TrainOptions,
  type TrainResult,
  train,
  trainEpoch,
} from '@deepend/trainer';
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { showPredictions } from './figures/predictions';

export {
  getFashionMnistLabels,
  loadArray,
  loadFashionMnist as loadDataFashionMnist,
  syntheticData,
} from '@deepend/data';
export { cpu, tryAllGpus, tryGpu } from '@deepend/device';
export {
  Animator,
  ProgressBoard,
  plot,
  showHeatmaps,
  showImages,
  showTrace2d,
} from '@deepend/plot';
export { Accumulator, Timer } from '@deepend/trainer';

type BookLoss = Loss<tf.Scalar | null>;
/** Learning rate and optimizer, such as `{ lr: 0.1 }` or `{ lr: 0.01, optimizer: 'adam' }`. */
type Updater = Pick<TrainOptions, 'lr' | 'optimizer'>;

/** Section 3.4: half of the squared difference of each sample, of the shape of `yHat`. */
export const squaredLoss = (yHat: tf.Tensor, y: tf.Tensor): tf.Tensor =>
  tf.tidy(() => tf.div(tf.squaredDifference(yHat, tf.reshape(y, yHat.shape)), 2));

/**
 * Section 3.4: w ← w − lr·g / batchSize, for gradients of a summed loss. Those of
 * `plan.forwardBackward` are of the mean loss, which is a batch size of 1.
 */
export const sgd = (gradients: readonly ParameterGradient[], lr: number, batchSize = 1): void =>
  sgdStep(gradients, { lr: lr / batchSize });

/** Section 4.4: the number of correct predictions of a batch. */
export const accuracy = metrics.numCorrect;

/** Section 4.6: the fraction of correct predictions over a loader, 0 to 1. */
export const evaluateAccuracy = async (net: LayersModel, loader: Loader): Promise<number> =>
  (await evaluate(net, loader)).accuracy;

/** Section 4.6: the mean loss over a loader. */
export const evaluateLoss = async (
  net: LayersModel,
  loader: Loader,
  loss: BookLoss,
): Promise<number> => (await evaluate(net, loader, { loss })).loss;

/** Section 4.4: one epoch of training without an evaluation. */
export const trainEpochCh3 = (
  net: LayersModel,
  trainIter: Loader,
  loss: BookLoss,
  updater: Updater,
): Promise<EpochRecord> => trainEpoch(net, trainIter, { ...updater, loss });

/** Section 4.4: trains with a loss and an updater, and evaluates after each epoch. */
export const trainCh3 = (
  net: LayersModel,
  trainIter: Loader,
  testIter: Loader | null,
  ...[loss, numEpochs, updater]: [loss: BookLoss, numEpochs: number, updater: Updater]
): Promise<TrainResult> => train(net, trainIter, testIter, { ...updater, loss, numEpochs });

/** Section 4.4: the first `n` images of a loader with their true and predicted classes. */
export const predictCh3 = (net: LayersModel, testIter: Loader, n = 6): Promise<Figure> =>
  showPredictions(net, testIter, { count: n, cols: n });

/** Section 4.5: builds softmax regression. */
export const SoftmaxRegression = book.softmax_regression;

/**
 * Section 6.7: the i-th GPU.
 * @throws Error when there is no such GPU; `tryGpu(i)` takes the CPU instead
 */
export const gpu = (i = 0): Promise<Device> => device(`cuda:${i}`);

/** Section 6.7: the number of GPUs on which TensorFlow can compute here. */
export async function numGpus(): Promise<number> {
  const names = (await listDevices()).map(({ name }) => name);
  return names.filter((name) => name.startsWith('cuda:')).length;
}

/**
 * Section 7.2: the cross-correlation of `x` `[height, width]` with a kernel `[kh, kw]`:
 * `[height − kh + 1, width − kw + 1]`.
 */
export const corr2d = (x: tf.Tensor2D, kernel: tf.Tensor2D): tf.Tensor2D =>
  tf.tidy(() => {
    const image = tf.expandDims(x, 2) as tf.Tensor3D; // [height, width, 1]
    const filter = tf.reshape(kernel, [...kernel.shape, 1, 1]) as tf.Tensor4D; // [kh, kw, 1, 1]
    return tf.squeeze(tf.conv2d(image, filter, 1, 'valid'), [2]) as tf.Tensor2D;
  });

/** Section 7.6: builds LeNet. */
export const LeNet = book.lenet;

/** Section 7.6: the fraction of correct predictions over a loader, computed on `device`. */
export async function evaluateAccuracyGpu(
  net: LayersModel,
  loader: Loader,
  device?: Device,
): Promise<number> {
  if (device) await activate(device);
  return evaluateAccuracy(net, loader);
}

/**
 * Section 7.6: trains by stochastic gradient descent on cross-entropy. The book's function sets new
 * weights first; here a model keeps those that it was built with.
 */
export const trainCh6 = (
  net: LayersModel,
  trainIter: Loader,
  testIter: Loader | null,
  ...[numEpochs, lr, device]: [numEpochs: number, lr: number, device?: Device]
): Promise<TrainResult> =>
  train(net, trainIter, testIter, { numEpochs, lr, ...(device && { device }) });

/** Section 8.6: a residual block. */
export const Residual = residual;

/** Section 8.6: a ResNeXt block. */
export const ResNeXtBlock = resnextBlock;

/** Section 9.5: scales gradients so that their joint norm is at most `theta`. */
export const gradClipping = (gradients: readonly ParameterGradient[], theta: number): void =>
  clipByNorm(gradients, theta).dispose();

/**
 * Section 13.6: builds a ResNet-18 with a 3 × 3 stem and no max-pool.
 * @param inputShape of an image @default [96, 96, 1]
 */
export const resnet18 = (
  numClasses: number,
  inputShape: readonly [number, number, number] = [96, 96, 1],
): LayersModel => book.resnet18({ stem: 'cifar', inputShape: [...inputShape], numClasses });
