/** Callbacks that keep a file of the run's history up to date. */

import type { EpochRecord } from '@deepend/core';
import { appendToFile, formatValue, toCsv, toJsonl, writeFileAtomic } from '@deepend/core';
import type { Callback } from './callback';

/**
 * Writes one line of JSON per epoch. Numbers that JSON lacks (NaN, Infinity) become null. The file
 * of an earlier run is replaced; a run that resumes first writes the epochs before its checkpoint.
 * The file is valid whenever the process is killed.
 * @throws Error before training when the file cannot be written
 * @example
 * callbacks: [jsonlHistory('run/history.jsonl')]
 */
export function jsonlHistory(file: string): Callback {
  const where = '[trainer] jsonlHistory';
  checkName(where, file);
  return {
    name: 'jsonlHistory',
    onTrainBegin: ({ history }) => writeFileAtomic(file, toJsonl(history), { where }),
    onEpochEnd: (record) => appendToFile(file, toJsonl([record]), { where }),
  };
}

/**
 * Writes comma-separated values: a header, then one line per epoch. Columns and cells are those of
 * `toCsv`: a metric's column is `metrics.NAME`, a list such as a confusion matrix is one cell of
 * JSON, and null is an empty cell. Otherwise the same as `jsonlHistory`.
 * @throws Error before training when the file cannot be written
 * @example
 * callbacks: [csvHistory('run/history.csv')]
 */
export function csvHistory(file: string): Callback {
  const where = '[trainer] csvHistory';
  checkName(where, file);
  const history: EpochRecord[] = [];
  const write = () => writeFileAtomic(file, toCsv(history), { where });
  return {
    name: 'csvHistory',
    onTrainBegin: async (run) => {
      history.splice(0, history.length, ...run.history);
      await write();
    },
    onEpochEnd: async (record) => {
      history.push(record);
      await write();
    },
  };
}

function checkName(where: string, file: string): void {
  if (typeof file !== 'string' || file === '')
    throw new TypeError(`${where}: expected the name of a file, got ${formatValue(file)}`);
}
