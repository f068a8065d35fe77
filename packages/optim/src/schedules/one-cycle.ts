/** One cycle of the learning rate: up, then down to almost nothing. */

import { checkOptions, rule } from '@deepend/core';
import {
  fractionRule,
  interpolateCosine,
  type Schedule,
  type ScheduleState,
  stateless,
} from './schedule';

const WHERE = '[optim] schedules.oneCycle';

const rules = rule.object({
  maxLr: rule.positiveNumber(),
  pctStart: fractionRule(' (at most a half with threePhase)').optional(),
  divFactor: rule.positiveNumber().optional(),
  finalDivFactor: rule.positiveNumber().optional(),
  anneal: rule.oneOf(['cos', 'linear']).optional(),
  threePhase: rule.boolean().optional(),
});

export interface OneCycleOptions {
  /**
   * The largest learning rate, above 0.
   * @example 0.4
   */
  maxLr: number;
  /** The fraction of the run's updates in which the rate rises. @default 0.3 */
  pctStart?: number;
  /** The first rate is maxLr / divFactor. @default 25 */
  divFactor?: number;
  /** The last rate is the first one / finalDivFactor. @default 1e4 */
  finalDivFactor?: number;
  /** The shape of each phase. @default 'cos' */
  anneal?: 'cos' | 'linear';
  /**
   * Whether the rate first falls back to its first value, as fast as it rose, and only then to the
   * last one. @default false
   */
  threePhase?: boolean;
}

/** The end of a phase: the update at which the rate reaches `lr`. */
interface PhaseEnd {
  readonly update: number;
  readonly lr: number;
}

const interpolateLine = (from: number, to: number, progress: number) =>
  from + (to - from) * progress;

/**
 * Up to `maxLr` and down again, update by update. Smith & Topin 2018,
 * https://arxiv.org/abs/1708.07120; PyTorch's `OneCycleLR`, of which it takes the learning rate
 * only: momentum stays as it is.
 * @example
 * schedules.oneCycle({ maxLr: 0.4 });
 */
export function oneCycle(settings: OneCycleOptions): Schedule {
  const checked = checkOptions(WHERE, rules, settings);
  const { maxLr, pctStart = 0.3, divFactor = 25, finalDivFactor = 1e4 } = checked;
  const { anneal = 'cos', threePhase = false } = checked;
  if (threePhase && pctStart > 0.5)
    throw new RangeError(
      `${WHERE}: option "pctStart" must be at most 0.5 with threePhase, got ${pctStart}`,
    );
  const first = maxLr / divFactor;
  const last = first / finalDivFactor;
  const interpolate = anneal === 'cos' ? interpolateCosine : interpolateLine;

  const phases = (total: number): PhaseEnd[] => [
    { update: pctStart * total - 1, lr: maxLr },
    ...(threePhase ? [{ update: 2 * pctStart * total - 2, lr: first }] : []),
    { update: total - 1, lr: last },
  ];
  const at = ({ update, updatesPerEpoch, numEpochs }: ScheduleState) => {
    let from: PhaseEnd = { update: 0, lr: first };
    for (const to of phases(updatesPerEpoch * numEpochs)) {
      if (update <= to.update) {
        const length = to.update - from.update;
        const progress = length > 0 ? (update - from.update) / length : 1;
        return interpolate(from.lr, to.lr, progress);
      }
      from = to;
    }
    return last;
  };
  const options = { maxLr, pctStart, divFactor, finalDivFactor, anneal, threePhase };
  return stateless('one-cycle', options, at);
}
