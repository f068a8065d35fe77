/** The arithmetic of one training step: forward, backward, accumulation, clipping, update, EMA. */

import {
  type AnyLoss,
  type GradientStream,
  isModule,
  type Loss,
  type ParameterGradient,
  Plan,
  planOf,
  type TrainingPlan,
} from '@deepend/compiler';
import { mixSeed } from '@deepend/core';
import { DeviceGroup, Ranks, worldSize } from '@deepend/distributed';
import {
  clipByNorm,
  clipByValue,
  createOptimizer,
  GradientAccumulator,
  ModelEma,
  type Optimizer,
  softmaxCrossEntropy,
  toLoss,
} from '@deepend/optim';
import * as tf from '@tensorflow/tfjs-core';
import { answersOf, type BatchMetrics, isSum, massOf, readNumber } from './accumulator';
import { type AnyBatch, type Batch, countSamples } from './loader';
import { MicroBatches } from './micro-batches';
import type { AnyModel } from './model';
import type { TrainOptions } from './options';
import { requireSyncable, syncedMass } from './sync-batch-norm';

const WHERE = '[trainer] train';

type StepOptions = Pick<
  TrainOptions,
  | 'optimizer'
  | 'loss'
  | 'clipNorm'
  | 'clipValue'
  | 'gradientAccumulationSteps'
  | 'emaDecay'
  | 'microBatch'
  | 'devices'
  | 'carryState'
  | 'compression'
  | 'syncBatchNorm'
>;

export interface StepSettings {
  /** Seed of dropout and other random layers in this step. */
  readonly seed: number;
  readonly lr: number;
  /** Whether the epoch ends with this batch: gradients that wait for an update then get one. */
  readonly isLast: boolean;
}

/** Runs training steps on a model. It owns the plan, the optimizer, the EMA and the devices. */
export class StepRunner {
  readonly plan: TrainingPlan;
  readonly optimizer: Optimizer;
  readonly ema: ModelEma | undefined;
  readonly loss: AnyLoss;
  /** Splits batches that do not fit the device's memory. */
  readonly microBatches: MicroBatches;
  /** Number of weight updates so far. */
  updates = 0;
  readonly #model: AnyModel;
  readonly #options: StepOptions;
  readonly #accumulator: GradientAccumulator | undefined;
  readonly #group: DeviceGroup | undefined; // several devices that share each batch
  /** The processes that share each batch, if a launcher of MPI started several. */
  readonly ranks: Ranks | undefined;
  /** Those over whose samples batch normalization is. */
  readonly #synced: Ranks | undefined;
  #pendingBatches = 0; // whose gradients wait for an update
  /** Samples or mass of those batches. */
  #pendingMass: number | tf.Scalar = 0;

  constructor(model: AnyModel, options: StepOptions) {
    const { optimizer = 'sgd', loss = softmaxCrossEntropy, emaDecay, microBatch } = options;
    const { gradientAccumulationSteps = 1, devices, carryState } = options;
    const { compression = 'none', syncBatchNorm = false } = options;
    const plan = planOf(model, { carryState });
    if (carryState && typeof microBatch === 'number') {
      throw new TypeError(
        `${WHERE}: expected whole batches with "carryState", got microBatch ${microBatch}: a ` +
          'part of a batch has no state of its own; leave microBatch out',
      );
    }
    this.#model = model;
    this.#options = options;
    this.plan = plan;
    this.optimizer = createOptimizer(
      typeof optimizer === 'string' ? { name: optimizer } : optimizer,
    );
    this.loss = toLoss(WHERE, loss);
    if (worldSize() > 1) this.ranks = new Ranks(plan, { compression });
    if (syncBatchNorm && this.ranks) {
      requireSyncable(WHERE, plan, options);
      this.#synced = this.ranks;
    }
    // One rank by itself may not split a batch: the others would not.
    const isWhole = carryState || (this.#synced && typeof microBatch !== 'number');
    this.microBatches = new MicroBatches({
      plan,
      loss: this.loss,
      size: isWhole ? 'whole' : microBatch,
      synced: this.#synced,
    });
    if (emaDecay !== undefined) this.ema = new ModelEma(plan, { decay: emaDecay });
    if (gradientAccumulationSteps > 1) this.#accumulator = new GradientAccumulator();
    if (devices && devices.length > 1) {
      if (this.ranks) {
        throw new TypeError(
          `${WHERE}: expected one device on each of ${worldSize()} ranks, got ${devices.length}; ` +
            'leave out "devices": every rank trains on a device of its own',
        );
      }
      if (syncBatchNorm) {
        throw new TypeError(
          `${WHERE}: "syncBatchNorm" is for several processes (mpirun), got ${devices.length} ` +
            'devices in one, of which each normalizes by its own samples; leave the option out, ' +
            'or train on one device in each process',
        );
      }
      if (isModule(model)) {
        throw new TypeError(
          `${WHERE}: several devices train a tf.LayersModel; '${model.name}' is an nn.Module, ` +
            'whose code other threads do not have; use one device',
        );
      }
      if (!(plan instanceof Plan)) {
        throw new TypeError(
          `${WHERE}: several devices train models that are compiled; '${model.name}' has layers, ` +
            'inputs or outputs that are computed on the tape; use one device',
        );
      }
      this.#group = new DeviceGroup({
        model,
        plan,
        loss: this.loss as Loss<tf.Scalar | null>,
        devices,
      });
    }
  }

  /** Starts the workers of the other devices. @throws Error when one does not start */
  async start(): Promise<void> {
    await this.#group?.begin();
  }

  /** Whether the weights have taken in all gradients so far: only then can the run be saved. */
  get settled(): boolean {
    return this.#pendingBatches === 0;
  }

  /**
   * Computes loss and gradients of a batch, which stays the caller's, and updates the weights, or
   * every `gradientAccumulationSteps` batches.
   * @returns the batch's metrics, whose scalars are the caller's
   */
  async step(batch: AnyBatch, { seed, lr, isLast }: StepSettings): Promise<BatchMetrics> {
    const { gradientAccumulationSteps = 1 } = this.#options;
    const { gradients, ...metrics } = await this.#forwardBackward(batch, seed);
    const { count, mass } = metrics;
    this.#pendingBatches++;
    if (!this.#accumulator) this.#update(gradients, lr);
    else {
      const weight = isSum(this.loss) ? 1 : (mass ?? count);
      this.#accumulator.add(gradients, weight);
      this.#addPendingMass(isSum(this.loss) ? 0 : weight);
      disposeAll(gradients);
      if (this.#pendingBatches === gradientAccumulationSteps || isLast)
        this.#update(this.#average(this.#accumulator.take()), lr);
    }
    return metrics;
  }

  /** Of gradients that several batches have added up. */
  #average(sums: readonly ParameterGradient[]): readonly ParameterGradient[] {
    return isSum(this.loss) ? sums : divide(sums, this.#pendingMass);
  }

  /** Metrics and mean gradients of a batch; of all ranks' shares of it where there are several. */
  async #forwardBackward(
    batch: AnyBatch,
    seed: number,
  ): Promise<BatchMetrics & { gradients: readonly ParameterGradient[] }> {
    const { ranks } = this;
    // The masses come last: a refused batch leaves none of their scalars.
    if (this.#group) {
      const step = await this.#group.step(batch as Batch, seed);
      return { ...this.#numbersOf(batch), ...step };
    }
    if (!ranks) {
      const step = this.microBatches.forwardBackward(batch, seed);
      return { ...this.#numbersOf(batch), ...step };
    }
    await ranks.begin(await this.#countsOf(batch));
    const ownSeed = mixSeed(seed, ranks.share.index);
    const others = await this.#partsOfOthers(batch);
    const own =
      countSamples(batch) > 0
        ? this.microBatches.forwardBackward(batch, ownSeed, this.#stream)
        : undefined;
    this.microBatches.follow(batch, { parts: others, seed: ownSeed });
    return ranks.join(own);
  }

  /** What takes gradients as they come; none where following other ranks comes after them. */
  get #stream(): GradientStream | undefined {
    return this.#synced && this.microBatches.size !== undefined ? undefined : this.ranks?.stream;
  }

  /** The same as plain numbers. */
  async #countsOf(batch: AnyBatch) {
    const { isSum, count, mass = count, answers = count } = this.#numbersOf(batch);
    const numbers = { mass: await takeNumber(mass), answers: await takeNumber(answers) };
    if (this.#synced && count > 0 && !isSum) numbers.mass = syncedMass(this.loss, batch.labels);
    return { isSum, count, ...numbers };
  }

  /** How many parts some rank computes more than this one, where they are normalized as one. */
  async #partsOfOthers(batch: AnyBatch): Promise<number> {
    const { microBatches } = this;
    if (!this.#synced) return 0;
    const own = microBatches.numParts(batch);
    // Without parts some rank has one, since the batch has samples.
    return (microBatches.size === undefined ? 1 : await this.#synced.largest(own)) - own;
  }

  /** What a batch's mean loss and accuracy divide by; 0 for an empty share. */
  #numbersOf(batch: AnyBatch) {
    const { loss } = this;
    const count = countSamples(batch);
    return {
      isSum: isSum(loss),
      count,
      mass: count > 0 ? massOf(loss, batch.labels) : 0,
      answers: count > 0 ? answersOf(loss, batch.labels) : 0,
    };
  }

  /** Clips the gradients, updates weights and EMA, and disposes the gradients. */
  #update(gradients: readonly ParameterGradient[], lr: number): void {
    const { clipNorm, clipValue } = this.#options;
    if (clipValue !== undefined) clipByValue(gradients, clipValue);
    if (clipNorm !== undefined) tf.dispose(clipByNorm(gradients, clipNorm));
    this.optimizer.step(gradients, { lr });
    this.plan.applyConstraints?.();
    disposeAll(gradients);
    this.ema?.update();
    this.updates++;
    this.#pendingBatches = 0;
    this.#forgetPendingMass();
  }

  #addPendingMass(mass: number | tf.Scalar): void {
    const sum = tf.tidy(() =>
      typeof mass === 'number' && typeof this.#pendingMass === 'number'
        ? mass + this.#pendingMass
        : (tf.add(this.#pendingMass, mass) as tf.Scalar),
    );
    this.#forgetPendingMass();
    this.#pendingMass = sum;
  }

  #forgetPendingMass(): void {
    if (typeof this.#pendingMass !== 'number') this.#pendingMass.dispose();
    this.#pendingMass = 0;
  }

  /** Runs `work` while the model has its averaged weights, if the run keeps an EMA. */
  async withEma<T>(work: () => Promise<T>): Promise<T> {
    this.ema?.swap();
    try {
      return await work();
    } finally {
      this.ema?.swap();
    }
  }

  /** Leaves the model with its averaged weights, if the run keeps an EMA. */
  applyEma(): void {
    const { ema } = this;
    if (!ema) return;
    tf.tidy(() => {
      ema.swap();
      const averaged = this.#model.weights.map((weight) => tf.clone(weight.read()));
      ema.swap(); // since a swapped EMA restores the model's own weights when it is disposed
      this.#model.weights.forEach((weight, i) => {
        weight.write(averaged[i] as tf.Tensor);
      });
    });
  }

  async dispose(): Promise<void> {
    this.optimizer.dispose();
    this.ema?.dispose();
    this.#accumulator?.dispose();
    this.#forgetPendingMass();
    await this.#group?.end();
  }
}

const disposeAll = (gradients: readonly ParameterGradient[]) =>
  tf.dispose(gradients.map(({ gradient }) => gradient));

/** A number, or that of a scalar, which is disposed. */
async function takeNumber(value: number | tf.Scalar): Promise<number> {
  const number = await readNumber(value);
  tf.dispose(value);
  return number;
}

/** Divides gradients that are sums by their number of samples or mass, and disposes the sums. */
function divide(sums: readonly ParameterGradient[], mass: number | tf.Scalar): ParameterGradient[] {
  return sums.map(({ parameter, gradient: sum }) => {
    const gradient = tf.div(sum, mass);
    sum.dispose();
    return { parameter, gradient };
  });
}
