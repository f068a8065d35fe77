/** Evaluates a run's model on the test set, in one pass. */
import { type ClassReport, type Metric, metrics } from '@deepend/optim';
import {
  type Batch,
  type ConfusedPair,
  confusedPairs,
  evaluate,
  type Loader,
  type TopLoss,
  WorstSamples,
} from '@deepend/trainer';
import type { LayersModel } from '@tensorflow/tfjs-layers';

export interface Evaluated {
  /** Mean cross-entropy. */
  readonly loss: number;
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
  /** With their images, worst first. */
  readonly worst: readonly TopLoss[];
}

export interface EvaluateRunOptions {
  /** Number of worst examples to keep. */
  samples: number;
  classNames: readonly string[] | undefined;
  /** Called after each batch. */
  onProgress?: (done: number, total: number) => void;
}

const NUM_PAIRS = 10;

/** @throws RangeError or TypeError when the model cannot process the loader's batches */
export async function evaluateRun(
  model: LayersModel,
  loader: Loader,
  options: EvaluateRunOptions,
): Promise<Evaluated> {
  const { samples, classNames, onProgress = () => {} } = options;
  const watched = watchBatches(loader);
  const worst = new WorstSamples(samples, { images: true });
  let done = 0;
  const watcher: Metric = {
    name: 'worst',
    update: async (logits, labels) => {
      if (samples > 0) await worst.add(logits, { features: watched.current().features, labels });
      done += labels.shape[0] ?? 0;
      onProgress(done, loader.numSamples);
    },
    compute: () => worst.samples,
    reset: () => {},
  };
  const matrix = metrics.confusionMatrix();
  const classes = metrics.perClass();
  const { loss, accuracy, numSamples } = await evaluate(model, watched.loader, {
    metrics: [matrix, classes, watcher],
  });
  const counts = matrix.compute() as number[][];
  const names = counts.map((_, i) => (loader.classNames ?? classNames)?.[i] ?? `class ${i}`);
  return {
    loss,
    accuracy,
    numSamples,
    counts,
    classNames: names,
    classes: classes.compute() as ClassReport[],
    confused: confusedPairs(counts, names, NUM_PAIRS),
    worst: worst.samples,
  };
}

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
