/** Rates that fall along a curve from a first to a final value. D2L, section 12.11. */

import { checkOptions, rule } from '@deepend/core';
import {
  type ChangesBy,
  epochsDone,
  interpolateCosine,
  type Schedule,
  type ScheduleState,
  sharedRules,
  stateless,
} from './schedule';

export interface AnnealingOptions {
  /**
   * The first learning rate, above 0.
   * @example 0.1
   */
  lr: number;
  /** The last learning rate, at least 0. @default 0 */
  finalLr?: number;
  /** Epochs from the first rate to the last, which then stays. @default the run's `numEpochs` */
  epochs?: number;
  /** Whether the rate changes with each epoch or with each update. @default 'epoch' */
  by?: ChangesBy;
}

export interface PolynomialOptions extends AnnealingOptions {
  /** The curve's exponent; 1 is a straight line. @default 1 */
  power?: number;
}

/** The fraction of the curve that is done; 1 from its end on. */
function progress(
  state: ScheduleState,
  { epochs = state.numEpochs, by = 'epoch' }: { epochs?: number; by?: ChangesBy },
): number {
  return Math.min(epochsDone(state, by) / epochs, 1);
}

const cosineRules = rule.object(sharedRules);

/**
 * From `lr` to `finalLr` by half a cosine. Loshchilov & Hutter 2017,
 * https://arxiv.org/abs/1608.03983, without restarts; PyTorch's `CosineAnnealingLR`.
 * @example
 * schedules.cosine({ lr: 0.1, by: 'step' });
 */
export function cosine(settings: AnnealingOptions): Schedule {
  const where = '[optim] schedules.cosine';
  const { lr, finalLr = 0, ...span } = checkOptions(where, cosineRules, settings);
  return stateless('cosine', { lr, finalLr, ...span }, (state) =>
    interpolateCosine(lr, finalLr, progress(state, span)),
  );
}

const polynomialRules = rule.object({ ...sharedRules, power: rule.positiveNumber().optional() });

/**
 * From `lr` to `finalLr` by (1 − progress)^power. PyTorch's `PolynomialLR`.
 * @example
 * schedules.polynomial({ lr: 0.1, power: 2 });
 */
export function polynomial(settings: PolynomialOptions): Schedule {
  const where = '[optim] schedules.polynomial';
  const { lr, finalLr = 0, power = 1, ...span } = checkOptions(where, polynomialRules, settings);
  return stateless(
    'polynomial',
    { lr, finalLr, power, ...span },
    (state) => finalLr + (lr - finalLr) * (1 - progress(state, span)) ** power,
  );
}
