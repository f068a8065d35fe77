/**
 * What a run computes with: the plan, the optimizer and all that stands between a batch's gradients
 * and the weights.
 */

import {
  compile,
  type Loss,
  type ParameterGradient,
  type Plan,
  type StepResult,
} from '@deepend/compiler';
import { DeviceGroup } from '@deepend/distributed';
import {
  clipByNorm,
  clipByValue,
  createOptimizer,
  GradientAccumulator,
  ModelEma,
  type Optimizer,
  softmaxCrossEntropy,
} from '@deepend/optim';
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import type { Batch, TrainOptions } from './types';

type Options = Pick<
  TrainOptions,
  | 'optimizer'
  | 'loss'
  | 'clipNorm'
  | 'clipValue'
  | 'gradientAccumulationSteps'
  | 'emaDecay'
  | 'microBatch'
  | 'devices'
>;

/** What a batch gave: its mean loss and right answers, still on the device, and its samples. */
export interface Stepped {
  readonly loss: tf.Scalar;
  readonly correct: tf.Scalar | null;
  readonly count: number;
}

export class StepRunner {
  readonly plan: Plan;
  readonly optimizer: Optimizer;
  readonly ema: ModelEma | undefined;
  readonly loss: Loss<tf.Scalar | null>;
  /** Updates of the weights that were made. */
  updates = 0;
  /** Samples in each part of a batch; undefined while batches are trained whole. */
  part: number | undefined;
  private readonly sums: GradientAccumulator | undefined;
  private readonly group: DeviceGroup | undefined; // where many devices share each batch
  private pending = 0; // batches whose gradients wait for an update
  private samples = 0; // in them
  private worked = false; // whether a batch of full size has gone through

  constructor(
    readonly net: LayersModel,
    private readonly options: Options,
  ) {
    const {
      optimizer = 'sgd',
      loss = softmaxCrossEntropy,
      emaDecay: average,
      microBatch = 'auto',
      gradientAccumulationSteps: accumulate = 1,
      devices,
    } = options;
    this.plan = compile(net);
    this.optimizer = createOptimizer(
      typeof optimizer === 'string' ? { name: optimizer } : optimizer,
    );
    this.loss = loss;
    if (average !== undefined) this.ema = new ModelEma(this.plan, { decay: average });
    if (microBatch !== 'auto') this.part = microBatch;
    if (accumulate > 1) this.sums = new GradientAccumulator();
    if (devices && devices.length > 1)
      this.group = new DeviceGroup({ net, plan: this.plan, loss, devices });
  }

  /** Starts what computes beside this thread. @throws Error when it does not start */
  async begin(): Promise<void> {
    await this.group?.begin();
  }

  /** Whether the weights have taken in all gradients so far: then the run can be saved. */
  get settled(): boolean {
    return this.pending === 0;
  }

  /**
   * Forward, backward, and the update when its turn has come.
   * @param options.last whether the epoch ends with this batch: what is pending is then taken in
   */
  async step(
    batch: Batch,
    { seed, lr, last }: { seed: number; lr: number; last: boolean },
  ): Promise<Stepped> {
    const count = batch.features.shape[0] ?? 0;
    const { loss, correct, gradients } = await (this.group
      ? this.group.step(batch, seed)
      : this.gradients(batch, seed));
    this.pending++;
    const { gradientAccumulationSteps: accumulate = 1 } = this.options;
    if (!this.sums) this.update(gradients, lr);
    else {
      this.sums.add(gradients, count);
      tf.dispose(gradients.map(({ gradient }) => gradient));
      this.samples += count;
      if (this.pending === accumulate || last)
        this.update(mean(this.sums.take(), this.samples), lr);
    }
    return { loss, correct, count };
  }

  private update(gradients: readonly ParameterGradient[], lr: number): void {
    const { clipNorm, clipValue } = this.options;
    if (clipValue !== undefined) clipByValue(gradients, clipValue);
    if (clipNorm !== undefined) tf.dispose(clipByNorm(gradients, clipNorm));
    this.optimizer.step(gradients, { lr });
    tf.dispose(gradients.map(({ gradient }) => gradient));
    this.ema?.update();
    this.updates++;
    [this.pending, this.samples] = [0, 0];
  }

  /** Of a whole batch, or of its parts put together. */
  private gradients(batch: Batch, seed: number): StepResult<tf.Scalar | null> {
    const { microBatch = 'auto' } = this.options;
    if (this.part !== undefined || microBatch !== 'auto' || this.worked)
      return this.inParts(batch, seed);
    const kept = new Statistics(this.net); // a pass that fails has moved some of them
    try {
      for (;;) {
        try {
          const result = this.inParts(batch, seed);
          this.worked = true;
          return result;
        } catch (error) {
          const size = this.part ?? batch.features.shape[0] ?? 1;
          if ((error as Error).name !== 'OutOfMemoryError' || size <= 1) throw error;
          kept.restore();
          this.part = smaller(size, (error as { fits?: number }).fits);
          console.warn(partsMessage(batch.features.shape[0] ?? 1, this.part));
        }
      }
    } finally {
      kept.dispose();
    }
  }

  private inParts({ features, labels }: Batch, seed: number): StepResult<tf.Scalar | null> {
    const { plan, loss } = this;
    const count = features.shape[0] ?? 0;
    const size = this.part ?? count;
    if (size >= count) return plan.forwardBackward(features, labels, { seed, loss });
    const sums = new GradientAccumulator();
    const means: Stepped[] = [];
    try {
      for (let start = 0; start < count; start += size) {
        const length = Math.min(size, count - start);
        const [x, y] = [slice(features, start, length), slice(labels, start, length)];
        try {
          const result = plan.forwardBackward(x, y, { seed: seed + start, loss });
          sums.add(result.gradients, length / count);
          tf.dispose(result.gradients.map(({ gradient }) => gradient));
          means.push({ loss: result.loss, correct: result.correct, count: length });
        } finally {
          tf.dispose([x, y]);
        }
      }
      return { ...together(means, count), gradients: sums.take() };
    } finally {
      tf.dispose(means.flatMap(({ loss: mean, correct }) => (correct ? [mean, correct] : [mean])));
      sums.dispose();
    }
  }

  /** Leaves the net with its averaged weights, where the run keeps such. */
  settleAverage(): void {
    const { ema: average, net } = this;
    if (!average) return;
    tf.tidy(() => {
      average.swap();
      const averaged = net.weights.map((weight) => tf.clone(weight.read()));
      average.swap(); // the average gives the net its own weights back when it goes
      net.weights.forEach((weight, i) => {
        weight.write(averaged[i] as tf.Tensor);
      });
    });
  }

  async dispose(): Promise<void> {
    this.optimizer.dispose();
    this.ema?.dispose();
    this.sums?.dispose();
    await this.group?.end();
  }
}

const slice = (x: tf.Tensor, start: number, length: number): tf.Tensor =>
  tf.slice(x, [start, ...x.shape.slice(1).map(() => 0)], [length, ...x.shape.slice(1)]);

/** Summed gradients of so many samples as the gradient of their mean loss. */
function mean(sums: readonly ParameterGradient[], samples: number): ParameterGradient[] {
  return sums.map(({ parameter, gradient: sum }) => {
    const gradient = tf.div(sum, samples);
    sum.dispose();
    return { parameter, gradient };
  });
}

/** The mean loss and right answers of a batch from those of its parts. */
function together(
  parts: readonly Stepped[],
  count: number,
): Pick<StepResult<tf.Scalar | null>, 'loss' | 'correct'> {
  const loss = tf.tidy(
    () => tf.addN(parts.map((part) => tf.mul(part.loss, part.count / count))) as tf.Scalar,
  );
  const right = parts.flatMap(({ correct }) => (correct ? [correct] : []));
  return { loss, correct: right.length > 0 ? tf.tidy(() => tf.addN(right) as tf.Scalar) : null };
}

/** What an engine says would fit, or half; in parts that are nearly alike. */
function smaller(size: number, fits: number | undefined): number {
  const most = fits !== undefined && fits >= 1 && fits < size ? fits : Math.floor(size / 2);
  return Math.ceil(size / Math.ceil(size / most));
}

const partsMessage = (batch: number, part: number) =>
  `[trainer] train: a batch of ${batch} does not fit the device's memory: it is trained in parts of ${part}, as one update. ` +
  `Batch normalization then sees ${part} samples at a time; set microBatch to choose, or lower the batch size`;

/** Copies of what a forward pass in training mode moves. */
class Statistics {
  private readonly kept: { weight: LayersModel['weights'][number]; value: tf.Tensor }[];

  constructor(net: LayersModel) {
    const moving = net.weights.filter(({ originalName }) =>
      /\/moving_(mean|variance)$/.test(originalName),
    );
    this.kept = moving.map((weight) => ({
      weight,
      value: tf.tidy(() => tf.add(weight.read(), 0)),
    }));
  }

  restore(): void {
    for (const { weight, value } of this.kept) weight.write(value);
  }

  dispose(): void {
    tf.dispose(this.kept.map(({ value }) => value));
  }
}
