/**
 * Walks over tensors of up to six dimensions, as the assembly takes them: few dimensions, the last
 * first.
 */

/** A dimension of a walk, and how far one step of it goes in each tensor, in elements. */
export interface Dimension {
  readonly size: number;
  readonly steps: readonly number[];
}

/** What assembly/elementwise.ts and move.ts have room for. */
export const MAX_DIMENSIONS = 6;

/** Numbers in one tile of work that memory bounds. */
export const BLOCK = 16_384;

/** Row-major strides of a shape. */
export function stridesOf(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis] as number;
  }
  return strides;
}

/**
 * The same walk in as few dimensions as will do: without those of one step, and with neighbours
 * joined where no tensor jumps between them.
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

/** `count` numbers of a list that begins with these, filled up with `rest`. */
export function padded(list: readonly number[], count: number, rest: number): number[] {
  const result = list.slice(0, count);
  while (result.length < count) result.push(rest);
  return result;
}

/**
 * A walk's last dimension as columns, the others as rows, and both cut into tiles by the shape
 * alone.
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
