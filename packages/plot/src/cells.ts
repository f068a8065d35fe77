/** Matrices as coloured cells: marks for figures, pixels for terminals. */
import { formatValue } from '@deepend/core';
import type { Pixels } from './blocks';
import type { Rgb } from './characters';
import { type ColorScale, contrastingInk, toHex, valueColor } from './colormap';
import { type Box, decimal, type Mark, tag } from './svg';
import { textWidth } from './text';

/** A list of rows of equal length; the first row is drawn on top. */
export type Matrix = readonly ArrayLike<number>[];

/** @throws RangeError unless `matrix` is a matrix with at least one cell */
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
    `${where}: expected a matrix (a list of rows of numbers, all of one length), got ${got}`,
  );
}

export const countColumns = (matrix: Matrix) => matrix[0]?.length ?? 0;

/**
 * Draws the cells, one path for each colour, with neighbours in a row joined. A value that is not
 * finite leaves its cell blank.
 */
export function cellMarks(matrix: Matrix, box: Box, scale: ColorScale): Mark[] {
  const columns = countColumns(matrix);
  const x = (column: number) => decimal(box.x + (box.width * column) / columns);
  const y = (row: number) => decimal(box.y + (box.height * row) / matrix.length);
  const paths = new Map<string, string>();
  matrix.forEach((row, i) => {
    const colors = Array.from(row, (value) => hex(valueColor(scale, value)));
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
  // Antialiasing would let the background show between neighbours.
  return [...paths].map(([fill, d]) => tag('path', { d, fill, 'shape-rendering': 'crispEdges' }));
}

const hex = (rgb: Rgb | undefined) => rgb && toHex(rgb);

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
    x: box.x + (box.width * (column + 0.5)) / countColumns(matrix),
    y: box.y + (box.height * (row + 0.5)) / matrix.length,
  };
}

const TEXT = 12; // font size in cells, in pixels, where it fits
const LEAST = 7; // pixels; smaller text is not legible and left out

/**
 * Writes lines of text in the middle of each cell, as large as the fullest cell allows. If that is
 * too small to read, no cell has text.
 */
export function cellTexts(
  matrix: Matrix,
  { box, scale, text }: { box: Box; scale: ColorScale; text(cell: Cell): readonly string[] },
): Mark[] {
  const cell = { width: box.width / countColumns(matrix), height: box.height / matrix.length };
  const texts = matrix.flatMap((values, row) =>
    Array.from(values, (value, column) => ({
      lines: text({ row, column }),
      value,
      ...cellMiddle(matrix, box, { row, column }),
    })),
  );
  let [widest, most] = [1e-9, 1];
  for (const { lines } of texts) {
    most = Math.max(most, lines.length);
    for (const line of lines) widest = Math.max(widest, textWidth(line, 1));
  }
  const size =
    Math.floor(Math.min(TEXT, (cell.width - 4) / widest, (cell.height - 3) / (most * 1.15)) * 2) /
    2;
  if (size < LEAST) return [];
  return texts.flatMap(({ lines, value, x, y }) => {
    const rgb = valueColor(scale, value);
    const first = y - ((lines.length - 1) * size * 1.15) / 2 + size * 0.36;
    return lines.map(
      (line, i): Mark => ({
        text: line,
        x,
        y: first + i * size * 1.15,
        size,
        anchor: 'middle',
        ...(rgb && { fill: contrastingInk(rgb) }),
      }),
    );
  });
}

export const cellPixels = (matrix: Matrix, scale: ColorScale): Pixels => ({
  width: countColumns(matrix),
  height: matrix.length,
  at: (x, y) => valueColor(scale, matrix[y]?.[x] ?? Number.NaN),
});
