/** A rate that rises first, then follows another schedule. */
import { checkOptions, rule } from '@deepend/core';
import type { Schedule, ScheduleState } from './schedules';

const WHERE = '[optim] warmUp';

const rules = rule.object({
  steps: rule.positiveInteger().optional(),
  epochs: rule.positiveInteger().optional(),
  from: rule.nonNegativeNumber().optional(),
});

export interface WarmUpOptions {
  /** How long the rate rises, in updates … */
  steps?: number;
  /** … or in epochs; one of both. */
  epochs?: number;
  /** The rate of the first update. @default a hundredth of the schedule's first rate */
  from?: number;
}

/**
 * Rises in a straight line from `from` to the schedule's first rate, a little with each update;
 * then the schedule goes as if the run began
 * there and ended where it ends. Goyal et al. 2017, https://arxiv.org/abs/1706.02677, section 2.2;
 * at the beginning of each epoch it has the
 * rate of the book's `CosineScheduler` with `warmup_steps`.
 * @throws RangeError when neither or both lengths are given, and at the first update when the
 *   warm-up leaves nothing of the run
 * @example
 * const lr = warmUp(cosineSchedule({ lr: 0.3, finalLr: 0.01 }), { epochs: 5 });
 */
export function warmUp(schedule: Schedule, settings: WarmUpOptions): Schedule {
  if (typeof schedule?.at !== 'function')
    throw new TypeError(
      `${WHERE}: expected a schedule first, such as constant(0.1) gives; wrap a number in constant()`,
    );
  const { steps, epochs, from } = checkOptions(WHERE, rules, settings);
  if ((steps === undefined) === (epochs === undefined))
    throw new RangeError(
      `${WHERE}: expected "steps" or "epochs", one of both; got ${steps ? 'both' : 'neither'}`,
    );
  const at = (moment: ScheduleState) => {
    const { update: step, stepsPerEpoch, numEpochs } = moment;
    const warm = steps ?? (epochs as number) * stepsPerEpoch;
    if (warm >= stepsPerEpoch * numEpochs)
      throw new RangeError(
        `${WHERE}: the warm-up of ${warm} updates leaves nothing of the run's ${stepsPerEpoch * numEpochs}; shorten it`,
      );
    const rest = { stepsPerEpoch, numEpochs: numEpochs - warm / stepsPerEpoch };
    const done = Math.max(step - warm, 0);
    const then = schedule.at({
      ...rest,
      update: done,
      epoch: Math.floor(done / stepsPerEpoch) + 1,
    });
    if (step >= warm) return then;
    const first = from ?? then / 100;
    return first + ((then - first) * step) / warm;
  };
  return {
    name: `warm-up, ${schedule.name}`,
    options: { ...settings, schedule: { name: schedule.name, ...schedule.options } },
    at,
    ...(schedule.observe && { observe: schedule.observe }),
    ...(schedule.state && { state: schedule.state }),
    ...(schedule.restore && { restore: schedule.restore }),
  };
}
