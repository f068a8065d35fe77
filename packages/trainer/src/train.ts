/** Training a net: the book's `train_ch6`. */

import type { EpochRecord } from '@deepend/core';
import { activate, currentDevice, toDevice } from '@deepend/device';
import { checkDevices, requireFirst } from '@deepend/distributed';
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { checkBatch, checkLoader } from './check';
import { evaluatePlan } from './evaluate';
import { limited } from './limits';
import { checkTrainOptions } from './options';
import { Run } from './run';
import { Timer } from './timer';
import type { Loader, TrainOptions, TrainResult } from './types';

const WHERE = '[trainer] train';

/**
 * Trains a net, by stochastic gradient descent on softmax cross-entropy unless told otherwise, and
 * evaluates it after each epoch. Goes on from
 * the weights that the net has: nothing resets them. Ends with the book's two lines.
 * @param testIter null to train without evaluation
 * @throws TypeError or RangeError before anything is computed, when options, net and loaders do not
 *   fit together
 * @example
 * const { history } = await train(net, trainIter, testIter, { numEpochs: 10, lr: 0.05, device:
 * await tryGpu() });
 * await train(net, trainIter, testIter, { numEpochs: 8, lr: (epoch) => (epoch <= 6 ? 0.1 : 0.01)
 * });
 * await train(net, trainIter, testIter, { numEpochs: 10, lr: 0.1, devices: await tryAllGpus() });
 * await train(net, trainIter, testIter, { numEpochs: 30, lr: cosineSchedule({ lr: 0.1 }),
 * optimizer: { name: 'sgd', momentum: 0.9 } });
 */
export async function train(
  net: LayersModel,
  trainIter: Loader,
  testIter: Loader | null,
  trainOptions: TrainOptions,
): Promise<TrainResult> {
  const options = checkTrainOptions(WHERE, trainOptions);
  const devices = checkDevices(WHERE, options);
  const device = options.device ?? options.devices?.[0];
  if (device) {
    await activate(device);
    await toDevice(net, device);
  }
  if (devices) requireFirst(WHERE, devices, currentDevice());
  const { train: trainLoader, test: testLoader, dispose } = limited(trainIter, testIter, options);
  const run = new Run(net, trainLoader, { ...options, device: device ?? currentDevice() });
  try {
    checkLoader(WHERE, trainIter, run.stepRunner.plan);
    if (testIter) checkLoader(WHERE, testIter, run.stepRunner.plan);
    await run.stepRunner.begin();
    await run.begin();
    while (run.shouldContinue) {
      const whole = new Timer().start();
      await run.emit('onEpochBegin', { epoch: run.epoch });
      const trained = await passOver(run, trainLoader);
      if (!trained) break; // stopped within the epoch
      const tested = testLoader
        ? await run.averaged(() => evaluatePlan(WHERE, run.stepRunner.plan, testLoader, options))
        : null;
      await run.endEpoch(recordOf(run, { trained, tested, seconds: whole.stop() }));
    }
    return await run.end();
  } catch (error) {
    await run.fail(error);
    throw error;
  } finally {
    await run.dispose();
    dispose();
  }
}

/**
 * One pass over the training data, with nothing shown: the book's `train_epoch_ch3`.
 * @returns the epoch's record
 */
export async function trainEpoch(
  net: LayersModel,
  trainIter: Loader,
  options: Omit<TrainOptions, 'numEpochs'>,
): Promise<EpochRecord> {
  const { history } = await train(net, trainIter, null, {
    progress: false,
    ...options,
    numEpochs: 1,
  });
  return history[0] as EpochRecord;
}

interface EpochResult {
  loss: number;
  accuracy: number;
  numSamples: number;
  computeSeconds: number;
  trainSeconds: number;
}

/**
 * One pass over the training data: for each batch a step, a count, a report. undefined when the run
 * was stopped on the way.
 */
async function passOver(run: Run, loader: Loader): Promise<EpochResult | undefined> {
  const { sums, stepRunner: session } = run;
  const [whole, compute] = [new Timer().start(), new Timer()];
  const before = run.computed; // not 0 where the run goes on within an epoch
  for await (const batch of loader) {
    try {
      checkBatch(WHERE, batch, session.plan, {
        labels: run.epoch === 1,
        values: run.allowsContinuousLabels,
      });
      compute.start();
      const { loss, correct, count } = await session.step(batch, run.nextStep());
      sums.add(loss, correct, count);
      // Reading waits for the device, so an engine that computes behind our back is timed rightly.
      if (run.shouldReadMetrics) await run.readMetrics();
      compute.stop();
      run.computed = before + compute.sum();
      await run.endStep(batch);
    } finally {
      tf.dispose([batch.features, batch.labels]);
    }
    if (run.shouldStop) return undefined;
  }
  if (run.step === 0)
    throw new RangeError(
      `${WHERE}: the training loader gave no batch; expected ${loader.numBatches}`,
    );
  const { loss, accuracy, numSamples } = await sums.read();
  return { loss, accuracy, numSamples, computeSeconds: run.computed, trainSeconds: whole.stop() };
}

interface Finished {
  trained: EpochResult;
  tested: { loss: number; accuracy: number; metrics?: Record<string, unknown> } | null;
  seconds: number;
}

function recordOf(run: Run, { trained, tested, seconds }: Finished): EpochRecord {
  const { loss, accuracy: trainAcc, numSamples, computeSeconds, trainSeconds } = trained;
  return {
    epoch: run.epoch,
    loss,
    trainAcc,
    testAcc: tested?.accuracy ?? null,
    testLoss: tested?.loss ?? null,
    lr: run.lr,
    ...(tested?.metrics && { metrics: tested.metrics }),
    seconds,
    samplesPerSecond: numSamples / computeSeconds,
    samplesPerSecondWithLoading: numSamples / trainSeconds,
  };
}
