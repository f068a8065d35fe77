/**
 * Finds a learning rate by a short trial. Smith 2015, https://arxiv.org/abs/1506.01186, section
 * 3.3; the averaging, the end and the choice are fastai's.
 */

import { type AnyLoss, planOf, type TrainingPlan } from '@deepend/compiler';
import { checkOptions, mixSeed, rule } from '@deepend/core';
import { activate, type Device, toDevice } from '@deepend/device';
import {
  createOptimizer,
  type LossOption,
  type Optimizer,
  type OptimizerOptions,
  softmaxCrossEntropy,
  toLoss,
} from '@deepend/optim';
import * as tf from '@tensorflow/tfjs-core';
import { type AnyBatch, type AnyLoader, checkBatch, checkLoader, disposeBatch } from './loader';
import type { AnyModel } from './model';
import { lossRule } from './options';
import { startDefaultDevice } from './start-device';

const WHERE = '[trainer] lrFind';
const DIVERGENCE_FACTOR = 4; // the trial ends when the loss exceeds this many times its minimum

const rules = rule.object({
  minLr: rule.positiveNumber().optional(),
  maxLr: rule.positiveNumber().optional(),
  steps: rule.integer({ min: 10 }).optional(),
  smooth: rule
    .custom<number>(
      (value) => typeof value === 'number' && value > 0 && value <= 1,
      'a number above 0 and at most 1',
    )
    .optional(),
  device: rule
    .custom<Device>(
      (value) => typeof (value as Device | null)?.backend === 'string',
      'a device, such as tryGpu() gives',
    )
    .optional(),
  seed: rule.seed().optional(),
  // The optimizer's own options are checked where it is made.
  optimizer: rule
    .custom<OptimizerOptions['name'] | OptimizerOptions>(
      (value) => ['string', 'object'].includes(typeof value),
      "an optimizer's name or options",
    )
    .optional(),
  loss: lossRule.optional(),
});

export interface LrFindOptions {
  /** The learning rate of the first step, above 0. @default 1e-6 */
  minLr?: number;
  /** The learning rate of the last step, above `minLr`. @default 1 */
  maxLr?: number;
  /** Number of steps, at least 10. @default 100 */
  steps?: number;
  /** Weight of the newest loss in the running mean, above 0; 1 means no averaging. @default 0.05 */
  smooth?: number;
  /**
   * The device that computes. @default as in `train`
   * @example
   * await tryGpu()
   */
  device?: Device;
  /** Seed of dropout and other random layers: any safe integer. @default 0 */
  seed?: number;
  /** An optimizer's name, or its name with options, as in `train`. @default 'sgd' */
  optimizer?: OptimizerOptions['name'] | OptimizerOptions;
  /** As in `train`. @default softmax cross-entropy on the logits */
  loss?: LossOption;
}

export interface LrFind {
  /** The learning rate of each step, until the last one or until the loss diverged. */
  readonly lrs: number[];
  /** The running mean of the loss before each of these steps. */
  readonly losses: number[];
  /** A learning rate in the middle of the range where the loss falls; null when it never does. */
  readonly suggestion: number | null;
}

/**
 * Suggests a learning rate: trains for some steps while the learning rate grows by a constant
 * factor, and watches the loss. It stops early when the averaged loss exceeds 4 times its minimum.
 * Afterwards the model has its weights and statistics back, and a loader with `state` and `restore`
 * its position.
 * @throws TypeError or RangeError before anything is computed, when options, model and loader do
 *   not fit together
 * @throws Error when the loss of the first step is not finite
 * @example
 * const { suggestion } = await lrFind(net, trainIter);
 */
export async function lrFind(
  model: AnyModel,
  trainIter: AnyLoader,
  settings: LrFindOptions = {},
): Promise<LrFind> {
  const { device, optimizer: named, loss, ...given } = checkOptions(WHERE, rules, settings);
  const range = { minLr: 1e-6, maxLr: 1, steps: 100, smooth: 0.05, seed: 0, ...given };
  if (range.minLr >= range.maxLr)
    throw new RangeError(
      `${WHERE}: expected "minLr" below "maxLr", got ${range.minLr} and ${range.maxLr}`,
    );
  const plan = planOf(model);
  checkLoader(WHERE, trainIter, plan);
  const optimizer = createOptimizer(typeof named === 'object' ? named : { name: named ?? 'sgd' });
  if (device) {
    await activate(device);
    await toDevice(model, device);
  } else await startDefaultDevice(model);
  const restorePosition = savePosition(trainIter);
  const weights = model.getWeights().map((weight) => weight.clone());
  try {
    const { lrs, losses } = await sweep(
      {
        plan,
        optimizer,
        loss: toLoss(WHERE, loss ?? softmaxCrossEntropy),
        allowContinuous: loss !== undefined,
      },
      trainIter,
      range,
    );
    return { lrs, losses, suggestion: findValley(lrs, losses) };
  } finally {
    model.setWeights(weights);
    tf.dispose(weights);
    optimizer.dispose();
    restorePosition();
  }
}

type Range = Required<Pick<LrFindOptions, 'minLr' | 'maxLr' | 'steps' | 'smooth' | 'seed'>>;

/** What a step needs besides a batch. */
interface Trial {
  readonly plan: TrainingPlan;
  readonly optimizer: Optimizer;
  readonly loss: AnyLoss;
  /** Whether labels may be numbers rather than classes. */
  readonly allowContinuous: boolean;
}

/** Trains with the learning rates of the range, and records the averaged losses. */
async function sweep(
  trial: Trial,
  loader: AnyLoader,
  { minLr, maxLr, steps, smooth, seed }: Range,
) {
  const lrs: number[] = [];
  const losses: number[] = [];
  let mean = 0;
  let least = Number.POSITIVE_INFINITY;
  for await (const batch of repeatEpochs(loader)) {
    const step = lrs.length;
    const lr = minLr * (maxLr / minLr) ** (step / (steps - 1));
    const loss = await trainStep(trial, batch, {
      lr,
      seed: mixSeed(seed, step),
      checkLabels: step < loader.numBatches,
    });
    mean += smooth * (loss - mean);
    const averaged = mean / (1 - (1 - smooth) ** (step + 1)); // corrects the mean's start at 0
    if (!Number.isFinite(averaged)) {
      if (step > 0) break;
      throw new Error(
        `${WHERE}: expected a finite loss at the first step, got ${loss}; ` +
          'look for numbers that are not finite in images and weights',
      );
    }
    lrs.push(lr);
    losses.push(averaged);
    least = Math.min(least, averaged);
    if (averaged > DIVERGENCE_FACTOR * least || lrs.length === steps) break;
  }
  return { lrs, losses };
}

/** Makes one update and disposes the batch. @returns the loss before the update */
async function trainStep(
  { plan, optimizer, loss: computeLoss, allowContinuous }: Trial,
  batch: AnyBatch,
  { lr, seed, checkLabels }: { lr: number; seed: number; checkLabels: boolean },
): Promise<number> {
  try {
    checkBatch(WHERE, batch, plan, { checkLabels, allowContinuous });
    const { loss, correct, gradients } = plan.forwardBackward(batch.features, batch.labels, {
      seed,
      loss: computeLoss,
    });
    optimizer.step(gradients, { lr });
    const [value = Number.NaN] = await loss.data();
    tf.dispose([loss, ...(correct ? [correct] : []), ...gradients.map(({ gradient }) => gradient)]);
    return value;
  } finally {
    disposeBatch(batch);
  }
}

/** The batches of one epoch after another, without end. */
async function* repeatEpochs(loader: AnyLoader): AsyncGenerator<AnyBatch> {
  for (;;) {
    let count = 0;
    for await (const batch of loader) {
      count++;
      yield batch;
    }
    if (count === 0)
      throw new RangeError(
        `${WHERE}: the training loader gave no batch; expected ${loader.numBatches}`,
      );
  }
}

/**
 * @returns a function that moves the loader back to its present position, so that training after a
 *   trial sees the same batches as without one
 */
function savePosition(loader: AnyLoader): () => void {
  const position = loader.state?.();
  return () => (position ? loader.restore?.(position) : undefined);
}

/**
 * The middle of the longest valley, fastai's `valley`: of the longest subsequence of falling
 * losses, the step halfway down. Learning rates are logarithmic in the steps.
 */
function findValley(lrs: readonly number[], losses: readonly number[]): number | null {
  const lengths = losses.map(() => 1); // of the longest falling subsequence that ends here
  losses.forEach((loss, i) => {
    for (let j = 0; j < i; j++)
      if (loss < (losses[j] as number))
        lengths[i] = Math.max(lengths[i] as number, (lengths[j] as number) + 1);
  });
  const length = Math.max(...lengths);
  if (length < 3) return null; // two falling losses may be chance
  const end = lengths.indexOf(length);
  return lrs[Math.max(0, Math.round(end - length / 2))] ?? null;
}
