/**
 * Convolution over few channels, as in a first layer: the window of each position is gathered into
 * one row, so that the sum over it is a single long product. The images already contain their
 * padding, so every window lies inside, and each row of a window is contiguous.
 */
import { product } from './conv-filter';
import { aTable, cTable, finishRow, gemmRows, padTables, workspace } from './gemm';
import { NR } from './micro';
import { min32 } from './simd';

@unmanaged
export class PadArgs {
  x: u32; out: u32;
  height: i32; row: i32; outHeight: i32; outRow: i32; // row, outRow: floats of one row
  top: i32; left: i32; // padding: top in rows, left in floats
}

/** Pads images with zeros. One tile of the job is one image. */
export function padImages(args: PadArgs, image: i32): void {
  const rowBytes = <usize>args.row * 4, outBytes = <usize>args.outRow * 4;
  const x = <usize>args.x + <usize>image * <usize>args.height * rowBytes;
  const out = <usize>args.out + <usize>image * <usize>args.outHeight * outBytes;
  memory.fill(out, 0, <usize>args.outHeight * outBytes);
  const first = out + <usize>args.top * outBytes + <usize>args.left * 4;
  const rows = min32(args.height, args.outHeight - args.top);
  const bytes = <usize>min32(args.row, args.outRow - args.left) * 4;
  for (let y = 0; y < rows; y++)
    memory.copy(first + <usize>y * outBytes, x + <usize>y * rowBytes, bytes);
}

@unmanaged
export class GatherArgs {
  // Sizes are in floats, of the padded images.
  source: u32; image: i32; row: i32; // image, row: of one image, of one of its rows
  gridHeight: i32; gridWidth: i32; batch: i32;
  stepY: i32; stepX: i32; // from one position to the next
  kernelRows: i32; kernelStep: i32; run: i32; // kernelStep: between rows; run: length of a row
  outChannels: i32;
  rowBlock: i32; panelBlock: i32; panelBlocks: i32;
  panels: u32; out: u32; bias: u32; activation: i32; // of the forward pass
  dy: u32; partials: i32; partialStride: i32; // of the filter's gradient
}

/**
 * Gathers the windows of positions [first, first + count), `outStep` bytes apart. Divides once
 * instead of once for each position.
 */
function gatherWindows(args: GatherArgs, first: i32, count: i32, out: usize, outStep: usize): void {
  let x = first % args.gridWidth;
  const rest = first / args.gridWidth;
  let y = rest % args.gridHeight;
  let image = <usize>args.source + <usize>(rest / args.gridHeight) * <usize>args.image * 4;
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

/** Copies a window, kernel row by kernel row, and up to three floats more. */
// @ts-ignore: decorator
@inline
function gather(args: GatherArgs, from: usize, out: usize): void {
  const run = <usize>args.run * 4;
  const step = <usize>args.kernelStep * 4;
  for (let row = 0; row < args.kernelRows; row++) {
    for (let at: usize = 0; at < run; at += 16) v128.store(out + at, v128.load(from + at));
    out += run;
    from += step;
  }
}

/** One tile of the job computes rowBlock positions × panelBlock panels. */
export function convGather(args: GatherArgs, tile: i32): void {
  const panelIndex = tile % args.panelBlocks;
  const first = (tile / args.panelBlocks) * args.rowBlock;
  const rows = min32(args.rowBlock, args.batch * args.gridHeight * args.gridWidth - first);
  const n0 = panelIndex * args.panelBlock * NR;
  const columns = min32(args.panelBlock * NR, args.outChannels - n0);
  const panels = (columns + NR - 1) / NR;
  const stride = <usize>panels * 32;
  const direct = columns % NR == 0;
  const k = args.kernelRows * args.run;
  const rowBytes = <usize>((k + 3) & ~3) * 4 + 64;
  const spare = workspace();
  const temporary = spare + stride;
  const windows = temporary + <usize>args.rowBlock * stride;
  const out = <usize>args.out + (<usize>first * <usize>args.outChannels + <usize>n0) * 4;
  const outStep = <usize>args.outChannels * 4;
  gatherWindows(args, first, rows, windows, rowBytes);
  for (let row = 0; row < rows; row++) {
    store<u32>(aTable() + <usize>row * 4, <u32>(windows + <usize>row * rowBytes));
    store<u32>(
      cTable() + <usize>row * 4,
      <u32>(direct ? out + <usize>row * outStep : temporary + <usize>row * stride),
    );
  }
  const b = <usize>args.panels + <usize>panelIndex * <usize>args.panelBlock * <usize>k * 32;
  gemmRows(padTables(rows, windows, spare), k, b, panels, <usize>k * 32, false);
  if (direct && !args.bias && !args.activation) return;
  const bias = args.bias ? <usize>args.bias + <usize>n0 * 4 : 0;
  for (let row = 0; row < rows; row++) {
    const to = out + <usize>row * outStep;
    finishRow(direct ? to : temporary + <usize>row * stride, to, columns, bias, args.activation);
  }
}

/** Pixels in one product: A and B of a chunk stay in the second-level cache. */
export const CHUNK: i32 = 128;

/**
 * dW = Σ over positions of windowᵀ · dy. One tile of the job: (partial sum, block of output
 * channels); see conv-filter.ts.
 */
export function convFilterGather(args: GatherArgs, tile: i32): void {
  const panelIndex = tile % args.panelBlocks;
  const partial = tile / args.panelBlocks;
  const positions = args.batch * args.gridHeight * args.gridWidth;
  const begin = <i32>((<i64>positions * partial) / args.partials);
  const end = <i32>((<i64>positions * (partial + 1)) / args.partials);
  const n0 = panelIndex * args.panelBlock * NR;
  const columns = min32(args.panelBlock * NR, args.outChannels - n0);
  const k = args.kernelRows * args.run;
  // Not a power of two, so that the rows fall into different cache sets.
  const xStride = <usize>((k + 7) & ~3) * 4 + 80;
  const edge = workspace();
  const xs = edge + 256;
  const dys = xs + <usize>CHUNK * xStride + 64;
  const out = <usize>args.out + (<usize>partial * <usize>args.partialStride + <usize>n0) * 4;
  for (let position = begin; position < end; position += CHUNK) {
    const count = min32(CHUNK, end - position);
    gatherWindows(args, position, count, xs, xStride);
    for (let p = 0; p < count; p++) {
      packColumns(
        <usize>args.dy + (<usize>(position + p) * <usize>args.outChannels + <usize>n0) * 4,
        dys + <usize>p * 32, columns,
      );
    }
    product(
      count, xs, xStride, k, dys, <usize>CHUNK * 32, columns, out, <usize>args.outChannels * 4,
      edge, position > begin,
    );
  }
}

/** Writes a row of dy into panels of eight columns, CHUNK rows each. */
// @ts-ignore: decorator
@inline
export function packColumns(from: usize, out: usize, columns: i32): void {
  let n = 0;
  for (; n + NR <= columns; n += NR) {
    v128.store(out, v128.load(from + <usize>n * 4));
    v128.store(out, v128.load(from + <usize>n * 4, 16), 16);
    out += <usize>CHUNK * 32;
  }
  if (n == columns) return;
  for (let j = 0; j < NR; j++)
    store<f32>(out + <usize>j * 4, n + j < columns ? load<f32>(from + <usize>(n + j) * 4) : 0);
}
