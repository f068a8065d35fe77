/**
 * The input gradient of a convolution over few channels: each pixel of dy times the whole filter
 * gives a window of dx, and overlapping windows are added in place. One thread adds up one image,
 * in order.
 */
import { aTable, cTable, gemmRows, padTables, workspace } from './gemm';
import { NR } from './micro';
import { min32 } from './simd';

/** Sizes are in floats, of the padded image. */
@unmanaged
export class ScatterArgs {
  dy: u32; panels: u32; out: u32;
  positions: i32; gridWidth: i32; outChannels: i32; // of dy: pixels of an image, pixels of a row
  image: i32; row: i32; stepY: i32; stepX: i32; // from one window to the next
  kernelRows: i32; kernelStep: i32; run: i32; // kernelStep: between rows; run: length of a row
  height: i32; outRow: i32; top: i32; left: i32; // the image without its padding
}

/** Windows of one product. */
const BLOCK: i32 = 60;

/** to[i] += from[i] */
// @ts-ignore: decorator
@inline
function addRun(from: usize, to: usize, count: i32): void {
  let i = 0;
  for (; i + 4 <= count; i += 4)
    v128.store(
      to + <usize>i * 4, f32x4.add(v128.load(to + <usize>i * 4), v128.load(from + <usize>i * 4)),
    );
  for (; i < count; i++)
    store<f32>(to + <usize>i * 4, load<f32>(to + <usize>i * 4) + load<f32>(from + <usize>i * 4));
}

/** One tile of the job is one image. */
export function convScatter(args: ScatterArgs, tile: i32): void {
  const panels = (args.kernelRows * args.run + NR - 1) / NR;
  const stride = <usize>panels * 32;
  const sum = workspace();
  const windows = sum + <usize>args.image * 4 + 64;
  const spare = windows + <usize>BLOCK * stride;
  const step = <usize>args.outChannels * 4;
  const dy = <usize>args.dy + <usize>tile * <usize>args.positions * step;
  memory.fill(sum, 0, <usize>args.image * 4);
  let x = 0, at = sum, line = sum;
  for (let first = 0; first < args.positions; first += BLOCK) {
    const rows = min32(BLOCK, args.positions - first);
    for (let i = 0; i < rows; i++) {
      store<u32>(aTable() + <usize>i * 4, <u32>(dy + <usize>(first + i) * step));
      store<u32>(cTable() + <usize>i * 4, <u32>(windows + <usize>i * stride));
    }
    gemmRows(
      padTables(rows, dy, spare), args.outChannels, args.panels, panels,
      <usize>args.outChannels * 32, false,
    );
    for (let i = 0; i < rows; i++) {
      for (let k = 0; k < args.kernelRows; k++) {
        addRun(
          windows + <usize>i * stride + <usize>(k * args.run) * 4,
          at + <usize>(k * args.kernelStep) * 4, args.run,
        );
      }
      at += <usize>args.stepX * 4;
      if (++x < args.gridWidth) continue;
      x = 0;
      line += <usize>args.stepY * 4;
      at = line;
    }
  }
  const outBytes = <usize>args.outRow * 4;
  const from = sum + <usize>(args.top * args.row + args.left) * 4;
  const out = <usize>args.out + <usize>tile * <usize>args.height * outBytes;
  for (let y = 0; y < args.height; y++)
    memory.copy(out + <usize>y * outBytes, from + <usize>(y * args.row) * 4, outBytes);
}
