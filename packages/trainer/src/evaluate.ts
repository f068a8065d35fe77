import { compile, type Plan } from '@deepend/compiler';
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { checkBatch, checkLoader } from './check';
import { MetricSums } from './sums';
import type { Loader } from './types';

export interface Evaluation {
  /** Mean cross-entropy over all samples. */
  readonly loss: number;
  /** Share of right answers, 0 to 1. */
  readonly accuracy: number;
  readonly numSamples: number;
}

/** Loss and accuracy of a net over all batches of a loader, in inference mode. Every sample weighs the same. */
export async function evaluate(net: LayersModel, loader: Loader): Promise<Evaluation> {
  const where = '[trainer] evaluate';
  const plan = compile(net);
  checkLoader(where, loader, plan);
  return evaluatePlan(where, plan, loader);
}

/** @param onBatch called after each batch, for a progress display */
export async function evaluatePlan(where: string, plan: Plan, loader: Loader, onBatch?: () => void): Promise<Evaluation> {
  const sums = new MetricSums();
  try {
    for await (const batch of loader) {
      try {
        checkBatch(where, batch, plan, { labels: true });
        const { loss, correct } = plan.evaluate(batch.features, batch.labels);
        sums.add(loss, correct, batch.features.shape[0] ?? 0);
      } finally {
        tf.dispose([batch.features, batch.labels]);
      }
      onBatch?.();
    }
    const result = await sums.read();
    if (result.numSamples === 0) throw new RangeError(`${where}: the loader gave no batch; expected ${loader.numBatches}`);
    return result;
  } finally {
    sums.dispose();
  }
}

/**
 * Logits `[numSamples, numClasses]`, in inference mode. The caller disposes them.
 * @param features float32 `[batch, height, width, channels]`, which stay the caller's; or a loader, whose batches are disposed
 */
export async function predict(net: LayersModel, features: tf.Tensor | Loader): Promise<tf.Tensor2D> {
  const where = '[trainer] predict';
  const plan = compile(net);
  if (features instanceof tf.Tensor) {
    const labels = tf.zeros([features.shape[0] ?? 0], 'int32');
    try {
      checkBatch(where, { features, labels }, plan, { labels: false });
    } finally {
      labels.dispose();
    }
    return plan.logits(features);
  }
  checkLoader(where, features, plan);
  const parts: tf.Tensor2D[] = [];
  try {
    for await (const batch of features) {
      try {
        checkBatch(where, batch, plan, { labels: false });
        parts.push(plan.logits(batch.features));
      } finally {
        tf.dispose([batch.features, batch.labels]);
      }
    }
    return tf.concat(parts, 0);
  } finally {
    tf.dispose(parts);
  }
}
