/** Evaluation and prediction in inference mode. */

import {
  areTensors,
  batchSizeOf,
  likeTensors,
  listTensors,
  planOf,
  sliceTensors,
  type Tensors,
  type TrainingPlan,
} from '@deepend/compiler';
import { OutOfMemoryError } from '@deepend/core';
import type { Ranks } from '@deepend/distributed';
import { type LossOption, type Metric, softmaxCrossEntropy, toLoss } from '@deepend/optim';
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { answersOf, isSum, type MetricTotals, massOf, RunningMetrics } from './accumulator';
import {
  type AnyLoader,
  checkBatch,
  checkLoader,
  checkTrainedClasses,
  countSamples,
  disposeBatch,
  type Loader,
} from './loader';
import type { AnyModel } from './model';
import { isEmptyShare } from './share-loader';
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
   * For an `nn.Module` whose `forward(features, state)` returns `[outputs, state]`: each batch gets
   * the state of the one before, as in `train`. @default false
   */
  carryState?: boolean | undefined;
  /**
   * @default softmax cross-entropy on the logits
   * @example meanSquaredError()
   */
  loss?: LossOption | undefined;
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
  model: AnyModel,
  loader: AnyLoader,
  options: EvaluateOptions = {},
): Promise<Evaluation> {
  const where = '[trainer] evaluate';
  await startDefaultDevice(model);
  const plan = planOf(model, { carryState: options.carryState });
  checkLoader(where, loader, plan);
  checkTrainedClasses(where, model, loader);
  return evaluatePlan(where, plan, loader, options);
}

/** `evaluate` for a model that is compiled, and a loader that is checked. */
export async function evaluatePlan(
  where: string,
  plan: TrainingPlan,
  loader: AnyLoader,
  options: EvaluateOptions & { ranks?: Ranks | undefined },
): Promise<Evaluation> {
  const { metrics = [], ranks } = options;
  const computeLoss = toLoss(where, options.loss ?? softmaxCrossEntropy);
  const allowContinuous = options.loss !== undefined;
  const running = new RunningMetrics();
  for (const metric of metrics) metric.reset();
  plan.beginSequence?.();
  try {
    for await (const batch of loader) {
      const { features, labels, isNewSequence } = batch;
      if (isNewSequence) plan.beginSequence?.();
      let logits: Tensors | undefined; // [batch, outputs] for one output of classes
      let outputs: Tensors | undefined;
      try {
        if (!isEmptyShare(batch, ranks)) {
          checkBatch(where, batch, plan, { checkLabels: true, allowContinuous });
          logits = logitsInParts(where, plan, features);
          const measured = plan.measure(computeLoss, logits, labels);
          const mass = massOf(computeLoss, labels);
          const answers = answersOf(computeLoss, labels);
          const count = countSamples(batch);
          running.add({ ...measured, isSum: isSum(computeLoss), count, mass, answers });
          if (metrics.length > 0) outputs = plan.outputs(logits);
        }
        if (metrics.length === 0) continue;
        await updateMetrics(metrics, { outputs, labels, ranks });
      } finally {
        disposeBatch(batch);
        tf.dispose([logits ?? [], outputs ?? []] as tf.TensorContainer);
      }
    }
    if (ranks) await sumOverRanks(running, ranks);
    const result = await running.read();
    if (result.numSamples === 0)
      throw new RangeError(`${where}: the loader gave no batch; expected ${loader.numBatches}`);
    if (metrics.length === 0) return result;
    const measured = metrics.map((metric) => [metric.name, metric.compute()]);
    return { ...result, metrics: Object.fromEntries(measured) as Record<string, unknown> };
  } finally {
    running.dispose();
    plan.beginSequence?.();
  }
}

/** Makes sums over this rank's shares sums over all of them. */
async function sumOverRanks(running: RunningMetrics, ranks: Ranks): Promise<void> {
  await running.read();
  running.restore((await ranks.sum([...running.totals()] as number[])) as unknown as MetricTotals);
}

/** Gives metrics a batch; that of all ranks where each has a share of it. */
async function updateMetrics(
  metrics: readonly Metric[],
  {
    outputs,
    labels,
    ranks,
  }: { outputs?: Tensors | undefined; labels: Tensors; ranks?: Ranks | undefined },
): Promise<void> {
  const own = [outputs, labels] as [tf.Tensor, tf.Tensor];
  const whole = ranks && [
    await ranks.gatherRows(outputs && own[0]),
    await ranks.gatherRows(outputs && own[1]),
  ];
  const [allOutputs, allLabels] = (whole ?? own) as [tf.Tensor, tf.Tensor];
  try {
    for (const metric of metrics) await metric.update(allOutputs, allLabels);
  } finally {
    if (whole) tf.dispose(whole);
  }
}

/** Samples that a forward pass takes at once, for plans whose batches did not fit the memory. */
const fittingSizes = new WeakMap<TrainingPlan, number>();

/** The logits of a batch, computed in parts when the whole does not fit the device's memory. */
export function logitsInParts(where: string, plan: TrainingPlan, features: Tensors): Tensors {
  const count = batchSizeOf(where, features);
  for (;;) {
    const size = Math.min(fittingSizes.get(plan) ?? count, count);
    try {
      if (size === count) return plan.logits(features);
      const starts = Array.from({ length: Math.ceil(count / size) }, (_, i) => i * size);
      return concatInParts(starts, (start) => {
        const part = sliceTensors(features, start, Math.min(size, count - start));
        try {
          return plan.logits(part);
        } finally {
          tf.dispose(part as tf.TensorContainer);
        }
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

/** Concatenates what `compute` gives for each part, tensor by tensor. */
function concatInParts<T>(parts: readonly T[], compute: (part: T) => Tensors): Tensors {
  const results: Tensors[] = [];
  try {
    for (const part of parts) results.push(compute(part));
    return concatTensors(results);
  } finally {
    tf.dispose(results as tf.TensorContainer);
  }
}

/** Joins the samples of results of the same structure, which stay the caller's. */
function concatTensors(results: readonly Tensors[]): Tensors {
  const lists = results.map(listTensors);
  const joined = (lists[0] ?? []).map((_, i) =>
    tf.concat(lists.map((list) => list[i] as tf.Tensor)),
  );
  return likeTensors(results[0] as Tensors, joined);
}

function predictInParts(where: string, plan: TrainingPlan, features: Tensors): Tensors {
  const logits = logitsInParts(where, plan, features);
  const outputs = plan.outputs(logits);
  tf.dispose(logits as tf.TensorContainer);
  return outputs;
}

/**
 * The model's outputs in inference mode, as `model.predict` or the module's `forward` gives them:
 * for a classifier `[numSamples, numClasses]`, logits, or probabilities when the model ends with a
 * softmax or sigmoid. The caller disposes them.
 * @param features one tensor, such as float32 `[batch, height, width, channels]`, a list or a
 *   record of tensors, which stay the caller's; or a loader, whose batches are disposed
 * @throws TypeError or RangeError when model and features do not fit together
 * @example
 * const outputs = await predict(net, features);
 * const classes = tf.argMax(outputs, 1); // [batch]
 */
export function predict(model: LayersModel, features: tf.Tensor | Loader): Promise<tf.Tensor2D>;
export function predict(model: AnyModel, features: Tensors | AnyLoader): Promise<Tensors>;
export async function predict(model: AnyModel, features: Tensors | AnyLoader): Promise<Tensors> {
  const where = '[trainer] predict';
  await startDefaultDevice(model);
  const plan = planOf(model);
  if (areTensors(features)) {
    const labels = tf.zeros([batchSizeOf(where, features)], 'int32');
    try {
      checkBatch(where, { features, labels }, plan, { checkLabels: false });
    } finally {
      labels.dispose();
    }
    return predictInParts(where, plan, features);
  }
  checkLoader(where, features, plan);
  const parts: Tensors[] = [];
  try {
    for await (const batch of features) {
      try {
        checkBatch(where, batch, plan, { checkLabels: false, allowContinuous: true });
        parts.push(predictInParts(where, plan, batch.features));
      } finally {
        disposeBatch(batch);
      }
    }
    if (parts.length === 0)
      throw new RangeError(`${where}: the loader gave no batch; expected ${features.numBatches}`);
    return concatTensors(parts);
  } finally {
    tf.dispose(parts as tf.TensorContainer);
  }
}
