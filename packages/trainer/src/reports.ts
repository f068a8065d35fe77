/** What a trained net gets wrong: single samples, pairs of classes, classes. */

import { compile } from '@deepend/compiler';
import { formatValue } from '@deepend/core';
import { type ClassReport, metrics } from '@deepend/optim';
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { checkBatch, checkLoader } from './check';
import type { Batch, Loader } from './types';

/** A sample and what the net makes of it. */
export interface TopLoss {
  /** Its place in the loader's order, from 0. */
  readonly index: number;
  /** Its own cross-entropy. */
  readonly loss: number;
  /** The class that the net calls. */
  readonly predicted: number;
  /** Its true class; of soft labels the likeliest. */
  readonly truth: number;
  /** Its image where they were asked for, `[height, width, channels]`. */
  readonly image?: { readonly shape: readonly number[]; readonly values: Float32Array };
}

/**
 * The `k` samples with the largest loss, worst first, in one pass over a loader in inference mode.
 * @param options.images whether each has its image with it, as plain numbers @default false
 */
export async function topLosses(
  net: LayersModel,
  loader: Loader,
  k: number,
  { images = false }: { images?: boolean } = {},
): Promise<TopLoss[]> {
  const where = '[trainer] topLosses';
  checkCount(where, k);
  const plan = compile(net);
  checkLoader(where, loader, plan);
  const worst = new WorstSamples(k, { images });
  for await (const batch of loader) {
    try {
      checkBatch(where, batch, plan, { labels: true });
      const logits = plan.logits(batch.features); // [batch, numClasses]
      await worst.add(logits, batch).finally(() => logits.dispose());
    } finally {
      tf.dispose([batch.features, batch.labels]);
    }
  }
  return worst.samples;
}

/**
 * What `topLosses` gathers, for who has the logits already. It keeps plain numbers and no tensor.
 */
export class WorstSamples {
  /** Worst first, of all so far. */
  samples: TopLoss[] = [];
  private seen = 0;

  /** @param count how many to keep */
  constructor(
    private readonly count: number,
    private readonly options: { images: boolean },
  ) {}

  /**
   * Takes in a batch, which stays the caller's.
   * @param logits `[batch, numClasses]`
   */
  async add(logits: tf.Tensor2D, batch: Batch): Promise<void> {
    const found = await lossesOf(logits, batch.labels);
    const first = this.seen;
    const together = [
      ...this.samples,
      ...found.map((one) => ({ ...one, index: first + one.index })),
    ];
    const worst = together
      .sort((a, b) => size(b.loss) - size(a.loss) || a.index - b.index)
      .slice(0, this.count);
    const pictured = (one: TopLoss) =>
      one.index < first ? one : withImage(one, batch, one.index - first);
    this.samples = this.options.images ? await Promise.all(worst.map(pictured)) : worst;
    this.seen += found.length;
  }
}

/**
 * A loss that is not a number is the worst of all; the largest number keeps differences of two such
 * finite.
 */
const size = (loss: number): number => (Number.isFinite(loss) ? loss : Number.MAX_VALUE);

async function lossesOf(logits: tf.Tensor2D, labels: tf.Tensor): Promise<TopLoss[]> {
  const [batch, numClasses] = logits.shape;
  const [values, truths] = (await Promise.all([logits.data(), labels.data()])).map((numbers) =>
    Float32Array.from(numbers),
  ) as [Float32Array, Float32Array];
  return Array.from({ length: batch }, (_, index) => {
    const row = values.subarray(index * numClasses, (index + 1) * numClasses); // [numClasses]
    const soft =
      labels.rank === 2 ? truths.subarray(index * numClasses, (index + 1) * numClasses) : undefined;
    const truth = soft ? largest(soft) : (truths[index] as number);
    const top = Math.max(...row);
    const logSum = top + Math.log(row.reduce((sum, logit) => sum + Math.exp(logit - top), 0));
    const loss = soft
      ? row.reduce(
          (sum, logit, i) => sum + (soft[i] ? (soft[i] as number) * (logSum - logit) : 0),
          0,
        )
      : logSum - (row[truth] as number);
    return { index, loss, predicted: largest(row), truth };
  });
}

const largest = (values: ArrayLike<number>): number =>
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

/** A true class, the class it was taken for, and how often. */
export interface ConfusedPair {
  readonly truth: string;
  readonly predicted: string;
  readonly count: number;
  /** Of the samples of the true class, 0 to 1. */
  readonly share: number;
}

/**
 * The `k` most frequent confusions, most frequent first; pairs that never occurred are left out.
 * @param matrix counts `[true class][predicted class]`, as `confusionMatrix()` gives
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
      share: count / all,
    }));
  });
  return pairs
    .filter(({ count }) => count > 0)
    .sort((a, b) => b.count - a.count || b.share - a.share)
    .slice(0, k);
}

/**
 * The classes by the share of their samples that was found (recall), worst first; classes without a
 * sample are left out.
 * @param matrix counts `[true class][predicted class]`, as `confusionMatrix()` gives
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
      `${where}: expected a square matrix of counts, as confusionMatrix() gives, got ${formatValue(matrix)}`,
    );
  if (classNames?.length === matrix.length) return;
  throw new RangeError(
    `${where}: expected a name for each of the ${matrix.length} classes, got ${formatValue(classNames)}`,
  );
}
