/** Exports the history of a finished run for TensorBoard. */
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
   * Steps per epoch, for an x-axis in steps like that of the callback `tensorBoard`. @default 1:
   * the x-axis is in epochs
   */
  stepsPerEpoch?: number;
  /** When the last epoch ended; the other times follow from the epochs' seconds. @default now */
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
 * that the callback `tensorBoard` writes at the end of each epoch. The file appears complete or not
 * at all. Exporting the same history with the same `endedAt` replaces the file.
 * @param settings.stepsPerEpoch steps per epoch @default 1
 * @param settings.endedAt when the last epoch ended @default now
 * @returns the path of the file
 * @throws RangeError for an empty history; Error when the file cannot be written
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
