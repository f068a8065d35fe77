/**
 * Learning rates over a run. Each is a row: its options with their rules, and a formula. Zhang et
 * al., Dive into Deep Learning, section 12.11.
 */

import type { EpochRecord } from '@deepend/core';
import { checkOptions, rule } from '@deepend/core';

/** Where a run stands when it asks for a learning rate. */
export interface ScheduleState {
  /** From 1. */
  readonly epoch: number;
  /** Updates done before this one, over the whole run: from 0. */
  readonly update: number;
  /** Updates in an epoch. */
  readonly stepsPerEpoch: number;
  readonly numEpochs: number;
}

export interface Schedule {
  readonly name: string;
  /** Plain values, so that a run's settings can be written down. */
  readonly options: object;
  /** The learning rate of the next update. */
  at(moment: ScheduleState): number;
  /** Learns what an epoch came to; schedules that go by the clock alone have no need. */
  observe?(record: EpochRecord): void;
  /** What `at` depends on beside the moment, as plain values. */
  state?(): object;
  restore?(state: object): void;
}

/** When a rate changes: at the beginning of an epoch, or with each update in between too. */
type By = 'epoch' | 'step';

const rates = {
  lr: rule.positiveNumber(),
  finalLr: rule.nonNegativeNumber().optional(),
  epochs: rule.positiveInteger().optional(),
  by: rule.oneOf(['epoch', 'step']).optional(),
};
const share = (message: string) =>
  rule.custom<number>(
    (value) => typeof value === 'number' && value > 0 && value <= 1,
    `a number above 0 and at most 1${message}`,
  );

/** Epochs done: whole ones, or with the part of the present one. */
const epochsDone = ({ epoch, update: step, stepsPerEpoch }: ScheduleState, by: By): number =>
  by === 'epoch' ? epoch - 1 : step / stepsPerEpoch;

/** Epochs done as a share of all that the schedule spans; 1 from its end on. */
function progress(
  moment: ScheduleState,
  { epochs = moment.numEpochs, by = 'epoch' }: { epochs?: number; by?: By },
): number {
  return Math.min(epochsDone(moment, by) / epochs, 1);
}

/** The same rate always. */
export function constant(lr: number): Schedule {
  const options = checkOptions('[optim] constant', rule.object({ lr: rates.lr }), { lr });
  return { name: 'constant', options, at: () => options.lr };
}

const stepRules = rule.object({
  lr: rates.lr,
  stepSize: rule.positiveInteger(),
  gamma: share('').optional(),
});

/**
 * The rate times `gamma` after each `stepSize` epochs. PyTorch's `StepLR`.
 * @param settings.gamma @default 0.1
 */
export function stepSchedule(settings: { lr: number; stepSize: number; gamma?: number }): Schedule {
  const { lr, stepSize, gamma = 0.1 } = checkOptions('[optim] stepSchedule', stepRules, settings);
  const at = ({ epoch }: ScheduleState) => lr * gamma ** Math.floor((epoch - 1) / stepSize);
  return { name: 'step', options: { lr, stepSize, gamma }, at };
}

const multiStepRules = rule.object({
  lr: rates.lr,
  milestones: rule
    .list(rule.positiveInteger(), 'a list of integers of at least 1')
    .min(1, 'a list of at least one epoch'),
  gamma: share('').optional(),
});

/**
 * The rate times `gamma` once as many epochs are done as each of the `milestones` says. PyTorch's
 * `MultiStepLR`.
 * @param settings.gamma @default 0.1
 */
export function multiStepSchedule(settings: {
  lr: number;
  milestones: readonly number[];
  gamma?: number;
}): Schedule {
  const {
    lr,
    milestones,
    gamma = 0.1,
  } = checkOptions('[optim] multiStepSchedule', multiStepRules, settings);
  const at = ({ epoch }: ScheduleState) =>
    lr * gamma ** milestones.filter((milestone) => milestone < epoch).length;
  return { name: 'multi-step', options: { lr, milestones, gamma }, at };
}

const spanRules = rule.object(rates);

interface Span {
  lr: number;
  /** The rate that it ends with. @default 0 */
  finalLr?: number;
  /**
   * Epochs from the first rate to the last; the last one stays after them. @default those of the
   * run
   */
  epochs?: number;
  /** Whether the rate changes with each epoch or each update. @default 'epoch' */
  by?: By;
}

/**
 * From `lr` to `finalLr` by half a cosine. Loshchilov & Hutter 2017,
 * https://arxiv.org/abs/1608.03983, without restarts; PyTorch's `CosineAnnealingLR`.
 */
export function cosineSchedule(settings: Span): Schedule {
  const { lr, finalLr = 0, ...span } = checkOptions('[optim] cosineSchedule', spanRules, settings);
  const at = (moment: ScheduleState) => cosine(lr, finalLr, progress(moment, span));
  return { name: 'cosine', options: { lr, finalLr, ...span }, at };
}

const polynomialRules = rule.object({ ...rates, power: rule.positiveNumber().optional() });

/**
 * From `lr` to `finalLr` by (1 − share of the way)^power. PyTorch's `PolynomialLR`.
 * @param settings.power 1 is a straight line @default 1
 */
export function polynomialSchedule(settings: Span & { power?: number }): Schedule {
  const where = '[optim] polynomialSchedule';
  const { lr, finalLr = 0, power = 1, ...span } = checkOptions(where, polynomialRules, settings);
  const at = (moment: ScheduleState) =>
    finalLr + (lr - finalLr) * (1 - progress(moment, span)) ** power;
  return { name: 'polynomial', options: { lr, finalLr, power, ...span }, at };
}

const factorRules = rule.object({
  lr: rates.lr,
  factor: share(''),
  stopFactorLr: rule.nonNegativeNumber().optional(),
  by: rates.by,
});

/**
 * The rate times `factor` after each epoch, never below `stopFactorLr`. PyTorch's `ExponentialLR`,
 * and the book's `FactorScheduler`, which
 * multiplies once more: its first epoch has lr·factor.
 * @param settings.stopFactorLr @default 1e-7
 * @param settings.by 'step' changes it with each update, by as much in an epoch @default 'epoch'
 */
export function factorSchedule(settings: {
  lr: number;
  factor: number;
  stopFactorLr?: number;
  by?: By;
}): Schedule {
  const {
    lr,
    factor,
    stopFactorLr = 1e-7,
    by = 'epoch',
  } = checkOptions('[optim] factorSchedule', factorRules, settings);
  const at = (moment: ScheduleState) =>
    Math.max(stopFactorLr, lr * factor ** epochsDone(moment, by));
  return { name: 'factor', options: { lr, factor, stopFactorLr, by }, at };
}

const oneCycleRules = rule.object({
  maxLr: rule.positiveNumber(),
  pctStart: share(' (at most a half with threePhase)').optional(),
  divFactor: rule.positiveNumber().optional(),
  finalDivFactor: rule.positiveNumber().optional(),
  anneal: rule.oneOf(['cos', 'linear']).optional(),
  threePhase: rule.boolean().optional(),
});

interface OneCycle {
  /** The rate at the top. */
  maxLr: number;
  /** The share of the run's updates in which the rate rises. @default 0.3 */
  pctStart?: number;
  /** The first rate is maxLr / divFactor. @default 25 */
  divFactor?: number;
  /** The last rate is the first one / finalDivFactor. @default 1e4 */
  finalDivFactor?: number;
  /** @default 'cos' */
  anneal?: 'cos' | 'linear';
  /**
   * Whether the rate falls to the first one as it rose, and only then to the last. @default false
   */
  threePhase?: boolean;
}

/**
 * Up to `maxLr` and down again, update by update. Smith & Topin 2018,
 * https://arxiv.org/abs/1708.07120; PyTorch's `OneCycleLR`, of which it
 * takes the learning rate alone: momentum stays as it is.
 */
export function oneCycleSchedule(settings: OneCycle): Schedule {
  const where = '[optim] oneCycleSchedule';
  const found = checkOptions(where, oneCycleRules, settings);
  const {
    maxLr,
    pctStart = 0.3,
    divFactor = 25,
    finalDivFactor = 1e4,
    anneal = 'cos',
    threePhase = false,
  } = found;
  if (threePhase && pctStart > 0.5)
    throw new RangeError(
      `${where}: option "pctStart" must be at most 0.5 with threePhase, got ${pctStart}`,
    );
  const first = maxLr / divFactor;
  const last = first / finalDivFactor;
  const between =
    anneal === 'cos' ? cosine : (from: number, to: number, way: number) => from + (to - from) * way;
  const at = ({ update: step, stepsPerEpoch, numEpochs }: ScheduleState) => {
    const total = stepsPerEpoch * numEpochs;
    const top = pctStart * total - 1;
    const phases = threePhase
      ? [
          { end: top, lr: maxLr },
          { end: 2 * pctStart * total - 2, lr: first },
        ]
      : [{ end: top, lr: maxLr }];
    let from = { end: 0, lr: first };
    for (const to of [...phases, { end: total - 1, lr: last }]) {
      if (step <= to.end)
        return between(
          from.lr,
          to.lr,
          to.end > from.end ? (step - from.end) / (to.end - from.end) : 1,
        );
      from = to;
    }
    return last;
  };
  return {
    name: 'one-cycle',
    options: { maxLr, pctStart, divFactor, finalDivFactor, anneal, threePhase },
    at,
  };
}

/** From `from` to `to` by half a cosine; `way` from 0 to 1. */
function cosine(from: number, to: number, way: number): number {
  return to + ((from - to) * (1 + Math.cos(Math.PI * way))) / 2;
}
