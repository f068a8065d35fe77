/**
 * Metrics, as the namespace `metrics`. They count samples, so results do not depend on how samples
 * are grouped into batches.
 */
import { describeTensors } from '@deepend/compiler';
import { formatValue } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import { crossEntropy } from './losses/cross-entropy';
import { checkClassIndices, targets } from './losses/labels';

/** A quantity measured over batches. It keeps plain numbers and no tensors. */
export interface Metric {
  /** Key in `history[i].metrics` and `Evaluation.metrics`. */
  readonly name: string;
  /**
   * Counts a batch, which stays the caller's.
   * @param logits `[batch, numClasses]`, or `[batch, ..., numClasses]` with a class for each
   *   position, such as a token or a pixel
   * @param labels int32 `[batch, ...]` of class indices, or float32 of the logits' shape, where the
   *   largest number is the class
   */
  update(logits: tf.Tensor, labels: tf.Tensor): void | Promise<void>;
  /** The result over all batches since the last reset. */
  compute(): number | object;
  reset(): void;
}

/** What a metric of classes counts. */
export interface MetricOptions {
  /** A label that does not count, such as that of padding. @default every label is a class */
  ignoreIndex?: number;
}

/** Results for one class; 0 / 0 is 0, as in scikit-learn. */
export interface ClassReport {
  /** Fraction of the samples predicted as this class that are of it. */
  readonly precision: number;
  /** Fraction of the samples of this class that are predicted as it. */
  readonly recall: number;
  /** The harmonic mean of precision and recall. */
  readonly f1: number;
  /** Number of samples of this class. */
  readonly support: number;
}

/**
 * The number of correct predictions in a batch: the book's `accuracy`. Waits for the device.
 * @param logits `[batch, numClasses]`, or the classes themselves, `[batch]`
 * @param labels int32 `[batch]` of class indices, or `[batch, numClasses]`
 */
export function numCorrect(logits: tf.Tensor, labels: tf.Tensor): number {
  const [predicted, truth] = [logits, labels].map(classTensor) as [tf.Tensor1D, tf.Tensor1D];
  try {
    const [calls, classes] = [Array.from(predicted.dataSync()), truth.dataSync()];
    if (calls.length !== classes.length)
      throw new RangeError(
        `[optim] metrics.numCorrect: expected a label for each of ${calls.length} samples, got ` +
          `${classes.length}`,
      );
    return calls.filter((call, i) => call === classes[i]).length;
  } finally {
    tf.dispose([predicted, truth]);
  }
}

const classTensor = (tensor: tf.Tensor): tf.Tensor =>
  tensor.rank > 1 ? tf.argMax(tensor, 1) : tensor.clone();

/**
 * The fraction of correct predictions, 0 to 1; NaN before the first batch. Its name is `accuracy`.
 * @example
 * await evaluate(net, testIter, { metrics: [metrics.accuracy()] });
 */
export const accuracy = (options: MetricOptions = {}): Metric =>
  ofMatrix('accuracy', options, (matrix) => {
    const all = sum(matrix.flat());
    return sum(matrix.map((row, i) => row[i] ?? 0)) / all;
  });

/** Counts `[true class][predicted class]`; no rows before the first batch. */
export const confusionMatrix = (options: MetricOptions = {}): Metric =>
  ofMatrix('confusionMatrix', options, (matrix) => matrix);

/** Precision, recall, F1 and support of each class, in the classes' order. */
export const perClass = (options: MetricOptions = {}): Metric =>
  ofMatrix('perClass', options, (matrix) => matrix.map((_, index) => classReport(matrix, index)));

/**
 * The mean over classes of intersection over union, 0 to 1, for a class of each pixel: the
 * positions that have the class and are predicted as it, divided by those where either is so.
 * Classes that neither occur nor are predicted are left out; NaN before the first batch. Its name
 * is `meanIou`.
 * @example
 * await evaluate(net, testIter, { metrics: [metrics.meanIou({ ignoreIndex: 255 })] });
 */
export const meanIou = (options: MetricOptions = {}): Metric =>
  ofMatrix('meanIou', options, (matrix) => {
    const ratios = matrix.flatMap((row, index) => {
      const right = row[index] ?? 0;
      const union = sum(row) + sum(matrix.map((other) => other[index] ?? 0)) - right;
      return union === 0 ? [] : [right / union];
    });
    return sum(ratios) / ratios.length;
  });

/**
 * The exponential of the mean cross-entropy over all positions: how many tokens a language model
 * hesitates between (the book's 9.3). Infinity where a token had probability 0; NaN before the
 * first batch. Its name is `perplexity`.
 */
export function perplexity(options: MetricOptions = {}): Metric {
  const loss = crossEntropy(options);
  let [total, count] = [0, 0];
  return {
    name: 'perplexity',
    async update(logits, labels) {
      checkClassIndices('[optim] metrics.perplexity', logits, labels, options);
      const { loss: mean, correct, dLogits } = loss(logits, labels);
      const mass = loss.mass?.(labels) ?? 0;
      try {
        const [value = Number.NaN] = await mean.data();
        const weight = typeof mass === 'number' ? mass : ((await mass.data())[0] ?? 0);
        total += value * weight;
        count += weight;
      } finally {
        tf.dispose([mean, correct, dLogits, ...(typeof mass === 'number' ? [] : [mass])]);
      }
    },
    compute: () => Math.exp(total / count),
    reset: () => {
      [total, count] = [0, 0];
    },
  };
}

/**
 * The mean absolute difference of outputs and labels of the same shape, for regression; NaN before
 * the first batch. Its name is `meanAbsoluteError`.
 */
export function meanAbsoluteError(): Metric {
  let [total, count] = [0, 0];
  return {
    name: 'meanAbsoluteError',
    async update(outputs, labels) {
      const error = tf.tidy(() => {
        const truth = targets('[optim] metrics.meanAbsoluteError', outputs, labels);
        return tf.sum(tf.abs(tf.sub(outputs, truth)));
      });
      total += (await error.data())[0] ?? Number.NaN;
      count += outputs.size;
      error.dispose();
    },
    compute: () => total / count,
    reset: () => {
      [total, count] = [0, 0];
    },
  };
}

/**
 * The root of the mean squared difference of outputs and labels of the same shape, for regression;
 * NaN before the first batch. Its name is `rootMeanSquaredError`.
 */
export const rootMeanSquaredError = (): Metric => ofSquares('rootMeanSquaredError', (x) => x);

/**
 * The root of the mean squared difference of the logarithms of outputs and labels, with which
 * Kaggle rates predicted prices (d2l 5.7, zh 4.10). Outputs below 1 count as 1; NaN before the
 * first batch, and for labels that are not above 0. Its name is `logRmse`.
 */
export const logRmse = (): Metric =>
  ofSquares('logRmse', (x, isLabel) => tf.log(isLabel ? x : tf.maximum(x, 1)));

/** A metric of squared differences after a transformation. */
function ofSquares(name: string, of: (x: tf.Tensor, isLabel: boolean) => tf.Tensor): Metric {
  let [total, count] = [0, 0];
  return {
    name,
    async update(outputs, labels) {
      const squares = tf.tidy(() => {
        const truth = targets(`[optim] metrics.${name}`, outputs, labels);
        return tf.sum(tf.squaredDifference(of(outputs, false), of(truth, true)));
      });
      total += (await squares.data())[0] ?? Number.NaN;
      count += outputs.size;
      squares.dispose();
    },
    compute: () => Math.sqrt(total / count),
    reset: () => {
      [total, count] = [0, 0];
    },
  };
}

/** Results for one class from a confusion matrix of `[true class][predicted class]`. */
export function classReport(matrix: readonly (readonly number[])[], index: number): ClassReport {
  const right = matrix[index]?.[index] ?? 0;
  const support = sum(matrix[index] ?? []);
  const called = sum(matrix.map((row) => row[index] ?? 0));
  const ratio = (part: number, whole: number) => (whole === 0 ? 0 : part / whole);
  return {
    precision: ratio(right, called),
    recall: ratio(right, support),
    f1: ratio(2 * right, called + support),
    support,
  };
}

/**
 * The fraction of samples whose class is among the `k` with the largest logits, 0 to 1; NaN before
 * the first batch. Its name is `top5` for k = 5. Among equal logits the lower class comes first, as
 * in `argMax`; NaN comes before all other logits.
 * @param k at least 1, at most the number of classes
 * @param options.ignoreIndex a label that does not count @default every label is a class
 */
export function topK(k: number, options: MetricOptions = {}): Metric {
  if (!Number.isInteger(k) || k < 1)
    throw new RangeError(
      `[optim] metrics.topK: expected an integer of at least 1, got ${formatValue(k)}`,
    );
  let [right, all] = [0, 0];
  return {
    name: `top${k}`,
    async update(logits, labels) {
      const where = `[optim] metrics.topK(${k})`;
      const { truth, counted, numClasses } = await readTruth(where, logits, labels, options);
      if (k > numClasses)
        throw new RangeError(
          `${where}: expected at most the model's ${numClasses} classes; choose a smaller k`,
        );
      const values = await logits.data();
      truth.forEach((label, i) => {
        if (!counted(label)) return;
        all++;
        const row = values.subarray(i * numClasses, (i + 1) * numClasses); // [numClasses]
        const own = row[label] as number;
        const ahead = (other: number, j: number) => !(other <= own) || (other === own && j < label);
        if (row.filter(ahead).length < k && !Number.isNaN(own)) right++;
      });
    },
    compute: () => right / all,
    reset: () => {
      [right, all] = [0, 0];
    },
  };
}

/** A metric that is computed from the counts `[true class][predicted class]`. */
function ofMatrix(
  name: string,
  options: MetricOptions,
  read: (matrix: number[][]) => number | object,
): Metric {
  let [counts, numClasses] = [new Float64Array(0), 0];
  const where = `[optim] metrics.${name}`;
  return {
    name,
    async update(logits, labels) {
      const found = await readTruth(where, logits, labels, options);
      const classes = tf.argMax(logits, logits.rank - 1);
      const predicted = await classes.data();
      classes.dispose();
      if (counts.length === 0)
        [counts, numClasses] = [new Float64Array(found.numClasses ** 2), found.numClasses];
      if (found.numClasses !== numClasses)
        throw new RangeError(
          `${where}: expected logits of ${numClasses} classes as before, got ` +
            `${found.numClasses}; reset it first`,
        );
      found.truth.forEach((label, i) => {
        if (!found.counted(label)) return;
        const place = label * numClasses + (predicted[i] as number);
        counts[place] = (counts[place] as number) + 1;
      });
    },
    compute: () =>
      read(
        Array.from({ length: numClasses }, (_, i) => [
          ...counts.subarray(i * numClasses, (i + 1) * numClasses),
        ]),
      ),
    reset: () => {
      [counts, numClasses] = [new Float64Array(0), 0];
    },
  };
}

/**
 * The true class of each position.
 * @throws RangeError when logits and labels do not fit together
 */
async function readTruth(
  where: string,
  logits: tf.Tensor,
  labels: tf.Tensor,
  { ignoreIndex }: MetricOptions,
): Promise<{ truth: number[]; numClasses: number; counted: (label: number) => boolean }> {
  if (!(logits instanceof tf.Tensor) || !(labels instanceof tf.Tensor)) {
    throw new TypeError(
      `${where}: expected one tensor of outputs and one of labels, got ` +
        `${describeTensors(logits)} and ${describeTensors(labels)}; write a metric for them`,
    );
  }
  const numClasses = logits.shape.at(-1) ?? 0;
  const isIndices = labels.rank === logits.rank - 1;
  const shape = isIndices ? logits.shape.slice(0, -1) : logits.shape;
  if (logits.rank < 2 || numClasses < 2 || labels.shape.join() !== shape.join()) {
    throw new RangeError(
      `${where}: expected logits [batch, ..., 2 or more classes] and labels [batch, ...] or as ` +
        `the logits, got [${logits.shape}] and [${labels.shape}]`,
    );
  }
  const classes = isIndices ? labels.clone() : tf.argMax(labels, labels.rank - 1);
  const truth = [...(await classes.data())];
  classes.dispose();
  const counted = (label: number) => label !== ignoreIndex;
  const isClass = (label: number) => Number.isInteger(label) && label >= 0 && label < numClasses;
  const bad = truth.find((label) => !isClass(label) && counted(label));
  if (bad === undefined) return { truth, numClasses, counted };
  throw new RangeError(`${where}: expected labels from 0 to ${numClasses - 1}, got ${bad}`);
}

const sum = (values: readonly number[]): number =>
  values.reduce((total, value) => total + value, 0);
