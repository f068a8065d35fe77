/** Sums over batches: the book's `Accumulator`, and the running loss and accuracy of an epoch. */

import type { AnyLoss, Tensors } from '@deepend/compiler';
import { formatValue } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';

/**
 * Sums of `n` quantities. The book's `Accumulator` (d2l 23.7, zh 3.6).
 * @example
 * const metric = new Accumulator(2); // number correct, number of samples
 * metric.add(12, 32);
 * const accuracy = metric.get(0) / metric.get(1);
 */
export class Accumulator {
  readonly #sums: number[];

  /** @param n number of sums, at least 1 */
  constructor(n: number) {
    if (!Number.isInteger(n) || n < 1)
      throw new RangeError(
        `[trainer] Accumulator: expected a number of sums of at least 1, got ${formatValue(n)}`,
      );
    this.#sums = new Array<number>(n).fill(0);
  }

  /** Adds one value to each sum. @throws RangeError when there are more or fewer */
  add(...values: number[]): void {
    if (values.length !== this.#sums.length) {
      throw new RangeError(
        `[trainer] Accumulator: expected ${this.#sums.length} values, one for each sum, got ` +
          `${values.length}`,
      );
    }
    values.forEach((value, i) => {
      this.#sums[i] = (this.#sums[i] ?? 0) + value;
    });
  }

  /** Sets all sums to 0. */
  reset(): void {
    this.#sums.fill(0);
  }

  /** The sum at index `i`, from 0. @throws RangeError when there is no such sum */
  get(i: number): number {
    const sum = this.#sums[i];
    if (sum === undefined)
      throw new RangeError(
        `[trainer] Accumulator: expected an index from 0 to ${this.#sums.length - 1}, got ` +
          `${formatValue(i)}`,
      );
    return sum;
  }
}

/**
 * What the running metrics have summed, as a checkpoint saves it: the loss times its mass, the
 * number
 * correct, the number of samples, and the mass and the number of answers, without which each is the
 * number of samples.
 */
export type MetricTotals = readonly [
  loss: number,
  numCorrect: number,
  numSamples: number,
  mass?: number,
  numAnswers?: number,
];

/** What one batch contributes: its mean loss and number correct, still on the device. */
export interface BatchMetrics {
  readonly loss: tf.Scalar;
  /** Whether `loss` is the sum over the batch rather than the mean. @default false */
  readonly isSum?: boolean | undefined;
  /** null when the loss has no notion of a correct answer. */
  readonly correct: tf.Scalar | null;
  readonly count: number;
  /** What the loss is weighted by. @default `count` */
  readonly mass?: tf.Scalar | number | undefined;
  /** The number of answers of which `correct` are right. @default `count` */
  readonly answers?: tf.Scalar | number | undefined;
}

/** The mass of a batch, if the loss has one that is not its number of samples. */
export const massOf = (loss: AnyLoss, labels: Tensors): tf.Scalar | number | undefined =>
  loss.mass?.(labels);

/** Whether the loss of a batch is a sum: its gradients are then added, not averaged. */
export const isSum = (loss: AnyLoss): boolean => loss.reduction === 'sum';

/** The number of answers in a batch, if it is not the number of samples. */
export const answersOf = (loss: AnyLoss, labels: Tensors): tf.Scalar | number | undefined =>
  loss.answers?.(labels);

/** The scalars of a batch's metrics. */
export const scalarsOf = ({ loss, correct, mass, answers }: BatchMetrics): tf.Scalar[] =>
  [loss, correct, mass, answers].filter((scalar) => scalar instanceof tf.Tensor);

/**
 * Loss and accuracy of an epoch so far. Scalars stay on the device until `read`, so that a training
 * step does not wait for them.
 */
export class RunningMetrics {
  readonly #totals = new Accumulator(5);
  #unread: BatchMetrics[] = [];

  /** Adds a batch, and takes ownership of its scalars. */
  add(batch: BatchMetrics): void {
    this.#unread.push(batch);
  }

  /**
   * Means over all samples so far, the loss by mass; waits for the device. The accuracy is NaN when
   * the loss has no notion of a correct answer.
   */
  async read(): Promise<{ loss: number; accuracy: number; numSamples: number }> {
    const batches = this.#unread;
    this.#unread = [];
    for (const batch of batches) {
      const { loss, correct, count, mass = count, answers = count, isSum } = batch;
      const [lossValue = Number.NaN] = await loss.data();
      const [numCorrect = Number.NaN] = correct ? await correct.data() : [Number.NaN];
      const [weight, numAnswers] = [await readNumber(mass), await readNumber(answers)];
      const total = isSum ? lossValue : lossValue * weight;
      this.#totals.add(total, numCorrect, count, weight, numAnswers);
      tf.dispose(scalarsOf(batch));
    }
    const [loss, numCorrect, numSamples, mass = numSamples, numAnswers = numSamples] =
      this.totals();
    return { loss: loss / mass, accuracy: numCorrect / numAnswers, numSamples };
  }

  /** The sums up to the last `read`. */
  totals(): MetricTotals {
    const sum = (i: number) => this.#totals.get(i);
    return [sum(0), sum(1), sum(2), sum(3), sum(4)];
  }

  /** Continues from sums that `totals` returned. */
  restore(totals: MetricTotals): void {
    const [loss, numCorrect, numSamples, mass = numSamples, numAnswers = numSamples] = totals;
    this.reset();
    this.#totals.add(loss, numCorrect, numSamples, mass, numAnswers);
  }

  reset(): void {
    this.dispose();
    this.#totals.reset();
  }

  dispose(): void {
    for (const batch of this.#unread) tf.dispose(scalarsOf(batch));
    this.#unread = [];
  }
}

/** A number, or that of a scalar, which stays the caller's. */
export const readNumber = async (value: tf.Scalar | number): Promise<number> =>
  typeof value === 'number' ? value : ((await value.data())[0] ?? Number.NaN);
