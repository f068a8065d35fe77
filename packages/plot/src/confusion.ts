/** What a classifier takes for what. */
import { checkOptions, rule } from '@deepend/core';
import { checkMatrix, columnsOfMatrix, type Matrix } from './cells';
import type { ColormapName } from './colormap';
import { COLORMAPS } from './colormap';
import type { Figure } from './figure';
import { drawHeatmaps } from './heatmap';
import { side } from './series';

interface Sums {
  readonly rows: readonly number[];
  readonly columns: readonly number[];
  readonly all: number;
}

/** What a count is a share of. */
const SHARES = {
  /** Of the samples of its true class: the diagonal is the recall. */
  true: ({ rows }: Sums, { row }: Cell) => rows[row],
  /** Of the samples called so: the diagonal is the precision. */
  predicted: ({ columns }: Sums, { column }: Cell) => columns[column],
  all: ({ all }: Sums) => all,
} as const;

interface Cell {
  row: number;
  column: number;
}

export interface ConfusionMatrixOptions {
  /** @default class numbers */
  classNames?: readonly string[];
  /**
   * What colours and percentages are shares of: the samples of the `true` class, those `predicted`
   * so, `all`; false shows counts alone. @default 'true'
   */
  normalize?: 'true' | 'predicted' | 'all' | false;
  title?: string;
  /** @default 'viridis' */
  cmap?: ColormapName;
  /** Pixels. @default 560 */
  width?: number;
}

const options = rule.object({
  classNames: rule.list(rule.string(), 'a list of names').optional(),
  normalize: rule
    .oneOf(['true', 'predicted', 'all'])
    .or(rule.custom<false>((value) => value === false, "'true', 'predicted', 'all' or false"))
    .optional(),
  title: rule.string().optional(),
  cmap: rule.oneOf(COLORMAPS).optional(),
  width: side().optional(),
});

const WHERE = '[plot] plotConfusionMatrix';

/**
 * A confusion matrix: true classes down, predicted ones across, in each cell the count and its
 * share; cells of no sample stay empty.
 * From some twenty classes on cells are too small for text, and colours and the pointer tell all.
 * @param counts `[true class][predicted class]`, as the metric `confusionMatrix()` gives
 * @throws RangeError when the matrix is not square, has negative counts, or names and classes
 *   differ in number
 * @example
 * plotConfusionMatrix([[90, 10], [5, 95]], { classNames: ['cat', 'dog'] });
 */
export function plotConfusionMatrix(counts: Matrix, settings: ConfusionMatrixOptions = {}): Figure {
  const {
    classNames,
    normalize = 'true',
    ...rest
  } = checkOptions(WHERE, options, settings) as ConfusionMatrixOptions;
  checkMatrix(WHERE, counts);
  const size = counts.length;
  if (columnsOfMatrix(counts) !== size) {
    throw new RangeError(
      `${WHERE}: expected as many rows as columns, one a class, got ${size} × ${columnsOfMatrix(counts)}`,
    );
  }
  if (classNames && classNames.length !== size) {
    throw new RangeError(
      `${WHERE}: expected ${size} "classNames", one a class, got ${classNames.length}`,
    );
  }
  if (
    counts.some((row) =>
      Array.from(row).some((count) => !(count >= 0 && count < Number.POSITIVE_INFINITY)),
    )
  ) {
    throw new RangeError(`${WHERE}: expected counts, finite and not negative`);
  }
  const count = ({ row, column }: Cell) => counts[row]?.[column] ?? 0;
  const sums = sumsOf(counts);
  const share = (cell: Cell) => count(cell) / (SHARES[normalize || 'true'](sums, cell) || 1);
  const shown = counts.map((row, i) =>
    Array.from(row, (value, j) => (normalize ? share({ row: i, column: j }) : value)),
  );
  const name = (index: number) => classNames?.[index] ?? `class ${index}`;
  const percent = (cell: Cell) => `${(100 * share(cell)).toFixed(share(cell) < 0.1 ? 1 : 0)}%`;
  return drawHeatmaps([[shown]], {
    ...rest,
    where: WHERE,
    cells: [],
    xlabel: 'predicted class',
    ylabel: 'true class',
    ...(classNames && { xticks: classNames, yticks: classNames }),
    vlim: normalize ? [0, 1] : [0, Math.max(1, ...shown.flat())],
    description: rest.title ?? `Confusion matrix of ${size} classes; ${describe(counts, sums.all)}`,
    text: (cell) =>
      count(cell) === 0
        ? []
        : [count(cell).toLocaleString('en-US'), ...(normalize ? [percent(cell)] : [])],
    label: (cell) => {
      const what = cell.row === cell.column ? 'right' : `taken for ${name(cell.column)}`;
      return count(cell) === 0
        ? ''
        : `${name(cell.row)} ${what}: ${count(cell)}${normalize ? ` (${percent(cell)})` : ''}`;
    },
  });
}

function sumsOf(counts: Matrix): Sums {
  const rows = counts.map((row) => sum(Array.from(row)));
  return {
    rows,
    columns: counts.map((_, column) => sum(counts.map((row) => row[column] ?? 0))),
    all: sum(rows),
  };
}

function describe(counts: Matrix, all: number): string {
  const right = sum(counts.map((row, i) => row[i] ?? 0));
  return all > 0 ? `${right} of ${all} right` : 'no samples';
}

const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
