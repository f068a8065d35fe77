/**
 * Which trial runs next, and for how long. A scheduler is a function of what is done and what runs,
 * so that a search which is resumed continues as if it had not stopped.
 */
import { checkOptions, rule } from '@deepend/core';

/** A run of the objective: a trial with a budget. */
export interface Job {
  /** The number of the configuration, from 0. */
  readonly trial: number;
  /** Epochs, or another unit of work that the objective understands. */
  readonly budget: number;
  /** Which round or bracket of the scheduler it belongs to, from 0. */
  readonly bracket: number;
  /** How many times the trial has been promoted. */
  readonly rung: number;
}

/** A job that has ended. */
export interface Outcome extends Job {
  /** null for one that failed. */
  readonly error: number | null;
}

export interface SearchProgress {
  readonly done: readonly Outcome[];
  readonly running: readonly Job[];
}

/** The next job; `wait` until one ends; `end`. */
export type Decision = Job | 'wait' | 'end';
export type Scheduler = (progress: SearchProgress) => Decision;

export interface SchedulerOptions {
  /**
   * `random` gives each trial the whole budget. `successive-halving` (Jamieson & Talwalkar 2016,
   * https://arxiv.org/abs/1502.07943) starts many trials with little, and gives the best 1/eta eta
   * times as much, again and again. `hyperband` (Li et al. 2018, https://arxiv.org/abs/1603.06560)
   * does it with different beginnings. `asha` (Li et al. 2020, https://arxiv.org/abs/1810.05934)
   * promotes without waiting for a whole rung, for several workers.
   * @example 'hyperband'
   */
  name: SchedulerName;
  /** Number of trials of `random` and `asha`. @default 20 */
  numTrials?: number;
  /** Times that `successive-halving` or `hyperband` begins with new trials. @default 1 */
  rounds?: number;
  /** All but 1/eta of the trials end at each rung, at least 2. @default 3 */
  eta?: number;
  /** The smallest budget of a trial, at least 1. @default 1 */
  minBudget?: number;
  /** The largest budget of a trial. @default 9 */
  maxBudget?: number;
}

export const SCHEDULER_NAMES = ['random', 'successive-halving', 'hyperband', 'asha'] as const;
export type SchedulerName = (typeof SCHEDULER_NAMES)[number];

type Settings = Required<SchedulerOptions>;

const maxBudget = { maxBudget: rule.positiveInteger().default(9) };
const numTrials = { numTrials: rule.positiveInteger().default(20) };
const rounds = { rounds: rule.positiveInteger().default(1) };
const rungs = {
  ...maxBudget,
  eta: rule.integer({ min: 2 }).default(3),
  minBudget: rule.positiveInteger().default(1),
};
const name = { name: rule.oneOf(SCHEDULER_NAMES) };

const TABLE = {
  random: { rules: rule.object({ ...name, ...maxBudget, ...numTrials }), create: random },
  'successive-halving': {
    rules: rule.object({ ...name, ...rungs, ...rounds }),
    create: (settings: Settings) => bracketed(halving(settings)),
  },
  hyperband: {
    rules: rule.object({ ...name, ...rungs, ...rounds }),
    create: (settings: Settings) => bracketed(hyperband(settings)),
  },
  asha: { rules: rule.object({ ...name, ...rungs, ...numTrials }), create: asha },
} as const;

const NAME = rule.object(name);

/** @throws TypeError or RangeError when an option is wrong, or the scheduler does not have it */
export function checkScheduler(where: string, given: SchedulerName | SchedulerOptions): Settings {
  const options = typeof given === 'string' ? { name: given } : given;
  const { name } = checkOptions(where, NAME, { name: options?.name });
  const settings = checkOptions(where, TABLE[name].rules, options) as Settings;
  if ((settings.minBudget ?? 1) > settings.maxBudget) {
    throw new RangeError(
      `${where}: option "minBudget" must be at most maxBudget, ${settings.maxBudget}, got ` +
        `${settings.minBudget}`,
    );
  }
  return settings;
}

export const createScheduler = (settings: Settings): Scheduler =>
  TABLE[settings.name].create(settings) as Scheduler;

/** Number of configurations that a scheduler tries. */
export function countTrials(settings: Settings): number {
  const { name, numTrials } = settings;
  if (name === 'random' || name === 'asha') return numTrials;
  const brackets = name === 'hyperband' ? hyperband(settings) : halving(settings);
  return brackets.reduce((sum, rungs) => sum + (rungs[0]?.count ?? 0), 0);
}

/** What stands for a job: a trial has one of each rung. */
const isJob =
  ({ trial, rung }: Pick<Job, 'trial' | 'rung'>) =>
  (other: Job) =>
    other.trial === trial && other.rung === rung;

const isStarted = ({ done, running }: SearchProgress, job: Pick<Job, 'trial' | 'rung'>) =>
  done.some(isJob(job)) || running.some(isJob(job));

const idle = ({ running }: SearchProgress): Decision => (running.length > 0 ? 'wait' : 'end');

/** Trials that did not fail, the best first; of equal ones the earlier. */
const ranked = (outcomes: readonly Outcome[]): Outcome[] =>
  outcomes
    .filter(({ error }) => error !== null)
    .sort((a, b) => (a.error as number) - (b.error as number) || a.trial - b.trial);

function random({ numTrials, maxBudget }: Settings): Scheduler {
  return (progress) => {
    for (let trial = 0; trial < numTrials; trial++) {
      if (!isStarted(progress, { trial, rung: 0 }))
        return { trial, budget: maxBudget, bracket: 0, rung: 0 };
    }
    return idle(progress);
  };
}

/** Budgets from `min` to `max`, each eta times the one before; the last is `max`. */
export function rungBudgets({ minBudget, maxBudget, eta }: Omit<Settings, 'name'>): number[] {
  const budgets: number[] = [];
  for (let budget = minBudget; budget < maxBudget; budget *= eta) budgets.push(budget);
  return [...budgets, maxBudget];
}

/** Successive halving of one set of trials. */
interface Bracket {
  readonly id: number;
  readonly firstTrial: number;
  readonly rungs: readonly { readonly count: number; readonly budget: number }[];
}

function halving(settings: Settings): Bracket['rungs'][] {
  const { eta, rounds } = settings;
  const budgets = rungBudgets(settings);
  const top = budgets.length - 1;
  const rungs = budgets.map((budget, k) => ({ count: eta ** (top - k), budget }));
  return Array.from({ length: rounds }, () => rungs);
}

function hyperband(settings: Settings): Bracket['rungs'][] {
  const { eta, rounds } = settings;
  const budgets = rungBudgets(settings);
  const most = budgets.length - 1; // s_max of the paper
  const round = budgets.map((_, first) => {
    const s = most - first;
    const trials = Math.ceil(((most + 1) / (s + 1)) * eta ** s);
    return budgets
      .slice(first)
      .map((budget, k) => ({ count: Math.max(1, Math.floor(trials / eta ** k)), budget }));
  });
  return Array.from({ length: rounds }, () => round).flat();
}

/** Brackets one after another; a worker that would wait begins the next. */
function bracketed(all: readonly Bracket['rungs'][]): Scheduler {
  let firstTrial = 0;
  const brackets = all.map((rungs, id): Bracket => {
    const bracket = { id, firstTrial, rungs };
    firstTrial += rungs[0]?.count ?? 0;
    return bracket;
  });
  return (progress) => {
    for (const bracket of brackets) {
      const job = nextOfBracket(bracket, progress);
      if (job) return job;
    }
    return idle(progress);
  };
}

function nextOfBracket({ id, firstTrial, rungs }: Bracket, progress: SearchProgress) {
  let trials = Array.from({ length: rungs[0]?.count ?? 0 }, (_, i) => firstTrial + i);
  for (const [rung, { budget }] of rungs.entries()) {
    for (const trial of trials) {
      if (!isStarted(progress, { trial, rung })) return { trial, budget, bracket: id, rung };
    }
    const outcomes = progress.done.filter((at) => at.bracket === id && at.rung === rung);
    if (outcomes.length < trials.length) return undefined; // some of the rung still run
    trials = ranked(outcomes)
      .slice(0, rungs[rung + 1]?.count ?? 0)
      .map(({ trial }) => trial);
  }
  return undefined;
}

function asha(settings: Settings): Scheduler {
  const { eta, numTrials } = settings;
  const budgets = rungBudgets(settings);
  return (progress) => {
    for (let rung = budgets.length - 1; rung > 0; rung--) {
      const below = ranked(progress.done.filter((at) => at.rung === rung - 1));
      const best = below.slice(0, Math.floor(below.length / eta));
      const next = best.find(({ trial }) => !isStarted(progress, { trial, rung }));
      if (next) return { trial: next.trial, budget: budgets[rung] as number, bracket: 0, rung };
    }
    for (let trial = 0; trial < numTrials; trial++) {
      if (!isStarted(progress, { trial, rung: 0 }))
        return { trial, budget: budgets[0] as number, bracket: 0, rung: 0 };
    }
    return idle(progress);
  };
}
