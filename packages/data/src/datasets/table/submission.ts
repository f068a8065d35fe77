/** writeSubmission: a file of predictions, as Kaggle takes it. */
import { formatValue, writeFileAtomic } from '@deepend/core';

type Column = ArrayLike<number> | readonly string[];

/**
 * Writes columns of one length as comma-separated values with their names in the first line. The
 * file appears when it is complete.
 * @throws RangeError for columns of different lengths, or numbers that are not finite
 * @example
 * await datasets.writeSubmission('submission.csv', { Id: test.ids, SalePrice: prices });
 */
export async function writeSubmission(
  file: string,
  columns: Readonly<Record<string, Column>>,
): Promise<void> {
  const where = '[data] writeSubmission';
  const entries = Object.entries(columns ?? {});
  const [first] = entries;
  if (!first) throw new RangeError(`${where}: expected at least one column, got none`);
  const { length } = first[1] ?? [];
  for (const [name, values] of entries) {
    if (values?.length !== length || !(length > 0)) {
      throw new RangeError(
        `${where}: expected a cell of '${name}' for each of ${length} rows, as in '${first[0]}', ` +
          `got ${formatValue(values?.length)}`,
      );
    }
    const bad = Array.from<number | string>(values).findIndex(
      (value) => typeof value !== 'string' && !Number.isFinite(value),
    );
    if (bad >= 0)
      throw new RangeError(
        `${where}: expected finite numbers in '${name}', got ${formatValue(values[bad])} in row ` +
          `${bad + 1}; look for NaN in the features and in the training's loss`,
      );
  }
  const rows = Array.from({ length }, (_, row) => entries.map(([, values]) => values[row]));
  const lines = [entries.map(([name]) => name), ...rows].map((row) => row.map(toCell).join(','));
  await writeFileAtomic(file, `${lines.join('\n')}\n`, { where });
}

/** Quoted only where it has to be. */
function toCell(value: string | number | undefined): string {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
