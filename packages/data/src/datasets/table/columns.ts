/** The columns of a table: numbers or categories, by what its cells are. */
import { DataError } from '../../errors';
import type { Cells } from './cells';

/** A column of numbers; NaN where one is missing. */
export interface NumericColumn {
  readonly name: string;
  readonly kind: 'numeric';
  readonly values: Float64Array;
}

/** A column of categories; null where one is missing. */
export interface CategoricalColumn {
  readonly name: string;
  readonly kind: 'categorical';
  readonly values: readonly (string | null)[];
}

/** A column of either kind. */
export type AnyColumn = NumericColumn | CategoricalColumn;

export interface CellRules {
  /** Cells that stand for a missing value. */
  readonly missing: ReadonlySet<string>;
  readonly decimal: '.' | ',';
}

const PATTERNS = {
  '.': /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i,
  ',': /^[+-]?(\d+,?\d*|,\d+)(e[+-]?\d+)?$/i,
};

/** `1,500` is more often fifteen hundred than one and a half. */
const THOUSANDS = /^[+-]?\d{1,3}(,\d{3})+$/;

/** @returns NaN for anything but a finite number in decimal digits */
function toNumber(cell: string, decimal: '.' | ','): number {
  const trimmed = cell.trim();
  if (!PATTERNS[decimal].test(trimmed)) return Number.NaN;
  const value = Number(trimmed.replace(',', '.'));
  return Number.isFinite(value) ? value : Number.NaN;
}

/**
 * Reads one column.
 * @param kind what it is, or undefined to find out
 * @throws DataError that names the line, where a cell is of another kind than the rest
 */
export function readColumn(
  cells: Cells,
  name: string,
  { kind, rules }: { kind: AnyColumn['kind'] | undefined; rules: CellRules },
): AnyColumn {
  const at = cells.names.indexOf(name);
  const texts = cells.rows.map((row) => row[at] as string);
  const isMissing = (text: string) => rules.missing.has(text);
  if (kind === 'categorical') return categorical(name, texts, isMissing);
  const values = Float64Array.from(texts, (text) =>
    isMissing(text) ? Number.NaN : toNumber(text, rules.decimal),
  );
  const firstWord = texts.findIndex((text, i) => !isMissing(text) && Number.isNaN(values[i]));
  if (firstWord < 0) return { name, kind: 'numeric', values };
  const fail = (expected: string, next: string) => {
    const where = `${cells.file}, line ${cells.lines[firstWord]}`;
    return new DataError(where, expected, `'${texts[firstWord]?.slice(0, 40)}'`, next);
  };
  const numbers = `numbers in column '${name}'`;
  const add = 'correct the cell, or add it to "missing"';
  if (kind === 'numeric') throw fail(numbers, add);
  const given = texts.filter((text) => !isMissing(text));
  if (rules.decimal === '.' && given.every((text) => !Number.isNaN(toNumber(text, ','))))
    throw fail(
      numbers,
      given.every((text) => THOUSANDS.test(text.trim()))
        ? 'remove the commas if they separate thousands, or pass "decimal: \',\'" if they do not'
        : 'pass "decimal: \',\'", or name the column in "categorical"',
    );
  const share = values.filter((value) => !Number.isNaN(value)).length / given.length;
  if (share > 0.5)
    throw fail(
      `${numbers}, as in ${Math.floor(100 * share)} % of its cells`,
      `${add}, or name the column in "categorical"`,
    );
  return categorical(name, texts, isMissing);
}

const categorical = (
  name: string,
  texts: readonly string[],
  isMissing: (text: string) => boolean,
): CategoricalColumn => ({
  name,
  kind: 'categorical',
  values: texts.map((text) => (isMissing(text) ? null : text)),
});

/** The rows at `indices` of a column. */
export function selectRows(column: AnyColumn, indices: readonly number[]): AnyColumn {
  if (column.kind === 'numeric') {
    const { values } = column;
    return { ...column, values: Float64Array.from(indices, (index) => values[index] as number) };
  }
  const { values } = column;
  return { ...column, values: indices.map((index) => values[index] as string | null) };
}

/** Whether a row's value is missing. */
export const isMissingAt = ({ values }: AnyColumn, row: number): boolean =>
  values[row] === null || Number.isNaN(values[row]);
