import * as tf from '@tensorflow/tfjs-core';
import { Accumulator } from './accumulator';

type Totals = readonly [loss: number, correct: number, samples: number];

/**
 * Loss and right answers of an epoch so far, summed on the device and fetched only when somebody
 * wants to see them.
 */
export class MetricSums {
  /** Summed loss, right answers, samples: as far as they were fetched. */
  private readonly fetched = new Accumulator(3);
  private waiting: { loss: tf.Scalar; correct: tf.Scalar | null; count: number }[] = [];

  /**
   * Takes a batch's mean loss and right answers over, to dispose them. Without right answers the
   * accuracy is NaN.
   */
  add(loss: tf.Scalar, correct: tf.Scalar | null, count: number): void {
    this.waiting.push({ loss, correct, count });
  }

  /** Means over all samples so far; waits for the device. */
  async read(): Promise<{ loss: number; accuracy: number; numSamples: number }> {
    const taken = this.waiting;
    this.waiting = [];
    for (const { loss, correct, count } of taken) {
      const [mean = Number.NaN] = await loss.data();
      const [right = Number.NaN] = correct ? await correct.data() : [Number.NaN];
      this.fetched.add(mean * count, right, count);
      tf.dispose(correct ? [loss, correct] : [loss]);
    }
    const [loss, correct, numSamples] = this.totals();
    return { loss: loss / numSamples, accuracy: correct / numSamples, numSamples };
  }

  /** The sums themselves, as far as they were read. */
  totals(): Totals {
    return [this.fetched.get(0), this.fetched.get(1), this.fetched.get(2)];
  }

  /** Goes on from sums that were read before. */
  restore(totals: Totals): void {
    this.reset();
    this.fetched.add(...totals);
  }

  reset(): void {
    this.dispose();
    this.fetched.reset();
  }

  dispose(): void {
    for (const { loss, correct } of this.waiting) tf.dispose(correct ? [loss, correct] : [loss]);
    this.waiting = [];
  }
}
