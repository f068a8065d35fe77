/** A rate that rises first, then follows another schedule. */

import { checkOptions, rule } from '@deepend/core';
import type { Schedule, ScheduleRun, ScheduleState } from './schedule';

const WHERE = '[optim] schedules.warmUp';

const rules = rule.object({
  steps: rule.positiveInteger().optional(),
  epochs: rule.positiveInteger().optional(),
  from: rule.nonNegativeNumber().optional(),
});

export interface WarmUpOptions {
  /** How long the rate rises, in updates. Give this or `epochs`. @default that of `epochs` */
  steps?: number;
  /** How long the rate rises, in epochs. Give this or `steps`. @default that of `steps` */
  epochs?: number;
  /** The rate of the first update. @default a hundredth of the schedule's first rate */
  from?: number;
}

/**
 * Rises in a straight line from `from` to the schedule's first rate, a little with each update;
 * then the schedule runs as if the run began there. It still ends with the run. Goyal et al. 2017,
 * https://arxiv.org/abs/1706.02677, section 2.2; at the beginning of each epoch it has the rate of
 * the book's `CosineScheduler` with `warmup_steps`.
 * @throws RangeError when neither or both lengths are given, and at the first update when the
 *   warm-up is as long as the run
 * @example
 * const lr = schedules.warmUp(schedules.cosine({ lr: 0.3, finalLr: 0.01 }), { epochs: 5 });
 */
export function warmUp(schedule: Schedule, settings: WarmUpOptions): Schedule {
  if (typeof schedule?.start !== 'function')
    throw new TypeError(
      `${WHERE}: expected a schedule first, such as schedules.constant(0.1); ` +
        'wrap a number in constant()',
    );
  const { steps, epochs, from } = checkOptions(WHERE, rules, settings);
  if ((steps === undefined) === (epochs === undefined))
    throw new RangeError(
      `${WHERE}: expected either "steps" or "epochs", got ${steps ? 'both' : 'neither'}`,
    );
  const length = (updatesPerEpoch: number) => steps ?? (epochs as number) * updatesPerEpoch;
  return {
    name: `warm-up, ${schedule.name}`,
    options: { ...settings, schedule: { name: schedule.name, ...schedule.options } },
    start: () => warmUpRun(schedule.start(), { length, from }),
  };
}

interface WarmUp {
  /** Updates in which the rate rises. */
  readonly length: (updatesPerEpoch: number) => number;
  readonly from: number | undefined;
}

function warmUpRun(inner: ScheduleRun, { length, from }: WarmUp): ScheduleRun {
  const at = ({ update, updatesPerEpoch, numEpochs }: ScheduleState) => {
    const warm = length(updatesPerEpoch);
    const total = updatesPerEpoch * numEpochs;
    if (warm >= total)
      throw new RangeError(
        `${WHERE}: the warm-up of ${warm} updates leaves nothing of the run's ${total}; shorten it`,
      );
    const done = Math.max(update - warm, 0);
    const lr = inner.at({
      epoch: Math.floor(done / updatesPerEpoch) + 1,
      update: done,
      updatesPerEpoch,
      numEpochs: numEpochs - warm / updatesPerEpoch,
    });
    if (update >= warm) return lr;
    const first = from ?? lr / 100;
    return first + ((lr - first) * update) / warm;
  };
  const { observe, memory, restore } = inner;
  return {
    at,
    ...(observe && { observe: observe.bind(inner) }),
    ...(memory && { memory: memory.bind(inner) }),
    ...(restore && { restore: restore.bind(inner) }),
  };
}
