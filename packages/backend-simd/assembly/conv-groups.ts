/**
 * Grouped convolution through gathered windows (conv-gather.ts): a window holds one group's
 * channels of each tap, so that neither the groups of x nor those of the result are copied. The
 * images already contain their padding.
 */
import { product } from './conv-filter';
import { CHUNK, packColumns } from './conv-gather';
import { aTable, cTable, finishRow, gemmRows, padTables, workspace } from './gemm';
import { NR } from './micro';
import { min32 } from './simd';

@unmanaged
export class GroupArgs {
  // Steps are in floats, of the padded images.
  source: u32; image: i32; // image: of one image
  gridHeight: i32; gridWidth: i32; batch: i32;
  stepY: i32; stepX: i32; // from one position to the next
  kernelRows: i32; kernelColumns: i32; kernelStepY: i32; kernelStepX: i32; // between taps
  groups: i32; groupBlock: i32; groupBlocks: i32; // groupBlock: groups of one tile
  channels: i32; columns: i32; // of one group: input and output channels
  rowBlock: i32; panels: u32; out: u32; bias: u32; activation: i32; // of the forward pass
  dy: u32; partials: i32; partialStride: i32; // of the filter's gradient
}

/** Gathers a group's windows of positions [first, first + count), `outStep` bytes apart. */
function gatherGroup(
  args: GroupArgs, group: i32, first: i32, count: i32, out: usize, outStep: usize,
): void {
  let x = first % args.gridWidth;
  const rest = first / args.gridWidth;
  let y = rest % args.gridHeight;
  let image =
    <usize>args.source +
    (<usize>(rest / args.gridHeight) * <usize>args.image + <usize>group * <usize>args.channels) * 4;
  for (let i = 0; i < count; i++) {
    gather(args, image + (<usize>y * <usize>args.stepY + <usize>x * <usize>args.stepX) * 4, out);
    out += outStep;
    if (++x < args.gridWidth) continue;
    x = 0;
    if (++y < args.gridHeight) continue;
    y = 0;
    image += <usize>args.image * 4;
  }
}

/** Copies a window, tap by tap, and up to three floats more. */
// @ts-ignore: decorator
@inline
function gather(args: GroupArgs, from: usize, out: usize): void {
  const bytes = <usize>args.channels * 4;
  for (let row = 0; row < args.kernelRows; row++) {
    let tap = from;
    for (let column = 0; column < args.kernelColumns; column++) {
      for (let at: usize = 0; at < bytes; at += 16) v128.store(out + at, v128.load(tap + at));
      out += bytes;
      tap += <usize>args.kernelStepX * 4;
    }
    from += <usize>args.kernelStepY * 4;
  }
}

/** One tile of the job computes rowBlock positions × groupBlock groups. */
export function convGroups(args: GroupArgs, tile: i32): void {
  const group0 = (tile % args.groupBlocks) * args.groupBlock;
  const first = (tile / args.groupBlocks) * args.rowBlock;
  const rows = min32(args.rowBlock, args.batch * args.gridHeight * args.gridWidth - first);
  const columns = args.columns;
  const panels = (columns + NR - 1) / NR;
  const stride = <usize>panels * 32;
  const direct = columns % NR == 0;
  const k = args.kernelRows * args.kernelColumns * args.channels;
  const rowBytes = <usize>((k + 3) & ~3) * 4 + 64;
  const spare = workspace();
  const temporary = spare + stride;
  const windows = temporary + <usize>args.rowBlock * stride;
  const outStep = <usize>args.groups * <usize>columns * 4;
  const last = min32(args.groups, group0 + args.groupBlock);
  for (let group = group0; group < last; group++) {
    const out = <usize>args.out + <usize>first * outStep + <usize>(group * columns) * 4;
    gatherGroup(args, group, first, rows, windows, rowBytes);
    for (let row = 0; row < rows; row++) {
      store<u32>(aTable() + <usize>row * 4, <u32>(windows + <usize>row * rowBytes));
      store<u32>(
        cTable() + <usize>row * 4,
        <u32>(direct ? out + <usize>row * outStep : temporary + <usize>row * stride),
      );
    }
    const b = <usize>args.panels + <usize>group * <usize>k * stride;
    gemmRows(padTables(rows, windows, spare), k, b, panels, <usize>k * 32, false);
    if (direct && !args.bias && !args.activation) continue;
    const bias = args.bias ? <usize>args.bias + <usize>(group * columns) * 4 : 0;
    for (let row = 0; row < rows; row++) {
      const to = out + <usize>row * outStep;
      finishRow(direct ? to : temporary + <usize>row * stride, to, columns, bias, args.activation);
    }
  }
}

/**
 * dW = Σ over positions of windowᵀ · dy, group by group. One tile of the job: (partial sum, block
 * of groups).
 */
export function convFilterGroups(args: GroupArgs, tile: i32): void {
  const group0 = (tile % args.groupBlocks) * args.groupBlock;
  const partial = tile / args.groupBlocks;
  const positions = args.batch * args.gridHeight * args.gridWidth;
  const begin = <i32>((<i64>positions * partial) / args.partials);
  const end = <i32>((<i64>positions * (partial + 1)) / args.partials);
  const k = args.kernelRows * args.kernelColumns * args.channels;
  // Not a power of two, so that the rows fall into different cache sets.
  const xStride = <usize>((k + 7) & ~3) * 4 + 80;
  const edge = workspace();
  const xs = edge + 256;
  const dys = xs + <usize>CHUNK * xStride + 64;
  const outStep = <usize>args.groups * <usize>args.columns * 4;
  const last = min32(args.groups, group0 + args.groupBlock);
  for (let group = group0; group < last; group++) {
    const column = <usize>(group * args.columns) * 4;
    const out = <usize>args.out + <usize>partial * <usize>args.partialStride * 4 + column;
    for (let position = begin; position < end; position += CHUNK) {
      const count = min32(CHUNK, end - position);
      gatherGroup(args, group, position, count, xs, xStride);
      for (let p = 0; p < count; p++)
        packColumns(
          <usize>args.dy + <usize>(position + p) * outStep + column, dys + <usize>p * 32,
          args.columns,
        );
      product(
        count, xs, xStride, k, dys, <usize>CHUNK * 32, args.columns, out, outStep, edge,
        position > begin,
      );
    }
  }
}
