/** The shapes that the trainer shares with loaders, plots and whoever watches a run: structural types. */
import type { Device } from '@deepend/device';
import type { Tensor } from '@tensorflow/tfjs-core';
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
  readonly imageShape?: readonly number[];
  readonly classNames?: readonly string[];
  /** Classes that labels may name: every label is below it. */
  readonly numClasses?: number;
}

/** What an epoch came to. */
export interface EpochRecord {
  /** From 1. */
  readonly epoch: number;
  /** Mean training loss over the epoch's samples, each measured before its step. */
  readonly loss: number;
  /** Share of right answers in training, 0 to 1. */
  readonly trainAcc: number;
  /** Share of right answers on the test set after the epoch; null without one. */
  readonly testAcc: number | null;
  readonly lr: number;
  /** Seconds that the epoch took in all, evaluation included. */
  readonly seconds: number;
  /** Training throughput, counting the steps' compute alone. */
  readonly samplesPerSecond: number;
  /** Training throughput, with waiting for the loader. */
  readonly samplesPerSecondWithLoading: number;
}

/** A part of an epoch, as callbacks see it. */
export interface StepRecord {
  readonly epoch: number;
  /** In this epoch, from 1. */
  readonly step: number;
  readonly numBatches: number;
  /** Training so far in this epoch; read from the device some five times an epoch, the same in between. */
  readonly loss: number;
  readonly trainAcc: number;
}

/** What a callback learns about the run before it starts. */
export interface RunInfo {
  readonly net: LayersModel;
  readonly device: Device;
  readonly numEpochs: number;
  /** The first epoch's. */
  readonly lr: number;
  readonly seed: number;
  readonly batchSize: number;
  readonly numSamples: number;
}

/** Watches a run. Each is awaited; an error it throws ends the run. */
export interface Callback {
  /** It redraws the terminal itself, so the progress display leaves it alone. */
  readonly drawsLive?: boolean;
  onTrainBegin?(run: RunInfo): void | Promise<void>;
  onStep?(record: StepRecord): void | Promise<void>;
  onEpochEnd?(record: EpochRecord): void | Promise<void>;
  onTrainEnd?(result: TrainResult): void | Promise<void>;
}

export interface TrainResult {
  /** A record an epoch. */
  readonly history: EpochRecord[];
  readonly device: Device;
  /** Of the whole run, counting the steps' compute alone. */
  readonly samplesPerSecond: number;
}

export interface TrainOptions {
  numEpochs: number;
  /** Learning rate of stochastic gradient descent: a number, or what each epoch (from 1) has. */
  lr: number | ((epoch: number) => number);
  /** What computes. @default the engine that is current in TensorFlow.js */
  device?: Device;
  /** Where dropout and the like come from. @default 0 */
  seed?: number;
  callbacks?: readonly Callback[];
  /** Whether to show progress and the book's two closing lines. @default true */
  progress?: boolean;
}
