/**
 * Direct convolution without im2col: for each tap of the kernel, the rows of A are the source
 * pixels themselves, found through pointers.
 * A tap that meets only padding adds no row, so a 3×3 kernel on a 1×1 image costs one tap of nine.
 * The same code computes the input gradient: TypeScript launches it once for each of the stride²
 * sub-pixel classes, with the taps that those pixels meet.
 */
import { aTable, cTable, workspace, padTables, gemmRows, finishRow } from './gemm';
import { NR } from './micro';
import { min32 } from './simd';

const KC: i32 = 512;

@unmanaged
export class ConvArgs {
  source: u32; panels: u32; out: u32; bias: u32;
  taps: u32; // [tapCount][3] of (dy, dx, index of the tap's panels)
  tapCount: i32;
  height: i32; width: i32; channels: i32; // of the source
  gridHeight: i32; gridWidth: i32; batch: i32; // positions to compute
  strideY: i32; strideX: i32; // source pixels from one position to the next
  outImage: i32; outRow: i32; outColumn: i32; outOffset: i32; // floats
  outChannels: i32;
  rowBlock: i32; panelBlock: i32; panelBlocks: i32;
  activation: i32;
}

/** Bytes of a row's entry: (image pointer, y, x, output pointer). */
const POSITION: usize = 16;

/** Fills the positions of a block. @returns its number of rows */
function fillPositions(
  args: ConvArgs, rowIndex: i32, positions: usize, cStart: usize, cStride: usize,
): i32 {
  const gridSize = args.gridHeight * args.gridWidth;
  const row0 = rowIndex * args.rowBlock;
  const rows = min32(args.rowBlock, args.batch * gridSize - row0);
  let image = row0 / gridSize;
  let y = (row0 % gridSize) / args.gridWidth;
  let x = row0 % args.gridWidth;
  const imageBytes = <usize>args.height * <usize>args.width * <usize>args.channels * 4;
  for (let row = 0; row < rows; row++) {
    const at = positions + <usize>row * POSITION;
    store<u32>(at, <u32>(<usize>args.source + <usize>image * imageBytes));
    store<i32>(at, y * args.strideY, 4);
    store<i32>(at, x * args.strideX, 8);
    store<u32>(
      at, <u32>(cStride ? cStart + <usize>row * cStride : cStart + outputOffset(args, image, y, x)),
      12,
    );
    if (++x == args.gridWidth) {
      x = 0;
      if (++y == args.gridHeight) {
        y = 0;
        image++;
      }
    }
  }
  return rows;
}

// @ts-ignore: decorator
@inline
function outputOffset(args: ConvArgs, image: i32, y: i32, x: i32): usize {
  return (
    (<usize>image * <usize>args.outImage +
      <usize>y * <usize>args.outRow +
      <usize>x * <usize>args.outColumn +
      <usize>args.outOffset) *
    4
  );
}

/** Lists the rows whose source pixel lies inside the image for this tap. @returns their number */
function fillTap(args: ConvArgs, tap: usize, rows: i32, positions: usize, channel0: i32): i32 {
  const dy = load<i32>(tap);
  const dx = load<i32>(tap, 4);
  const a = aTable();
  const c = cTable();
  let count = 0;
  for (let row = 0; row < rows; row++) {
    const at = positions + <usize>row * POSITION;
    const y = load<i32>(at, 4) + dy;
    const x = load<i32>(at, 8) + dx;
    if (<u32>y >= <u32>args.height || <u32>x >= <u32>args.width) continue;
    const pixel =
      <usize>load<u32>(at) +
      (<usize>(y * args.width + x) * <usize>args.channels + <usize>channel0) * 4;
    store<u32>(a + <usize>count * 4, <u32>pixel);
    store<u32>(c + <usize>count * 4, load<u32>(at, 12));
    count++;
  }
  return count;
}

function clearRow(row: usize, bytes: usize): void {
  memory.fill(row, 0, bytes);
}

/** One tile computes rowBlock positions × panelBlock panels. */
export function convDirect(args: ConvArgs, tile: i32): void {
  const panelIndex = tile % args.panelBlocks;
  const n0 = panelIndex * args.panelBlock * NR;
  const columns = min32(args.panelBlock * NR, args.outChannels - n0);
  const panels = (columns + NR - 1) / NR;
  const stride = <usize>panels * 32;
  const direct = columns % NR == 0;
  const positions = workspace();
  const spare = positions + <usize>args.rowBlock * POSITION;
  const temporary = spare + stride;
  const out = <usize>args.out + <usize>n0 * 4;
  const rows = fillPositions(
    args, tile / args.panelBlocks, positions, direct ? out : temporary, direct ? 0 : stride,
  );
  for (let row = 0; row < rows; row++)
    clearRow(<usize>load<u32>(positions + <usize>row * POSITION, 12), stride);

  const panelStride = <usize>args.channels * 32;
  const tapStride = <usize>((args.outChannels + NR - 1) / NR) * panelStride;
  for (let t = 0; t < args.tapCount; t++) {
    const tap = <usize>args.taps + <usize>t * 12;
    const b =
      <usize>args.panels +
      <usize>load<i32>(tap, 8) * tapStride +
      <usize>panelIndex * <usize>args.panelBlock * panelStride;
    for (let k0 = 0; k0 < args.channels; k0 += KC) {
      let count = fillTap(args, tap, rows, positions, k0);
      if (!count) break;
      count = padTables(count, <usize>load<u32>(aTable()), spare);
      gemmRows(count, min32(KC, args.channels - k0), b + <usize>k0 * 32, panels, panelStride, true);
    }
  }
  finish(args, tile / args.panelBlocks, rows, positions, out, columns, n0, direct);
}

function finish(
  args: ConvArgs, rowIndex: i32, rows: i32, positions: usize, out: usize, columns: i32, n0: i32,
  direct: bool,
): void {
  if (direct && !args.bias && !args.activation) return;
  const bias = args.bias ? <usize>args.bias + <usize>n0 * 4 : 0;
  const gridSize = args.gridHeight * args.gridWidth;
  for (let row = 0; row < rows; row++) {
    const source = <usize>load<u32>(positions + <usize>row * POSITION, 12);
    const index = rowIndex * args.rowBlock + row;
    const within = index % gridSize;
    const target = direct
      ? source
      : out +
        outputOffset(args, index / gridSize, within / args.gridWidth, within % args.gridWidth);
    finishRow(source, target, columns, bias, args.activation);
  }
}
