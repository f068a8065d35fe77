/** Training a model: the book's `train_ch6`. */
import { inspect } from 'node:util';
import type { EpochRecord, StepRecord } from '@deepend/core';
import { activate, currentDevice, type Device, toDevice } from '@deepend/device';
import { checkDevices, type Ranks, rank, requireFirst, worldSize } from '@deepend/distributed';
import {
  type Callback,
  emit,
  emitFailure,
  endOrder,
  INTERRUPTED,
  statefulFirst,
  type TrainResult,
} from './callbacks/callback';
import { type Evaluation, evaluatePlan } from './evaluate';
import { limitLoaders } from './limit-loaders';
import {
  type AnyLoader,
  checkBatch,
  checkLoader,
  checkSameClasses,
  disposeBatch,
  rememberClasses,
} from './loader';
import type { AnyModel } from './model';
import { checkTrainOptions, type TrainOptions } from './options';
import { progressDisplay } from './progress';
import { summarizeInNotebooks } from './progress-notebook';
import { Run } from './run';
import { isEmptyShare, shareLoader } from './share-loader';
import { startDefaultDevice } from './start-device';
import { onStopSignal } from './stop-signals';
import { Timer } from './timer';

const WHERE = '[trainer] train';
const READS_PER_EPOCH = 5; // points of the book's training curve in each epoch
const YIELD_INTERVAL_MS = 20;

/**
 * Trains a model, by default with stochastic gradient descent on softmax cross-entropy, and
 * evaluates it after each epoch. Training starts from the weights that the model has: nothing
 * resets them. It prints what it is about to do, after the first steps an estimate of the time, and
 * at the end the book's two lines.
 * @param testIter null to train without evaluation
 * @throws TypeError or RangeError before anything is computed, when options, model and loaders do
 *   not fit together
 * @throws Error when the loss becomes NaN or infinite
 * @example
 * const { history } = await train(net, trainIter, testIter, { numEpochs: 10, lr: 0.05 });
 * @example
 * await train(net, trainIter, testIter, {
 *   numEpochs: 30,
 *   lr: schedules.cosine({ lr: 0.1 }),
 *   optimizer: { name: 'sgd', momentum: 0.9 },
 *   device: await tryGpu(),
 *   callbacks: [new Animator(), saveRun('runs/resnet18')],
 * });
 */
export async function train(
  model: AnyModel,
  trainIter: AnyLoader,
  testIter: AnyLoader | null,
  trainOptions: TrainOptions,
): Promise<TrainResult> {
  const options = checkTrainOptions(WHERE, trainOptions);
  const device = await prepareDevice(model, options);
  const { trainLoader, testLoader, dispose } = limitLoaders(
    shareOfRank(trainIter),
    testIter && shareOfRank(testIter),
    options,
  );
  // Rank 0 writes and prints for all.
  const { callbacks: userCallbacks = [], progress = true } =
    rank() === 0 ? options : { progress: false };
  const display = progress && progressDisplay(userCallbacks, { trainLoader, testLoader });
  const callbacks = display ? [display, ...userCallbacks] : userCallbacks;
  const run = new Run(model, trainLoader, { ...options, device, callbacks });
  const { stepRunner } = run;
  const { plan, ranks } = stepRunner;
  const evaluation = { ...options, ranks };
  const removeListeners = ranks && !ranks.isFirst ? stopOnSignals(run) : () => {};
  try {
    checkLoader(WHERE, trainIter, stepRunner.plan);
    if (testIter) {
      checkLoader(WHERE, testIter, stepRunner.plan);
      checkSameClasses(WHERE, trainIter, testIter);
    }
    await stepRunner.start();
    await requireSameSettings(run, { trainIter, testIter });
    await run.resume();
    await run.broadcastWeights();
    rememberClasses(model, trainIter);
    await emit(callbacks, 'onTrainBegin', run.info({ trainIter, testIter }));
    run.restoreCallbacks();
    await run.agree();

    while (run.epoch <= run.numEpochs && run.stopReason === undefined) {
      const timer = new Timer().start();
      await emit(callbacks, 'onEpochBegin', { epoch: run.epoch });
      const trained = run.isTrained // by the run that this one resumes
        ? { ...(await run.metrics.read()), seconds: run.computeSeconds }
        : await trainOneEpoch(run, trainLoader, { options, callbacks });
      if (!trained) {
        await emit(callbacks, 'onStopWithinEpoch', { epoch: run.epoch });
        break;
      }
      run.isTrained = true;
      if (testLoader) await emit(callbacks, 'onEvaluationBegin', { epoch: run.epoch });
      const tested = testLoader
        ? await stepRunner.withEma(() => evaluatePlan(WHERE, plan, testLoader, evaluation))
        : null;
      const record = epochRecord(run, { trained, tested, seconds: timer.stop() });
      run.endEpoch(record);
      await ranks?.requireSameWeights(WHERE, record.epoch);
      await emit(statefulFirst(callbacks), 'onEpochEnd', record);
      await run.agree();
    }

    if (!run.resumable) stepRunner.applyEma(); // a run that resumes continues from its own weights
    const result = summarizeInNotebooks(run.result());
    if (display) display.close();
    await emit(endOrder(callbacks, run), 'onTrainEnd', result);
    await run.broadcastWeights(); // a callback may have restored those of the best epoch
    return result;
  } catch (error) {
    if (display) display.close();
    await emitFailure(callbacks, error);
    if (ranks) await abortRanks(ranks, error);
    throw error;
  } finally {
    removeListeners();
    await run.dispose();
    dispose();
  }
}

/**
 * Trains for one pass over the training data and prints nothing: the book's `train_epoch_ch3`.
 * @returns the epoch's record
 * @example
 * const { loss, trainAcc } = await trainEpoch(net, trainIter, { lr: 0.1 });
 */
export async function trainEpoch(
  model: AnyModel,
  trainIter: AnyLoader,
  options: Omit<TrainOptions, 'numEpochs'>,
): Promise<EpochRecord> {
  const once = { progress: false, ...options, numEpochs: 1 };
  const { history } = await train(model, trainIter, null, once);
  return history[0] as EpochRecord;
}

/** The loader of this process's share of each batch, where a launcher of MPI started several. */
const shareOfRank = (loader: AnyLoader): AnyLoader =>
  worldSize() > 1 ? shareLoader(loader, { index: rank(), of: worldSize() }) : loader;

/** @throws Error on every rank where the settings of two ranks differ */
async function requireSameSettings(
  run: Run,
  loaders: { trainIter: AnyLoader; testIter: AnyLoader | null },
): Promise<void> {
  const { ranks } = run.stepRunner;
  if (!ranks) return;
  const { config } = run.info(loaders);
  const said = await ranks.gatherStrings(JSON.stringify({ ...config, numEpochs: run.numEpochs }));
  const settings = said.map((text) => JSON.parse(text) as Record<string, unknown>);
  const [first = {}] = settings;
  settings.forEach((other, i) => {
    const keys = Object.keys({ ...first, ...other });
    const differing = keys.find((key) => show(first[key]) !== show(other[key]));
    if (differing === undefined) return;
    throw new Error(
      `${WHERE}: expected the same settings on every rank, got ${differing} ` +
        `${show(first[differing])} on rank 0 and ${show(other[differing])} on rank ${i}`,
    );
  });
}

const show = (value: unknown) => JSON.stringify(value) ?? 'none';

/**
 * Ctrl-C and SIGTERM reach all ranks: those that do not save stop with the one that does, after the
 * same step. A second signal ends the process.
 * @returns removes the listeners
 */
function stopOnSignals(run: Run): () => void {
  return onStopSignal(() => run.stop(INTERRUPTED, { resumable: true }));
}

/** How long the other ranks wait so that the first one, which may say more, ends all. */
const FIRST_RANK_MS = 5000;

/** Ends all ranks, which would wait for this one. */
async function abortRanks(ranks: Ranks, error: unknown): Promise<void> {
  if (!ranks.isFirst) await new Promise((resolve) => setTimeout(resolve, FIRST_RANK_MS));
  ranks.abort(`failed: ${inspect(error)}`);
}

/** Starts the device, or the first of the devices, and moves the model there. */
async function prepareDevice(model: AnyModel, options: TrainOptions): Promise<Device> {
  const devices = checkDevices(WHERE, options);
  const device = options.device ?? options.devices?.[0];
  if (device) {
    await activate(device);
    await toDevice(model, device);
  }
  if (devices) requireFirst(WHERE, devices, currentDevice());
  if (device) return device;
  const { isDefault: _, ...found } = await startDefaultDevice(model);
  return found;
}

interface TrainedEpoch {
  readonly loss: number;
  readonly accuracy: number;
  readonly numSamples: number;
  /** Seconds in this process, waiting for the loader included. */
  readonly seconds: number;
}

/**
 * One pass over the training data: for each batch a step, a count and a report.
 * @returns undefined when a callback stopped the run before the epoch's end
 */
async function trainOneEpoch(
  run: Run,
  loader: AnyLoader,
  { options, callbacks }: { options: TrainOptions; callbacks: readonly Callback[] },
): Promise<TrainedEpoch | undefined> {
  const { stepRunner, metrics } = run;
  const epochTimer = new Timer().start();
  const stepTimer = new Timer();
  const allowContinuous = options.loss !== undefined;
  for await (const batch of loader) {
    try {
      if (!isEmptyShare(batch, stepRunner.ranks))
        checkBatch(WHERE, batch, stepRunner.plan, {
          checkLabels: run.epoch === 1,
          allowContinuous,
        });
      if (run.step === 0 || batch.isNewSequence) stepRunner.plan.beginSequence?.();
      stepTimer.start();
      metrics.add(await stepRunner.step(batch, run.nextStep()));
      run.step++;
      run.globalStep++;
      // Reading waits for the device, so asynchronous backends are timed correctly.
      if (shouldReadMetrics(run)) await readMetrics(run);
      run.computeSeconds += stepTimer.stop();

      run.batch = batch;
      await emit(callbacks, 'onStep', stepRecord(run));
      requireFiniteLoss(run); // after the callbacks, since stopOnNaN can say more
      await run.agree();
      await yieldToEventLoop(run);
    } finally {
      run.batch = undefined;
      disposeBatch(batch);
    }
    const isStopped = run.stopReason !== undefined && stepRunner.settled;
    if (isStopped && run.step < run.numBatches) return undefined;
  }
  await stepRunner.ranks?.endEpoch();
  if (run.step === 0)
    throw new RangeError(
      `${WHERE}: the training loader gave no batch; expected ${loader.numBatches}`,
    );
  return { ...(await metrics.read()), seconds: epochTimer.stop() };
}

/** Some five times an epoch, after its first step, and after the first step of a resumed run. */
function shouldReadMetrics({ step, numBatches, latest }: Run): boolean {
  const interval = Math.max(1, Math.floor(numBatches / READS_PER_EPOCH));
  const isFirst = step === 1 || Number.isNaN(latest.loss);
  return isFirst || step % interval === 0 || step === numBatches;
}

async function readMetrics(run: Run): Promise<void> {
  const { loss, accuracy: trainAcc } = await run.metrics.read();
  run.latest = { loss, trainAcc };
}

const stepRecord = ({ epoch, step, globalStep, numBatches, lr, latest }: Run): StepRecord => ({
  epoch,
  step,
  globalStep,
  numBatches,
  lr,
  ...latest,
});

function requireFiniteLoss({ latest: { loss }, step, epoch, lr }: Run): void {
  if (Number.isFinite(loss)) return;
  throw new Error(
    `${WHERE}: the loss became ${loss} by step ${step} of epoch ${epoch}; ` +
      `lower the learning rate, which was ${lr}`,
  );
}

/**
 * Synchronous backends never yield to the event loop, so this does every 20 ms: SIGINT and timers
 * are then handled during training.
 */
async function yieldToEventLoop(run: Run): Promise<void> {
  if (performance.now() - run.yieldedAt < YIELD_INTERVAL_MS) return;
  await new Promise((resolve) => setImmediate(resolve));
  run.yieldedAt = performance.now();
}

interface FinishedEpoch {
  readonly trained: TrainedEpoch;
  readonly tested: Evaluation | null;
  readonly seconds: number;
}

function epochRecord(run: Run, { trained, tested, seconds }: FinishedEpoch): EpochRecord {
  const { loss, accuracy: trainAcc, numSamples } = trained;
  return {
    epoch: run.epoch,
    loss,
    trainAcc,
    testAcc: tested?.accuracy ?? null,
    testLoss: tested?.loss ?? null,
    lr: run.lr,
    ...(tested?.metrics && { metrics: tested.metrics }),
    seconds,
    samplesPerSecond: numSamples / run.computeSeconds,
    samplesPerSecondWithLoading: numSamples / trained.seconds,
  };
}
