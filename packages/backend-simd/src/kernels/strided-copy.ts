/** Copies between strided places of memory: what moving kernels come down to. */
import { Task } from '../../assembly/task';
import type { SimdBackend } from '../backend';
import { BLOCK, collapse, type Dimension, MAX_DIMENSIONS, padded, rowsAndColumns } from './strides';

/** Matrices smaller than this are copied number by number. */
const MIN_MATRIX = 4;

interface Copy {
  /** Byte addresses of the first element. */
  readonly from: number;
  readonly to: number;
  /** Steps in the source, then in the target. */
  readonly walk: readonly Dimension[];
}

/** Whether a walk fits in the dimensions that the assembly has. */
export const fits = (walk: readonly Dimension[]): boolean =>
  collapse(walk).length <= MAX_DIMENSIONS;

/** to[Σ i·steps[1]] = from[Σ i·steps[0]] for every index i of the walk. */
export function copy(backend: SimdBackend, { from, to, walk }: Copy): void {
  if (walk.some(({ size }) => size === 0)) return;
  const dimensions = collapse(walk);
  const across = dimensions.findIndex(({ size, steps }) => steps[0] === 1 && size >= MIN_MATRIX);
  const last = dimensions.at(-1);
  const turns =
    last &&
    across >= 0 &&
    across < dimensions.length - 1 &&
    last.steps[1] === 1 &&
    last.size >= MIN_MATRIX;
  if (turns && last.steps[0] !== 1) turn(backend, { from, to, walk: dimensions }, across);
  else copyRows(backend, { from, to, walk: dimensions });
}

/** @param copy.walk collapsed */
function copyRows(backend: SimdBackend, { from, to, walk }: Copy): void {
  const { columns, outer, rows, rowBlock, columnBlock, columnBlocks, tiles } = rowsAndColumns(walk);
  const sizes = outer.map(({ size }) => size);
  const words = [
    from,
    to,
    rows,
    rowBlock,
    columnBlock,
    columnBlocks,
    columns.size,
    ...padded(sizes, 4, 1),
  ];
  for (const operand of [0, 1]) {
    const steps = outer.map((dimension) => dimension.steps[operand] as number);
    words.push(columns.steps[operand] ?? 1, ...padded(steps, 5, 0));
  }
  backend.launch(Task.CopyStrided, words, tiles);
}

/**
 * Turns matrices whose columns are the dimension `across`, neighbours in the source, and whose rows
 * are the last, neighbours in the target.
 */
function turn(backend: SimdBackend, { from, to, walk }: Copy, across: number): void {
  const columns = walk[across] as Dimension;
  const rows = walk.at(-1) as Dimension;
  const outer = walk.filter((dimension) => dimension !== columns && dimension !== rows).reverse();
  const sizes = outer.map(({ size }) => size);
  const matrices = sizes.reduce((product, size) => product * size, 1);
  const rowBlock = Math.min(rows.size, 64);
  const columnBlock = Math.min(columns.size, BLOCK / 64);
  const [rowBlocks, columnBlocks] = [
    Math.ceil(rows.size / rowBlock),
    Math.ceil(columns.size / columnBlock),
  ];
  const matrixBlock =
    rowBlocks * columnBlocks > 1 ? 1 : Math.max(1, Math.floor(BLOCK / (rows.size * columns.size)));
  const words = [from, to, matrices, matrixBlock, rowBlock, rowBlocks, columnBlock, columnBlocks];
  words.push(
    rows.size,
    columns.size,
    rows.steps[0] as number,
    columns.steps[1] as number,
    ...padded(sizes, 3, 1),
  );
  for (const operand of [0, 1]) {
    const steps = outer.map((dimension) => dimension.steps[operand] as number);
    words.push(...padded(steps, 4, 0));
  }
  backend.launch(
    Task.TransposeMatrix,
    words,
    Math.ceil(matrices / matrixBlock) * rowBlocks * columnBlocks,
  );
}
