/**
 * A learning rate from a short trial. Smith 2015, https://arxiv.org/abs/1506.01186, section 3.3;
 * averaging, end and choice as fastai has them.
 */

import { compile, type Loss, type Plan } from '@deepend/compiler';
import { checkOptions, rule } from '@deepend/core';
import { activate, type Device, toDevice } from '@deepend/device';
import {
  createOptimizer,
  type Optimizer,
  type OptimizerOptions,
  softmaxCrossEntropy,
} from '@deepend/optim';
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { checkBatch, checkLoader } from './check';
import type { Batch, Loader } from './types';

const WHERE = '[trainer] lrFind';
const DIVERGED = 4; // times the least loss: beyond it the trial ends

const lrFindOptions = rule.object({
  minLr: rule.positiveNumber().optional(),
  maxLr: rule.positiveNumber().optional(),
  steps: rule.positiveInteger().min(10, 'an integer of at least 10').optional(),
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
  seed: rule.nonNegativeInteger().optional(),
  // The optimizer's own options are checked where it is made.
  optimizer: rule
    .custom<OptimizerOptions['name'] | OptimizerOptions>(
      (value) => ['string', 'object'].includes(typeof value),
      "an optimizer's name or options",
    )
    .optional(),
  loss: rule.func<Loss<tf.Scalar | null>>().optional(),
});

export interface LrFindOptions {
  /** The first step's rate. @default 1e-6 */
  minLr?: number;
  /** The last step's rate. @default 1 */
  maxLr?: number;
  /** @default 100 */
  steps?: number;
  /** The weight of the newest loss in the running mean; 1 averages nothing. @default 0.05 */
  smooth?: number;
  /** What computes. @default the engine that is current in TensorFlow.js */
  device?: Device;
  /** Where dropout and the like come from. @default 0 */
  seed?: number;
  /** A name, or a name with its options, as `train` takes it. @default 'sgd' */
  optimizer?: OptimizerOptions['name'] | OptimizerOptions;
  /** @default softmax cross-entropy on the logits */
  loss?: Loss<tf.Scalar | null>;
}

export interface LrFind {
  /** The rate of each step, up to the end or until the loss was lost. */
  readonly lrs: number[];
  /** The running mean of the loss, measured before each of the steps. */
  readonly losses: number[];
  /** A rate in the middle of where the loss falls; null when it never does. */
  readonly suggestion: number | null;
}

/**
 * Trains for some steps with a rate that grows from step to step by the same factor, and watches
 * the loss. It
 * ends early when the averaged loss is above 4 times its least. The net has its weights and
 * statistics back afterwards, and a loader with
 * `state` and `restore` its place.
 * @throws TypeError or RangeError before anything is computed, when options, net and loader do not
 *   fit together; Error when the very first
 * loss is not finite
 * @example
 * const { suggestion } = await lrFind(net, trainIter);
 */
export async function lrFind(
  net: LayersModel,
  trainIter: Loader,
  settings: LrFindOptions = {},
): Promise<LrFind> {
  const {
    device,
    optimizer: named = 'sgd',
    loss,
    ...given
  } = checkOptions(WHERE, lrFindOptions, settings);
  const options = { minLr: 1e-6, maxLr: 1, steps: 100, smooth: 0.05, seed: 0, ...given };
  if (options.minLr >= options.maxLr)
    throw new RangeError(
      `${WHERE}: expected "minLr" below "maxLr", got ${options.minLr} and ${options.maxLr}`,
    );
  const plan = compile(net);
  checkLoader(WHERE, trainIter, plan);
  const optimizer = createOptimizer(typeof named === 'string' ? { name: named } : named);
  if (device) {
    await activate(device);
    await toDevice(net, device);
  }
  const putBack = placeOf(trainIter);
  const before = net.getWeights().map((weight) => weight.clone());
  try {
    const { lrs, losses } = await sweep({ plan, optimizer, loss }, trainIter, options);
    return { lrs, losses, suggestion: valley(lrs, losses) };
  } finally {
    net.setWeights(before);
    tf.dispose(before);
    optimizer.dispose();
    putBack();
  }
}

type Range = Required<Pick<LrFindOptions, 'minLr' | 'maxLr' | 'steps' | 'smooth' | 'seed'>>;

/** What a step needs beside a batch. */
interface Trial {
  readonly plan: Plan;
  readonly optimizer: Optimizer;
  readonly loss: Loss<tf.Scalar | null> | undefined;
}

async function sweep(trial: Trial, loader: Loader, { minLr, maxLr, steps, smooth, seed }: Range) {
  const [lrs, losses]: [number[], number[]] = [[], []];
  let [mean, least] = [0, Number.POSITIVE_INFINITY];
  for await (const batch of endless(loader)) {
    const step = lrs.length;
    const lr = minLr * (maxLr / minLr) ** (step / (steps - 1));
    const loss = await stepOn(trial, batch, {
      lr,
      seed: seed * 100_003 + step,
      checkLabels: step < loader.numBatches,
    });
    mean += smooth * (loss - mean);
    const averaged = mean / (1 - (1 - smooth) ** (step + 1)); // as if the mean had not begun at 0
    if (!Number.isFinite(averaged)) {
      if (step > 0) break;
      throw new Error(
        `${WHERE}: expected a finite loss at the first step, got ${loss}; look for what is not finite in images and weights`,
      );
    }
    lrs.push(lr);
    losses.push(averaged);
    least = Math.min(least, averaged);
    if (averaged > DIVERGED * least || lrs.length === steps) break;
  }
  return { lrs, losses };
}

/** One update; gives the loss before it, and disposes the batch. */
async function stepOn(
  { plan, optimizer, loss: lossOf }: Trial,
  batch: Batch,
  options: { lr: number; seed: number; checkLabels: boolean },
): Promise<number> {
  try {
    checkBatch(WHERE, batch, plan, { labels: options.checkLabels, values: lossOf !== undefined });
    const { loss, correct, gradients } = plan.forwardBackward(batch.features, batch.labels, {
      seed: options.seed,
      loss: lossOf ?? softmaxCrossEntropy,
    });
    optimizer.step(gradients, { lr: options.lr });
    const [value = Number.NaN] = await loss.data();
    tf.dispose([loss, ...(correct ? [correct] : []), ...gradients.map(({ gradient }) => gradient)]);
    return value;
  } finally {
    tf.dispose([batch.features, batch.labels]);
  }
}

/** Epoch after epoch. */
async function* endless(loader: Loader): AsyncGenerator<Batch> {
  for (let batches = 0; ; batches = 0) {
    for await (const batch of loader) {
      batches++;
      yield batch;
    }
    if (batches === 0)
      throw new RangeError(
        `${WHERE}: the training loader gave no batch; expected ${loader.numBatches}`,
      );
  }
}

/**
 * A loader that can tell its place goes back there, so that training after a trial sees the batches
 * that it would have seen without.
 */
function placeOf(loader: Loader): () => void {
  const place = loader.state?.();
  return () => (place ? loader.restore?.(place) : undefined);
}

/**
 * The middle of the longest valley: of the longest list of losses, in order but not side by side,
 * of which each is below the one before.
 * fastai's `valley`. The suggestion stands halfway down in steps, where rates are logarithmic.
 */
function valley(lrs: readonly number[], losses: readonly number[]): number | null {
  const lengths = losses.map(() => 1); // of the longest falling list that ends here
  losses.forEach((loss, i) => {
    for (let j = 0; j < i; j++)
      if (loss < (losses[j] as number))
        lengths[i] = Math.max(lengths[i] as number, (lengths[j] as number) + 1);
  });
  const length = Math.max(...lengths);
  if (length < 3) return null; // two losses in the right order are chance
  const end = lengths.indexOf(length);
  return lrs[Math.max(0, Math.round(end - length / 2))] ?? null;
}
