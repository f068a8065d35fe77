/**
 * The names that chapters of Dive into Deep Learning use, each a line or two over what this package
 * has. Arguments stand in the book's order;
 * where it passes a net's parameters, gradients are passed here.
 */

import type { Loss, ParameterGradient } from '@deepend/compiler';
import { activate, type Device } from '@deepend/device';
import { clipByNorm, metrics, sgd as sgdStep } from '@deepend/optim';
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { Accumulator } from './accumulator';
import { evaluate } from './evaluate';
import { Timer } from './timer';
import { train } from './train';
import type { Loader, TrainOptions, TrainResult } from './types';

type BookLoss = Loss<tf.Scalar | null>;

/**
 * Section 3.6: trains with a loss and an updater, such as `{ lr: 0.1 }` or `{ lr: 0.01, optimizer:
 * 'adam' }`.
 */
const trainCh3 = (
  net: LayersModel,
  trainIter: Loader,
  testIter: Loader | null,
  ...[loss, numEpochs, updater]: [
    loss: BookLoss,
    numEpochs: number,
    updater: Pick<TrainOptions, 'lr' | 'optimizer'>,
  ]
): Promise<TrainResult> => train(net, trainIter, testIter, { ...updater, loss, numEpochs });

/**
 * Section 6.6: trains by stochastic gradient descent on cross-entropy. The book's sets new weights
 * first; here a net keeps those that it was built with.
 */
const trainCh6 = (
  net: LayersModel,
  trainIter: Loader,
  testIter: Loader | null,
  ...[numEpochs, lr, device]: [numEpochs: number, lr: number, device?: Device]
): Promise<TrainResult> =>
  train(net, trainIter, testIter, { numEpochs, lr, ...(device && { device }) });

/** Section 3.6: the share of right answers, 0 to 1. */
const evaluateAccuracy = async (net: LayersModel, loader: Loader): Promise<number> =>
  (await evaluate(net, loader)).accuracy;

/** Section 6.6: the same on a device. */
async function evaluateAccuracyGpu(
  net: LayersModel,
  loader: Loader,
  device?: Device,
): Promise<number> {
  if (device) await activate(device);
  return evaluateAccuracy(net, loader);
}

/** Section 4.4: the mean loss. */
const evaluateLoss = async (net: LayersModel, loader: Loader, loss: BookLoss): Promise<number> =>
  (await evaluate(net, loader, { loss })).loss;

/** Section 8.5: scales gradients so that the norm of all together is at most `theta`. */
const gradClipping = (gradients: readonly ParameterGradient[], theta: number): void =>
  clipByNorm(gradients, theta).dispose();

/** Section 3.2: half the squared difference of each sample, of the shape of `yHat`. */
const squaredLoss = (yHat: tf.Tensor, y: tf.Tensor): tf.Tensor =>
  tf.tidy(() => tf.div(tf.squaredDifference(yHat, tf.reshape(y, yHat.shape)), 2));

/**
 * Section 3.2: w ← w − lr·g / batchSize, for gradients of a summed loss; those of `plan.step` are
 * of the mean, which is a batch size of 1.
 */
const sgd = (gradients: readonly ParameterGradient[], lr: number, batchSize = 1): void =>
  sgdStep(gradients, { lr: lr / batchSize });

/**
 * Section 6.2: the cross-correlation of `x` `[height, width]` with a kernel, `[height − kh + 1,
 * width − kw + 1]`.
 */
const corr2d = (x: tf.Tensor2D, kernel: tf.Tensor2D): tf.Tensor2D =>
  tf.tidy(() => {
    const image = tf.expandDims(x, 2) as tf.Tensor3D; // [height, width, 1]
    const filter = tf.reshape(kernel, [...kernel.shape, 1, 1]) as tf.Tensor4D; // [kh, kw, 1, 1]
    return tf.squeeze(tf.conv2d(image, filter, 1, 'valid'), [2]) as tf.Tensor2D;
  });

/** The book's functions by the book's names. */
export const bookTools = {
  Accumulator,
  Timer,
  accuracy: metrics.numCorrect,
  corr2d,
  evaluateAccuracy,
  evaluateAccuracyGpu,
  evaluateLoss,
  gradClipping,
  sgd,
  squaredLoss,
  trainCh3,
  trainCh6,
} as const;
