/**
 * The book's functions for several devices: sections 13.5 and 13.6 of the English edition (12.5 and
 * 12.6 of the Chinese one).
 */
import { splitBatch as partsOf } from '@deepend/core';
import { activate, type Device } from '@deepend/device';
import type { Loader, TrainOptions, TrainResult } from '@deepend/trainer';
import { train } from '@deepend/trainer';
import * as tf from '@tensorflow/tfjs-core';
import {
  type BookNet,
  type FreeLoss,
  type FreeRecord,
  type FreeUpdater,
  isFreeUpdater,
  trainEpochFree,
  trainFree,
} from '../from-scratch';

/**
 * Section 13.5: a batch in parts, one for each device, as even as possible and larger ones first.
 * The caller disposes them.
 * @throws RangeError when there are fewer samples than devices, or X and y differ in samples
 */
export function splitBatch(
  X: tf.Tensor,
  y: tf.Tensor,
  devices: readonly unknown[],
): [Xs: tf.Tensor[], ys: tf.Tensor[]] {
  const count = X.shape[0] ?? 0;
  if (count !== y.shape[0] || devices.length < 1 || devices.length > count) {
    throw new RangeError(
      '[deepend] d2l.splitBatch: expected as many labels as samples, and at least one sample for ' +
        `each device, got ${count} samples, ${y.shape[0] ?? 0} labels and ${devices.length} ` +
        'devices',
    );
  }
  const cut = (x: tf.Tensor) =>
    partsOf(count, devices.length).map(({ start, length }) => tf.slice(x, [start], [length]));
  return [cut(X), cut(y)];
}

/**
 * Section 13.5: copies of parameters on a device, which becomes the current one. The caller
 * disposes them.
 */
export async function getParams(
  params: readonly tf.Tensor[],
  device: Device,
): Promise<tf.Variable[]> {
  await activate(device);
  return params.map((p) => tf.tidy(() => tf.variable(tf.add(p, 0))));
}

/**
 * Section 13.5: replaces each variable by the sum of all. Between processes,
 * `distributed.allReduce` does it.
 * @throws RangeError when there is none, or shapes differ
 */
export function allreduce(data: readonly tf.Variable[]): void {
  const [first] = data;
  if (!first || data.some(({ shape }) => shape.join() !== first.shape.join())) {
    throw new RangeError(
      '[deepend] d2l.allreduce: expected variables of the same shape, got ' +
        (data.map(({ shape }) => `[${shape.join(', ')}]`).join(', ') || 'none'),
    );
  }
  tf.tidy(() => {
    const sum = tf.addN([...data]);
    for (const variable of data) variable.assign(tf.add(sum, 0)); // a tensor of its own for each
  });
}

/** A function or an optimizer over variables computes on one device. */
async function useOne(where: string, devices: readonly Device[]): Promise<void> {
  if (devices.length > 1) {
    throw new RangeError(
      `${where}: expected one device for an updater of your own, got ${devices.length}; several ` +
        "devices train by options such as { lr: 0.1, optimizer: 'adam' }: d2l.trainCh13",
    );
  }
  if (devices[0]) await activate(devices[0]);
}

/**
 * Section 14.1: one step on a batch, which stays the caller's.
 * @param loss the loss of each sample, or the mean
 * @param trainer an optimizer over variables, or a function `(batchSize, gradients)`
 * @param devices at most one; `trainCh13` splits batches over several
 * @returns the summed loss, and the number of correct predictions, NaN without classes
 */
export async function trainBatchCh13(
  net: BookNet,
  X: tf.Tensor,
  y: tf.Tensor,
  ...[loss, trainer, devices = []]: [FreeLoss, FreeUpdater, (readonly Device[])?]
): Promise<[lossSum: number, accSum: number]> {
  await useOne('[deepend] d2l.trainBatchCh13', devices);
  const numSamples = X.shape[0] ?? 0;
  const once: Loader = {
    ...{ numSamples, numBatches: 1, batchSize: numSamples },
    async *[Symbol.asyncIterator]() {
      yield { features: X.clone(), labels: y.clone() };
    },
  };
  const result = await trainEpochFree(net, once, { loss, updater: trainer });
  return [result.loss * numSamples, result.trainAcc * numSamples];
}

/**
 * Section 14.1: trains on the devices, and evaluates after each epoch.
 * @param trainer options of `train` such as `{ lr: 0.001, optimizer: 'adam' }`, by which several
 *   devices share each batch; or, on one device, an optimizer over variables or a function
 * @example
 * const devices = await tryAllGpus();
 * await d2l.trainCh13(net, trainIter, testIter, crossEntropy(), { lr: 0.1 }, 10, devices);
 */
export async function trainCh13(
  net: BookNet,
  trainIter: Loader,
  testIter: Loader | null,
  ...[loss, trainer, numEpochs, devices = []]: [
    loss: FreeLoss,
    trainer: FreeUpdater | Omit<TrainOptions, 'loss' | 'numEpochs' | 'device' | 'devices'>,
    numEpochs: number,
    devices?: readonly Device[],
  ]
): Promise<TrainResult | { history: FreeRecord[] }> {
  const where = '[deepend] d2l.trainCh13';
  if (isFreeUpdater(trainer)) {
    await useOne(where, devices);
    return trainFree(net, [trainIter, testIter], { loss, numEpochs, updater: trainer });
  }
  if (typeof net === 'function') {
    throw new TypeError(
      `${where}: expected a model or a module with options of train, got a function; give an ` +
        'updater such as optim.sgd([w, b], { lr })',
    );
  }
  const [device, ...more] = devices;
  return train(net, trainIter, testIter, {
    ...trainer,
    ...{ loss: loss as NonNullable<TrainOptions['loss']>, numEpochs },
    ...(more.length > 0 ? { devices: [...devices] } : device && { device }),
  });
}
