/** What the run's net makes of the test set, in one pass. */

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
  /** A name for each class. */
  readonly classNames: readonly string[];
  /** In the classes' order. */
  readonly classes: readonly ClassReport[];
  /** Most frequent first. */
  readonly confused: readonly ConfusedPair[];
  /** With their images, worst first. */
  readonly worst: readonly TopLoss[];
}

export interface EvaluatingOptions {
  /** Worst examples to keep. */
  samples: number;
  classNames: readonly string[] | undefined;
  /** Called after each batch. */
  onProgress?: (done: number, all: number) => void;
}

const PAIRS = 10;

/** @throws RangeError or TypeError when net and loader do not fit together */
export async function evaluateRun(
  net: LayersModel,
  loader: Loader,
  options: EvaluatingOptions,
): Promise<Evaluated> {
  const { samples, classNames, onProgress = () => {} } = options;
  const tap = tapped(loader);
  const worst = new WorstSamples(samples, { images: true });
  let done = 0;
  const watcher: Metric = {
    name: 'worst',
    update: async (logits, labels) => {
      if (samples > 0) await worst.add(logits, { features: tap.batch().features, labels });
      done += labels.shape[0] ?? 0;
      onProgress(done, loader.numSamples);
    },
    compute: () => worst.samples,
    reset: () => {},
  };
  const [matrix, classes] = [metrics.confusionMatrix(), metrics.perClass()];
  const { loss, accuracy, numSamples } = await evaluate(net, tap.loader, {
    metrics: [matrix, classes, watcher],
  });
  const counts = matrix.compute() as number[][];
  const names = counts.map((_, i) => (loader.classNames ?? classNames)?.[i] ?? `class ${i}`);
  return {
    ...{ loss, accuracy, numSamples, counts, classNames: names },
    classes: classes.compute() as ClassReport[],
    confused: confusedPairs(counts, names, PAIRS),
    worst: worst.samples,
  };
}

/** A loader whose present batch can be seen: a metric is shown logits and labels alone. */
function tapped(loader: Loader): { loader: Loader; batch: () => Batch } {
  const {
    numSamples,
    numBatches,
    batchSize,
    inputShape: imageShape,
    classNames,
    numClasses,
  } = loader;
  const known = Object.entries({ imageShape, classNames, numClasses }).filter(
    ([, value]) => value !== undefined,
  );
  let present: Batch | undefined;
  return {
    loader: {
      ...{ numSamples, numBatches, batchSize },
      ...(Object.fromEntries(known) as Pick<Loader, 'inputShape' | 'classNames' | 'numClasses'>),
      async *[Symbol.asyncIterator]() {
        for await (const batch of loader) {
          present = batch;
          yield batch;
        }
      },
    },
    batch: () => {
      if (!present) throw new Error('[deepend] report: no batch has come yet');
      return present;
    },
  };
}
