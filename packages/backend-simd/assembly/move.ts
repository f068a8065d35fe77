/**
 * Copies with strides, for transpose, pad, slice, concat, tile and reverse. Numbers are 32 bits of
 * any type.
 */
import { transpose4 } from './gemm';
import { min32 } from './simd';

/** Up to six dimensions, innermost first. Strides are in words and may be 0 or negative. */
@unmanaged
export class CopyArgs {
  x: u32; out: u32;
  rows: i32; block: i32; // all dimensions but the innermost
  columnBlock: i32; columnBlocks: i32; // of the innermost dimension
  size0: i32; size1: i32; size2: i32; size3: i32; size4: i32;
  x0: i32; x1: i32; x2: i32; x3: i32; x4: i32; x5: i32;
  o0: i32; o1: i32; o2: i32; o3: i32; o4: i32; o5: i32;
}

/** `memory.copy` is a call out of the module, so it pays only from this many words on. */
const LONG: i32 = 512;

// @ts-ignore: decorator
@inline
function copyRow(to: usize, oStep: i32, from: usize, xStep: i32, length: i32): void {
  if (xStep == 1 && oStep == 1) {
    if (length >= LONG) return memory.copy(to, from, <usize>length * 4);
    let i = 0;
    for (; i + 4 <= length; i += 4) v128.store(to + <usize>i * 4, v128.load(from + <usize>i * 4));
    for (; i < length; i++) store<u32>(to + <usize>i * 4, load<u32>(from + <usize>i * 4));
    return;
  }
  for (let i = 0; i < length; i++, from += <usize>xStep * 4, to += <usize>oStep * 4)
    store<u32>(to, load<u32>(from));
}

/** out[Σ i·o] = x[Σ i·x] for every index. One tile of the job is a block of rows and columns. */
export function copyStrided(args: CopyArgs, tile: i32): void {
  const first = (tile % args.columnBlocks) * args.columnBlock;
  const length = min32(args.columnBlock, args.size0 - first);
  let r = (tile / args.columnBlocks) * args.block;
  const end = min32(args.rows, r + args.block);
  const x0 = args.x0, o0 = args.o0, size1 = args.size1;
  while (r < end) {
    // Within the innermost dimension of the rows, the next row is one stride away. Only at its end
    // is the start computed again.
    const runEnd = min32(end, r + size1 - r % size1);
    let rest = r;
    const i1 = rest % size1; rest /= size1;
    const i2 = rest % args.size2; rest /= args.size2;
    const i3 = rest % args.size3; rest /= args.size3;
    const i4 = rest % args.size4; rest /= args.size4;
    let from =
      <usize>args.x +
      <usize>(
        (first * x0 + i1 * args.x1 + i2 * args.x2 + i3 * args.x3 + i4 * args.x4 + rest * args.x5)
      ) *
        4;
    let to =
      <usize>args.out +
      <usize>(
        (first * o0 + i1 * args.o1 + i2 * args.o2 + i3 * args.o3 + i4 * args.o4 + rest * args.o5)
      ) *
        4;
    for (; r < runEnd; r++) {
      copyRow(to, o0, from, x0, length);
      from += <usize>args.x1 * 4;
      to += <usize>args.o1 * 4;
    }
  }
}

/** Matrices over up to four outer dimensions, innermost first. Strides are in words. */
@unmanaged
export class TransposeArgs {
  x: u32; out: u32;
  matrices: i32; matrixBlock: i32;
  rowBlock: i32; rowBlocks: i32; columnBlock: i32; columnBlocks: i32;
  // out[column · oColumn + row] = x[row · xRow + column]
  rows: i32; columns: i32; xRow: i32; oColumn: i32;
  size1: i32; size2: i32; size3: i32;
  x1: i32; x2: i32; x3: i32; x4: i32;
  o1: i32; o2: i32; o3: i32; o4: i32;
}

/**
 * Transposes matrices. One tile of the job is a block of one matrix, or several matrices if they
 * are small.
 */
export function transposeMatrix(args: TransposeArgs, tile: i32): void {
  const firstColumn = (tile % args.columnBlocks) * args.columnBlock; tile /= args.columnBlocks;
  const firstRow = (tile % args.rowBlocks) * args.rowBlock; tile /= args.rowBlocks;
  const endRow = min32(args.rows, firstRow + args.rowBlock);
  const endColumn = min32(args.columns, firstColumn + args.columnBlock);
  const xStep = <usize>args.xRow * 4, oStep = <usize>args.oColumn * 4;
  const endMatrix = min32(args.matrices, (tile + 1) * args.matrixBlock);
  for (let m = tile * args.matrixBlock; m < endMatrix; m++) {
    let rest = m;
    const i1 = rest % args.size1; rest /= args.size1;
    const i2 = rest % args.size2; rest /= args.size2;
    const i3 = rest % args.size3; rest /= args.size3;
    const x =
      <usize>args.x + <usize>(i1 * args.x1 + i2 * args.x2 + i3 * args.x3 + rest * args.x4) * 4;
    const out =
      <usize>args.out + <usize>(i1 * args.o1 + i2 * args.o2 + i3 * args.o3 + rest * args.o4) * 4;
    // Sixteen rows at a time fill whole cache lines of the result.
    for (let r = firstRow; r < endRow; r += 16)
      transposeBlock(x, xStep, out, oStep, r, min32(endRow, r + 16), firstColumn, endColumn);
  }
}

// @ts-ignore: decorator
@inline
function transposeBlock(
  x: usize, xStep: usize, out: usize, oStep: usize, firstRow: i32, endRow: i32, firstColumn: i32,
  endColumn: i32,
): void {
  let c = firstColumn;
  for (; c + 4 <= endColumn; c += 4) {
    let r = firstRow;
    for (; r + 4 <= endRow; r += 4)
      transpose4(
        x + <usize>r * xStep + <usize>c * 4, xStep, out + <usize>c * oStep + <usize>r * 4, oStep,
      );
    for (; r < endRow; r++)
      copyColumn(
        x + <usize>r * xStep + <usize>c * 4, 4, out + <usize>c * oStep + <usize>r * 4, oStep, 4,
      );
  }
  for (; c < endColumn; c++) {
    const from = x + <usize>firstRow * xStep + <usize>c * 4;
    copyColumn(from, xStep, out + <usize>c * oStep + <usize>firstRow * 4, 4, endRow - firstRow);
  }
}

// @ts-ignore: decorator
@inline
function copyColumn(from: usize, xStep: usize, to: usize, oStep: usize, count: i32): void {
  for (let i = 0; i < count; i++, from += xStep, to += oStep) store<u32>(to, load<u32>(from));
}
