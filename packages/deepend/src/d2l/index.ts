/**
 * The namespace `d2l`: functions and classes of the book's `d2l/torch.py` under their names in
 * camelCase, each a line or two over the toolkit. Arguments stand in the book's order. Gradients
 * are passed where the book reads them from the parameters. A model may be a function, with free
 * variables as its parameters. What touches a device or a file returns a promise. Sections are
 * those of the English edition 1.0.
 */
import type { Loss, ModuleLike, ParameterGradient } from '@deepend/compiler';
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
import { showPredictions } from '../figures/predictions';
import {
  type BookNet,
  evaluateFree,
  type FreeLoss,
  type FreeRecord,
  type FreeUpdater,
  isFreeUpdater,
  trainEpochFree,
  trainFree,
} from '../from-scratch';

export {
  DATA_HUB,
  download,
  downloadExtract,
  extract,
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
export * from './bert-data';
export * from './gan';
export * from './gaussian-process';
export * from './kaggle-images';
export * from './linear-models';
export * from './models';
export {
  addToClass,
  type BookData,
  type BookHistory,
  type BookOptimizer,
  DataModule,
  HyperParameters,
  Module,
  type PlotOptions,
  Trainer,
} from './object-oriented';
export * from './optimization';
export * from './parallel';
export * from './plotting';
export * from './regularization';
export * from './reinforcement';
export * from './search';
export * from './segmentation';
export * from './tables';
export * from './text';
export * from './text-data';
export * from './vision';

type BookLoss = Loss<tf.Scalar | null>;
/** Learning rate and optimizer, such as `{ lr: 0.1 }` or `{ lr: 0.01, optimizer: 'adam' }`. */
type Updater = Pick<TrainOptions, 'lr' | 'optimizer'>;

/** Section 3.4: half of the squared difference of each sample, of the shape of `yHat`. */
export const squaredLoss = (yHat: tf.Tensor, y: tf.Tensor): tf.Tensor =>
  tf.tidy(() => tf.div(tf.squaredDifference(yHat, tf.reshape(y, yHat.shape)), 2));

/** Section 3.4: Xw + b. */
export const linreg = (x: tf.Tensor, w: tf.Tensor, b: tf.Tensor): tf.Tensor =>
  tf.tidy(() => tf.add(tf.matMul(x, w), b));

/** Gradients by their variables' names, as `tf.variableGrads` gives them, or in a list. */
type Gradients = tf.NamedTensorMap | tf.Tensor[];

/**
 * Section 3.4: w ← w − lr·g / batchSize, for gradients of a summed loss. Those of
 * `plan.forwardBackward` are of the mean loss, which is a batch size of 1.
 * @example
 * const { value, grads } = tf.variableGrads(() => tf.sum(loss(net(x), y)), [w, b]);
 * d2l.sgd([w, b], grads, lr, batchSize);
 */
export function sgd(gradients: readonly ParameterGradient[], lr: number, batchSize?: number): void;
export function sgd(
  parameters: readonly tf.Variable[],
  gradients: Gradients,
  ...[lr, batchSize]: [lr: number, batchSize: number]
): void;
export function sgd(
  first: readonly (ParameterGradient | tf.Variable)[],
  second: Gradients | number,
  ...[third = 1, batchSize = 1]: (number | undefined)[]
): void {
  if (typeof second === 'number') {
    sgdStep(first as readonly ParameterGradient[], { lr: second / third });
    return;
  }
  const entries = (first as readonly tf.Variable[]).map((variable, i): ParameterGradient => {
    const gradient = Array.isArray(second) ? second[i] : second[variable.name];
    const { name, shape, trainable } = variable;
    if (gradient) return { parameter: { name, shape, trainable, variable }, gradient };
    throw new RangeError(
      `[deepend] d2l.sgd: expected a gradient of parameter ${i}, "${name}", got none; compute it ` +
        'with the others: tf.variableGrads(() => loss, [w, b])',
    );
  });
  sgdStep(entries, { lr: third / batchSize });
}

/** Section 4.4: the number of correct predictions of a batch. */
export const accuracy = metrics.numCorrect;

/** Section 4.6: the fraction of correct predictions over a loader, 0 to 1. */
export const evaluateAccuracy = async (net: BookNet, loader: Loader): Promise<number> =>
  (await (typeof net === 'function' ? evaluateFree(net, loader) : evaluate(net, loader))).accuracy;

/** Section 4.6: the mean loss over a loader. */
export async function evaluateLoss(net: BookNet, loader: Loader, loss: FreeLoss): Promise<number> {
  if (typeof net === 'function' || !('config' in loss))
    return (await evaluateFree(net, loader, loss)).loss;
  return (await evaluate(net, loader, { loss })).loss;
}

/**
 * Section 4.4: one epoch of training without an evaluation. The updater is a function
 * `(batchSize, gradients)`, an optimizer over variables, or options of `train`.
 */
export function trainEpochCh3(
  net: LayersModel | ModuleLike,
  trainIter: Loader,
  ...[loss, updater]: [loss: BookLoss, updater: Updater]
): Promise<EpochRecord>;
export function trainEpochCh3(
  net: BookNet,
  trainIter: Loader,
  ...[loss, updater]: [loss: FreeLoss, updater: FreeUpdater]
): Promise<Omit<FreeRecord, 'epoch' | 'testAcc'>>;
export function trainEpochCh3(
  net: BookNet,
  trainIter: Loader,
  ...[loss, updater]: [loss: FreeLoss, updater: Updater | FreeUpdater]
): Promise<EpochRecord | Omit<FreeRecord, 'epoch' | 'testAcc'>> {
  if (isFreeUpdater(updater)) return trainEpochFree(net, trainIter, { loss, updater });
  return trainEpoch(requireModel('trainEpochCh3', net), trainIter, {
    ...updater,
    loss: loss as BookLoss,
  });
}

/**
 * Section 4.4: trains with a loss and an updater, and evaluates after each epoch. The updater is a
 * function `(batchSize, gradients)`, an optimizer over variables, or options of `train`.
 * @example
 * const updater = (batchSize, gradients) => d2l.sgd([W, b], gradients, 0.1, batchSize);
 * await d2l.trainCh3(net, trainIter, testIter, crossEntropy, 10, updater);
 */
export function trainCh3(
  net: LayersModel | ModuleLike,
  trainIter: Loader,
  testIter: Loader | null,
  ...[loss, numEpochs, updater]: [loss: BookLoss, numEpochs: number, updater: Updater]
): Promise<TrainResult>;
export function trainCh3(
  net: BookNet,
  trainIter: Loader,
  testIter: Loader | null,
  ...[loss, numEpochs, updater]: [loss: FreeLoss, numEpochs: number, updater: FreeUpdater]
): Promise<{ history: FreeRecord[] }>;
export function trainCh3(
  net: BookNet,
  trainIter: Loader,
  testIter: Loader | null,
  ...[loss, numEpochs, updater]: [FreeLoss, number, Updater | FreeUpdater]
): Promise<TrainResult | { history: FreeRecord[] }> {
  if (isFreeUpdater(updater))
    return trainFree(net, [trainIter, testIter], { loss, numEpochs, updater });
  return train(requireModel('trainCh3', net), trainIter, testIter, {
    ...updater,
    loss: loss as BookLoss,
    numEpochs,
  });
}

/** Options of `train` need a model whose parameters can be found. */
function requireModel(name: string, net: BookNet): LayersModel | ModuleLike {
  if (typeof net !== 'function') return net;
  throw new TypeError(
    `[deepend] d2l.${name}: expected an updater for a function as the model, whose parameters ` +
      'nobody knows: (batchSize, gradients) => d2l.sgd([w, b], gradients, lr, batchSize), or an ' +
      'optimizer such as optim.sgd([w, b], { lr })',
  );
}

/** Section 4.4: the first `n` images of a loader with their true and predicted classes. */
export const predictCh3 = (net: BookNet, testIter: Loader, n = 6): Promise<Figure> =>
  showPredictions(net, testIter, { count: n, cols: n });

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
 * @throws RangeError for a kernel that is larger than `x`
 */
export const corr2d = (x: tf.Tensor2D, kernel: tf.Tensor2D): tf.Tensor2D =>
  tf.tidy(() => {
    if (kernel.shape[0] > x.shape[0] || kernel.shape[1] > x.shape[1]) {
      throw new RangeError(
        `[deepend] d2l.corr2d: expected a kernel of at most [${x.shape.join(', ')}], got ` +
          `[${kernel.shape.join(', ')}]; pad x`,
      );
    }
    const image = tf.expandDims(x, 2) as tf.Tensor3D; // [height, width, 1]
    const filter = tf.reshape(kernel, [...kernel.shape, 1, 1]) as tf.Tensor4D; // [kh, kw, 1, 1]
    return tf.squeeze(tf.conv2d(image, filter, 1, 'valid'), [2]) as tf.Tensor2D;
  });

/** Section 7.6: the fraction of correct predictions over a loader, computed on `device`. */
export async function evaluateAccuracyGpu(
  net: BookNet,
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
  net: LayersModel | ModuleLike,
  trainIter: Loader,
  testIter: Loader | null,
  ...[numEpochs, lr, device]: [numEpochs: number, lr: number, device?: Device]
): Promise<TrainResult> =>
  train(net, trainIter, testIter, { numEpochs, lr, ...(device && { device }) });

/** Section 8.6: a residual block. */
export const Residual = residual;

/** Section 8.6: a ResNeXt block. */
export const ResNeXtBlock = resnextBlock;

/**
 * Section 9.5: scales gradients so that their joint norm is at most `theta`. Those of
 * `tf.variableGrads` are replaced in their record or list, and the old ones disposed.
 */
export function gradClipping(
  gradients: readonly ParameterGradient[] | Gradients,
  theta: number,
): void {
  const slots = gradients as Record<string, tf.Tensor | ParameterGradient>;
  const entries = Object.entries(slots).map(([key, given]) => {
    const isPlain = given instanceof tf.Tensor;
    return { key, isPlain, entry: (isPlain ? { gradient: given } : given) as ParameterGradient };
  });
  clipByNorm(
    entries.map(({ entry }) => entry),
    theta,
  ).dispose();
  for (const { key, isPlain, entry } of entries) if (isPlain) slots[key] = entry.gradient;
}

/**
 * Section 13.6: builds a ResNet-18 with a 3 × 3 stem and no max-pool.
 * @param inputShape of an image @default [96, 96, 1]
 */
export const resnet18 = (
  numClasses: number,
  inputShape: readonly [number, number, number] = [96, 96, 1],
): LayersModel => book.resnet18({ stem: 'cifar', inputShape: [...inputShape], numClasses });
