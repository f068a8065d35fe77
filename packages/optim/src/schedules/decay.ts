/** Rates that stay, fall in jumps, or fall by a constant factor. D2L, section 12.11. */

import { checkOptions, rule } from '@deepend/core';
import {
  type ChangesBy,
  epochsDone,
  fractionRule,
  type Schedule,
  sharedRules,
  stateless,
} from './schedule';

/**
 * The same learning rate in the whole run.
 * @param lr above 0
 * @example
 * const lr = schedules.warmUp(schedules.constant(0.1), { epochs: 5 });
 */
export function constant(lr: number): Schedule {
  const rules = rule.object({ lr: sharedRules.lr });
  const options = checkOptions('[optim] schedules.constant', rules, { lr });
  return stateless('constant', options, () => options.lr);
}

const stepRules = rule.object({
  lr: sharedRules.lr,
  stepSize: rule.positiveInteger(),
  gamma: fractionRule().optional(),
});

export interface StepOptions {
  /**
   * The first learning rate, above 0.
   * @example 0.1
   */
  lr: number;
  /**
   * Epochs from one jump to the next.
   * @example 30
   */
  stepSize: number;
  /** What the rate is multiplied by, above 0 and at most 1. @default 0.1 */
  gamma?: number;
}

/**
 * Multiplies the rate by `gamma` after each `stepSize` epochs. PyTorch's `StepLR`.
 * @example
 * schedules.step({ lr: 0.1, stepSize: 30 }); // 0.1, from epoch 31 on 0.01, from 61 on 0.001, ...
 */
export function step(settings: StepOptions): Schedule {
  const where = '[optim] schedules.step';
  const { lr, stepSize, gamma = 0.1 } = checkOptions(where, stepRules, settings);
  return stateless(
    'step',
    { lr, stepSize, gamma },
    ({ epoch }) => lr * gamma ** Math.floor((epoch - 1) / stepSize),
  );
}

const multiStepRules = rule.object({
  lr: sharedRules.lr,
  milestones: rule.list(rule.positiveInteger(), 'a list of at least one integer of at least 1', {
    min: 1,
  }),
  gamma: fractionRule().optional(),
});

export interface MultiStepOptions {
  /**
   * The first learning rate, above 0.
   * @example 0.1
   */
  lr: number;
  /**
   * The numbers of finished epochs after which the rate falls.
   * @example [30, 60, 80]
   */
  milestones: readonly number[];
  /** What the rate is multiplied by, above 0 and at most 1. @default 0.1 */
  gamma?: number;
}

/**
 * Multiplies the rate by `gamma` when the number of finished epochs reaches each of `milestones`.
 * PyTorch's `MultiStepLR`.
 * @example
 * schedules.multiStep({ lr: 0.1, milestones: [80, 120] });
 */
export function multiStep(settings: MultiStepOptions): Schedule {
  const where = '[optim] schedules.multiStep';
  const { lr, milestones, gamma = 0.1 } = checkOptions(where, multiStepRules, settings);
  return stateless(
    'multi-step',
    { lr, milestones, gamma },
    ({ epoch }) => lr * gamma ** milestones.filter((milestone) => milestone < epoch).length,
  );
}

const factorRules = rule.object({
  lr: sharedRules.lr,
  factor: fractionRule(),
  stopFactorLr: rule.nonNegativeNumber().optional(),
  by: sharedRules.by,
});

export interface FactorOptions {
  /**
   * The first learning rate, above 0.
   * @example 0.1
   */
  lr: number;
  /**
   * What the rate is multiplied by in an epoch, above 0 and at most 1.
   * @example 0.9
   */
  factor: number;
  /** The rate never falls below this. @default 1e-7 */
  stopFactorLr?: number;
  /**
   * Whether the rate changes with each epoch, or with each update by as much in an epoch. @default
   * 'epoch'
   */
  by?: ChangesBy;
}

/**
 * Multiplies the rate by `factor` after each epoch. PyTorch's `ExponentialLR`, and the book's
 * `FactorScheduler`, which multiplies once more: its first epoch has lr·factor.
 * @example
 * schedules.factor({ lr: 0.1, factor: 0.9, stopFactorLr: 1e-3 });
 */
export function factor(settings: FactorOptions): Schedule {
  const checked = checkOptions('[optim] schedules.factor', factorRules, settings);
  const { lr, factor, stopFactorLr = 1e-7, by = 'epoch' } = checked;
  return stateless('factor', { lr, factor, stopFactorLr, by }, (state) =>
    Math.max(stopFactorLr, lr * factor ** epochsDone(state, by)),
  );
}
