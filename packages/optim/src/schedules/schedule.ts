/**
 * What a schedule is. A `Schedule` is an immutable description of how the learning rate moves; a
 * training run starts it and owns the `ScheduleRun` that it gets, so one description can serve any
 * number of runs at once.
 */

import type { EpochRecord } from '@deepend/core';
import { rule } from '@deepend/core';

/** Where a run is when it asks for the learning rate of its next update. */
export interface ScheduleState {
  /** The epoch in progress, from 1. */
  readonly epoch: number;
  /** Updates of the weights done so far in the whole run, from 0. */
  readonly update: number;
  readonly updatesPerEpoch: number;
  readonly numEpochs: number;
}

/** An immutable description of a learning rate over a run. */
export interface Schedule {
  /** The kind of schedule, such as `cosine`. */
  readonly name: string;
  /** Its options as plain JSON, for a run's `config.json` and checkpoints. */
  readonly options: object;
  /** Begins a run with this schedule. Each call is independent of the others. */
  start(): ScheduleRun;
}

/** A schedule within one run. */
export interface ScheduleRun {
  /** The learning rate of the next update. */
  at(state: ScheduleState): number;
  /** Takes in a finished epoch. Only schedules that react to results have it. */
  observe?(record: EpochRecord): void;
  /** What `at` depends on besides its argument, as plain JSON, for a checkpoint. */
  memory?(): object;
  /** Continues from what `memory` returned. */
  restore?(memory: object): void;
}

/** When a rate changes: at the beginning of each epoch, or with each update. */
export type ChangesBy = 'epoch' | 'step';

/** A schedule whose rate depends on the run's state only. */
export const stateless = (
  name: string,
  options: object,
  at: (state: ScheduleState) => number,
): Schedule => ({ name, options, start: () => ({ at }) });

/** Rules of the options that several schedules have. */
export const sharedRules = {
  lr: rule.positiveNumber(),
  finalLr: rule.nonNegativeNumber().optional(),
  epochs: rule.positiveInteger().optional(),
  by: rule.oneOf(['epoch', 'step']).optional(),
};

/** A rule for a fraction. @param remark completes the error message */
export const fractionRule = (remark = '') =>
  rule.custom<number>(
    (value) => typeof value === 'number' && value > 0 && value <= 1,
    `a number above 0 and at most 1${remark}`,
  );

/** Epochs done so far: whole epochs, or including the part of the epoch in progress. */
export const epochsDone = (
  { epoch, update, updatesPerEpoch }: ScheduleState,
  by: ChangesBy,
): number => (by === 'epoch' ? epoch - 1 : update / updatesPerEpoch);

/** From `from` to `to` by half a cosine; `progress` is 0 to 1. */
export const interpolateCosine = (from: number, to: number, progress: number): number =>
  to + ((from - to) * (1 + Math.cos(Math.PI * progress))) / 2;
