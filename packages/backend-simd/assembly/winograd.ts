/**
 * 3×3 convolution through Winograd's minimal filtering: for each pair of channels, a tile of m×m
 * outputs costs (m + 2)² products instead of 9·m² (9 instead of 16 for an image of 2×2 pixels).
 * The transforms are in winograd-transforms.ts. One thread transforms a block of tiles, multiplies
 * it and transforms it back while it is in the cache. If there are too many filters for that, the
 * three steps are three jobs.
 */
import { aTable, cTable, workspace, gemmRows, finishRow, padTables } from './gemm';
import { MR, NR } from './micro';
import { min32 } from './simd';
import { inputTransform, outputTransform, patchSize, countPlanes } from './winograd-transforms';

/** Bytes of a tile's vectors between the two axes of a transform. */
export const TEMPORARY: usize = 640;

@unmanaged
export class WinogradArgs {
  source: u32; u: u32; out: u32; bias: u32;
  batch: i32; height: i32; width: i32; channels: i32;
  outHeight: i32; outWidth: i32; outChannels: i32;
  padTop: i32; padLeft: i32;
  tilesY: i32; tilesX: i32; m: i32; block: i32; // tiles in a block, a multiple of MR
  activation: i32;
  first: i32; count: i32; // of winogradWrite, whose source is M
}

/** V = Bᵀ d B for every channel: a patch of pixels to planes. */
// @ts-ignore: decorator
@inline
function transformInput(
  m: i32, pixel: usize, rowStep: usize, columnStep: usize, channels: i32, out: usize,
  planeStep: usize, temporary: usize,
): void {
  const n = <usize>countPlanes(m), patch = <usize>patchSize(m);
  for (let c = 0; c < channels; c += 4) {
    const at = pixel + <usize>c * 4;
    const to = out + <usize>c * 4;
    for (let x: usize = 0; x < patch; x++)
      inputTransform(m, at + x * columnStep, rowStep, temporary + x * 16, patch * 16);
    for (let y: usize = 0; y < n; y++)
      inputTransform(m, temporary + y * patch * 16, 16, to + y * n * planeStep, planeStep);
  }
}

/** y = Aᵀ p A for every channel: planes to m×m pixels. */
// @ts-ignore: decorator
@inline
function transformOutput(
  m: i32, planes: usize, planeStep: usize, channels: i32, out: usize, rowStep: usize,
  columnStep: usize, temporary: usize,
): void {
  const n = <usize>countPlanes(m);
  for (let c = 0; c < channels; c += 4) {
    const at = planes + <usize>c * 4;
    const to = out + <usize>c * 4;
    for (let x: usize = 0; x < n; x++)
      outputTransform(m, at + x * planeStep, n * planeStep, temporary + x * 16, n * 16);
    for (let y: usize = 0; y < <usize>m; y++)
      outputTransform(m, temporary + y * n * 16, 16, to + y * rowStep, columnStep);
  }
}

/**
 * Copies a square of pixels that reaches beyond the image, with zeros outside the image.
 * @param size side of the square: the patch for inputs, m for dy
 */
export function copyPadded(
  image: usize, height: i32, width: i32, channels: i32, y0: i32, x0: i32, size: i32, out: usize,
): void {
  const bytes = <usize>channels * 4;
  for (let y = y0; y < y0 + size; y++) {
    for (let x = x0; x < x0 + size; x++) {
      if (<u32>y < <u32>height && <u32>x < <u32>width)
        memory.copy(out, image + <usize>(y * width + x) * bytes, bytes);
      else memory.fill(out, 0, bytes);
      out += bytes;
    }
  }
}

/**
 * Transforms input tiles [first, first + count) into V[planes²][block][channels]. With m = 2, the
 * patch is the whole image.
 */
// @ts-ignore: decorator
@inline
function transformTilesForSize(
  m: i32, source: usize, height: i32, width: i32, channels: i32, padTop: i32, padLeft: i32,
  tilesY: i32, tilesX: i32,
  first: i32, count: i32, v: usize, tileStep: usize, planeStep: usize, temporary: usize,
): void {
  const columnStep = <usize>channels * 4;
  const imageBytes = <usize>height * <usize>width * columnStep;
  const square = temporary + TEMPORARY;
  for (let i = 0; i < count; i++) {
    const tile = first + i;
    const image = source + <usize>(tile / (tilesY * tilesX)) * imageBytes;
    const y = m == 2 ? 0 : ((tile / tilesX) % tilesY) * m - padTop;
    const x = m == 2 ? 0 : (tile % tilesX) * m - padLeft;
    const patch = patchSize(m);
    const inside = y >= 0 && x >= 0 && y + patch <= height && x + patch <= width;
    if (!inside) copyPadded(image, height, width, channels, y, x, patch, square);
    const from = inside ? image + <usize>(y * width + x) * columnStep : square;
    const rowStep = inside ? <usize>width * columnStep : <usize>patch * columnStep;
    transformInput(m, from, rowStep, columnStep, channels, v, planeStep, temporary);
    v += tileStep;
  }
}

export function transformTiles(
  m: i32, source: usize, height: i32, width: i32, channels: i32, padTop: i32, padLeft: i32,
  tilesY: i32, tilesX: i32,
  first: i32, count: i32, v: usize, tileStep: usize, planeStep: usize, temporary: usize,
): void {
  if (m == 2)
    transformTilesForSize(
      2, source, height, width, channels, padTop, padLeft, tilesY, tilesX, first, count, v,
      tileStep, planeStep, temporary,
    );
  else if (m == 3)
    transformTilesForSize(
      3, source, height, width, channels, padTop, padLeft, tilesY, tilesX, first, count, v,
      tileStep, planeStep, temporary,
    );
  else transformTilesForSize(
    4, source, height, width, channels, padTop, padLeft, tilesY, tilesX, first, count, v, tileStep,
    planeStep, temporary,
  );
}

/** One tile of the job computes one block of output tiles. */
export function winogradConv(args: WinogradArgs, job: i32): void {
  const planes = <usize>(countPlanes(args.m) * countPlanes(args.m));
  const tiles = args.batch * args.tilesY * args.tilesX;
  const first = job * args.block;
  const count = min32(args.block, tiles - first);
  const temporary = workspace();
  const v = temporary + TEMPORARY + planes * <usize>args.channels * 4;
  // An odd number of cache lines between planes: at a power of two, all stores would fall into one
  // cache set.
  const vStep = <usize>args.block * <usize>args.channels * 4 + 64;
  const panels = (args.outChannels + NR - 1) / NR;
  const mTile = <usize>panels * 32;
  const mStep = <usize>args.block * mTile + 64;
  const products = v + planes * vStep + 64;
  const vTile = <usize>args.channels * 4;
  transformTiles(
    args.m, <usize>args.source, args.height, args.width, args.channels, args.padTop, args.padLeft,
    args.tilesY, args.tilesX, first, count, v, vTile, vStep, temporary,
  );
  const rows = ((count + MR - 1) / MR) * MR;
  const panelStride = <usize>args.channels * 32;
  for (let plane: usize = 0; plane < planes; plane++) {
    for (let row: usize = 0; row < <usize>rows; row++) {
      store<u32>(aTable() + row * 4, <u32>(v + plane * vStep + row * vTile));
      store<u32>(cTable() + row * 4, <u32>(products + plane * mStep + row * mTile));
    }
    gemmRows(
      rows, args.channels, <usize>args.u + plane * <usize>panels * panelStride, panels, panelStride,
      false,
    );
  }
  for (let i = 0; i < count; i++)
    writeTile(args, first + i, products + <usize>i * mTile, mStep, temporary);
}

/**
 * Transforms one tile back, adds the bias, applies the activation and stores the pixels that lie
 * inside the image.
 */
function writeTile(
  args: WinogradArgs, tile: i32, products: usize, planeStep: usize, temporary: usize,
): void {
  if (args.m == 2) writeTileForSize(2, args, tile, products, planeStep, temporary);
  else if (args.m == 3) writeTileForSize(3, args, tile, products, planeStep, temporary);
  else writeTileForSize(4, args, tile, products, planeStep, temporary);
}

// @ts-ignore: decorator
@inline
function writeTileForSize(
  m: i32, args: WinogradArgs, tile: i32, products: usize, planeStep: usize, temporary: usize,
): void {
  const pixelBytes = <usize>args.outChannels * 4;
  const image = tile / (args.tilesY * args.tilesX);
  const y0 = ((tile / args.tilesX) % args.tilesY) * m;
  const x0 = (tile % args.tilesX) * m;
  const rowBytes = <usize>args.outWidth * pixelBytes;
  const out =
    <usize>args.out +
    (<usize>image * <usize>args.outHeight + <usize>y0) * rowBytes +
    <usize>x0 * pixelBytes;
  const inside = y0 + m <= args.outHeight && x0 + m <= args.outWidth;
  const direct = inside && !args.bias && !args.activation;
  const square = temporary + TEMPORARY;
  const to = direct ? out : square;
  transformOutput(
    m, products, planeStep, args.outChannels, to, direct ? rowBytes : <usize>m * pixelBytes,
    pixelBytes, temporary,
  );
  if (direct) return;
  for (let y = 0; y < min32(m, args.outHeight - y0); y++) {
    for (let x = 0; x < min32(m, args.outWidth - x0); x++) {
      const from = square + <usize>(y * m + x) * pixelBytes;
      finishRow(
        from, out + <usize>y * rowBytes + <usize>x * pixelBytes, args.outChannels, <usize>args.bias,
        args.activation,
      );
    }
  }
}

@unmanaged
export class PlaneRowsArgs {
  v: u32; u: u32; m: u32;
  count: i32; channels: i32; panels: i32; block: i32; blocks: i32;
}

/**
 * M[plane][count][8 · panels] = V[plane] · U[plane], for layers too wide for `winogradConv`. One
 * tile of the job is a block of a plane's rows.
 */
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
  gemmRows(
    padTables(rows, v, workspace()), args.channels,
    <usize>args.u + plane * <usize>args.panels * panelStride, args.panels, panelStride, false,
  );
}

/** Writes output tiles [first, first + count) from M, `block` of them in a tile of the job. */
export function winogradWrite(args: WinogradArgs, job: i32): void {
  const begin = job * args.block;
  const end = begin + min32(args.block, args.count - begin);
  const mTile = <usize>((args.outChannels + NR - 1) / NR) * 32;
  for (let i = begin; i < end; i++)
    writeTile(
      args, args.first + i, <usize>args.source + <usize>i * mTile, <usize>args.count * mTile,
      workspace(),
    );
}
