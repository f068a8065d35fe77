import { compile, type Loss, type Plan } from '@deepend/compiler';
import type { Metric } from '@deepend/optim';
import { softmaxCrossEntropy } from '@deepend/optim';
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { checkBatch, checkLoader } from './check';
import { MetricSums } from './sums';
import type { Loader } from './types';

export interface Evaluation {
  /** Mean loss over all samples. */
  readonly loss: number;
  /** Share of right answers, 0 to 1; NaN where the loss knows none. */
  readonly accuracy: number;
  readonly numSamples: number;
  /** What each metric came to, by its name. */
  readonly metrics?: Record<string, unknown>;
}

export interface EvaluateOptions {
  /** @default softmax cross-entropy on the logits */
  loss?: Loss<tf.Scalar | null> | undefined;
  metrics?: readonly Metric[] | undefined;
}

/**
 * Loss, accuracy and metrics of a net over all batches of a loader, in inference mode. Every sample
 * weighs the same.
 */
export async function evaluate(
  net: LayersModel,
  loader: Loader,
  options: EvaluateOptions = {},
): Promise<Evaluation> {
  const where = '[trainer] evaluate';
  const plan = compile(net);
  checkLoader(where, loader, plan);
  return evaluatePlan(where, plan, loader, options);
}

export async function evaluatePlan(
  where: string,
  plan: Plan,
  loader: Loader,
  options: EvaluateOptions,
): Promise<Evaluation> {
  const { metrics = [] } = options;
  const lossOf: Loss<tf.Scalar | null> = options.loss ?? softmaxCrossEntropy;
  const sums = new MetricSums();
  for (const metric of metrics) metric.reset();
  try {
    for await (const batch of loader) {
      const { features, labels } = batch;
      let logits: tf.Tensor2D | undefined;
      try {
        checkBatch(where, batch, plan, { labels: true, values: options.loss !== undefined });
        logits = plan.logits(features);
        const { loss, correct, dLogits } = lossOf(logits, labels);
        dLogits.dispose();
        sums.add(loss, correct, features.shape[0] ?? 0);
        for (const metric of metrics) await metric.update(logits, labels);
      } finally {
        tf.dispose([features, labels, ...(logits ? [logits] : [])]);
      }
    }
    const result = await sums.read();
    if (result.numSamples === 0)
      throw new RangeError(`${where}: the loader gave no batch; expected ${loader.numBatches}`);
    if (metrics.length === 0) return result;
    return {
      ...result,
      metrics: Object.fromEntries(metrics.map((metric) => [metric.name, metric.compute()])),
    };
  } finally {
    sums.dispose();
  }
}

/**
 * Logits `[numSamples, numClasses]`, in inference mode. The caller disposes them.
 * @param features float32 `[batch, height, width, channels]`, which stay the caller's; or a loader,
 *   whose batches are disposed
 */
export async function predict(
  net: LayersModel,
  features: tf.Tensor | Loader,
): Promise<tf.Tensor2D> {
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
        checkBatch(where, batch, plan, { labels: false, values: true });
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
