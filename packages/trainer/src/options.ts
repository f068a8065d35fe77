/** The options of `train`: their meaning, and the rules that are checked before it computes. */

import { checkOptions, rule } from '@deepend/core';
import type { Device } from '@deepend/device';
import {
  type LossOption,
  type Metric,
  OPTIMIZER_NAMES,
  type OptimizerOptions,
  softmaxCrossEntropy,
  toLoss,
} from '@deepend/optim';
import { type Callback, PROGRESS } from './callbacks/callback';
import { describeRate, firstRate, type LearningRate } from './learning-rate';

export interface TrainOptions {
  /** Number of passes over the training data. @example 10 */
  numEpochs: number;
  /**
   * Learning rate: a number, a function of the epoch (from 1), or a schedule.
   * @example 0.05
   * @example (epoch) => (epoch <= 6 ? 0.1 : 0.01)
   * @example
   * schedules.cosine({ lr: 0.1 })
   */
  lr: LearningRate;
  /**
   * The device that computes. @default the one that was chosen before, by deepend or by
   * `tf.setBackend`; without such a choice the best CPU backend
   * @example
   * await tryGpu()
   */
  device?: Device;
  /**
   * Devices that share each batch (data parallelism). The first one computes in this thread,
   * evaluates, and has the model at the end; each of the others has a thread of its own. With one
   * device, training is the same as with `device`. Several GPUs train as processes: `mpirun`.
   * @default only `device`
   * @example
   * [simd, simd]
   */
  devices?: readonly Device[];
  /**
   * Seed of dropout and other random layers: any safe integer. @default 0
   * @example 1
   */
  seed?: number;
  /**
   * Objects that watch the run, in the order in which they are called. @default []
   * @example [new Animator(), saveRun('runs/lenet')]
   */
  callbacks?: readonly Callback[];
  /**
   * Whether to show progress and the book's two closing lines. @default true
   * @example false
   */
  progress?: boolean;
  /**
   * An optimizer's name, or its name with options.
   * @default 'sgd', plain stochastic gradient descent
   * @example { name: 'sgd', momentum: 0.9, weightDecay: 5e-4 }
   */
  optimizer?: OptimizerOptions['name'] | OptimizerOptions;
  /**
   * What training minimizes: a loss of @deepend/optim; your own function `(outputs, labels) =>
   * scalar`, whose gradient comes from TensorFlow.js's tape; or a record of these for the outputs
   * of a model that has several, each with its weight.
   * @default softmax cross-entropy on the logits
   * @example crossEntropy({ labelSmoothing: 0.1 })
   * @example
   * (outputs, labels) => tf.losses.huberLoss(labels, outputs)
   * @example
   * { boxes: { loss: meanSquaredError(), weight: 0.5 }, classes: crossEntropy() }
   */
  loss?: LossOption;
  /**
   * Measured on the test set after each epoch, for `history[i].metrics`. @default none
   * @example [metrics.topK(5)]
   */
  metrics?: readonly Metric[];
  /**
   * Scales the gradients down when the norm of all of them together is above this. @default none
   * @example 1
   */
  clipNorm?: number;
  /**
   * Limits each number of the gradients to ± this. @default none
   * @example 0.5
   */
  clipValue?: number;
  /**
   * Number of batches whose gradients make one update, as one larger batch would. @default 1
   * @example 4
   */
  gradientAccumulationSteps?: number;
  /**
   * Decay of an exponential moving average of the weights, above 0 and below 1. The averaged
   * weights are evaluated, and the model has them at the end. @default no average
   * @example 0.999
   */
  emaDecay?: number;
  /**
   * Trains each batch in parts of this many samples, as one update; batch normalization then sees
   * one part at a time. `'auto'` does so only when a batch does not fit the device's memory, and
   * prints a warning. @default 'auto'
   * @example 32
   */
  microBatch?: number | 'auto';
  /**
   * Whether batch normalization normalizes over the samples of all ranks that `mpirun` started, as
   * `torch.nn.SyncBatchNorm`, not over each rank's own: `nn.BatchNorm1d`, `nn.BatchNorm2d` and the
   * layers of a `tf.LayersModel`. The ranks then give the numbers of one process. With `microBatch`
   * the parts of the same number are normalized together. One process has all samples anyway.
   * @default false
   * @example true
   */
  syncBatchNorm?: boolean;
  /**
   * A run's folder. Resumes from the newest valid checkpoint in it, and starts from the beginning
   * when there is none. @default no checkpoint is read
   * @example 'runs/resnet18'
   */
  resume?: string;
  /**
   * For an `nn.Module` whose `forward(features, state)` returns `[outputs, state]`: each batch gets
   * the state of the one before, without a gradient through it (truncated backpropagation through
   * time, the book's 8.5). The state is undefined in the first batch of each epoch, in the first
   * one of an evaluation, and in batches with `isNewSequence`. @default false
   * @example true
   */
  carryState?: boolean;
  /**
   * How ranks exchange gradients under MPI: as they are, or with `'float16'` in half of the bytes,
   * rounded to 11 bits; sums are computed in float32. No effect on one rank. @default 'none'
   * @example 'float16'
   */
  compression?: 'none' | 'float16';
  /**
   * Smoke test: one epoch of two batches of training and two of test data. @default false
   * @example true
   */
  fastDevRun?: boolean;
  /**
   * Trains on the first batches only, this many, which a model that can learn must overfit.
   * @default all batches
   * @example 2
   */
  overfitBatches?: number;
}

const isObject = (value: unknown) => typeof value === 'object' && value !== null;

const QUOTED_NAMES = OPTIMIZER_NAMES.map((name) => `'${name}'`).join(', ');

/** The rule of the option `device`. */
export const deviceRule = rule.custom<Device>(
  (value) => typeof (value as Device | null)?.backend === 'string',
  'a device, such as tryGpu() gives',
);

/** Whether the option `loss` has the form of one; `toLoss` looks at it closely. */
export const lossRule = rule.custom<LossOption>(
  (value) => typeof value === 'function' || isObject(value),
  'a loss, a function (outputs, labels) => scalar, or a record of these by output',
);

const trainOptions = rule.object({
  numEpochs: rule.positiveInteger(),
  lr: rule.positiveNumber(),
  device: deviceRule.optional(),
  devices: rule.list(deviceRule, 'a list of devices, such as tryAllGpus() gives').optional(),
  seed: rule.seed().optional(),
  callbacks: rule
    .list(rule.custom<Callback>(isObject, 'an object with callbacks'), 'a list of callbacks')
    .optional(),
  progress: rule.boolean().optional(),
  optimizer: rule
    .custom<NonNullable<TrainOptions['optimizer']>>(
      (value) =>
        OPTIMIZER_NAMES.some(
          (name) => name === (isObject(value) ? (value as { name: unknown }).name : value),
        ),
      `one of ${QUOTED_NAMES}, or an object with such a name`,
    )
    .optional(),
  loss: lossRule.optional(),
  metrics: rule
    .list(
      rule.custom<Metric>(
        (value) => isObject(value) && typeof (value as Metric).update === 'function',
        'a metric',
      ),
      'a list of metrics',
    )
    .optional(),
  clipNorm: rule.positiveNumber().optional(),
  clipValue: rule.positiveNumber().optional(),
  gradientAccumulationSteps: rule.positiveInteger().optional(),
  emaDecay: rule.number({ above: 0, below: 1 }).optional(),
  microBatch: rule
    .custom<number | 'auto'>(
      (value) => value === 'auto' || (Number.isInteger(value) && (value as number) >= 1),
      "'auto' or an integer of at least 1",
    )
    .optional(),
  syncBatchNorm: rule.boolean().optional(),
  resume: rule.nonEmptyString('the path of a folder').optional(),
  carryState: rule.boolean().optional(),
  compression: rule.oneOf(['none', 'float16']).optional(),
  fastDevRun: rule.boolean().optional(),
  overfitBatches: rule.positiveInteger().optional(),
});

/** Options that are no plain values, or do not change what a run computes. */
const NOT_IN_CONFIG = ['device', 'devices', 'callbacks', 'progress', 'metrics', 'loss', 'resume'];

/** @throws TypeError or RangeError for the first option that is wrong */
export function checkTrainOptions(where: string, options: TrainOptions): TrainOptions {
  const lr = firstRate(where, options?.lr);
  checkOptions(where, trainOptions, { ...options, lr });
  return options;
}

/** The options as plain JSON, for `config.json` and checkpoints. */
export function configOf(options: TrainOptions): Record<string, unknown> {
  const plain = Object.entries(options).filter(
    ([key, value]) => !NOT_IN_CONFIG.includes(key) && value !== undefined,
  );
  const { lr, loss = softmaxCrossEntropy } = options;
  const config = {
    ...Object.fromEntries(plain),
    lr: describeRate(lr),
    loss: toLoss('[trainer] train', loss).config,
  };
  return JSON.parse(JSON.stringify(config)) as Record<string, unknown>;
}

/** What `train` was given, as plain JSON: also what does not decide whether a run may resume. */
export function describeOptions(options: TrainOptions): Record<string, unknown> {
  const { metrics = [], callbacks = [], devices } = options;
  return {
    ...configOf(options),
    ...(metrics.length > 0 && { metrics: metrics.map(({ name }) => name) }),
    ...(devices && { devices: devices.map(({ name }) => name) }),
    callbacks: callbacks
      .filter(({ name }) => name !== PROGRESS)
      .map((callback) => ({ name: nameOfCallback(callback), ...callback.config })),
  };
}

/** The callback's own name or class, or the methods of an object without a name. */
function nameOfCallback(callback: Callback): string {
  const className = callback.constructor?.name;
  if (callback.name !== undefined) return callback.name;
  if (className && className !== 'Object') return className;
  return `{ ${Object.keys(callback).join(', ')} }`;
}
