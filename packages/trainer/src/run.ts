/** The state of one call of `train`: its counters, and how checkpoints save and restore it. */

import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { StateStructure } from '@deepend/compiler';
import { type EpochRecord, mixSeed, type StepRecord } from '@deepend/core';
import { currentDevice, type Device } from '@deepend/device';
import type { ScheduleRun } from '@deepend/optim';
import * as tf from '@tensorflow/tfjs-core';
import { RunningMetrics } from './accumulator';
import {
  type Callback,
  type RunControl,
  type RunInfo,
  type RunProgress,
  type RunState,
  statesOf,
  type TrainResult,
} from './callbacks/callback';
import { type Checkpoint, parseCheckpoint } from './checkpoints/file';
import { type FoundCheckpoint, newestCheckpoint } from './checkpoints/folder';
import { assertSameRun, restoreTensors, tensorsWithPrefix } from './checkpoints/restore';
import { startSchedule } from './learning-rate';
import type { AnyBatch, AnyLoader } from './loader';
import type { AnyModel } from './model';
import { configOf, describeOptions, type TrainOptions } from './options';
import { StepRunner, type StepSettings } from './step-runner';

const WHERE = '[trainer] train';

type RunOptions = TrainOptions & { device: Device };

export class Run {
  readonly stepRunner: StepRunner;
  readonly metrics = new RunningMetrics();
  readonly history: EpochRecord[] = [];
  readonly numEpochs: number;
  readonly numBatches: number;
  /** The epoch in progress, from 1. */
  epoch = 1;
  /** Number of finished steps of this epoch. */
  step = 0;
  /** Number of finished steps of the whole run. */
  globalStep = 0;
  /** The learning rate of the last step. */
  lr: number;
  /** Seconds of compute in this epoch so far. */
  computeSeconds = 0;
  /** Loss and accuracy of this epoch as last read from the device; NaN before. */
  latest: Pick<StepRecord, 'loss' | 'trainAcc'> = { loss: Number.NaN, trainAcc: Number.NaN };
  /** Whether all batches of the epoch in progress are trained: only its evaluation is left. */
  isTrained = false;
  /** The batch of the step in progress, for callbacks. */
  batch: AnyBatch | undefined;
  /** Why a callback stopped the run; undefined while it continues. */
  stopReason: string | undefined;
  /** Whether the stopped run is to be resumed later. */
  resumable = false;
  /** When the run last yielded to the event loop, in milliseconds. */
  yieldedAt = 0;
  readonly #model: AnyModel;
  readonly #loader: AnyLoader;
  readonly #options: RunOptions;
  readonly #callbacks: readonly Callback[];
  readonly #schedule: ScheduleRun;
  /** The build of the backend that computes, if it has several. */
  readonly #build = currentDevice().build;
  #runId: string = randomUUID();
  /** What callbacks continue from, until they have. */
  #restored: Checkpoint | undefined;
  #resumed = false;

  /** @param callbacks those whose state a checkpoint saves */
  constructor(
    model: AnyModel,
    loader: AnyLoader,
    { callbacks, ...options }: RunOptions & { callbacks: readonly Callback[] },
  ) {
    this.#callbacks = callbacks;
    this.#model = model;
    this.#loader = loader;
    this.#options = options;
    this.stepRunner = new StepRunner(model, options);
    this.numEpochs = options.fastDevRun ? 1 : options.numEpochs;
    this.numBatches = loader.numBatches;
    this.#schedule = startSchedule(WHERE, options.lr);
    this.lr = this.#nextLr();
  }

  /**
   * What callbacks learn before the first step.
   * @param loaders as `train` was given them
   */
  info(loaders: Pick<RunInfo, 'trainIter' | 'testIter'>): RunInfo {
    const { batchSize, numSamples, numBatches } = this.#loader;
    return {
      runId: this.#runId,
      model: this.#model,
      ...this.#devices(),
      numEpochs: this.numEpochs,
      lr: this.lr,
      seed: this.#options.seed ?? 0,
      batchSize,
      numSamples,
      numBatches,
      config: this.#config(),
      given: describeOptions({ ...this.#options, callbacks: this.#callbacks }),
      ...loaders,
      resumed: this.#resumed,
      history: [...this.history],
      control: this.#control(),
    };
  }

  /** What the step to come is made with. */
  nextStep(): StepSettings {
    const { seed = 0 } = this.#options;
    this.lr = this.#nextLr();
    return {
      seed: mixSeed(seed, this.epoch, this.step),
      lr: this.lr,
      isLast: this.step + 1 >= this.numBatches,
    };
  }

  /** Takes in a finished epoch and turns to the next one. */
  endEpoch(record: EpochRecord): void {
    this.#schedule.observe?.(record);
    this.history.push(record);
    this.epoch++;
    this.step = 0;
    this.isTrained = false;
    this.computeSeconds = 0;
    this.metrics.reset();
  }

  result(): TrainResult {
    const { history, stopReason } = this;
    const { numSamples } = this.#loader;
    const seconds = history.reduce((sum, epoch) => sum + numSamples / epoch.samplesPerSecond, 0);
    const partial = (this.step * this.#loader.batchSize) / this.computeSeconds; // of epoch 1
    return {
      history,
      ...this.#devices(),
      samplesPerSecond: history.length > 0 ? (history.length * numSamples) / seconds : partial || 0,
      ...(history.length === 0 && { steps: this.step }),
      ...(stopReason !== undefined && { stopped: stopReason }),
    };
  }

  /** Gives all ranks the weights of rank 0. */
  async broadcastWeights(): Promise<void> {
    const weights = this.#model.weights.map((weight) => weight.read() as tf.Variable);
    await this.stepRunner.ranks?.broadcast(weights);
  }

  /** Ends the run after the present step or epoch. */
  stop(reason: string, { resumable = false }: { resumable?: boolean } = {}): void {
    this.stopReason ??= reason;
    this.resumable ||= resumable;
  }

  /** Stops the run on every rank when it was stopped on one. */
  async agree(): Promise<void> {
    const { ranks } = this.stepRunner;
    if (!ranks) return;
    const { stopReason: reason, resumable } = this;
    const stop = await ranks.agree(reason === undefined ? undefined : { reason, resumable });
    this.stopReason = stop?.reason;
    this.resumable = stop?.resumable ?? false;
  }

  /** Continues from the newest valid checkpoint of the option `resume`, if there is one. */
  async resume(): Promise<void> {
    const found = await this.#findCheckpoint();
    if (!found) return;
    const { file, checkpoint, damaged } = found;
    const { progress } = checkpoint;
    for (const { reason } of damaged) console.warn(`${reason}; resuming from ${file}`);
    const { backend } = this.#options.device;
    if (progress.backend !== undefined && progress.backend !== backend) {
      console.warn(
        `[trainer] resume: ${file} was computed by ${progress.backend}, and the run continues on ` +
          `${backend}: its numbers round otherwise, so the result is close but not bit for bit`,
      );
    } else if (progress.build !== undefined && progress.build !== this.#build) {
      console.warn(
        `[trainer] resume: ${file} was computed by the build '${progress.build}' of ${backend}, ` +
          `and the run continues with '${this.#build}': their results differ in the last bits`,
      );
    }
    assertSameRun(file, { saved: progress.config, now: this.#config() });
    restoreTensors(file, checkpoint, { model: this.#model, stepRunner: this.stepRunner });
    this.#restoreProgress(file, progress);
    if (progress.carried !== undefined) this.#restoreCarried(progress.carried, checkpoint);
    this.#restored = checkpoint;
  }

  /** The newest checkpoint of the folder to resume; that of rank 0 on every rank. */
  async #findCheckpoint(): Promise<FoundCheckpoint | undefined> {
    const { resume } = this.#options;
    const { ranks } = this.stepRunner;
    if (!resume) return undefined;
    const found = !ranks || ranks.isFirst ? await newestCheckpoint(resume) : undefined;
    if (!ranks) return found;
    const bytes = await ranks.broadcastBytes(found && (await readFile(found.file)));
    if (found || !bytes) return found;
    const file = 'the checkpoint of rank 0';
    return { file, checkpoint: parseCheckpoint(file, Buffer.from(bytes)), damaged: [] };
  }

  #restoreCarried(structure: StateStructure, { tensors }: Checkpoint): void {
    const named = tensorsWithPrefix('carried', tensors);
    const list = Object.keys(named).map((_, i) => named[i] as tf.Tensor);
    this.stepRunner.plan.beginSequence?.({ structure, tensors: list });
    tf.dispose(named);
  }

  /** Gives callbacks the states that the checkpoint has for them. */
  restoreCallbacks(): void {
    const { progress, tensors } = this.#restored ?? {};
    for (const [key, callback] of statesOf(this.#callbacks)) {
      const data = progress?.callbacks?.[key];
      if (data === undefined || !tensors) continue;
      const restored = tensorsWithPrefix(`callback/${key}`, tensors);
      try {
        callback.restore?.({ data, tensors: restored });
      } finally {
        tf.dispose(restored);
      }
    }
    this.#restored = undefined;
  }

  #restoreProgress(file: string, progress: RunProgress): void {
    this.#resumed = true;
    this.#runId = progress.runId ?? this.#runId;
    this.isTrained = progress.trained ?? false;
    if (progress.schedule) this.#schedule.restore?.(progress.schedule as object);
    this.stepRunner.updates = progress.updates;
    if (progress.microBatch !== undefined) this.stepRunner.microBatches.size = progress.microBatch;
    this.history.push(...progress.history);
    this.epoch = progress.epochsDone + 1;
    this.step = progress.step;
    this.globalStep = progress.globalStep;
    this.computeSeconds = progress.computeSeconds;
    this.metrics.restore(progress.totals);
    if (this.epoch > this.numEpochs) return; // the run had ended, so it needs no batches
    if (progress.loader !== undefined && this.#loader.restore)
      this.#loader.restore(progress.loader as object);
    else if (this.step > 0 && !this.isTrained) {
      throw new Error(
        `[trainer] resume: ${file} was written within an epoch, and this loader cannot continue ` +
          `there (it has no restore()); use a loader that has, or a checkpoint of an epoch's end`,
      );
    }
  }

  async dispose(): Promise<void> {
    this.metrics.dispose();
    this.stepRunner.plan.beginSequence?.();
    await this.stepRunner.dispose();
  }

  #nextLr(): number {
    const { gradientAccumulationSteps = 1, numEpochs } = this.#options;
    const updatesPerEpoch = Math.ceil(this.numBatches / gradientAccumulationSteps);
    const { epoch, stepRunner } = this;
    return this.#schedule.at({ epoch, update: stepRunner.updates, updatesPerEpoch, numEpochs });
  }

  #devices(): Pick<TrainResult, 'device' | 'devices'> {
    const { device, devices } = this.#options;
    return { device, ...(devices && devices.length > 1 && { devices }) };
  }

  /** The settings that a run which resumes must share, as plain JSON. */
  #config(): Record<string, unknown> {
    const { batchSize, numSamples, classNames } = this.#loader;
    const { name } = this.#model;
    const loader = this.#loader.config?.();
    return {
      model: name,
      batchSize,
      numSamples,
      ...(classNames && { classNames }),
      ...(loader && { loader }),
      seed: 0,
      ...configOf(this.#options),
    };
  }

  #control(): RunControl {
    const { stepRunner } = this;
    const { plan, optimizer, ema, loss } = stepRunner;
    const isResumable = () => this.resumable;
    return {
      plan,
      optimizer,
      ema,
      loss,
      get settled() {
        return stepRunner.settled;
      },
      stop: (reason, options) => this.stop(reason, options),
      get resumable() {
        return isResumable();
      },
      lastBatch: () => this.batch,
      state: () => this.#state(),
    };
  }

  async #state(): Promise<RunState> {
    const { optimizer, ema, updates, microBatches, settled, plan } = this.stepRunner;
    const carried = plan.carriedState;
    if (!settled) {
      throw new Error(
        `${WHERE}: gradients of ${this.#options.gradientAccumulationSteps} batches are being ` +
          'accumulated; save at the end of an epoch',
      );
    }
    await this.metrics.read();
    const optimizerState = optimizer.state();
    const emaState = ema?.state();
    const states = statesOf(this.#callbacks).map(
      ([key, callback]) => [key, (callback as Required<Callback>).state()] as const,
    );
    const progress: RunProgress = {
      runId: this.#runId,
      backend: this.#options.device.backend,
      ...(this.#build !== undefined && { build: this.#build }),
      ...(this.isTrained && { trained: true }),
      ...(states.length > 0 && {
        callbacks: Object.fromEntries(states.map(([key, { data }]) => [key, data])),
      }),
      epochsDone: this.epoch - 1,
      step: this.step,
      globalStep: this.globalStep,
      updates,
      optimizerUpdates: optimizerState.updates,
      ...(emaState && { emaUpdates: emaState.updates }),
      totals: this.metrics.totals(),
      computeSeconds: this.computeSeconds,
      history: [...this.history],
      config: this.#config(),
      loader: this.#loader.state?.(),
      ...(this.#schedule.memory && { schedule: this.#schedule.memory() }),
      ...(microBatches.size !== undefined && { microBatch: microBatches.size }),
      ...(carried && { carried: carried.structure }),
    };
    const tensors = Object.fromEntries([
      ...this.#model.weights.map((weight) => [`model/${weight.originalName}`, weight.read()]),
      ...withPrefix('optimizer', optimizerState.slots),
      ...withPrefix('ema', emaState?.weights ?? {}),
      ...states.flatMap(([key, state]) => withPrefix(`callback/${key}`, state.tensors ?? {})),
      ...withPrefix('carried', Object.fromEntries(Object.entries(carried?.tensors ?? []))),
    ]);
    return { progress, tensors };
  }
}

const withPrefix = (prefix: string, tensors: Readonly<Record<string, tf.Tensor>>) =>
  Object.entries(tensors).map(([name, tensor]) => [`${prefix}/${name}`, tensor] as const);
