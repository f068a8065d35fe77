/** Schedules by name, for command lines and recipes: the one table of their names. */

import { formatValue } from '@deepend/core';
import { cosine, polynomial } from './annealing';
import { constant, step } from './decay';
import { oneCycle } from './one-cycle';
import { plateau } from './plateau';
import type { Schedule } from './schedule';

interface RunLength {
  /**
   * Number of epochs over which the schedule runs.
   * @example 30
   */
  readonly numEpochs: number;
}

/** For each name, the schedule with a largest learning rate of `lr`. */
const BY_NAME = {
  constant: (lr) => constant(lr),
  cosine: (lr) => cosine({ lr }),
  'one-cycle': (lr) => oneCycle({ maxLr: lr }),
  polynomial: (lr) => polynomial({ lr }),
  step: (lr, { numEpochs }) => step({ lr, stepSize: Math.max(1, Math.ceil(numEpochs / 3)) }),
  plateau: (lr) => plateau({ lr }),
} as const satisfies Record<string, (lr: number, run: RunLength) => Schedule>;

export type ScheduleName = keyof typeof BY_NAME;

/** The names that `create` knows. */
export const NAMES = Object.keys(BY_NAME) as [ScheduleName, ...ScheduleName[]];

/**
 * Makes a schedule by its name, with the defaults of its options.
 * @param options.lr its largest learning rate
 * @param options.numEpochs the length of the run, in epochs; `step` falls after each third of it
 * @throws RangeError when there is no schedule of this name
 * @example
 * schedules.create('one-cycle', { lr: 0.4, numEpochs: 30 });
 */
export function create(name: ScheduleName, options: { lr: number } & RunLength): Schedule {
  if (!Object.hasOwn(BY_NAME, name))
    throw new RangeError(
      `[optim] schedules.create: expected one of ${NAMES.join(', ')}, got ${formatValue(name)}`,
    );
  return BY_NAME[name](options.lr, options);
}
