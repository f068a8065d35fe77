/** The quantities of an epoch that a schedule or callback can watch. */

import type { EpochRecord } from '@deepend/core';
import { rule } from '@deepend/core';

const MONITORS = { loss: 'min', trainAcc: 'max', testLoss: 'min', testAcc: 'max' } as const;

export type Monitor = keyof typeof MONITORS;
const MONITOR_NAMES = Object.keys(MONITORS) as [Monitor, ...Monitor[]];
export type MonitorMode = 'min' | 'max';

/** Rules of the options `monitor` and `mode`. */
export const monitorRules = {
  monitor: rule.oneOf(MONITOR_NAMES).optional(),
  mode: rule.oneOf(['min', 'max']).optional(),
};

/** Whether smaller or larger is better: losses fall, accuracies rise. */
export const modeOf = (monitor: Monitor): MonitorMode => MONITORS[monitor];

/** The monitored value of an epoch. @throws Error when the run does not measure it */
export function monitored(where: string, record: EpochRecord, monitor: Monitor): number {
  const value = record[monitor];
  if (typeof value === 'number') return value;
  throw new Error(
    `${where}: watches "${monitor}", which this run does not measure; ` +
      'give train a test loader, or watch "loss"',
  );
}
