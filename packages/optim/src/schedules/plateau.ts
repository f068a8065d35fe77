/** A learning rate that falls when the run stops improving. */

import type { EpochRecord } from '@deepend/core';
import { checkOptions, rule } from '@deepend/core';
import { type Monitor, type MonitorMode, modeOf, monitored, monitorRules } from '../monitor';
import type { Schedule, ScheduleRun } from './schedule';

const WHERE = '[optim] schedules.plateau';

const rules = rule.object({
  lr: rule.positiveNumber(),
  ...monitorRules,
  factor: rule
    .custom<number>(
      (value) => typeof value === 'number' && value > 0 && value < 1,
      'a number above 0 and below 1',
    )
    .optional(),
  patience: rule.nonNegativeInteger().optional(),
  threshold: rule.nonNegativeNumber().optional(),
  thresholdMode: rule.oneOf(['rel', 'abs']).optional(),
  cooldown: rule.nonNegativeInteger().optional(),
  minLr: rule.nonNegativeNumber().optional(),
});

export interface PlateauOptions {
  /**
   * The first learning rate, above 0.
   * @example 0.1
   */
  lr: number;
  /** The quantity of each epoch that is watched. @default 'testLoss' */
  monitor?: Monitor;
  /**
   * Whether smaller or larger values are better. @default 'min' for losses, 'max' for accuracies
   */
  mode?: MonitorMode;
  /** What the rate is multiplied by, above 0 and below 1. @default 0.1 */
  factor?: number;
  /** Number of epochs without improvement before the learning rate is reduced. @default 10 */
  patience?: number;
  /** By how much a value must beat the best one to count as an improvement. @default 1e-4 */
  threshold?: number;
  /** Whether `threshold` is a fraction of the best value or an absolute amount. @default 'rel' */
  thresholdMode?: 'rel' | 'abs';
  /** Epochs after a reduction that do not count as bad. @default 0 */
  cooldown?: number;
  /** The rate never falls below this. @default 0 */
  minLr?: number;
}

/** What a run with this schedule remembers. */
interface PlateauMemory {
  lr: number;
  /** null before the first epoch. */
  best: number | null;
  badEpochs: number;
  /** Epochs of the cooldown that are left. */
  cooling: number;
}

const MIN_CHANGE = 1e-8; // smaller reductions are skipped; PyTorch's `eps`

/**
 * Multiplies the rate by `factor` after more than `patience` epochs without improvement of the
 * monitored quantity. PyTorch's `ReduceLROnPlateau`.
 * @throws Error after the first epoch when the run does not measure the monitored quantity
 * @example
 * schedules.plateau({ lr: 0.1, monitor: 'testLoss', patience: 3 });
 */
export function plateau(settings: PlateauOptions): Schedule {
  const given = checkOptions(WHERE, rules, settings);
  const { monitor = 'testLoss', factor = 0.1, patience = 10 } = given;
  const { threshold = 1e-4, thresholdMode = 'rel', cooldown = 0, minLr = 0 } = given;
  const mode = given.mode ?? modeOf(monitor);
  const reduction = { factor, patience, threshold, thresholdMode, cooldown, minLr };
  const options = { lr: given.lr, monitor, mode, ...reduction };
  return { name: 'plateau', options, start: () => new PlateauRun(options) };
}

class PlateauRun implements ScheduleRun {
  readonly #options: Required<PlateauOptions>;
  #memory: PlateauMemory;

  constructor(options: Required<PlateauOptions>) {
    this.#options = options;
    this.#memory = { lr: options.lr, best: null, badEpochs: 0, cooling: 0 };
  }

  at(): number {
    return this.#memory.lr;
  }

  observe(record: EpochRecord): void {
    const { monitor, patience, factor, minLr, cooldown } = this.#options;
    const memory = this.#memory;
    const value = monitored(WHERE, record, monitor);
    const isBetter = this.#isBetter(value);
    if (isBetter) memory.best = value;
    memory.badEpochs = isBetter || memory.cooling > 0 ? 0 : memory.badEpochs + 1;
    if (memory.cooling > 0) memory.cooling--;
    if (memory.badEpochs <= patience) return;
    const reduced = Math.max(memory.lr * factor, minLr);
    if (memory.lr - reduced > MIN_CHANGE) memory.lr = reduced;
    memory.cooling = cooldown;
    memory.badEpochs = 0;
  }

  #isBetter(value: number): boolean {
    const { mode, threshold, thresholdMode } = this.#options;
    const { best } = this.#memory;
    if (best === null) return !Number.isNaN(value);
    const sign = mode === 'min' ? 1 : -1;
    const bound = thresholdMode === 'rel' ? best * (1 - sign * threshold) : best - sign * threshold;
    return sign * value < sign * bound;
  }

  memory(): object {
    return { ...this.#memory };
  }

  restore(memory: object): void {
    this.#memory = { ...this.#memory, ...memory };
  }
}
