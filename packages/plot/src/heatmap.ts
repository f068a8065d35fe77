/** Matrices as colours: the book's `show_heatmaps`. */
import { checkOptions, formatValue, rule } from '@deepend/core';
import { blockGrid } from './blocks';
import {
  cellMarks,
  cellMiddle,
  cellPixels,
  cellTexts,
  checkMatrix,
  columnsOfMatrix,
  type Matrix,
} from './cells';
import { colorBar } from './color-bar';
import { COLORMAPS, type ColormapName, type ColorScale, finiteExtent } from './colormap';
import { Figure, type FigurePoint } from './figure';
import { footHeight, nameMarks, PAD, roomFor, SIZE, short, titleHeight } from './frame';
import { type Limits, limits, side } from './series';
import { columnNames, columnNamesHeight, rowNames, sideNames, turned } from './side-names';
import { type Box, type Mark, tag } from './svg';
import { fitText } from './text';
import { EDGE } from './theme';

export interface HeatmapOptions {
  /** Over the figure. */
  title?: string;
  xlabel?: string;
  ylabel?: string;
  /** Names of the columns and of the rows of each matrix. @default their numbers, from 0 */
  xticks?: readonly string[];
  yticks?: readonly string[];
  /**
   * `viridis` from low to high, `coolwarm` for values about a middle, `greys`. @default 'viridis'
   */
  cmap?: ColormapName;
  /** The values at the ends of the colours. @default the least and the largest that are finite */
  vlim?: Limits;
  /** Whether cells tell their values, where they are large enough. @default false */
  values?: boolean;
  /** Pixels. @default 560 */
  width?: number;
}

export interface ShowHeatmapsOptions extends HeatmapOptions {
  /** Over the matrices: a title for each column of them, or one for each matrix, row by row. */
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
 * A matrix as coloured cells, the first row on top, with a colour bar. A value that is not finite
 * leaves its cell blank.
 * @throws RangeError for no matrix, for another number of names than of rows or columns
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
 * Rows of matrices on one scale of colours, with a colour bar. The book's `show_heatmaps`.
 * @param matrices rows of matrices, `[rows][columns][height][width]`, all of one height and width
 * @throws RangeError for rows of different numbers of matrices, matrices of different sizes,
 *   another number of names or titles
 * @example
 * showHeatmaps(attention, { xlabel: 'keys', ylabel: 'queries', titles: ['head 1', 'head 2'] });
 */
export function showHeatmaps(
  matrices: readonly (readonly Matrix[])[],
  options: ShowHeatmapsOptions = {},
): Figure {
  const where = '[plot] showHeatmaps';
  const settings = checkOptions(where, heatmapsOptions, options) as ShowHeatmapsOptions;
  checkGrid(where, matrices);
  const [rows, cols] = [matrices.length, matrices[0]?.length ?? 0];
  const { titles } = settings;
  if (titles && titles.length !== cols && titles.length !== rows * cols) {
    throw new RangeError(
      `${where}: expected ${cols} "titles", one a column, or ${rows * cols}, one a matrix, got ${titles.length}`,
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
      `${where}: expected rows of matrices, as many in each, got ${formatValue(matrices)}`,
    );
  }
  const size = (matrix: Matrix) => `${matrix.length} × ${columnsOfMatrix(matrix)}`;
  const all = grid.flat();
  for (const matrix of all) checkMatrix(where, matrix);
  const other = all.find((matrix) => size(matrix) !== size(all[0] as Matrix));
  if (other)
    throw new RangeError(
      `${where}: expected matrices of one size, got ${size(all[0] as Matrix)} and ${size(other)}`,
    );
}

/** What `drawHeatmaps` needs beyond a caller's options. */
export interface Heatmaps extends HeatmapOptions {
  where: string;
  /** A title for each matrix, row by row; empty for none. */
  cells: readonly string[];
  description?: string;
  /** Lines in a cell. @default none, or its value where `values` asks for it */
  text?: (cell: { row: number; column: number }, matrix: Matrix) => readonly string[];
  /** What the pointer shows of a cell; nothing where it is empty. @default its value and indices */
  label?: (cell: { row: number; column: number }, matrix: Matrix) => string;
}

/** A number as a cell has room for it: three digits, small ones as powers of ten. */
function brief(value: number): string {
  if (!Number.isFinite(value)) return '';
  return value !== 0 && Math.abs(value) < 1e-3
    ? value.toExponential(1)
    : String(Number(value.toPrecision(3)));
}

const BETWEEN = 16; // pixels from matrix to matrix
const HOVER = 20_000; // cells beyond which a page would be too heavy with their values

/** Draws matrices that are known to be of one size. */
export function drawHeatmaps(matrices: readonly (readonly Matrix[])[], settings: Heatmaps): Figure {
  const { where, title, xlabel, ylabel, cmap = 'viridis', width = 560 } = settings;
  const all = matrices.flat();
  const scale = scaleOf(all, { cmap, vlim: settings.vlim });
  const layout = layOut(matrices, settings, colorBar(scale, 200).width);
  checkNames(where, all[0] as Matrix, settings);
  const { height, boxes, whole } = layout;
  const text =
    settings.text ??
    (settings.values
      ? ({ row, column }, matrix) => [brief(matrix[row]?.[column] ?? Number.NaN)]
      : undefined);
  const marks = all.flatMap((matrix, i): Mark[] => {
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
  const size = `${all[0]?.length} × ${columnsOfMatrix(all[0] as Matrix)}`;
  return new Figure(marks, {
    width,
    height,
    description:
      settings.description ??
      title ??
      `Heatmap of ${count} of ${size} values from ${short(scale.low)} to ${short(scale.high)}`,
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

function scaleOf(
  matrices: readonly Matrix[],
  { cmap, vlim }: { cmap: ColormapName; vlim: Limits | undefined },
): ColorScale {
  const [low, high] =
    vlim ?? finiteExtent(matrices.flatMap((matrix) => matrix.flatMap((row) => Array.from(row))));
  return low < high ? { name: cmap, low, high } : { name: cmap, low: low - 0.5, high: high + 0.5 };
}

function checkNames(where: string, matrix: Matrix, { xticks, yticks }: HeatmapOptions): void {
  const sides = [
    ['xticks', xticks, columnsOfMatrix(matrix), 'column'],
    ['yticks', yticks, matrix.length, 'row'],
  ] as const;
  for (const [name, given, count, what] of sides) {
    if (given && given.length !== count)
      throw new RangeError(
        `${where}: expected ${count} "${name}", one a ${what}, got ${given.length}`,
      );
  }
}

interface Layout {
  height: number;
  /** Where each matrix lies, row by row. */
  boxes: readonly Box[];
  /** What holds all of them. */
  whole: Box;
  /** Names of rows left of the first matrices, of columns below the last. */
  names(): Mark[];
}

/** Cells are square unless the matrix is so long or so tall that one could not read it. */
function layOut(
  matrices: readonly (readonly Matrix[])[],
  settings: Heatmaps,
  barWidth: number,
): Layout {
  const { title, xlabel, ylabel, xticks, yticks, width = 560, cells } = settings;
  const [rows, cols] = [matrices.length, matrices[0]?.length ?? 1];
  const first = matrices[0]?.[0] as Matrix;
  const [high, wide] = [first.length, columnsOfMatrix(first)];
  const head = (row: number) =>
    cells.slice(row * cols, (row + 1) * cols).some(Boolean) ? SIZE + 8 : 0;
  const spaceFor = (left: number) => {
    const w = (width - left - barWidth - PAD - (cols - 1) * BETWEEN) / cols;
    return { w, h: w * Math.min(Math.max(high / wide, 0.25), 1.5) };
  };
  const rough = spaceFor(PAD + 40);
  const side = sideNames(high, yticks, { length: rough.h, pitch: 15 });
  const below = sideNames(wide, xticks, { length: rough.w, pitch: xticks ? 17 : 30 });
  const isTurned = turned(below, rough.w / wide, wide);
  const leaning = isTurned ? below.widest * Math.SQRT1_2 : 0; // a turned name reaches left of its column
  const left = PAD + Math.max((ylabel ? SIZE + 8 : 0) + roomFor(side.widest) + 6, roomFor(leaning));
  const { w, h } = spaceFor(left);
  const top = PAD + titleHeight(title);
  let y = top;
  const boxes = matrices.flatMap((row, i) => {
    y += head(i);
    const line = row.map((_, j): Box => ({ x: left + j * (w + BETWEEN), y, width: w, height: h }));
    y += h + (i < rows - 1 ? BETWEEN : 0);
    return line;
  });
  const foot = columnNamesHeight(below, isTurned) - SIZE - 8;
  return {
    height: Math.ceil(y + Math.max(0, foot) + footHeight(xlabel)),
    boxes,
    whole: {
      x: left,
      y: top + head(0),
      width: width - left - barWidth - PAD,
      height: y - top - head(0),
    },
    names: () =>
      boxes.flatMap((box, i) => [
        ...(i % cols === 0 ? rowNames(side, box, high) : []),
        ...(i >= (rows - 1) * cols ? columnNames(below, { box, count: wide, isTurned }) : []),
      ]),
  };
}

/** Values under the pointer: `0.25 at row 3, column 7`. */
function hoverPoints(
  matrix: Matrix,
  box: Box,
  { settings, head, most }: { settings: Heatmaps; head: string | undefined; most: number },
): FigurePoint[] {
  if (matrix.length * columnsOfMatrix(matrix) > most) return [];
  const { ylabel = 'row', xlabel = 'column', xticks, yticks } = settings;
  const plain = ({ row, column }: { row: number; column: number }) =>
    `${head ? `${head}: ` : ''}${short(matrix[row]?.[column] ?? Number.NaN)} at ${ylabel} ${yticks?.[row] ?? row}, ${xlabel} ${xticks?.[column] ?? column}`;
  const { label = plain } = settings;
  const points = matrix.flatMap((values, row) =>
    Array.from(values, (_, column) => ({
      ...cellMiddle(matrix, box, { row, column }),
      label: label({ row, column }, matrix),
    })),
  );
  return points.filter((point) => point.label !== '');
}
