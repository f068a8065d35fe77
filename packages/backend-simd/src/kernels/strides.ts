/**
 * Walks: loops over all elements of several tensors at once, each with its own strides. Kernels
 * take them with as few dimensions as possible, at most six, innermost first.
 */

/** A dimension of a walk, and its stride in each tensor, in elements. */
export interface Dimension {
  readonly size: number;
  readonly steps: readonly number[];
}

/** Dimensions in the arguments of assembly/elementwise.ts and move.ts. */
export const MAX_DIMENSIONS = 6;

/** Numbers in one tile of a kernel whose speed is that of the memory. */
export const BLOCK = 16_384;

/** Row-major strides of a shape. */
export function rowMajorStrides(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis] as number;
  }
  return strides;
}

/**
 * The same walk with as few dimensions as possible: drops dimensions of size 1, and merges adjacent
 * dimensions if they are contiguous in every tensor.
 */
export function collapse(dimensions: readonly Dimension[]): Dimension[] {
  const result: Dimension[] = [];
  for (const inner of dimensions) {
    if (inner.size === 1) continue;
    const outer = result.at(-1);
    const joins = outer?.steps.every((step, i) => step === (inner.steps[i] as number) * inner.size);
    if (outer && joins)
      result[result.length - 1] = { size: outer.size * inner.size, steps: inner.steps };
    else result.push(inner);
  }
  return result;
}

/**
 * Splits a walk into columns, its last dimension, and rows, the others, and cuts both into tiles.
 * The tiles depend only on the shape.
 */
export function rowsAndColumns(dimensions: readonly Dimension[]) {
  const columns = dimensions.at(-1) ?? { size: 1, steps: [] };
  const outer = dimensions.slice(0, -1).reverse();
  const rows = outer.reduce((product, { size }) => product * size, 1);
  const columnBlock = Math.min(columns.size, BLOCK);
  const rowBlock = Math.max(1, Math.floor(BLOCK / columnBlock));
  const columnBlocks = Math.ceil(columns.size / columnBlock);
  return {
    columns,
    outer,
    rows,
    rowBlock,
    columnBlock,
    columnBlocks,
    tiles: Math.ceil(rows / rowBlock) * columnBlocks,
  };
}
