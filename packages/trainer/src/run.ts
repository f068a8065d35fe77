/**
 * One run of `train`: where it stands, who watches it, how it goes on from a checkpoint and what
 * goes into one.
 */

import type { EpochRecord, StepRecord } from '@deepend/core';
import type { Device } from '@deepend/device';
import type { ScheduleRun } from '@deepend/optim';
import type * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { newestCheckpoint } from './checkpoints/folder';
import { putBack, refuseOther } from './checkpoints/restore';
import { configOf, startSchedule } from './options';
import { progressDisplay } from './progress';
import { briefInNotebooks } from './progress-notebook';
import { StepRunner } from './session';
import { MetricSums } from './sums';
import type {
  Batch,
  Callback,
  Loader,
  RunControl,
  RunState,
  TrainOptions,
  TrainResult,
} from './types';

const WHERE = '[trainer] train';
const READS_PER_EPOCH = 5; // how often the book's curve gets a point
const BREATH_MS = 20; // how long a run may keep signals, timers and callers of the process waiting

type Options = TrainOptions & { device: Device };

/** The devices, where they are many. */
const several = ({ devices }: Options) => devices && devices.length > 1 && { devices };

export class Run {
  readonly stepRunner: StepRunner;
  readonly sums = new MetricSums();
  private readonly schedule: ScheduleRun;
  /** From 1. */
  epoch = 1;
  /** Steps of the epoch that are done. */
  step = 0;
  globalStep = 0;
  lr: number;
  /** Seconds of compute in this epoch. */
  computed = 0;
  private readonly history: EpochRecord[] = [];
  private readonly watchers: readonly Callback[];
  private readonly display: ReturnType<typeof progressDisplay> | undefined;
  private readonly control: RunControl;
  private seen: Pick<StepRecord, 'loss' | 'trainAcc'> = { loss: Number.NaN, trainAcc: Number.NaN };
  private stopped: string | undefined;
  private goesOnLater = false;
  private batch: Batch | undefined;
  private breathed = 0;
  private lastEpoch: number;
  private resumed = false;

  constructor(
    private readonly net: LayersModel,
    private readonly loader: Loader,
    private readonly options: Options,
  ) {
    const { callbacks = [], progress = true, numEpochs, fastDevRun } = options;
    this.stepRunner = new StepRunner(net, options);
    this.display = progress
      ? progressDisplay({ quietEpochs: callbacks.some(({ drawsLive }) => drawsLive) })
      : undefined;
    this.watchers = this.display ? [this.display, ...callbacks] : callbacks;
    this.lastEpoch = fastDevRun ? 1 : numEpochs;
    this.schedule = startSchedule(WHERE, options.lr);
    this.lr = this.rate();
    const { stepRunner: session } = this;
    const { plan, optimizer, ema: average, loss } = session;
    this.control = {
      ...{ plan, optimizer, ema: average, loss },
      get settled() {
        return session.settled;
      },
      stop: (reason, { toGoOn = false } = {}) => {
        this.stopped ??= reason;
        this.goesOnLater ||= toGoOn;
      },
      lastBatch: () => this.batch,
      state: () => this.state(),
    };
  }

  /** Takes a checkpoint up, if there is one to take up, and tells all that the run begins. */
  async begin(): Promise<void> {
    if (this.options.resume !== undefined) await this.resume(this.options.resume);
    const { net, loader, options } = this;
    const { batchSize, numSamples, numBatches } = loader;
    const about = {
      model: net,
      device: options.device,
      ...several(options),
      numEpochs: this.lastEpoch,
      lr: this.lr,
      seed: options.seed ?? 0,
    };
    const info = {
      ...about,
      batchSize,
      numSamples,
      numBatches,
      config: this.config(),
      resumed: this.resumed,
      history: [...this.history],
      control: this.control,
    };
    await this.emit('onTrainBegin', info);
  }

  get shouldContinue(): boolean {
    return this.epoch <= this.lastEpoch && this.stopped === undefined;
  }

  /** Whether the run ends with the step that was just made. An accumulated update is made first. */
  get shouldStop(): boolean {
    return (
      this.stopped !== undefined && this.stepRunner.settled && this.step < this.loader.numBatches
    );
  }

  /** Whether labels may be numbers to be learned: with a loss of the caller's choice. */
  get allowsContinuousLabels(): boolean {
    return this.options.loss !== undefined;
  }

  get shouldReadMetrics(): boolean {
    const { numBatches } = this.loader;
    const every = Math.max(1, Math.floor(numBatches / READS_PER_EPOCH));
    const isFirst = this.step === 0 || Number.isNaN(this.seen.loss); // of the epoch, or of a run that goes on within it
    return (this.step + 1) % every === 0 || isFirst || this.step + 1 === numBatches;
  }

  /** What the next step is made with. */
  nextStep(): { seed: number; lr: number; last: boolean } {
    this.lr = this.rate();
    const seed = ((this.options.seed ?? 0) * 1009 + this.epoch) * 100_003 + this.step;
    return { seed, lr: this.lr, last: this.step + 1 >= this.loader.numBatches };
  }

  async readMetrics(): Promise<void> {
    const { loss, accuracy } = await this.sums.read();
    this.seen = { loss, trainAcc: accuracy };
  }

  async endStep(batch: Batch): Promise<void> {
    this.step++;
    this.globalStep++;
    this.batch = batch;
    const { epoch, step, globalStep, lr, seen } = this;
    try {
      await this.emit('onStep', {
        epoch,
        step,
        globalStep,
        numBatches: this.loader.numBatches,
        lr,
        ...seen,
      });
    } finally {
      this.batch = undefined;
    }
    // After the callbacks, of which one may know more.
    if (!Number.isFinite(seen.loss)) {
      const when = `by step ${step} of epoch ${epoch}`;
      throw new Error(
        `${WHERE}: the loss became ${seen.loss} ${when}; lower the learning rate, which was ${lr}`,
      );
    }
    await this.breathe();
  }

  /**
   * Steps of an engine that computes at once wait for nothing: without this, Ctrl-C would be heard
   * at the end of the run.
   */
  private async breathe(): Promise<void> {
    if (performance.now() - this.breathed < BREATH_MS) return;
    await new Promise((resolve) => setImmediate(resolve));
    this.breathed = performance.now();
  }

  async endEpoch(record: EpochRecord): Promise<void> {
    this.schedule.observe?.(record);
    this.history.push(record);
    this.epoch++;
    this.step = 0;
    this.computed = 0;
    this.sums.reset();
    await this.emit('onEpochEnd', record);
  }

  async end(): Promise<TrainResult> {
    const { history, options, stepRunner: session, stopped } = this;
    if (!this.goesOnLater) session.settleAverage(); // one that does goes on from its own weights
    const seconds = history.reduce(
      (sum, record) => sum + this.loader.numSamples / record.samplesPerSecond,
      0,
    );
    const samples = history.length * this.loader.numSamples;
    const result = briefInNotebooks({
      history,
      device: options.device,
      ...several(options),
      samplesPerSecond: samples / seconds,
      ...(stopped !== undefined && { stopped }),
    });
    this.display?.close();
    for (const watcher of [...this.watchers].reverse()) await watcher.onTrainEnd?.(result);
    return result;
  }

  /** Tells all, whatever they make of it: the error that ended the run is the one that counts. */
  async fail(error: unknown): Promise<void> {
    this.display?.close();
    for (const watcher of this.watchers)
      await Promise.resolve(watcher.onFailure?.(error)).catch(() => {});
  }

  /** Does `work` while the net has its averaged weights, where the run keeps such. */
  async averaged<T>(work: () => Promise<T>): Promise<T> {
    const { ema: average } = this.stepRunner;
    average?.swap();
    try {
      return await work();
    } finally {
      average?.swap();
    }
  }

  async emit<E extends 'onTrainBegin' | 'onEpochBegin' | 'onStep' | 'onEpochEnd'>(
    event: E,
    record: Parameters<NonNullable<Callback[E]>>[0],
  ): Promise<void> {
    for (const watcher of this.watchers)
      await (watcher[event] as ((record: unknown) => void | Promise<void>) | undefined)?.call(
        watcher,
        record,
      );
  }

  async dispose(): Promise<void> {
    this.display?.close();
    this.sums.dispose();
    await this.stepRunner.dispose();
  }

  private rate(): number {
    const { gradientAccumulationSteps = 1, numEpochs } = this.options;
    const updatesPerEpoch = Math.ceil(this.loader.numBatches / gradientAccumulationSteps);
    const { epoch, stepRunner } = this;
    return this.schedule.at({ epoch, update: stepRunner.updates, updatesPerEpoch, numEpochs });
  }

  private config(): Record<string, unknown> {
    const { batchSize, numSamples } = this.loader;
    return { net: this.net.name, batchSize, numSamples, seed: 0, ...configOf(this.options) };
  }

  private async state(): Promise<RunState> {
    if (!this.stepRunner.settled) {
      throw new Error(
        `${WHERE}: gradients of ${this.options.gradientAccumulationSteps} batches are being put together; save at the end of an epoch`,
      );
    }
    await this.sums.read();
    const { optimizer, ema: average, updates, part } = this.stepRunner;
    const { step: optimizerStep, slots } = optimizer.state();
    const averaged = average?.state();
    const progress = {
      epoch: this.epoch - 1,
      ...{ step: this.step, globalStep: this.globalStep, updates, optimizerStep },
      ...(averaged && { averageUpdates: averaged.updates }),
      sums: this.sums.totals(),
      computed: this.computed,
      history: [...this.history],
      config: this.config(),
      loader: this.loader.state?.(),
      ...(this.schedule.memory && { schedule: this.schedule.memory() }),
      ...(part !== undefined && { microBatch: part }),
    };
    const weights = this.net.weights.map((weight): [string, tf.Tensor] => [
      `net/${weight.originalName}`,
      weight.read(),
    ]);
    const named = (prefix: string, tensors: Record<string, tf.Tensor>) =>
      Object.entries(tensors).map(([name, tensor]): [string, tf.Tensor] => [
        `${prefix}/${name}`,
        tensor,
      ]);
    const tensors = Object.fromEntries([
      ...weights,
      ...named('optimizer', slots),
      ...named('average', averaged?.weights ?? {}),
    ]);
    return { progress, tensors };
  }

  private async resume(dir: string): Promise<void> {
    const found = await newestCheckpoint(dir);
    if (!found) return;
    this.resumed = true;
    const { progress, tensors } = found.checkpoint;
    for (const why of found.damaged) console.warn(`${why}; going on from ${found.file}`);
    refuseOther(found.file, { saved: progress.config, now: this.config() });
    putBack(found.file, tensors, { net: this.net, session: this.stepRunner, progress });
    if (progress.schedule) this.schedule.restore?.(progress.schedule as object);
    this.history.push(...progress.history);
    this.epoch = progress.epoch + 1;
    this.step = progress.step;
    this.globalStep = progress.globalStep;
    this.computed = progress.computed;
    this.sums.restore(progress.sums);
    if (this.epoch > this.lastEpoch) return; // it had come to its end
    if (progress.loader !== undefined && this.loader.restore)
      this.loader.restore(progress.loader as object);
    else if (this.step > 0) {
      throw new Error(
        `[trainer] resume: ${found.file} was written within an epoch, and this loader cannot go back there (it has no restore())`,
      );
    }
  }
}
