/**
 * Metrics, as the namespace `metrics`. They count samples, so results do not depend on how samples
 * are grouped into batches.
 */
import { formatValue } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';

/** A quantity measured over batches. It keeps plain numbers and no tensors. */
export interface Metric {
  /** Key in `history[i].metrics` and `Evaluation.metrics`. */
  readonly name: string;
  /**
   * Counts a batch, which stays the caller's.
   * @param logits `[batch, numClasses]`
   * @param labels int32 `[batch]` of class indices, or float32 `[batch, numClasses]`, where the
   *   largest number is the class
   */
  update(logits: tf.Tensor2D, labels: tf.Tensor): void | Promise<void>;
  /** The result over all batches since the last reset. */
  compute(): number | object;
  reset(): void;
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
export const accuracy = (): Metric =>
  ofMatrix('accuracy', (matrix) => {
    const all = sum(matrix.flat());
    return sum(matrix.map((row, i) => row[i] ?? 0)) / all;
  });

/** Counts `[true class][predicted class]`; no rows before the first batch. */
export const confusionMatrix = (): Metric => ofMatrix('confusionMatrix', (matrix) => matrix);

/** Precision, recall, F1 and support of each class, in the classes' order. */
export const perClass = (): Metric =>
  ofMatrix('perClass', (matrix) => matrix.map((_, index) => classReport(matrix, index)));

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
 */
export function topK(k: number): Metric {
  if (!Number.isInteger(k) || k < 1)
    throw new RangeError(
      `[optim] metrics.topK: expected an integer of at least 1, got ${formatValue(k)}`,
    );
  let [right, all] = [0, 0];
  return {
    name: `top${k}`,
    async update(logits, labels) {
      const where = `[optim] metrics.topK(${k})`;
      const truth = await readTruth(where, logits, labels);
      const [batch, numClasses] = logits.shape;
      if (k > numClasses)
        throw new RangeError(
          `${where}: expected at most the model's ${numClasses} classes; choose a smaller k`,
        );
      const values = await logits.data();
      truth.forEach((label, i) => {
        const row = values.subarray(i * numClasses, (i + 1) * numClasses); // [numClasses]
        const own = row[label] as number;
        const ahead = (other: number, j: number) => !(other <= own) || (other === own && j < label);
        if (row.filter(ahead).length < k && !Number.isNaN(own)) right++;
      });
      all += batch;
    },
    compute: () => right / all,
    reset: () => {
      [right, all] = [0, 0];
    },
  };
}

/** A metric that is computed from the counts `[true class][predicted class]`. */
function ofMatrix(name: string, read: (matrix: number[][]) => number | object): Metric {
  let [counts, numClasses] = [new Float64Array(0), 0];
  const where = `[optim] metrics.${name}`;
  return {
    name,
    async update(logits, labels) {
      const truth = await readTruth(where, logits, labels);
      const classes = tf.argMax(logits, 1);
      const predicted = await classes.data();
      classes.dispose();
      if (counts.length === 0)
        [counts, numClasses] = [new Float64Array(logits.shape[1] ** 2), logits.shape[1]];
      if (logits.shape[1] !== numClasses)
        throw new RangeError(
          `${where}: expected logits of ${numClasses} classes as before, got ${logits.shape[1]}; ` +
            'reset it first',
        );
      truth.forEach((label, i) => {
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

/** The true class of each sample. @throws RangeError when logits and labels do not fit together */
async function readTruth(where: string, logits: tf.Tensor2D, labels: tf.Tensor): Promise<number[]> {
  const [batch, numClasses] = logits.shape;
  const shape = labels.rank === 2 ? [batch, numClasses] : [batch];
  if (logits.rank !== 2 || numClasses < 2 || labels.shape.join() !== shape.join()) {
    throw new RangeError(
      `${where}: expected logits [batch, 2 or more classes] and labels [batch] or as the logits, ` +
        `got [${logits.shape}] and [${labels.shape}]`,
    );
  }
  const classes = classTensor(labels);
  const truth = [...(await classes.data())];
  classes.dispose();
  const bad = truth.find((label) => !(Number.isInteger(label) && label >= 0 && label < numClasses));
  if (bad === undefined) return truth;
  throw new RangeError(`${where}: expected labels from 0 to ${numClasses - 1}, got ${bad}`);
}

const sum = (values: readonly number[]): number =>
  values.reduce((total, value) => total + value, 0);
