/** The learning rate within a run, from the three forms that the option `lr` has. */

import { formatValue } from '@deepend/core';
import type { Schedule, ScheduleRun } from '@deepend/optim';

/** A number, a function of the epoch (from 1), or a schedule. */
export type LearningRate = number | ((epoch: number) => number) | Schedule;

export const isSchedule = (value: unknown): value is Schedule =>
  typeof value === 'object' && value !== null && typeof (value as Schedule).start === 'function';

/**
 * Starts a run's schedule. The state of a schedule belongs to the run.
 * @throws RangeError from `at` when the rate is not a number above 0; a schedule may end at 0,
 *   where an update changes nothing
 */
export function startSchedule(where: string, lr: LearningRate): ScheduleRun {
  if (!isSchedule(lr)) {
    const rateOf = typeof lr === 'function' ? lr : () => lr;
    return { at: ({ epoch }) => checkRate(where, rateOf(epoch), { epoch, min: Number.MIN_VALUE }) };
  }
  const run = lr.start();
  return {
    at: (state) => checkRate(where, run.at(state), { epoch: state.epoch, min: 0 }),
    observe: (record) => run.observe?.(record),
    ...(run.memory && { memory: () => run.memory?.() ?? {} }),
    restore: (memory) => run.restore?.(memory),
  };
}

function checkRate(
  where: string,
  rate: number,
  { epoch, min }: { epoch: number; min: number },
): number {
  if (typeof rate === 'number' && Number.isFinite(rate) && rate >= min) return rate;
  throw new RangeError(
    `${where}: option "lr" must give a number above 0 for each epoch, got ${formatValue(rate)} ` +
      `for epoch ${epoch}`,
  );
}

/**
 * A rate that the rule of the option `lr` can check before anything is computed. A function is
 * asked for its first rate; a schedule checked its options when it was made.
 */
export function firstRate(where: string, lr: LearningRate): number {
  if (isSchedule(lr)) return 1;
  const state = { epoch: 1, update: 0, updatesPerEpoch: 1, numEpochs: 1 };
  return typeof lr === 'function' ? startSchedule(where, lr).at(state) : lr;
}

/** The learning rate as plain JSON. */
export function describeRate(lr: LearningRate): unknown {
  if (isSchedule(lr)) return { name: lr.name, options: lr.options };
  return typeof lr === 'function' ? { function: lr.name || '(anonymous)' } : lr;
}
