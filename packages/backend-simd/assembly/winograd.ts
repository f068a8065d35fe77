/**
 * Winograd's minimal filtering F(4×4, 3×3): a 4×4 block of outputs costs 36 products a channel pair instead of 144.
 * Lavin & Gray 2015, https://arxiv.org/abs/1509.09308, section 4.3, whose matrices B, G and A these are.
 * A block of tiles is transformed, multiplied and transformed back by one thread while it lies in the cache.
 */
import { aTable, cTable, workspace, gemmRows, finishRow, padTables } from './gemm';
import { MR, NR } from './micro';
import { madd, min32 } from './simd';

/** Keep in step with src/kernels/conv-winograd.ts. */
@unmanaged
export class WinogradArgs {
  source: u32; u: u32; out: u32; bias: u32;
  images: i32; height: i32; width: i32; channels: i32;
  outHeight: i32; outWidth: i32; columns: i32;
  padTop: i32; padLeft: i32;
  tilesY: i32; tilesX: i32; block: i32; // tiles in a block, a multiple of MR
  activation: i32;
  first: i32; count: i32; // for winogradWrite, whose source is M
}

// @ts-ignore: decorator
@inline
function scale(k: f32, v: v128): v128 {
  return f32x4.mul(f32x4.splat(k), v);
}

/** out = Bᵀ · in, for a column of six vectors `step` bytes apart. */
// @ts-ignore: decorator
@inline
function forward6(source: usize, step: usize, out: usize, outStep: usize): void {
  const d0 = v128.load(source), d1 = v128.load(source + step), d2 = v128.load(source + 2 * step);
  const d3 = v128.load(source + 3 * step), d4 = v128.load(source + 4 * step), d5 = v128.load(source + 5 * step);
  const minus4 = f32x4.splat(-4);
  const even = madd(d2, minus4, d4); //  d4 - 4·d2
  const odd = madd(d1, minus4, d3); //   d3 - 4·d1
  const half = f32x4.sub(d4, d2);
  const twice = scale(2, f32x4.sub(d3, d1));
  v128.store(out, madd(f32x4.splat(4), d0, madd(f32x4.splat(-5), d2, d4)));
  v128.store(out + outStep, f32x4.add(even, odd));
  v128.store(out + 2 * outStep, f32x4.sub(even, odd));
  v128.store(out + 3 * outStep, f32x4.add(half, twice));
  v128.store(out + 4 * outStep, f32x4.sub(half, twice));
  v128.store(out + 5 * outStep, madd(f32x4.splat(4), d1, madd(f32x4.splat(-5), d3, d5)));
}

/**
 * V = Bᵀ d B for every channel: 6×6 pixels to 36 planes.
 * @param temporary 576 bytes
 */
export function transformInput(pixel: usize, rowStep: usize, columnStep: usize, channels: i32, out: usize, planeStep: usize, temporary: usize): void {
  for (let c = 0; c < channels; c += 4) {
    const at = pixel + <usize>c * 4;
    const to = out + <usize>c * 4;
    for (let x: usize = 0; x < 6; x++) forward6(at + x * columnStep, rowStep, temporary + x * 16, 96);
    for (let y: usize = 0; y < 6; y++) forward6(temporary + y * 96, 16, to + y * 6 * planeStep, planeStep);
  }
}

/** out = Aᵀ · in: six vectors to four. */
// @ts-ignore: decorator
@inline
function backward4(source: usize, step: usize, out: usize, outStep: usize): void {
  const m0 = v128.load(source), m1 = v128.load(source + step), m2 = v128.load(source + 2 * step);
  const m3 = v128.load(source + 3 * step), m4 = v128.load(source + 4 * step), m5 = v128.load(source + 5 * step);
  const sum1 = f32x4.add(m1, m2), difference1 = f32x4.sub(m1, m2);
  const sum2 = f32x4.add(m3, m4), difference2 = f32x4.sub(m3, m4);
  v128.store(out, f32x4.add(m0, f32x4.add(sum1, sum2)));
  v128.store(out + outStep, madd(f32x4.splat(2), difference2, difference1));
  v128.store(out + 2 * outStep, madd(f32x4.splat(4), sum2, sum1));
  v128.store(out + 3 * outStep, f32x4.add(m5, madd(f32x4.splat(8), difference2, difference1)));
}

/** y = Aᵀ m A for every channel: 36 planes to 4×4 pixels. */
export function transformOutput(planes: usize, planeStep: usize, channels: i32, out: usize, rowStep: usize, columnStep: usize, temporary: usize): void {
  for (let c = 0; c < channels; c += 4) {
    const at = planes + <usize>c * 4;
    const to = out + <usize>c * 4;
    for (let x: usize = 0; x < 6; x++) backward4(at + x * planeStep, 6 * planeStep, temporary + x * 16, 96);
    for (let y: usize = 0; y < 4; y++) backward4(temporary + y * 96, 16, to + y * rowStep, columnStep);
  }
}

/**
 * Copies a square of pixels that sticks out of the image, zeros outside.
 * @param size 6 for inputs, 4 for the output's gradient
 */
export function copyPadded(image: usize, height: i32, width: i32, channels: i32, y0: i32, x0: i32, size: i32, out: usize): void {
  const bytes = <usize>channels * 4;
  for (let y = y0; y < y0 + size; y++) {
    for (let x = x0; x < x0 + size; x++) {
      if (<u32>y < <u32>height && <u32>x < <u32>width) memory.copy(out, image + <usize>(y * width + x) * bytes, bytes);
      else memory.fill(out, 0, bytes);
      out += bytes;
    }
  }
}

/** Transforms input tiles [first, first + count) into V[36][block][channels]. */
export function transformTiles(
  source: usize, height: i32, width: i32, channels: i32, padTop: i32, padLeft: i32, tilesY: i32, tilesX: i32,
  first: i32, count: i32, v: usize, tileStep: usize, planeStep: usize, temporary: usize,
): void {
  const columnStep = <usize>channels * 4;
  const imageBytes = <usize>height * <usize>width * columnStep;
  const square = temporary + 576;
  for (let i = 0; i < count; i++) {
    const tile = first + i;
    const image = source + <usize>(tile / (tilesY * tilesX)) * imageBytes;
    const y = ((tile / tilesX) % tilesY) * 4 - padTop;
    const x = (tile % tilesX) * 4 - padLeft;
    if (y >= 0 && x >= 0 && y + 6 <= height && x + 6 <= width) {
      transformInput(image + <usize>(y * width + x) * columnStep, <usize>width * columnStep, columnStep, channels, v, planeStep, temporary);
    } else {
      copyPadded(image, height, width, channels, y, x, 6, square);
      transformInput(square, 6 * columnStep, columnStep, channels, v, planeStep, temporary);
    }
    v += tileStep;
  }
}

/** One tile of the job computes one block of output tiles. */
export function winogradConv(args: WinogradArgs, job: i32): void {
  const tiles = args.images * args.tilesY * args.tilesX;
  const first = job * args.block;
  const count = min32(args.block, tiles - first);
  const temporary = workspace();
  const v = temporary + 640 + <usize>36 * <usize>args.channels * 4;
  // An odd number of cache lines between planes: 36 stores at a power of two would all fall into one cache set.
  const vStep = <usize>args.block * <usize>args.channels * 4 + 64;
  const panels = (args.columns + NR - 1) / NR;
  const mTile = <usize>panels * 32;
  const mStep = <usize>args.block * mTile + 64;
  const m = v + 36 * vStep + 64;
  const vTile = <usize>args.channels * 4;
  transformTiles(<usize>args.source, args.height, args.width, args.channels, args.padTop, args.padLeft, args.tilesY, args.tilesX, first, count, v, vTile, vStep, temporary);

  const rows = ((count + MR - 1) / MR) * MR;
  const panelStride = <usize>args.channels * 32;
  for (let plane: usize = 0; plane < 36; plane++) {
    for (let row: usize = 0; row < <usize>rows; row++) {
      store<u32>(aTable() + row * 4, <u32>(v + plane * vStep + row * vTile));
      store<u32>(cTable() + row * 4, <u32>(m + plane * mStep + row * mTile));
    }
    gemmRows(rows, args.channels, <usize>args.u + plane * <usize>panels * panelStride, panels, panelStride, false);
  }
  for (let i = 0; i < count; i++) writeTile(args, first + i, m + <usize>i * mTile, mStep, temporary);
}

/** Transforms one tile back, adds the bias, applies the activation and stores what lies inside the image. */
function writeTile(args: WinogradArgs, tile: i32, m: usize, mStep: usize, temporary: usize): void {
  const pixelBytes = <usize>args.columns * 4;
  const image = tile / (args.tilesY * args.tilesX);
  const y0 = ((tile / args.tilesX) % args.tilesY) * 4;
  const x0 = (tile % args.tilesX) * 4;
  const rowBytes = <usize>args.outWidth * pixelBytes;
  const out = <usize>args.out + (<usize>image * <usize>args.outHeight + <usize>y0) * rowBytes + <usize>x0 * pixelBytes;
  const inside = y0 + 4 <= args.outHeight && x0 + 4 <= args.outWidth;
  const plain = !args.bias && !args.activation;
  if (inside && plain) return transformOutput(m, mStep, args.columns, out, rowBytes, pixelBytes, temporary);
  // The planes of this tile are no longer needed once they are transformed: the result takes their place.
  const square = temporary + 640;
  transformOutput(m, mStep, args.columns, square, 4 * pixelBytes, pixelBytes, temporary);
  for (let y = 0; y < min32(4, args.outHeight - y0); y++) {
    for (let x = 0; x < min32(4, args.outWidth - x0); x++) {
      const from = square + <usize>(y * 4 + x) * pixelBytes;
      finishRow(from, out + <usize>y * rowBytes + <usize>x * pixelBytes, args.columns, <usize>args.bias, args.activation);
    }
  }
}

/** Keep in step with src/kernels/conv-winograd.ts. */
@unmanaged
export class PlaneRowsArgs {
  v: u32; u: u32; m: u32; count: i32; channels: i32; panels: i32; block: i32; blocks: i32;
}

/** M[plane][count][8 · panels] = V[plane] · U[plane]: for nets too wide for `winogradConv`'s blocks. One tile is a block of a plane's rows. */
export function winogradProduct(args: PlaneRowsArgs, job: i32): void {
  const plane = <usize>(job / args.blocks);
  const first = (job % args.blocks) * args.block;
  const rows = min32(args.block, args.count - first);
  const vStep = <usize>args.channels * 4;
  const mStep = <usize>args.panels * 32;
  const v = <usize>args.v + (plane * <usize>args.count + <usize>first) * vStep;
  const m = <usize>args.m + (plane * <usize>args.count + <usize>first) * mStep;
  for (let row = 0; row < rows; row++) {
    store<u32>(aTable() + <usize>row * 4, <u32>(v + <usize>row * vStep));
    store<u32>(cTable() + <usize>row * 4, <u32>(m + <usize>row * mStep));
  }
  const panelStride = <usize>args.channels * 32;
  gemmRows(padTables(rows, v, workspace()), args.channels, <usize>args.u + plane * <usize>args.panels * panelStride, args.panels, panelStride, false);
}

/** Writes the output's tiles [first, first + count) from M. `block` tiles in one tile of the job. */
export function winogradWrite(args: WinogradArgs, job: i32): void {
  const begin = job * args.block;
  const end = begin + min32(args.block, args.count - begin);
  const mTile = <usize>((args.columns + NR - 1) / NR) * 32;
  for (let i = begin; i < end; i++) writeTile(args, args.first + i, <usize>args.source + <usize>i * mTile, <usize>args.count * mTile, workspace());
}
