/** Quantities of an epoch that a schedule or callback can watch, and which way each gets better. */

import type { EpochRecord } from '@deepend/core';
import { rule } from '@deepend/core';

const MONITORS = { loss: 'min', trainAcc: 'max', testLoss: 'min', testAcc: 'max' } as const;

export type Monitor = keyof typeof MONITORS;
export type MonitorMode = 'min' | 'max';

/** Options that say what is watched. */
export const monitorRules = {
  monitor: rule.oneOf(['loss', 'trainAcc', 'testLoss', 'testAcc']).optional(),
  mode: rule.oneOf(['min', 'max']).optional(),
};

/** Which way a quantity gets better: losses fall, accuracies rise. */
export const modeOf = (monitor: Monitor): MonitorMode => MONITORS[monitor];

/** The watched value of an epoch. @throws Error when the run does not measure it */
export function monitored(where: string, record: EpochRecord, monitor: Monitor): number {
  const value = record[monitor];
  if (typeof value === 'number') return value;
  throw new Error(
    `${where}: watches "${monitor}", which this run does not measure; give train a test loader, or watch "loss"`,
  );
}
