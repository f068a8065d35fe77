/** What a net, a loader and a batch must be like, checked before anything is computed. */

import type { Plan } from '@deepend/compiler';
import { formatValue } from '@deepend/core';
import { Tensor } from '@tensorflow/tfjs-core';
import type { Batch, Loader } from './types';

/** @throws TypeError or RangeError when the loader cannot serve the net */
export function checkLoader(where: string, loader: Loader, plan: Plan): void {
  if (typeof loader?.[Symbol.asyncIterator] !== 'function') {
    throw new TypeError(
      `${where}: expected a loader, an async iterable of { features, labels }, got ${formatValue(loader)}`,
    );
  }
  for (const key of ['numSamples', 'numBatches', 'batchSize'] as const) {
    if (!Number.isInteger(loader[key]) || loader[key] < 1) {
      throw new RangeError(
        `${where}: expected a loader with "${key}" of at least 1, got ${formatValue(loader[key])}`,
      );
    }
  }
  if (loader.inputShape) checkShape(where, loader.inputShape, plan);
  const classes = loader.numClasses ?? loader.classNames?.length ?? 0;
  if (classes > plan.numClasses) {
    throw new RangeError(
      `${where}: the loader has ${classes} classes, the net's output ${plan.numClasses}; build it with numClasses: ${classes}`,
    );
  }
}

function checkShape(where: string, shape: readonly number[], { inputShape }: Plan): void {
  if (
    shape.length === inputShape.length &&
    inputShape.every((size, i) => size === null || size === shape[i])
  )
    return;
  const takes = inputShape.map((size) => size ?? 'any').join(', ');
  throw new RangeError(
    `${where}: the net takes images of [${takes}], the loader gives [${shape.join(', ')}]; build the net with that inputShape, or resize`,
  );
}

/**
 * @param options.labels whether to look at each label: once an epoch's worth has passed, the loader
 *   is trusted
 * @param options.values whether labels may be numbers to be learned: the loss says what it wants
 * @throws TypeError or RangeError when the batch does not fit the net
 */
export function checkBatch(
  where: string,
  batch: Batch,
  plan: Plan,
  options: { labels: boolean; values?: boolean },
): void {
  const { features, labels } = batch ?? {};
  if (!(features instanceof Tensor) || !(labels instanceof Tensor)) {
    throw new TypeError(
      `${where}: expected batches of { features, labels }, both tensors, got ${formatValue(batch)}`,
    );
  }
  if (features.dtype !== 'float32')
    throw new TypeError(`${where}: expected features of float32, got ${features.dtype}; cast them`);
  checkShape(where, features.shape.slice(1), plan);
  const soft = labels.rank === 2;
  if (options.values && labels.dtype === 'float32' && labels.shape[0] === features.shape[0]) return;
  const expected = soft ? [features.shape[0], plan.numClasses] : [features.shape[0]];
  if (labels.shape.join() !== expected.join()) {
    throw new RangeError(
      `${where}: expected labels of [${expected.join(', ')}], got [${labels.shape.join(', ')}]`,
    );
  }
  if (soft || !options.labels) return;
  const bad = labels
    .dataSync()
    .findIndex((label) => !(label >= 0 && label < plan.numClasses && Number.isInteger(label)));
  if (bad >= 0) {
    const got = formatValue(labels.dataSync()[bad]);
    throw new RangeError(
      `${where}: expected labels from 0 to ${plan.numClasses - 1}, the net's classes, got ${got} for sample ${bad} of a batch`,
    );
  }
}
