/** A run's history as a file that has a line more after each epoch. */

import type { EpochRecord } from '@deepend/core';
import { appendToFile, formatValue, writeFileAtomic } from '@deepend/core';
import type { Callback } from '../types';

/**
 * A line of JSON for each epoch. Numbers that JSON lacks (NaN, Infinity) become null. A run
 * replaces what an earlier one left; one that is
 * resumed first writes the epochs that came before. The file is sound whenever the process is
 * killed.
 * @throws Error before training when the file cannot be written
 */
export const jsonlHistory = (file: string): Callback =>
  historyFile('[trainer] jsonlHistory', file, () => (record) => [JSON.stringify(record)]);

/**
 * Comma-separated values: a head, then a line for each epoch. The columns are the numbers of the
 * first epoch, those of metrics as
 * `metrics.NAME`; what is no number, such as a matrix, is left out, and a null is an empty cell.
 * Otherwise as `jsonlHistory`.
 * @throws Error before training when the file cannot be written
 */
export const csvHistory = (file: string): Callback =>
  historyFile('[trainer] csvHistory', file, () => {
    let columns: string[] | undefined;
    return (record) => {
      const numbers = numbersOf(record);
      const head = columns ? [] : [Object.keys(numbers).join(',')];
      columns ??= Object.keys(numbers);
      return [...head, columns.map((column) => numbers[column] ?? '').join(',')];
    };
  });

function numbersOf({ metrics = {}, ...record }: EpochRecord): Record<string, number | null> {
  const named = Object.entries(metrics).map(([name, value]) => [
    `metrics.${name.replace(/[",\n\r]/g, '_')}`,
    value,
  ]);
  const all = [...Object.entries(record), ...named];
  return Object.fromEntries(
    all.filter(([, value]) => typeof value === 'number' || value === null),
  ) as Record<string, number | null>;
}

/** @param format gives a run's way from an epoch to its lines, the head's with the first */
function historyFile(
  where: string,
  file: string,
  format: () => (record: EpochRecord) => string[],
): Callback {
  if (typeof file !== 'string' || file === '')
    throw new TypeError(`${where}: expected the name of a file, got ${formatValue(file)}`);
  let lines = format();
  const text = (records: readonly EpochRecord[]) =>
    records
      .flatMap(lines)
      .map((line) => `${line}\n`)
      .join('');
  return {
    onTrainBegin: async ({ history }) => {
      lines = format();
      await writeFileAtomic(file, text(history), { where });
    },
    onEpochEnd: (record) => appendToFile(file, text([record]), { where }),
  };
}
