/** Confusion matrices. */
import { checkOptions, rule } from '@deepend/core';
import { checkMatrix, countColumns, type Matrix } from './cells';
import { COLORMAPS, type ColormapName } from './colormap';
import type { Figure } from './figure';
import { drawHeatmaps } from './heatmap';
import { side } from './series';

interface Sums {
  readonly rows: readonly number[];
  readonly columns: readonly number[];
  readonly all: number;
}

/** What a count is divided by. */
const TOTALS = {
  /** The samples of the true class: the diagonal is the recall. */
  true: ({ rows }: Sums, { row }: Cell) => rows[row],
  /** The samples predicted as the class: the diagonal is the precision. */
  predicted: ({ columns }: Sums, { column }: Cell) => columns[column],
  all: ({ all }: Sums) => all,
} as const;

interface Cell {
  row: number;
  column: number;
}

export interface ConfusionMatrixOptions {
  /** @default numbers from 0 */
  classNames?: readonly string[];
  /**
   * What colours and percentages are fractions of: the samples of the `true` class, the samples
   * `predicted` as the class, or `all` samples. `false` shows counts only. @default 'true'
   */
  normalize?: 'true' | 'predicted' | 'all' | false;
  /** A line above the chart. @default none */
  title?: string;
  /** @default 'viridis' */
  cmap?: ColormapName;
  /** Pixels. @default 560 */
  width?: number;
}

const options = rule.object({
  classNames: rule.list(rule.string(), 'a list of names').optional(),
  normalize: rule
    .either(
      rule.oneOf(['true', 'predicted', 'all']),
      rule.custom<false>((value) => value === false, "'true', 'predicted', 'all' or false"),
      "'true', 'predicted', 'all' or false",
    )
    .optional(),
  title: rule.string().optional(),
  cmap: rule.oneOf(COLORMAPS).optional(),
  width: side().optional(),
});

const WHERE = '[plot] plotConfusionMatrix';

/**
 * Draws a confusion matrix: a row for each true class, a column for each predicted class, in each
 * cell the count and its percentage. Cells without samples have no text. With about twenty classes
 * or more, cells are too small for text: see the colours, or the values under the pointer in HTML.
 * @param counts `[true class][predicted class]`, as `metrics.confusionMatrix()` returns them
 * @throws RangeError when the matrix is not square, a count is negative, or the numbers of names
 *   and classes differ
 * @example
 * plotConfusionMatrix([[90, 10], [5, 95]], { classNames: ['cat', 'dog'] });
 *
 */
export function plotConfusionMatrix(counts: Matrix, settings: ConfusionMatrixOptions = {}): Figure {
  const {
    classNames,
    normalize = 'true',
    ...rest
  } = checkOptions(WHERE, options, settings) as ConfusionMatrixOptions;
  checkMatrix(WHERE, counts);
  const size = counts.length;
  if (countColumns(counts) !== size) {
    throw new RangeError(
      `${WHERE}: expected as many rows as columns, one for each class, ` +
        `got ${size} × ${countColumns(counts)}`,
    );
  }
  if (classNames && classNames.length !== size) {
    throw new RangeError(
      `${WHERE}: expected ${size} "classNames", one for each class, got ${classNames.length}`,
    );
  }
  if (
    counts.some((row) =>
      Array.from(row).some((count) => !(count >= 0 && count < Number.POSITIVE_INFINITY)),
    )
  ) {
    throw new RangeError(`${WHERE}: expected finite counts of at least 0`);
  }
  const count = ({ row, column }: Cell) => counts[row]?.[column] ?? 0;
  const sums = sumCounts(counts);
  const fraction = (cell: Cell) => count(cell) / (TOTALS[normalize || 'true'](sums, cell) || 1);
  const shown = counts.map((row, i) =>
    Array.from(row, (value, j) => (normalize ? fraction({ row: i, column: j }) : value)),
  );
  const name = (index: number) => classNames?.[index] ?? `class ${index}`;
  const percent = (cell: Cell) =>
    `${(100 * fraction(cell)).toFixed(fraction(cell) < 0.1 ? 1 : 0)}%`;
  return drawHeatmaps([[shown]], {
    ...rest,
    where: WHERE,
    cells: [],
    xlabel: 'predicted class',
    ylabel: 'true class',
    ...(classNames && { xticks: classNames, yticks: classNames }),
    vlim: normalize ? [0, 1] : [0, shown.flat().reduce((a, b) => Math.max(a, b), 1)],
    description: rest.title ?? `Confusion matrix of ${size} classes; ${describe(counts, sums.all)}`,
    text: (cell) =>
      count(cell) === 0
        ? []
        : [count(cell).toLocaleString('en-US'), ...(normalize ? [percent(cell)] : [])],
    label: (cell) => {
      const what = cell.row === cell.column ? 'correct' : `predicted as ${name(cell.column)}`;
      return count(cell) === 0
        ? ''
        : `${name(cell.row)} ${what}: ${count(cell)}${normalize ? ` (${percent(cell)})` : ''}`;
    },
  });
}

function sumCounts(counts: Matrix): Sums {
  const rows = counts.map((row) => sum(Array.from(row)));
  return {
    rows,
    columns: counts.map((_, column) => sum(counts.map((row) => row[column] ?? 0))),
    all: sum(rows),
  };
}

function describe(counts: Matrix, all: number): string {
  const right = sum(counts.map((row, i) => row[i] ?? 0));
  return all > 0 ? `${right} of ${all} correct` : 'no samples';
}

const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
