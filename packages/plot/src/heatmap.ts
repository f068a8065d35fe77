/** Heatmaps: the book's `show_heatmaps`. */
import { checkOptions, formatValue, rule } from '@deepend/core';
import { blockGrid } from './blocks';
import {
  cellMarks,
  cellMiddle,
  cellPixels,
  cellTexts,
  checkMatrix,
  countColumns,
  type Matrix,
} from './cells';
import { COLORMAPS, type ColormapName, type ColorScale, finiteExtent } from './colormap';
import { Figure, type FigurePoint } from './figure';
import { formatNumber, nameMarks, SIZE } from './frame';
import { BETWEEN, colorBar, layOutHeatmaps } from './heatmap-layout';
import { type Limits, limits, side } from './series';
import { type Box, type Mark, tag } from './svg';
import { fitText } from './text';
import { EDGE } from './theme';

export interface HeatmapOptions {
  /** Above the figure. @default none */
  title?: string;
  /** The label below each matrix. @default none */
  xlabel?: string;
  /** The label left of each matrix. @default none */
  ylabel?: string;
  /** Names of the columns of each matrix. @default their numbers, from 0 */
  xticks?: readonly string[];
  /** Names of the rows of each matrix. @default their numbers, from 0 */
  yticks?: readonly string[];
  /**
   * `viridis` for values from low to high, `coolwarm` for values around a middle, or `greys`.
   * @default 'viridis'
   */
  cmap?: ColormapName;
  /** The values at the ends of the colormap. @default the smallest and largest finite value */
  vlim?: Limits;
  /** Whether values are written in the cells, if these are large enough. @default false */
  values?: boolean;
  /** Pixels. @default 560 */
  width?: number;
}

export interface ShowHeatmapsOptions extends HeatmapOptions {
  /**
   * Titles above the matrices: one for each column, or one for each matrix, row by row.
   * @default none
   */
  titles?: readonly string[];
}

const names = (what: string) => rule.list(rule.string(), `a list of ${what}`).optional();
const heatmapRules = {
  title: rule.string().optional(),
  xlabel: rule.string().optional(),
  ylabel: rule.string().optional(),
  xticks: names('names of columns'),
  yticks: names('names of rows'),
  cmap: rule.oneOf(COLORMAPS).optional(),
  vlim: limits().optional(),
  values: rule.boolean().optional(),
  width: side().optional(),
};
const heatmapOptions = rule.object(heatmapRules);
const heatmapsOptions = rule.object({ ...heatmapRules, titles: names('titles') });

/**
 * Draws a matrix as coloured cells, the first row on top, with a colour bar. A value that is not
 * finite leaves its cell blank.
 * @throws RangeError when `matrix` is not a matrix, or the numbers of names and rows or columns
 *   differ
 * @example
 * heatmap([[1, 0.2], [0.1, 0.9]], { xlabel: 'key', ylabel: 'query' });
 */
export function heatmap(matrix: Matrix, options: HeatmapOptions = {}): Figure {
  const where = '[plot] heatmap';
  const settings = checkOptions(where, heatmapOptions, options) as HeatmapOptions;
  checkMatrix(where, matrix);
  return drawHeatmaps([[matrix]], { ...settings, where, cells: [] });
}

/**
 * Draws rows of matrices with the same colours for all, and a colour bar. The book's
 * `show_heatmaps` (d2l 11.1, zh 10.1).
 * @param matrices rows of matrices, `[rows][columns][height][width]`, all of the same size
 * @throws RangeError when rows or matrices differ in size, or the number of names or titles is
 *   wrong
 * @example
 * showHeatmaps(attention, { xlabel: 'keys', ylabel: 'queries', titles: ['head 1', 'head 2'] });
 *
 */
export function showHeatmaps(
  matrices: readonly (readonly Matrix[])[],
  options: ShowHeatmapsOptions = {},
): Figure {
  const where = '[plot] showHeatmaps';
  const settings = checkOptions(where, heatmapsOptions, options) as ShowHeatmapsOptions;
  checkGrid(where, matrices);
  const rows = matrices.length;
  const cols = matrices[0]?.length ?? 0;
  const { titles } = settings;
  if (titles && titles.length !== cols && titles.length !== rows * cols) {
    throw new RangeError(
      `${where}: expected ${cols} "titles", one for each column, or ${rows * cols}, ` +
        `one for each matrix, got ${titles.length}`,
    );
  }
  const all =
    titles && Array.from({ length: rows * cols }, (_, i) => titles[i % titles.length] ?? '');
  const cells = titles?.length === cols && all ? all.map((text, i) => (i < cols ? text : '')) : all;
  return drawHeatmaps(matrices, { ...settings, where, cells: cells ?? [] });
}

function checkGrid(where: string, matrices: unknown): void {
  const grid = matrices as Matrix[][];
  const width = Array.isArray(matrices) && Array.isArray(grid[0]) ? grid[0].length : 0;
  if (width === 0 || !grid.every((row) => Array.isArray(row) && row.length === width)) {
    throw new RangeError(
      `${where}: expected rows with the same number of matrices, got ${formatValue(matrices)}`,
    );
  }
  const size = (matrix: Matrix) => `${matrix.length} × ${countColumns(matrix)}`;
  const all = grid.flat();
  for (const matrix of all) checkMatrix(where, matrix);
  const other = all.find((matrix) => size(matrix) !== size(all[0] as Matrix));
  if (other)
    throw new RangeError(
      `${where}: expected matrices of the same size, ` +
        `got ${size(all[0] as Matrix)} and ${size(other)}`,
    );
}

/** The options of `heatmap`, and those that other charts of cells add. */
export interface Heatmaps extends HeatmapOptions {
  where: string;
  /** A title for each matrix, row by row; an empty string for none. */
  cells: readonly string[];
  description?: string;
  /** Lines of text in a cell. @default its value if `values` is true, else none */
  text?: (cell: { row: number; column: number }, matrix: Matrix) => readonly string[];
  /** Whether a place stays empty, without a frame. @default none does */
  isEmpty?: (matrix: Matrix) => boolean;
  /** The label of a cell for the pointer; empty for none. @default its value and indices */
  label?: (cell: { row: number; column: number }, matrix: Matrix) => string;
}

/** A number short enough for a cell: three digits, or two in scientific notation. */
function formatCell(value: number): string {
  if (!Number.isFinite(value)) return '';
  return value !== 0 && Math.abs(value) < 1e-3
    ? value.toExponential(1)
    : String(Number(value.toPrecision(3)));
}

const HOVER = 20_000; // cells; with the values of more, a page would be too large

/** Draws matrices that have been checked to be of the same size. */
export function drawHeatmaps(matrices: readonly (readonly Matrix[])[], settings: Heatmaps): Figure {
  const { where, title, xlabel, ylabel, cmap = 'viridis', width = 560 } = settings;
  const all = matrices.flat();
  const scale = makeColorScale(all, { cmap, vlim: settings.vlim });
  const layout = layOutHeatmaps(matrices, settings, colorBar(scale, 200).width);
  checkNames(where, all[0] as Matrix, settings);
  const { height, boxes, whole } = layout;
  const text =
    settings.text ??
    (settings.values
      ? ({ row, column }, matrix) => [formatCell(matrix[row]?.[column] ?? Number.NaN)]
      : undefined);
  const marks = all.flatMap((matrix, i): Mark[] => {
    if (settings.isEmpty?.(matrix)) return [];
    const box = boxes[i] as Box;
    const head = settings.cells[i];
    return [
      ...cellMarks(matrix, box, scale),
      tag('rect', { ...box, fill: 'none', stroke: EDGE }),
      ...(text ? cellTexts(matrix, { box, scale, text: (cell) => text(cell, matrix) }) : []),
      ...(head
        ? [
            {
              ...fitText(head, box.width + BETWEEN - 4, { size: SIZE }),
              x: box.x + box.width / 2,
              y: box.y - 6,
              anchor: 'middle' as const,
            },
          ]
        : []),
    ];
  });
  marks.push(
    ...layout.names(),
    ...nameMarks({ title, xlabel, ylabel }, { box: whole, width, height }),
    ...colorBar(scale, whole.height).marks(whole),
  );
  const count =
    all.length === 1 ? 'a matrix' : `${matrices.length} × ${matrices[0]?.length} matrices`;
  const size = `${all[0]?.length} × ${countColumns(all[0] as Matrix)}`;
  const ends = `${formatNumber(scale.low)} to ${formatNumber(scale.high)}`;
  return new Figure(marks, {
    width,
    height,
    description:
      settings.description ?? title ?? `Heatmap of ${count} of ${size} values from ${ends}`,
    points: all.flatMap((matrix, i) =>
      hoverPoints(matrix, boxes[i] as Box, {
        settings,
        head: settings.cells[i],
        most: HOVER / all.length,
      }),
    ),
    reach: 24,
    text: (room) =>
      blockGrid(
        all.map((matrix) => cellPixels(matrix, scale)),
        {
          titles: settings.cells.length > 0 ? settings.cells : undefined,
          cols: matrices[0]?.length ?? 1,
          size: room,
        },
      ),
  });
}

function makeColorScale(
  matrices: readonly Matrix[],
  { cmap, vlim }: { cmap: ColormapName; vlim: Limits | undefined },
): ColorScale {
  const [low, high] =
    vlim ?? finiteExtent(matrices.flatMap((matrix) => matrix.flatMap((row) => Array.from(row))));
  return low < high ? { name: cmap, low, high } : { name: cmap, low: low - 0.5, high: high + 0.5 };
}

function checkNames(where: string, matrix: Matrix, { xticks, yticks }: HeatmapOptions): void {
  const sides = [
    ['xticks', xticks, countColumns(matrix), 'column'],
    ['yticks', yticks, matrix.length, 'row'],
  ] as const;
  for (const [name, given, count, what] of sides) {
    if (given && given.length !== count)
      throw new RangeError(
        `${where}: expected ${count} "${name}", one for each ${what}, got ${given.length}`,
      );
  }
}

/** Labels for the pointer, such as `0.25 at row 3, column 7`. */
function hoverPoints(
  matrix: Matrix,
  box: Box,
  { settings, head, most }: { settings: Heatmaps; head: string | undefined; most: number },
): FigurePoint[] {
  if (matrix.length * countColumns(matrix) > most) return [];
  const { ylabel = 'row', xlabel = 'column', xticks, yticks } = settings;
  const plain = ({ row, column }: { row: number; column: number }) => {
    const value = formatNumber(matrix[row]?.[column] ?? Number.NaN);
    const place = `${ylabel} ${yticks?.[row] ?? row}, ${xlabel} ${xticks?.[column] ?? column}`;
    return `${head ? `${head}: ` : ''}${value} at ${place}`;
  };
  const { label = plain } = settings;
  const points = matrix.flatMap((values, row) =>
    Array.from(values, (_, column) => ({
      ...cellMiddle(matrix, box, { row, column }),
      label: label({ row, column }, matrix),
    })),
  );
  return points.filter((point) => point.label !== '');
}
