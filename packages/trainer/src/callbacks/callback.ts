/** The interface of callbacks, what they learn about a run, and how a run calls them. */

import type { AnyLoss, StateStructure, TrainingPlan } from '@deepend/compiler';
import type { EpochRecord, StepRecord } from '@deepend/core';
import type { Device } from '@deepend/device';
import type { ModelEma, Optimizer } from '@deepend/optim';
import type { Tensor } from '@tensorflow/tfjs-core';
import type { MetricTotals } from '../accumulator';
import type { AnyBatch, AnyLoader } from '../loader';
import type { AnyModel } from '../model';

/**
 * Watches a run. Each method is awaited; an error that it throws ends the run.
 * @example
 * const printLr: Callback = { onEpochEnd: ({ epoch, lr }) => console.log(epoch, lr) };
 */
export interface Callback {
  /** Whether it redraws the terminal itself: the progress display then prints no epoch lines. */
  readonly drawsLive?: boolean;
  /** Names the callback in `config.json`, and its state in a checkpoint. Needed with `state`. */
  readonly name?: string;
  /** The callback's options as plain JSON, for `config.json`. */
  readonly config?: Readonly<Record<string, unknown>>;
  /**
   * What a checkpoint saves of this callback. At the end of an epoch and of the run, callbacks with
   * a state are called before the others, so that a checkpoint holds the state after that epoch.
   */
  state?(): CallbackState;
  /**
   * Continues from a state that `state` returned. Called after `onTrainBegin` of a run that
   * resumes.
   * The tensors stay the run's.
   */
  restore?(state: CallbackState): void;
  /** Before the first step, and after a checkpoint was restored. */
  onTrainBegin?(run: RunInfo): void | Promise<void>;
  /** Before the first step of an epoch. @param record.epoch the epoch that begins, from 1 */
  onEpochBegin?(record: { readonly epoch: number }): void | Promise<void>;
  /** After each batch. */
  onStep?(record: StepRecord): void | Promise<void>;
  /** After the epoch's last step, before its evaluation; not in a run without a test set. */
  onEvaluationBegin?(record: { readonly epoch: number }): void | Promise<void>;
  /**
   * After the last step of a run that was stopped within an epoch, while the model still has the
   * weights of that step.
   */
  onStopWithinEpoch?(record: { readonly epoch: number }): void | Promise<void>;
  /** After the epoch's evaluation. */
  onEpochEnd?(record: EpochRecord): void | Promise<void>;
  /** After the last epoch, or when the run was stopped. Called in reverse order of the list. */
  onTrainEnd?(result: TrainResult): void | Promise<void>;
  /** The run failed with this error. `train` throws it after all callbacks were called. */
  onFailure?(error: unknown): void | Promise<void>;
}

/** The state of a callback. */
export interface CallbackState {
  /** Plain JSON. */
  readonly data: unknown;
  /** The callback owns them. @default none */
  readonly tensors?: Readonly<Record<string, Tensor>>;
}

/** What a callback learns about the run before its first step. */
export interface RunInfo {
  /** Identifies the run; a run that resumes keeps it. */
  readonly runId: string;
  /** The model that is trained. It is not disposed by the run. */
  readonly model: AnyModel;
  /** The device that computes. */
  readonly device: Device;
  /** All devices of data parallel training; `device` is the first of them. */
  readonly devices?: readonly Device[];
  /** Number of epochs of the whole run. */
  readonly numEpochs: number;
  /** The learning rate of the first step. */
  readonly lr: number;
  /** Seed of dropout and other random layers. */
  readonly seed: number;
  /** Number of samples in a batch. */
  readonly batchSize: number;
  /** Number of training samples in an epoch. */
  readonly numSamples: number;
  /** Number of steps in an epoch. */
  readonly numBatches: number;
  /** The settings that a run which resumes must share, as plain JSON. */
  readonly config: Readonly<Record<string, unknown>>;
  /** What `train` was given, as plain JSON; functions and callbacks by their names. */
  readonly given: Readonly<Record<string, unknown>>;
  /** The loader of the training data. */
  readonly trainIter: AnyLoader;
  /** null in a run without evaluation. */
  readonly testIter: AnyLoader | null;
  /** Whether the run resumes from a checkpoint. */
  readonly resumed: boolean;
  /** The epochs before the checkpoint that it resumes from; else empty. */
  readonly history: readonly EpochRecord[];
  /** Stops the run, or reads its state. */
  readonly control: RunControl;
}

/** What callbacks can do to a run. */
export interface RunControl {
  /** The model as a differentiable function: compiled, or a module that is run as written. */
  readonly plan: TrainingPlan;
  /** The run's optimizer, with its state. */
  readonly optimizer: Optimizer;
  /** The moving average of the weights; undefined without the option `emaDecay`. */
  readonly ema: ModelEma | undefined;
  /** The loss that the run minimizes. */
  readonly loss: AnyLoss;
  /**
   * Ends the run after the present step or epoch, as if it had reached its end.
   * @param reason for `TrainResult.stopped`
   * @param options.resumable whether the run is to be resumed later: the model then keeps its own
   *   weights instead of their EMA @default false
   */
  stop(reason: string, options?: { resumable?: boolean }): void;
  /** Whether a callback stopped the run so that it can be resumed later. */
  readonly resumable: boolean;
  /** The batch of the present step. It is alive during `onStep` only. */
  lastBatch(): AnyBatch | undefined;
  /**
   * Whether the weights have taken in all gradients so far. Between the batches of one accumulated
   * update they have not, and the run cannot be saved.
   */
  readonly settled: boolean;
  /**
   * All that a checkpoint needs. Waits for the device. The run owns the tensors: copy what you keep
   * before the next step.
   */
  state(): Promise<RunState>;
}

/** The state of a run at some moment: all it needs to resume as if it had not stopped. */
export interface RunState {
  /** Plain JSON. */
  readonly progress: RunProgress;
  /**
   * The current tensors by name: `model/…` (weights and statistics of batch normalization),
   * `optimizer/…` (slots), `ema/…` (averaged weights) and `callback/…` (states of callbacks).
   */
  readonly tensors: Readonly<Record<string, Tensor>>;
}

/** The numbers of a run's state. */
export interface RunProgress {
  /** Identifies the run. */
  readonly runId: string;
  /** The backend that computed. */
  readonly backend: string;
  /** The build of the backend that computed, if it has several. */
  readonly build?: string;
  /** Whether the epoch after the finished ones is trained, and only its evaluation is left. */
  readonly trained?: boolean;
  /** What callbacks remember, by name. */
  readonly callbacks?: Readonly<Record<string, unknown>>;
  /** Where the tensors of a state that passes from batch to batch belong. */
  readonly carried?: StateStructure;
  /** Number of finished epochs. */
  readonly epochsDone: number;
  /** Number of finished steps of the epoch after those. */
  readonly step: number;
  /** Number of finished steps of the whole run. */
  readonly globalStep: number;
  /** Number of weight updates. */
  readonly updates: number;
  /** The optimizer's own count of updates. */
  readonly optimizerUpdates: number;
  readonly emaUpdates?: number;
  /** Sums over the present epoch so far. */
  readonly totals: MetricTotals;
  /** Seconds of compute in the present epoch so far. */
  readonly computeSeconds: number;
  readonly history: readonly EpochRecord[];
  /** The options; a run that resumes must have the same, with few exceptions. */
  readonly config: Readonly<Record<string, unknown>>;
  /** The loader's position. */
  readonly loader?: unknown;
  /** What the learning-rate schedule remembers. */
  readonly schedule?: unknown;
  /** Samples in each part of a batch, when whole batches did not fit the device's memory. */
  readonly microBatch?: number;
}

/** What `train` returns. */
export interface TrainResult {
  /** One record per epoch. */
  readonly history: EpochRecord[];
  /** The device that computed. */
  readonly device: Device;
  /** All devices of data parallel training; `device` is the first of them. */
  readonly devices?: readonly Device[];
  /**
   * Training throughput of the whole run, counting only the compute of its steps; 0 when there was
   * none.
   */
  readonly samplesPerSecond: number;
  /** Number of finished steps of a run that ended within its first epoch. */
  readonly steps?: number;
  /** Why the run ended before its last epoch, if it did. */
  readonly stopped?: string;
}

/** Why a run stopped that a signal ended, to be resumed: a result's `stopped`. */
export const INTERRUPTED = 'interrupted';

/** The name of the display that `train` adds itself. */
export const PROGRESS = 'progress';

type Event =
  | 'onTrainBegin'
  | 'onEpochBegin'
  | 'onStep'
  | 'onEvaluationBegin'
  | 'onStopWithinEpoch'
  | 'onEpochEnd'
  | 'onTrainEnd';

const hasState = (callback: Callback) => callback.state !== undefined;

/** The callbacks with a state first: the others may save it. */
export const statefulFirst = (callbacks: readonly Callback[]): Callback[] => [
  ...callbacks.filter(hasState),
  ...callbacks.filter((callback) => !hasState(callback)),
];

/**
 * The callbacks in the order of `onTrainEnd`, which is the reverse of the list. Callbacks with a
 * state come first, since they may restore weights that others save; but last when the run is to be
 * resumed, since others then save their state.
 */
export function endOrder(
  callbacks: readonly Callback[],
  { resumable }: { resumable: boolean },
): Callback[] {
  const reversed = [...callbacks].reverse();
  const stateful = reversed.filter(hasState);
  const others = reversed.filter((callback) => !hasState(callback));
  return resumable ? [...others, ...stateful] : [...stateful, ...others];
}

/** The callbacks that have a state, by the name of that state in a checkpoint. */
export function statesOf(callbacks: readonly Callback[]): [key: string, callback: Callback][] {
  const counts = new Map<string, number>();
  return callbacks.filter(hasState).map((callback) => {
    const { name = 'callback' } = callback;
    const count = (counts.get(name) ?? 0) + 1;
    counts.set(name, count);
    return [`${name}-${count}`, callback];
  });
}

/** Calls one method of each callback, in order, and awaits each. */
export async function emit<E extends Event>(
  callbacks: readonly Callback[],
  event: E,
  argument: Parameters<NonNullable<Callback[E]>>[0],
): Promise<void> {
  for (const callback of callbacks) {
    const method = callback[event] as ((argument: unknown) => void | Promise<void>) | undefined;
    await method?.call(callback, argument);
  }
}

/** Calls `onFailure` of each callback. Errors in them are dropped: the run's own error counts. */
export async function emitFailure(callbacks: readonly Callback[], error: unknown): Promise<void> {
  for (const callback of callbacks) {
    try {
      await callback.onFailure?.(error);
    } catch {}
  }
}
