/** Evaluates a run's model on the test set, in one pass. */
import { type FinalActivation, isTensor, planOf } from '@deepend/compiler';
import { type ClassReport, type Metric, metrics } from '@deepend/optim';
import {
  type AnyModel,
  type Batch,
  type ConfusedPair,
  confusedPairs,
  evaluate,
  type Loader,
  type TopLoss,
  WorstSamples,
} from '@deepend/trainer';
import * as tf from '@tensorflow/tfjs-core';
import type { RunLoss } from '../run/script-options';

export interface Evaluated {
  /** Mean loss, by the run's own loss function. */
  readonly loss: number;
  /** Which loss that is; undefined for plain cross-entropy. */
  readonly lossName?: string;
  /** 0 to 1. */
  readonly accuracy: number;
  readonly numSamples: number;
  /** `[true class][predicted class]`. */
  readonly counts: readonly (readonly number[])[];
  /** The name of each class. */
  readonly classNames: readonly string[];
  /** In the order of the classes. */
  readonly classes: readonly ClassReport[];
  /** Most frequent first. */
  readonly confused: readonly ConfusedPair[];
  /**
   * Those with the largest cross-entropy, with their images, worst first. Undefined for a model
   * with more than one class a sample, such as one for each step of a sequence.
   */
  readonly worst: readonly TopLoss[] | undefined;
  /** Of the features of one sample, where they are one tensor. */
  readonly example?: Example;
}

/** The features of one sample. */
export interface Example {
  readonly shape: readonly number[];
  readonly dtype: tf.DataType;
}

export interface EvaluateRunOptions extends RunLoss {
  /** Number of worst examples to keep. */
  samples: number;
  classNames: readonly string[] | undefined;
  /** Called after each batch. */
  onProgress?: (done: number, total: number) => void;
}

const NUM_PAIRS = 10;

/** @throws RangeError or TypeError when the model cannot process the loader's batches */
export async function evaluateRun(
  model: AnyModel,
  loader: Loader,
  options: EvaluateRunOptions,
): Promise<Evaluated> {
  const { samples, classNames, onProgress = () => {}, loss: computeLoss, lossName } = options;
  const watched = watchBatches(loader);
  const worst = new WorstSamples(samples, { images: true });
  let done = 0;
  let example: Example | undefined;
  let hasOneClass = true;
  const watcher: Metric = {
    name: 'worst',
    update: async (outputs, labels) => {
      const { features } = watched.current();
      if (isTensor(features)) example = { shape: features.shape.slice(1), dtype: features.dtype };
      hasOneClass = isTensor(outputs) && outputs.rank === 2;
      const logits = samples > 0 && hasOneClass ? toLogits(outputs as tf.Tensor2D) : undefined;
      if (logits) await worst.add(logits, { features, labels }).finally(() => logits.dispose());
      done += labels.shape[0] ?? 0;
      onProgress(done, loader.numSamples);
    },
    compute: () => worst.samples,
    reset: () => {},
  };
  const { finalActivation } = planOf(model) as { finalActivation?: FinalActivation };
  const toLogits = (outputs: tf.Tensor2D) =>
    finalActivation ? tf.tidy(() => LOGITS_OF[finalActivation](outputs)) : tf.clone(outputs);
  const matrix = metrics.confusionMatrix();
  const classes = metrics.perClass();
  const { loss, accuracy, numSamples } = await evaluate(model, watched.loader, {
    metrics: [matrix, classes, watcher],
    loss: computeLoss,
  });
  const counts = matrix.compute() as number[][];
  const names = counts.map((_, i) => (loader.classNames ?? classNames)?.[i] ?? `class ${i}`);
  return {
    loss,
    ...(lossName && { lossName }),
    accuracy,
    numSamples,
    counts,
    classNames: names,
    classes: classes.compute() as ClassReport[],
    confused: confusedPairs(counts, names, NUM_PAIRS),
    worst: hasOneClass ? worst.samples : undefined,
    ...(example && { example }),
  };
}

const SMALLEST = 1e-38;
const log = (x: tf.Tensor2D): tf.Tensor2D => tf.log(tf.maximum(x, SMALLEST) as tf.Tensor2D);
/** Metrics receive what comes after the model's final activation; a loss needs what is before. */
const LOGITS_OF = {
  softmax: log,
  sigmoid: (p: tf.Tensor2D): tf.Tensor2D => tf.sub(log(p), log(tf.sub(1, p))),
} as const;

/** A loader that remembers its current batch, since metrics receive only logits and labels. */
function watchBatches(loader: Loader): { loader: Loader; current: () => Batch } {
  let batch: Batch | undefined;
  const watched = {
    numSamples: loader.numSamples,
    numBatches: loader.numBatches,
    batchSize: loader.batchSize,
    ...(loader.inputShape && { inputShape: loader.inputShape }),
    ...(loader.classNames && { classNames: loader.classNames }),
    ...(loader.numClasses !== undefined && { numClasses: loader.numClasses }),
    async *[Symbol.asyncIterator]() {
      for await (const next of loader) {
        batch = next;
        yield next;
      }
    },
  };
  const current = () => {
    if (!batch) throw new Error('[deepend] report: the loader has not given a batch yet');
    return batch;
  };
  return { loader: watched, current };
}
