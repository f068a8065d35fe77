/** The history of a run that has been, for TensorBoard. */
import path from 'node:path';
import {
  checkOptions,
  type EpochRecord,
  formatValue,
  isDate,
  rule,
  writeFileAtomic,
} from '@deepend/core';
import { epochScalars } from './callback';
import { scalarRecord, versionRecord } from './event-file';

const WHERE = '[export] exportTensorBoard';

export interface ExportTensorBoardOptions {
  /**
   * Steps of an epoch, so that curves stand over steps as those of `tensorBoard` do. @default 1:
   * they stand over epochs
   */
  stepsPerEpoch?: number;
  /** When the last epoch ended; each epoch's own seconds tell the others. @default now */
  endedAt?: Date;
}

const rules = rule.object({
  stepsPerEpoch: rule.positiveInteger().optional(),
  endedAt: rule
    .custom<Date>((value) => isDate(value) && !Number.isNaN(value.getTime()), 'a date')
    .optional(),
});

/**
 * Writes an event file into `dir` for TensorBoard (`tensorboard --logdir DIR`), with the scalars
 * that the callback `tensorBoard` writes at the
 * end of each epoch. The file appears whole or not at all; the same history, ended at the same
 * time, replaces the one it made before.
 * @param settings.stepsPerEpoch @default 1
 * @param settings.endedAt @default now
 * @returns the file
 * @throws RangeError for a history without an epoch; Error when the file cannot be written
 */
export async function exportTensorBoard(
  history: readonly EpochRecord[],
  dir: string,
  settings: ExportTensorBoardOptions = {},
): Promise<string> {
  const { stepsPerEpoch = 1, endedAt = new Date() } = checkOptions(WHERE, rules, settings);
  if (typeof dir !== 'string' || dir === '')
    throw new TypeError(`${WHERE}: expected the name of a folder, got ${formatValue(dir)}`);
  if (history.length === 0)
    throw new RangeError(`${WHERE}: expected a history of at least one epoch, got none`);
  const seconds = history.map((record) => (Number.isFinite(record.seconds) ? record.seconds : 0));
  let wallTime = endedAt.getTime() / 1000 - seconds.reduce((a, b) => a + b, 0);
  const file = path.join(dir, `events.out.tfevents.${Math.floor(wallTime)}.deepend`);
  const records = [versionRecord(wallTime)];
  history.forEach((record, i) => {
    wallTime += seconds[i] as number;
    records.push(
      scalarRecord({ wallTime, step: record.epoch * stepsPerEpoch, scalars: epochScalars(record) }),
    );
  });
  await writeFileAtomic(file, Buffer.concat(records), { where: WHERE });
  return file;
}
