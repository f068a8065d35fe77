/** Reports on a trained model's errors: single samples, pairs of classes, classes. */

import { describeTensors, isTensor, planOf, type Tensors } from '@deepend/compiler';
import { formatValue } from '@deepend/core';
import { type ClassReport, metrics } from '@deepend/optim';
import * as tf from '@tensorflow/tfjs-core';
import { type Batch, checkBatch, checkLoader, checkTrainedClasses, type Loader } from './loader';
import type { AnyModel } from './model';

/** A sample and the model's prediction for it. */
export interface TopLoss {
  /** Its index in the loader's order, from 0. */
  readonly index: number;
  /** Its cross-entropy. */
  readonly loss: number;
  /** The predicted class. */
  readonly predicted: number;
  /** Its true class; for soft labels, the most probable one. */
  readonly truth: number;
  /** Its image with the option `images`, `[height, width, channels]`. */
  readonly image?: { readonly shape: readonly number[]; readonly values: Float32Array };
}

/**
 * The `k` samples with the largest loss, worst first, in one pass over a loader in inference mode.
 * @param k number of samples, at least 1
 * @param options.images whether to add each sample's image, as plain numbers @default false
 * @throws TypeError or RangeError when model, loader and labels do not fit together
 * @example
 * const [worst] = await topLosses(net, testIter, 9);
 */
export async function topLosses(
  model: AnyModel,
  loader: Loader,
  k: number,
  { images = false }: { images?: boolean } = {},
): Promise<TopLoss[]> {
  const where = '[trainer] topLosses';
  checkCount(where, k);
  const plan = planOf(model);
  checkLoader(where, loader, plan);
  checkTrainedClasses(where, model, loader);
  const worst = new WorstSamples(k, { images });
  for await (const batch of loader) {
    try {
      checkBatch(where, batch, plan, { checkLabels: true });
      const logits = requireLogits(where, plan.logits(batch.features)); // [batch, numClasses]
      await worst.add(logits, batch).finally(() => logits.dispose());
    } finally {
      tf.dispose([batch.features, batch.labels]);
    }
  }
  return worst.samples;
}

/** @throws RangeError for other outputs than one `[batch, numClasses]`, which it disposes */
function requireLogits(where: string, outputs: Tensors): tf.Tensor2D {
  if (isTensor(outputs) && outputs.rank === 2) return outputs as tf.Tensor2D;
  const got = describeTensors(outputs);
  tf.dispose(outputs as tf.TensorContainer);
  throw new RangeError(`${where}: expected a model that gives [batch, numClasses], got ${got}`);
}

/**
 * Collects the samples with the largest losses, for code that has the logits already. It keeps
 * plain numbers and no tensors.
 */
export class WorstSamples {
  /** Of all batches so far, worst first. */
  samples: TopLoss[] = [];
  readonly #count: number;
  readonly #images: boolean;
  #numSeen = 0;

  /**
   * @param count number of samples to keep
   * @param options.images whether to add each sample's image
   */
  constructor(count: number, { images }: { images: boolean }) {
    this.#count = count;
    this.#images = images;
  }

  /**
   * Takes in a batch, which stays the caller's.
   * @param logits `[batch, numClasses]`
   */
  async add(logits: tf.Tensor2D, batch: Batch): Promise<void> {
    const found = await computeLosses(logits, batch.labels);
    const first = this.#numSeen;
    const all = [...this.samples, ...found.map((one) => ({ ...one, index: first + one.index }))];
    const worst = all
      .sort((a, b) => rank(b.loss) - rank(a.loss) || a.index - b.index)
      .slice(0, this.#count);
    const addImage = (one: TopLoss) =>
      one.index < first ? one : withImage(one, batch, one.index - first);
    this.samples = this.#images ? await Promise.all(worst.map(addImage)) : worst;
    this.#numSeen += found.length;
  }
}

/** NaN ranks as the worst loss; a finite number keeps differences of two such ranks defined. */
const rank = (loss: number): number => (Number.isFinite(loss) ? loss : Number.MAX_VALUE);

async function computeLosses(logits: tf.Tensor2D, labels: tf.Tensor): Promise<TopLoss[]> {
  const [batch, numClasses] = logits.shape;
  const [values, truths] = (await Promise.all([logits.data(), labels.data()])).map((numbers) =>
    Float32Array.from(numbers),
  ) as [Float32Array, Float32Array];
  return Array.from({ length: batch }, (_, index) => {
    const row = values.subarray(index * numClasses, (index + 1) * numClasses); // [numClasses]
    const soft =
      labels.rank === 2 ? truths.subarray(index * numClasses, (index + 1) * numClasses) : undefined;
    const truth = soft ? argMax(soft) : (truths[index] as number);
    const top = Math.max(...row);
    const logSum = top + Math.log(row.reduce((sum, logit) => sum + Math.exp(logit - top), 0));
    const loss = soft
      ? row.reduce(
          (sum, logit, i) => sum + (soft[i] ? (soft[i] as number) * (logSum - logit) : 0),
          0,
        )
      : logSum - (row[truth] as number);
    return { index, loss, predicted: argMax(row), truth };
  });
}

const argMax = (values: ArrayLike<number>): number =>
  Array.from(values).indexOf(Math.max(...Array.from(values)));

async function withImage(one: TopLoss, { features }: Batch, place: number): Promise<TopLoss> {
  const image = tf.slice(features, [place], [1]);
  try {
    return {
      ...one,
      image: { shape: features.shape.slice(1), values: (await image.data()) as Float32Array },
    };
  } finally {
    image.dispose();
  }
}

/** A true class, a class predicted for it, and how often. */
export interface ConfusedPair {
  readonly truth: string;
  readonly predicted: string;
  readonly count: number;
  /** Fraction of the true class's samples, 0 to 1. */
  readonly fraction: number;
}

/**
 * The `k` most frequent confusions, most frequent first; pairs that never occurred are omitted.
 * @param matrix counts `[true class][predicted class]`, as `metrics.confusionMatrix()` gives
 * @example
 * confusedPairs(confusion.compute() as number[][], testIter.classNames, 5);
 */
export function confusedPairs(
  matrix: readonly (readonly number[])[],
  classNames: readonly string[],
  k: number,
): ConfusedPair[] {
  const where = '[trainer] confusedPairs';
  checkCount(where, k);
  checkMatrix(where, matrix, classNames);
  const pairs = matrix.flatMap((row, truth) => {
    const all = row.reduce((sum, count) => sum + count, 0);
    const names = (predicted: number) => ({
      truth: classNames[truth] as string,
      predicted: classNames[predicted] as string,
    });
    return row.map((count, predicted) => ({
      ...names(predicted),
      count: predicted === truth ? 0 : count,
      fraction: count / all,
    }));
  });
  return pairs
    .filter(({ count }) => count > 0)
    .sort((a, b) => b.count - a.count || b.fraction - a.fraction)
    .slice(0, k);
}

/**
 * The classes by recall, the fraction of their samples that the model finds, worst first; classes
 * without a sample are omitted.
 * @param matrix counts `[true class][predicted class]`, as `metrics.confusionMatrix()` gives
 */
export function worstClasses(
  matrix: readonly (readonly number[])[],
  classNames: readonly string[],
): (ClassReport & { readonly name: string })[] {
  checkMatrix('[trainer] worstClasses', matrix, classNames);
  return classNames
    .map((name, index) => ({ name, ...metrics.classReport(matrix, index) }))
    .filter(({ support }) => support > 0)
    .sort((a, b) => a.recall - b.recall || a.f1 - b.f1);
}

function checkCount(where: string, k: number): void {
  if (!Number.isInteger(k) || k < 1)
    throw new RangeError(`${where}: expected "k", an integer of at least 1, got ${formatValue(k)}`);
}

function checkMatrix(
  where: string,
  matrix: readonly (readonly number[])[],
  classNames: readonly string[],
): void {
  const square =
    Array.isArray(matrix) &&
    matrix.length > 0 &&
    matrix.every((row) => row.length === matrix.length);
  if (!square)
    throw new RangeError(
      `${where}: expected a square matrix of counts, as metrics.confusionMatrix() gives, got ` +
        `${formatValue(matrix)}`,
    );
  if (classNames?.length === matrix.length) return;
  throw new RangeError(
    `${where}: expected a name for each of the ${matrix.length} classes, got ` +
      `${formatValue(classNames)}`,
  );
}
