import * as tf from '@tensorflow/tfjs-core';
import { Accumulator } from './accumulator';

/** Loss and right answers of an epoch so far, summed on the device and fetched only when somebody wants to see them. */
export class MetricSums {
  /** Summed loss, right answers, samples: as far as they were fetched. */
  private readonly fetched = new Accumulator(3);
  private waiting: { loss: tf.Scalar; correct: tf.Scalar; count: number }[] = [];

  /** Takes a batch's mean loss and right answers over, to dispose them. */
  add(loss: tf.Scalar, correct: tf.Scalar, count: number): void {
    this.waiting.push({ loss, correct, count });
  }

  /** Means over all samples so far; waits for the device. */
  async read(): Promise<{ loss: number; accuracy: number; numSamples: number }> {
    const taken = this.waiting;
    this.waiting = [];
    for (const { loss, correct, count } of taken) {
      const [mean = Number.NaN] = await loss.data();
      const [right = 0] = await correct.data();
      this.fetched.add(mean * count, right, count);
      tf.dispose([loss, correct]);
    }
    const numSamples = this.fetched.get(2);
    return { loss: this.fetched.get(0) / numSamples, accuracy: this.fetched.get(1) / numSamples, numSamples };
  }

  dispose(): void {
    for (const { loss, correct } of this.waiting) tf.dispose([loss, correct]);
    this.waiting = [];
  }
}
