/**
 * The shapes that the trainer shares with loaders, plots and whoever watches a run: structural
 * types.
 */
import type { Loss, Plan } from '@deepend/compiler';
import type { EpochRecord, StepRecord } from '@deepend/core';
import type { Device } from '@deepend/device';
import type { Metric, ModelEma, Optimizer, OptimizerOptions, Schedule } from '@deepend/optim';
import type { Rank, Tensor } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';

/** One minibatch. Whoever takes it from a loader owns it and disposes it. */
export interface Batch {
  /** float32 `[batch, height, width, channels]`. */
  readonly features: Tensor;
  /** int32 `[batch]` of class indices, or float32 `[batch, numClasses]` of probabilities. */
  readonly labels: Tensor;
}

/** Anything that gives an epoch's batches each time it is looped over. */
export interface Loader extends AsyncIterable<Batch> {
  readonly numSamples: number;
  readonly numBatches: number;
  readonly batchSize: number;
  readonly inputShape?: readonly number[];
  readonly classNames?: readonly string[];
  /** Classes that labels may name: every label is below it. */
  readonly numClasses?: number;
  /**
   * Where it stands, as plain JSON, and going back there: what a run needs to go on in the middle
   * of an epoch as if it had not stopped.
   */
  state?(): object;
  restore?(state: object): void;
}

/** What a run is at some moment: all that it needs to go on as if it had not stopped. */
export interface RunState {
  /** Plain JSON. */
  readonly progress: RunProgress;
  /**
   * Views of the present tensors by name: the net's weights and statistics, the optimizer's slots,
   * the averaged weights.
   */
  readonly tensors: Readonly<Record<string, Tensor>>;
}

export interface RunProgress {
  /** Epochs that have ended, and steps of the present one that are done. */
  readonly epoch: number;
  readonly step: number;
  readonly globalStep: number;
  /** Updates of the weights, and the optimizer's own count. */
  readonly updates: number;
  readonly optimizerStep: number;
  readonly averageUpdates?: number;
  /** Of the present epoch so far: summed loss, right answers, samples. */
  readonly sums: readonly [loss: number, correct: number, samples: number];
  /** Seconds of compute in the present epoch so far. */
  readonly computed: number;
  readonly history: readonly EpochRecord[];
  /** What the run must have in common with the one that goes on. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly loader?: unknown;
  readonly schedule?: unknown;
  /** The parts that a batch was trained in, where it did not fit whole. */
  readonly microBatch?: number;
}

/** What callbacks can do to a run. */
export interface RunControl {
  readonly plan: Plan;
  readonly optimizer: Optimizer;
  readonly ema: ModelEma | undefined;
  /** What the run minimizes. */
  readonly loss: Loss<Tensor<Rank.R0> | null>;
  /**
   * Ends the run after the present step or epoch, as if it had come to its end.
   * @param options.toGoOn whether it is to go on from a checkpoint later: then the net keeps its
   *   own weights, not their average @default false
   */
  stop(reason: string, options?: { toGoOn?: boolean }): void;
  /** The batch of the present step; alive during `onStep` alone. */
  lastBatch(): Batch | undefined;
  /** Whether the weights have taken in all gradients so far; the run can be saved then alone. */
  readonly settled: boolean;
  /**
   * Waits for the device. The tensors are the run's own: copy what is to be kept, before the next
   * step.
   */
  state(): Promise<RunState>;
}

/** What a callback learns about the run before it starts. */
export interface RunInfo {
  readonly model: LayersModel;
  readonly device: Device;
  /** Where many train together; `device` is the first. */
  readonly devices?: readonly Device[];
  readonly numEpochs: number;
  /** The first step's. */
  readonly lr: number;
  readonly seed: number;
  readonly batchSize: number;
  readonly numSamples: number;
  readonly numBatches: number;
  /** All options as plain JSON. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Whether the run goes on from a checkpoint, and the epochs that came before. */
  readonly resumed: boolean;
  readonly history: readonly EpochRecord[];
  readonly control: RunControl;
}

/** Watches a run. Each is awaited; an error it throws ends the run. */
export interface Callback {
  /** It redraws the terminal itself, so the progress display leaves it alone. */
  readonly drawsLive?: boolean;
  onTrainBegin?(run: RunInfo): void | Promise<void>;
  onEpochBegin?(record: { readonly epoch: number }): void | Promise<void>;
  onStep?(record: StepRecord): void | Promise<void>;
  onEpochEnd?(record: EpochRecord): void | Promise<void>;
  onTrainEnd?(result: TrainResult): void | Promise<void>;
  /** The run ends by this error, which is thrown to the caller after all have been told. */
  onFailure?(error: unknown): void | Promise<void>;
}

export interface TrainResult {
  /** A record an epoch. */
  readonly history: EpochRecord[];
  readonly device: Device;
  /** Where many trained together; `device` is the first. */
  readonly devices?: readonly Device[];
  /** Of the whole run, counting the steps' compute alone. */
  readonly samplesPerSecond: number;
  /** Why the run ended before its last epoch, where it did. */
  readonly stopped?: string;
}

export interface TrainOptions {
  numEpochs: number;
  /** Learning rate: a number, what each epoch (from 1) has, or a schedule. */
  lr: number | ((epoch: number) => number) | Schedule;
  /** What computes. @default the engine that is current in TensorFlow.js */
  device?: Device;
  /**
   * Devices that share each batch, such as `tryAllGpus()` gives: one of them trains as ever, many
   * by data parallelism. The first computes in this
   * thread, evaluates, and has the net in the end; each other one in a thread or process of its
   * own.
   */
  devices?: readonly Device[];
  /** Where dropout and the like come from. @default 0 */
  seed?: number;
  callbacks?: readonly Callback[];
  /** Whether to show progress and the book's two closing lines. @default true */
  progress?: boolean;
  /** A name, or a name with its options. @default 'sgd': plain stochastic gradient descent */
  optimizer?: OptimizerOptions['name'] | OptimizerOptions;
  /** @default softmax cross-entropy on the logits */
  loss?: Loss<Tensor<Rank.R0> | null>;
  /** Measured on the test set after each epoch. */
  metrics?: readonly Metric[];
  /** Shrinks the gradient of all weights together to this norm where it is larger. */
  clipNorm?: number;
  /** Cuts each number of the gradients to ± this. */
  clipValue?: number;
  /** Batches whose gradients make one update, as one batch of so many samples would. @default 1 */
  gradientAccumulationSteps?: number;
  /**
   * Evaluates, and ends with, an exponential moving average of the weights of this decay, such as
   * 0.999. @default none
   */
  emaDecay?: number;
  /**
   * Trains each batch in parts of so many samples, as one update; batch normalization then sees a
   * part at a time. `'auto'`: only when a batch does
   * not fit the device's memory, and says so. @default 'auto'
   */
  microBatch?: number | 'auto';
  /**
   * Goes on from the newest sound checkpoint in this folder, and begins anew where there is none.
   */
  resume?: string;
  /** Two batches of training and of test, one epoch: whether everything runs. @default false */
  fastDevRun?: boolean;
  /** Trains on the first so many batches alone, which a net that can learn must get right. */
  overfitBatches?: number;
}

export type { EpochRecord, StepRecord };
