/**
 * Forward and backward passes of a batch in parts, when the whole does not fit the device's memory.
 * The summed gradients make one update.
 */

import {
  type AnyLoss,
  type GradientStream,
  type Measured,
  type ParameterGradient,
  sliceTensors,
  type Tensors,
  type TrainingPlan,
} from '@deepend/compiler';
import { mixSeed, OutOfMemoryError } from '@deepend/core';
import type { Ranks } from '@deepend/distributed';
import { GradientAccumulator } from '@deepend/optim';
import * as tf from '@tensorflow/tfjs-core';
import { type BatchMetrics, isSum, massOf, scalarsOf } from './accumulator';
import { type AnyBatch, countSamples } from './loader';
import { syncedMass, zeroSample } from './sync-batch-norm';

interface MicroBatchOptions {
  readonly plan: TrainingPlan;
  readonly loss: AnyLoss;
  /** Samples in each part. @default 'auto': whole batches until one does not fit */
  readonly size: number | 'auto' | 'whole' | undefined;
  /**
   * The ranks whose parts of the same number are normalized together.
   * @default each part is normalized for itself
   */
  readonly synced?: Pick<Ranks, 'withSyncedNorm'> | undefined;
}

type Gradients = Measured & { readonly gradients: readonly ParameterGradient[] };

export class MicroBatches {
  /** Samples in each part; undefined while batches are trained whole. */
  size: number | undefined;
  readonly #options: MicroBatchOptions;
  readonly #isAuto: boolean;
  #hasFitted = false; // whether a batch went through: later ones are not larger

  constructor(options: MicroBatchOptions) {
    const { size = 'auto' } = options;
    this.#options = options;
    this.#isAuto = size === 'auto';
    if (typeof size === 'number') this.size = size;
  }

  /**
   * Mean loss, number correct and mean gradients of a batch. With `'auto'` it halves the parts
   * until one fits, and warns.
   * @param stream gets gradients while others are computed, unless the batch is trained in parts or
   *   may have to be
   */
  forwardBackward(batch: AnyBatch, seed: number, stream?: GradientStream): Gradients {
    if (!this.#isAuto || this.size !== undefined || this.#hasFitted)
      return this.#inParts(batch, seed, stream);
    const statistics = new MovingStatistics(this.#options.plan); // a failed pass changes some
    try {
      for (;;) {
        try {
          const result = this.#inParts(batch, seed);
          this.#hasFitted = true;
          return result;
        } catch (error) {
          const count = countSamples(batch);
          const tried = this.size ?? count;
          if (!(error instanceof OutOfMemoryError) || tried <= 1) throw error;
          statistics.restore();
          this.size = smallerSize(tried, error.fits);
          console.warn(splitMessage(count, this.size));
        }
      }
    } finally {
      statistics.dispose();
    }
  }

  /** How many parts a batch has. */
  numParts(batch: AnyBatch): number {
    const count = countSamples(batch);
    return Math.ceil(count / (this.size ?? Math.max(count, 1)));
  }

  /**
   * Takes part in what other ranks add up while they compute parts of which this rank has none.
   * @param batch this rank's share, which may be empty
   */
  follow(batch: AnyBatch, { parts, seed }: { parts: number; seed: number }): void {
    const { plan, loss } = this.#options;
    for (let part = 0; part < parts; part++) {
      const [x, y] = [zeroSample(batch.features), zeroSample(batch.labels)];
      try {
        const step = this.#withNorm(0, () => plan.forwardBackward(x, y, { seed, loss }));
        const gradients = step.gradients.map(({ gradient }) => gradient);
        tf.dispose([step.loss, ...(step.correct ? [step.correct] : []), ...gradients]);
      } finally {
        tf.dispose([x, y] as tf.TensorContainer);
      }
    }
  }

  #forwardBackward(
    features: Tensors,
    labels: Tensors,
    { seed, stream }: { seed: number; stream?: GradientStream | undefined },
  ): Gradients {
    const { plan, loss, synced } = this.#options;
    const step = () => plan.forwardBackward(features, labels, { seed, loss, stream });
    if (!synced) return step();
    // Such plans scale the loss's gradient for a stream, and so by the mass already; others scale
    // each gradient when it is complete.
    const scale = (plan.gradientOrder && stream?.scale) ?? 1;
    return this.#withNorm(syncedMass(loss, labels) / scale, step);
  }

  #withNorm<T>(mass: number, step: () => T): T {
    return this.#options.synced?.withSyncedNorm(mass, step) ?? step();
  }

  #inParts(batch: AnyBatch, seed: number, stream?: GradientStream): Gradients {
    const { loss, synced } = this.#options;
    const { features, labels } = batch;
    const count = countSamples(batch);
    const size = this.size ?? count;
    const massIn = (part: Tensors) => {
      if (synced) return syncedMass(loss, part);
      return isSum(loss) ? 1 : massOf(loss, part);
    };
    if (size >= count) return this.#forwardBackward(features, labels, { seed, stream });
    const accumulator = new GradientAccumulator();
    const parts: BatchMetrics[] = [];
    const total = massIn(labels);
    try {
      for (let start = 0; start < count; start += size) {
        const length = Math.min(size, count - start);
        const x = sliceTensors(features, start, length);
        const y = sliceTensors(labels, start, length);
        try {
          const result = this.#forwardBackward(x, y, { seed: mixSeed(seed, start) });
          const mass = massIn(y);
          parts.push({ loss: result.loss, correct: result.correct, count: length, mass });
          const fraction = fractionOf(mass ?? length, total ?? count);
          accumulator.add(result.gradients, fraction);
          tf.dispose(result.gradients.map(({ gradient }) => gradient));
          if (typeof fraction !== 'number') fraction.dispose();
        } finally {
          tf.dispose([x, y] as tf.TensorContainer);
        }
      }
      return { ...combine(parts, total ?? count), gradients: accumulator.take() };
    } finally {
      tf.dispose(parts.flatMap(scalarsOf));
      if (total instanceof tf.Tensor) total.dispose();
      accumulator.dispose();
    }
  }
}

/** A part's share of the batch; on the device when either is. */
const fractionOf = (part: tf.Scalar | number, whole: tf.Scalar | number): tf.Scalar | number =>
  typeof part === 'number' && typeof whole === 'number'
    ? part / whole
    : tf.div<tf.Scalar>(part, whole);

/** Mean loss and number correct of a batch from those of its parts, by their masses. */
function combine(
  parts: readonly BatchMetrics[],
  total: number | tf.Scalar,
): Pick<Gradients, 'loss' | 'correct'> {
  const loss = tf.tidy(
    () =>
      tf.div(
        tf.addN(parts.map(({ loss, count, mass }) => tf.mul(loss, mass ?? count))),
        total,
      ) as tf.Scalar,
  );
  const correct = parts.flatMap((part) => (part.correct ? [part.correct] : []));
  return {
    loss,
    correct: correct.length > 0 ? tf.tidy(() => tf.addN(correct) as tf.Scalar) : null,
  };
}

/** The size that the backend says would fit, or half, evened out over the parts. */
function smallerSize(size: number, fits: number | undefined): number {
  const most = fits !== undefined && fits >= 1 && fits < size ? fits : Math.floor(size / 2);
  return Math.ceil(size / Math.ceil(size / most));
}

const splitMessage = (count: number, size: number) =>
  `[trainer] train: a batch of ${count} does not fit the device's memory: ` +
  `it is trained in parts of ${size}, as one update. ` +
  `Batch normalization then sees ${size} samples at a time; ` +
  'set microBatch to choose, or lower the batch size';

/** Copies of the moving statistics of batch normalization, which a forward pass changes. */
class MovingStatistics {
  readonly #copies: { variable: tf.Variable; value: tf.Tensor }[];

  constructor({ statistics }: TrainingPlan) {
    this.#copies = statistics.map(({ variable }) => ({
      variable,
      value: tf.tidy(() => tf.add(variable, tf.zerosLike(variable))),
    }));
  }

  restore(): void {
    for (const { variable, value } of this.#copies) variable.assign(value);
  }

  dispose(): void {
    tf.dispose(this.#copies.map(({ value }) => value));
  }
}
