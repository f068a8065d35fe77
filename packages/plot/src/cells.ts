/** A matrix as coloured cells: marks for a figure, pixels for a terminal. */
import { formatValue } from '@deepend/core';
import type { Pixels } from './blocks';
import type { Rgb } from './characters';
import { type ColorScale, colorOf, hexOf, inkOver } from './colormap';
import { type Box, decimal, type Mark, tag } from './svg';
import { textWidth } from './text';

/** Rows of equal length, the first on top. */
export type Matrix = readonly ArrayLike<number>[];

/** @throws RangeError for what is no matrix, has no cell, or rows of different lengths */
export function checkMatrix(where: string, matrix: unknown): asserts matrix is Matrix {
  const rows = matrix as Matrix;
  const columns = Array.isArray(matrix) ? (rows[0]?.length ?? 0) : 0;
  const isRow = (row: unknown) =>
    (Array.isArray(row) || ArrayBuffer.isView(row)) && typeof (row as number[])[0] === 'number';
  if (columns > 0 && rows.every((row) => isRow(row) && row.length === columns)) return;
  const got =
    columns > 0
      ? `rows of lengths ${formatValue([...new Set(rows.map((row) => row?.length ?? 0))])}`
      : formatValue(matrix);
  throw new RangeError(
    `${where}: expected a matrix, a list of rows of numbers of one length, got ${got}`,
  );
}

export const columnsOfMatrix = (matrix: Matrix) => matrix[0]?.length ?? 0;

/**
 * Cells of one colour as one path, neighbours in a row joined; a value that is not finite leaves
 * the paper bare.
 */
export function cellMarks(matrix: Matrix, box: Box, scale: ColorScale): Mark[] {
  const columns = columnsOfMatrix(matrix);
  const x = (column: number) => decimal(box.x + (box.width * column) / columns);
  const y = (row: number) => decimal(box.y + (box.height * row) / matrix.length);
  const paths = new Map<string, string>();
  matrix.forEach((row, i) => {
    const colors = Array.from(row, (value) => hex(colorOf(scale, value)));
    let from = 0;
    for (let to = 1; to <= columns; to++) {
      const color = colors[from];
      if (to < columns && colors[to] === color) continue;
      if (color)
        paths.set(
          color,
          `${paths.get(color) ?? ''}M${x(from)} ${y(i)}H${x(to)}V${y(i + 1)}H${x(from)}Z`,
        );
      from = to;
    }
  });
  // Without antialiasing, or the paper would shine through between neighbours.
  return [...paths].map(([fill, d]) => tag('path', { d, fill, 'shape-rendering': 'crispEdges' }));
}

const hex = (rgb: Rgb | undefined) => rgb && hexOf(rgb);

interface Cell {
  row: number;
  column: number;
}

/** The middle of a cell, in pixels. */
export function cellMiddle(
  matrix: Matrix,
  box: Box,
  { row, column }: Cell,
): { x: number; y: number } {
  return {
    x: box.x + (box.width * (column + 0.5)) / columnsOfMatrix(matrix),
    y: box.y + (box.height * (row + 0.5)) / matrix.length,
  };
}

const TEXT = 12; // pixels an em of texts in cells, where they fit
const LEAST = 7; // below which they are not read, and left out

/**
 * Lines of text in the middle of each cell, as large as fits the fullest cell; none where that is
 * too small to read.
 */
export function cellTexts(
  matrix: Matrix,
  { box, scale, text }: { box: Box; scale: ColorScale; text(cell: Cell): readonly string[] },
): Mark[] {
  const cell = { width: box.width / columnsOfMatrix(matrix), height: box.height / matrix.length };
  const texts = matrix.flatMap((values, row) =>
    Array.from(values, (value, column) => ({
      lines: text({ row, column }),
      value,
      ...cellMiddle(matrix, box, { row, column }),
    })),
  );
  const widest = Math.max(
    1e-9,
    ...texts.flatMap(({ lines }) => lines.map((line) => textWidth(line, 1))),
  );
  const most = Math.max(1, ...texts.map(({ lines }) => lines.length));
  const size =
    Math.floor(Math.min(TEXT, (cell.width - 4) / widest, (cell.height - 3) / (most * 1.15)) * 2) /
    2;
  if (size < LEAST) return [];
  return texts.flatMap(({ lines, value, x, y }) => {
    const rgb = colorOf(scale, value);
    const first = y - ((lines.length - 1) * size * 1.15) / 2 + size * 0.36;
    return lines.map(
      (line, i): Mark => ({
        text: line,
        x,
        y: first + i * size * 1.15,
        size,
        anchor: 'middle',
        ...(rgb && { fill: inkOver(rgb) }),
      }),
    );
  });
}

export const cellPixels = (matrix: Matrix, scale: ColorScale): Pixels => ({
  width: columnsOfMatrix(matrix),
  height: matrix.length,
  at: (x, y) => colorOf(scale, matrix[y]?.[x] ?? Number.NaN),
});
