/** Training a net: the book's `train_ch6`. */
import { checkOptions, rule, show } from '@deepend/checks';
import { compile, type Plan, sgd } from '@deepend/compiler';
import { activate, currentDevice, type Device } from '@deepend/device';
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { checkBatch, checkLoader } from './check';
import { evaluatePlan } from './evaluate';
import { progressDisplay } from './progress';
import { MetricSums } from './sums';
import { Timer } from './timer';
import type { Callback, EpochRecord, Loader, StepRecord, TrainOptions, TrainResult } from './types';

const WHERE = '[trainer] train';
const READS_PER_EPOCH = 5; // how often the book's curve gets a point

const trainOptions = rule.options({
  numEpochs: rule.positiveInteger(),
  lr: rule.positiveNumber(),
  device: rule
    .that<Device>((value) => typeof (value as Device | null)?.engine === 'string', 'a device, such as tryGpu() gives')
    .optional(),
  seed: rule.nonNegativeInteger().optional(),
  callbacks: rule
    .list(
      rule.that<Callback>((value) => typeof value === 'object' && value !== null, 'an object with callbacks'),
      'a list of callbacks',
    )
    .optional(),
  progress: rule.flag().optional(),
});

/**
 * Trains a net by stochastic gradient descent on softmax cross-entropy, and evaluates it after each epoch. Goes on from the weights
 * that the net has: nothing resets them. Ends with the book's two lines.
 * @param testIter null to train without evaluation
 * @throws TypeError or RangeError before anything is computed, when options, net and loaders do not fit together
 * @example
 * const { history } = await train(net, trainIter, testIter, { numEpochs: 10, lr: 0.05, device: await tryGpu() });
 * await train(net, trainIter, testIter, { numEpochs: 8, lr: (epoch) => (epoch <= 6 ? 0.1 : 0.01) });
 */
export async function train(
  net: LayersModel,
  trainIter: Loader,
  testIter: Loader | null,
  options: TrainOptions,
): Promise<TrainResult> {
  const rates = typeof options?.lr === 'function' ? options.lr : undefined;
  const plain = rates ? { ...options, lr: rateOf(rates, 1) } : options;
  const { numEpochs, lr: first, seed = 0, callbacks = [], progress = true, ...rest } = checkOptions(WHERE, trainOptions, plain);
  const plan = compile(net);
  checkLoader(WHERE, trainIter, plan);
  if (testIter) checkLoader(WHERE, testIter, plan);
  if (rest.device) await activate(rest.device);
  const device = rest.device ?? currentDevice();
  const display = progress ? progressDisplay({ quietEpochs: callbacks.some(({ drawsLive }) => drawsLive) }) : undefined;
  const watchers: Callback[] = display ? [display, ...callbacks] : [...callbacks];

  const { batchSize, numSamples } = trainIter;
  for (const watcher of watchers)
    await watcher.onTrainBegin?.({ net, device, numEpochs, lr: first, seed, batchSize, numSamples });
  const history: EpochRecord[] = [];
  let [samples, computing] = [0, 0]; // samples trained on, seconds of compute
  try {
    for (let epoch = 1; epoch <= numEpochs; epoch++) {
      const whole = new Timer().start();
      const lr = rates ? rateOf(rates, epoch) : first;
      const trained = await trainEpoch(plan, trainIter, { epoch, lr, seed, watchers });
      const testAcc = testIter ? (await evaluatePlan(WHERE, plan, testIter)).accuracy : null;
      const { loss, accuracy: trainAcc, numSamples: seen, computeSeconds, trainSeconds } = trained;
      samples += seen;
      computing += computeSeconds;
      const speeds = { samplesPerSecond: seen / computeSeconds, samplesPerSecondWithLoading: seen / trainSeconds };
      const record = { epoch, loss, trainAcc, testAcc, lr, seconds: whole.stop(), ...speeds };
      history.push(record);
      for (const watcher of watchers) await watcher.onEpochEnd?.(record);
    }
  } finally {
    display?.close();
  }
  const result = { history, device, samplesPerSecond: samples / computing };
  for (const watcher of watchers.reverse()) await watcher.onTrainEnd?.(result);
  return result;
}

/** An epoch's learning rate. @throws RangeError when it is not above 0 */
function rateOf(rates: (epoch: number) => number, epoch: number): number {
  const lr = rates(epoch);
  if (typeof lr === 'number' && lr > 0 && Number.isFinite(lr)) return lr;
  throw new RangeError(`${WHERE}: option "lr" must give a number above 0 for each epoch, got ${show(lr)} for epoch ${epoch}`);
}

interface EpochOptions {
  epoch: number;
  lr: number;
  seed: number;
  watchers: readonly Callback[];
}

interface EpochResult {
  loss: number;
  accuracy: number;
  numSamples: number;
  computeSeconds: number;
  trainSeconds: number;
}

/** One pass over the training data: for each batch a step, a count, a report. */
async function trainEpoch(plan: Plan, loader: Loader, { epoch, lr, seed, watchers }: EpochOptions): Promise<EpochResult> {
  const { numBatches } = loader;
  const readEvery = Math.max(1, Math.floor(numBatches / READS_PER_EPOCH));
  const sums = new MetricSums();
  const [whole, compute] = [new Timer().start(), new Timer()];
  let seen: Pick<StepRecord, 'loss' | 'trainAcc'> = { loss: Number.NaN, trainAcc: Number.NaN };
  let step = 0;
  try {
    for await (const { features, labels } of loader) {
      try {
        checkBatch(WHERE, { features, labels }, plan, { labels: epoch === 1 });
        compute.start();
        const { loss, correct, gradients } = plan.step(features, labels, { seed: (seed * 1009 + epoch) * 100_003 + step });
        sums.add(loss, correct, features.shape[0] ?? 0);
        sgd(gradients, { lr });
        tf.dispose(gradients.map(({ gradient }) => gradient));
        // Reading waits for the device, so an engine that computes behind our back is timed rightly.
        if (++step % readEvery === 0 || step === 1 || step === numBatches) seen = await readMetrics(sums, { epoch, step, lr });
        compute.stop();
      } finally {
        tf.dispose([features, labels]);
      }
      for (const watcher of watchers) await watcher.onStep?.({ epoch, step, numBatches, ...seen });
    }
    if (step === 0) throw new RangeError(`${WHERE}: the training loader gave no batch; expected ${numBatches}`);
    const { loss, accuracy, numSamples } = await sums.read();
    return { loss, accuracy, numSamples, computeSeconds: compute.sum(), trainSeconds: whole.stop() };
  } finally {
    sums.dispose();
  }
}

async function readMetrics(sums: MetricSums, { epoch, step, lr }: { epoch: number; step: number; lr: number }) {
  const { loss, accuracy } = await sums.read();
  if (Number.isFinite(loss)) return { loss, trainAcc: accuracy };
  throw new Error(
    `${WHERE}: the loss became ${loss} by step ${step} of epoch ${epoch}; lower the learning rate, which was ${lr}`,
  );
}
