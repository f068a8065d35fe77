/** A learning rate that falls when a run gets no better. */
import { checkOptions, rule } from '@deepend/core';
import { type Monitor, type MonitorMode, modeOf, monitored, monitorRules } from '../monitor';
import type { Schedule } from './schedules';

const WHERE = '[optim] plateauSchedule';

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
  lr: number;
  /** @default 'testLoss' */
  monitor?: Monitor;
  /** Which way is better. @default as the monitor goes: losses fall, accuracies rise */
  mode?: MonitorMode;
  /** @default 0.1 */
  factor?: number;
  /** Epochs without a better one that are borne. @default 10 */
  patience?: number;
  /** By how much a value must be better to count, of the best value or in all. @default 1e-4 */
  threshold?: number;
  /** @default 'rel' */
  thresholdMode?: 'rel' | 'abs';
  /** Epochs after a fall in which none counts as bad. @default 0 */
  cooldown?: number;
  /** @default 0 */
  minLr?: number;
}

interface PlateauState {
  lr: number;
  /** null before the first epoch. */
  best: number | null;
  badEpochs: number;
  cooling: number;
}

const LEAST_CHANGE = 1e-8; // a smaller step of the rate is not taken, as PyTorch's eps has it

/**
 * The rate times `factor` after more than `patience` epochs in which the monitor got no better.
 * PyTorch's `ReduceLROnPlateau`. It serves one
 * run at a time, and begins anew with a run's first update.
 * @throws Error after the first epoch when the run does not measure what is watched
 */
export function plateauSchedule(settings: PlateauOptions): Schedule {
  const given = checkOptions(WHERE, rules, settings);
  const { lr, monitor = 'testLoss', mode = modeOf(monitor) } = given;
  const {
    factor = 0.1,
    patience = 10,
    threshold = 1e-4,
    thresholdMode = 'rel',
    cooldown = 0,
    minLr = 0,
  } = given;
  const sign = mode === 'min' ? 1 : -1;
  const isBetter = (value: number, best: number | null) => {
    if (best === null) return !Number.isNaN(value);
    const bound = thresholdMode === 'rel' ? best * (1 - sign * threshold) : best - sign * threshold;
    return sign * value < sign * bound;
  };
  const begin = (): PlateauState => ({ lr, best: null, badEpochs: 0, cooling: 0 });
  let now = begin();
  return {
    name: 'plateau',
    options: { lr, monitor, mode, factor, patience, threshold, thresholdMode, cooldown, minLr },
    at({ update: step }) {
      if (step === 0) now = begin();
      return now.lr;
    },
    observe(record) {
      const value = monitored(WHERE, record, monitor);
      const better = isBetter(value, now.best);
      if (better) now.best = value;
      now.badEpochs = better || now.cooling > 0 ? 0 : now.badEpochs + 1;
      if (now.cooling > 0) now.cooling--;
      if (now.badEpochs <= patience) return;
      const lower = Math.max(now.lr * factor, minLr);
      if (now.lr - lower > LEAST_CHANGE) now.lr = lower;
      now.cooling = cooldown;
      now.badEpochs = 0;
    },
    state: () => ({ ...now }),
    restore: (state) => {
      now = { ...begin(), ...state };
    },
  };
}
