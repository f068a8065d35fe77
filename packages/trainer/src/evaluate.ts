/** Evaluation and prediction in inference mode. */

import { compile, type Loss, type Plan } from '@deepend/compiler';
import { OutOfMemoryError } from '@deepend/core';
import type { Metric } from '@deepend/optim';
import { softmaxCrossEntropy } from '@deepend/optim';
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { massOf, RunningMetrics } from './accumulator';
import { checkBatch, checkLoader, checkTrainedClasses, type Loader } from './loader';
import { startDefaultDevice } from './start-device';

export interface Evaluation {
  /** Mean loss over all samples. */
  readonly loss: number;
  /** Fraction of correct answers, 0 to 1; NaN when the loss has no notion of a correct answer. */
  readonly accuracy: number;
  readonly numSamples: number;
  /** The result of each metric, by its name. */
  readonly metrics?: Record<string, unknown>;
}

export interface EvaluateOptions {
  /**
   * @default softmax cross-entropy on the logits
   * @example meanSquaredError()
   */
  loss?: Loss<tf.Scalar | null> | undefined;
  /**
   * What else to measure. @default none
   * @example [metrics.topK(5), metrics.confusionMatrix()]
   */
  metrics?: readonly Metric[] | undefined;
}

/**
 * Loss, accuracy and metrics of a model over all batches of a loader, in inference mode. Every
 * sample has the same weight, also in a smaller last batch; with class weights the loss is the
 * weighted mean over all samples. Metrics get what `predict` gives.
 * @throws TypeError or RangeError when model, loader and labels do not fit together
 * @example
 * const { loss, accuracy } = await evaluate(net, testIter);
 */
export async function evaluate(
  model: LayersModel,
  loader: Loader,
  options: EvaluateOptions = {},
): Promise<Evaluation> {
  const where = '[trainer] evaluate';
  await startDefaultDevice(model);
  const plan = compile(model);
  checkLoader(where, loader, plan);
  checkTrainedClasses(where, model, loader);
  return evaluatePlan(where, plan, loader, options);
}

/** `evaluate` for a model that is compiled, and a loader that is checked. */
export async function evaluatePlan(
  where: string,
  plan: Plan,
  loader: Loader,
  options: EvaluateOptions,
): Promise<Evaluation> {
  const { metrics = [], loss: computeLoss = softmaxCrossEntropy } = options;
  const allowContinuous = options.loss !== undefined;
  const running = new RunningMetrics();
  for (const metric of metrics) metric.reset();
  try {
    for await (const batch of loader) {
      const { features, labels } = batch;
      let logits: tf.Tensor2D | undefined; // [batch, outputs]
      let outputs: tf.Tensor2D | undefined; // [batch, outputs]
      try {
        checkBatch(where, batch, plan, { checkLabels: true, allowContinuous });
        logits = logitsInParts(where, plan, features);
        const { loss, correct, dLogits } = plan.lossOfLogits(computeLoss, logits, labels);
        dLogits.dispose();
        running.add({
          loss,
          correct,
          count: features.shape[0] ?? 0,
          mass: massOf(computeLoss, labels),
        });
        if (metrics.length > 0) outputs = plan.outputs(logits);
        for (const metric of metrics) await metric.update(outputs as tf.Tensor2D, labels);
      } finally {
        tf.dispose([features, labels]);
        if (logits) logits.dispose();
        if (outputs) outputs.dispose();
      }
    }
    const result = await running.read();
    if (result.numSamples === 0)
      throw new RangeError(`${where}: the loader gave no batch; expected ${loader.numBatches}`);
    if (metrics.length === 0) return result;
    const measured = metrics.map((metric) => [metric.name, metric.compute()]);
    return { ...result, metrics: Object.fromEntries(measured) as Record<string, unknown> };
  } finally {
    running.dispose();
  }
}

/** Samples that a forward pass takes at once, for plans whose batches did not fit the memory. */
const fittingSizes = new WeakMap<Plan, number>();

/** The logits of a batch, computed in parts when the whole does not fit the device's memory. */
function logitsInParts(where: string, plan: Plan, features: tf.Tensor): tf.Tensor2D {
  const count = features.shape[0] ?? 0;
  for (;;) {
    const size = Math.min(fittingSizes.get(plan) ?? count, count);
    try {
      if (size === count) return plan.logits(features);
      return tf.tidy(() => {
        const starts = Array.from({ length: Math.ceil(count / size) }, (_, i) => i * size);
        const parts = starts.map((start) =>
          plan.logits(tf.slice(features, start, Math.min(size, count - start))),
        );
        return tf.concat(parts, 0);
      });
    } catch (error) {
      if (!(error instanceof OutOfMemoryError) || size <= 1) throw error;
      const smaller = Math.ceil(size / 2);
      fittingSizes.set(plan, smaller);
      console.warn(
        `${where}: a batch of ${count} does not fit the device's memory: it is evaluated in ` +
          `parts of ${smaller}, with the same result`,
      );
    }
  }
}

function predictInParts(where: string, plan: Plan, features: tf.Tensor): tf.Tensor2D {
  const logits = logitsInParts(where, plan, features);
  const outputs = plan.outputs(logits);
  logits.dispose();
  return outputs;
}

/**
 * The model's outputs `[numSamples, numClasses]` in inference mode, as `model.predict` gives them:
 * logits, or probabilities when the model ends with a softmax or sigmoid. The caller disposes them.
 * @param features float32 `[batch, height, width, channels]`, which stay the caller's; or a loader,
 *   whose batches are disposed
 * @throws TypeError or RangeError when model and features do not fit together
 * @example
 * const outputs = await predict(net, features);
 * const classes = outputs.argMax(1); // [batch]
 */
export async function predict(
  model: LayersModel,
  features: tf.Tensor | Loader,
): Promise<tf.Tensor2D> {
  const where = '[trainer] predict';
  await startDefaultDevice(model);
  const plan = compile(model);
  if (features instanceof tf.Tensor) {
    const labels = tf.zeros([features.shape[0] ?? 0], 'int32');
    try {
      checkBatch(where, { features, labels }, plan, { checkLabels: false });
    } finally {
      labels.dispose();
    }
    return predictInParts(where, plan, features);
  }
  checkLoader(where, features, plan);
  const parts: tf.Tensor2D[] = [];
  try {
    for await (const batch of features) {
      try {
        checkBatch(where, batch, plan, { checkLabels: false, allowContinuous: true });
        parts.push(predictInParts(where, plan, batch.features));
      } finally {
        tf.dispose([batch.features, batch.labels]);
      }
    }
    return tf.concat(parts, 0);
  } finally {
    tf.dispose(parts);
  }
}
