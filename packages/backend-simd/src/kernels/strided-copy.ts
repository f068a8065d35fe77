/** Copies between strided regions of memory, on which the kernels in move.ts are built. */
import { Task } from '../../assembly/ops';
import type { SimdBackend } from '../backend';
import { BLOCK, collapse, type Dimension, MAX_DIMENSIONS, rowsAndColumns } from './strides';

/** Matrices with a side shorter than this are copied number by number. */
const MIN_MATRIX = 4;

interface Copy {
  /** Addresses of the first elements. */
  readonly from: number;
  readonly to: number;
  /** With the strides in the source, then in the target. */
  readonly walk: readonly Dimension[];
}

/** Whether a walk has few enough dimensions for the kernels. */
export const fits = (walk: readonly Dimension[]): boolean =>
  collapse(walk).length <= MAX_DIMENSIONS;

/** to[Σ i·steps[1]] = from[Σ i·steps[0]] for every index i of the walk. */
export function copy(backend: SimdBackend, { from, to, walk }: Copy): void {
  if (walk.some(({ size }) => size === 0)) return;
  const dimensions = collapse(walk);
  const across = dimensions.findIndex(({ size, steps }) => steps[0] === 1 && size >= MIN_MATRIX);
  const last = dimensions.at(-1);
  const isTransposed =
    last &&
    across >= 0 &&
    across < dimensions.length - 1 &&
    last.steps[1] === 1 &&
    last.size >= MIN_MATRIX;
  if (isTransposed && last.steps[0] !== 1)
    transpose(backend, { from, to, walk: dimensions }, across);
  else copyRows(backend, { from, to, walk: dimensions });
}

/** @param copy.walk collapsed */
function copyRows(backend: SimdBackend, { from, to, walk }: Copy): void {
  const { columns, outer, rows, rowBlock, columnBlock, columnBlocks, tiles } = rowsAndColumns(walk);
  backend.launch(
    Task.CopyStrided,
    {
      x: from,
      out: to,
      rows,
      block: rowBlock,
      columnBlock,
      columnBlocks,
      size0: columns.size,
      size1: outer[0]?.size ?? 1,
      size2: outer[1]?.size ?? 1,
      size3: outer[2]?.size ?? 1,
      size4: outer[3]?.size ?? 1,
      x0: columns.steps[0] ?? 1,
      x1: outer[0]?.steps[0] ?? 0,
      x2: outer[1]?.steps[0] ?? 0,
      x3: outer[2]?.steps[0] ?? 0,
      x4: outer[3]?.steps[0] ?? 0,
      x5: outer[4]?.steps[0] ?? 0,
      o0: columns.steps[1] ?? 1,
      o1: outer[0]?.steps[1] ?? 0,
      o2: outer[1]?.steps[1] ?? 0,
      o3: outer[2]?.steps[1] ?? 0,
      o4: outer[3]?.steps[1] ?? 0,
      o5: outer[4]?.steps[1] ?? 0,
    },
    tiles,
  );
}

/**
 * Transposes matrices. Dimension `across` of the walk, contiguous in the source, holds the columns;
 * the last dimension, contiguous in the target, holds the rows.
 */
function transpose(backend: SimdBackend, { from, to, walk }: Copy, across: number): void {
  const columns = walk[across] as Dimension;
  const rows = walk.at(-1) as Dimension;
  const outer = walk.filter((dimension) => dimension !== columns && dimension !== rows).reverse();
  const matrices = outer.reduce((product, { size }) => product * size, 1);
  const rowBlock = Math.min(rows.size, 64);
  const columnBlock = Math.min(columns.size, BLOCK / 64);
  const rowBlocks = Math.ceil(rows.size / rowBlock);
  const columnBlocks = Math.ceil(columns.size / columnBlock);
  const matrixBlock =
    rowBlocks * columnBlocks > 1 ? 1 : Math.max(1, Math.floor(BLOCK / (rows.size * columns.size)));
  backend.launch(
    Task.TransposeMatrix,
    {
      x: from,
      out: to,
      matrices,
      matrixBlock,
      rowBlock,
      rowBlocks,
      columnBlock,
      columnBlocks,
      rows: rows.size,
      columns: columns.size,
      xRow: rows.steps[0] as number,
      oColumn: columns.steps[1] as number,
      size1: outer[0]?.size ?? 1,
      size2: outer[1]?.size ?? 1,
      size3: outer[2]?.size ?? 1,
      x1: outer[0]?.steps[0] ?? 0,
      x2: outer[1]?.steps[0] ?? 0,
      x3: outer[2]?.steps[0] ?? 0,
      x4: outer[3]?.steps[0] ?? 0,
      o1: outer[0]?.steps[1] ?? 0,
      o2: outer[1]?.steps[1] ?? 0,
      o3: outer[2]?.steps[1] ?? 0,
      o4: outer[3]?.steps[1] ?? 0,
    },
    Math.ceil(matrices / matrixBlock) * rowBlocks * columnBlocks,
  );
}
