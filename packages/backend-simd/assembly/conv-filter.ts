/**
 * Gradient of a direct convolution's filter: for each tap, dW[tap] = Σ over pixels of
 * x[pixel at tap]ᵀ · dy[pixel].
 * Only pixels for which the tap lies inside the image enter the sum. The shape decides into how
 * many partial sums it is cut, and these are added in order, so the result does not depend on the
 * number of threads.
 */
import { workspace } from './gemm';
import { microColumns, MR, NR } from './micro';
import { max32, min32 } from './simd';

/** Pixels in one product: A and B of a chunk stay in the second-level cache. */
const KC: i32 = 128;

@unmanaged
export class FilterArgs {
  x: u32; dy: u32; out: u32; taps: u32; // taps: [tapCount][3] of (dy, dx, tap)
  tapCount: i32; height: i32; width: i32; channels: i32;
  gridHeight: i32; gridWidth: i32; batch: i32; strideY: i32; strideX: i32;
  outChannels: i32;
  rowBlock: i32; rowBlocks: i32; // input channels of one tile: a multiple of 6, or all
  panelBlock: i32; panelBlocks: i32;
  partials: i32; partialStride: i32; // floats from one partial sum to the next
}

/** The first position whose source coordinate is inside, and the one past the last. */
function firstInside(offset: i32, stride: i32): i32 {
  return offset >= 0 ? 0 : (-offset + stride - 1) / stride;
}
function pastInside(offset: i32, stride: i32, size: i32, grid: i32): i32 {
  const last = size - 1 - offset;
  return last < 0 ? 0 : min32(grid, last / stride + 1);
}

/** One tile: (partial, tap, block of input channels, block of output channels). */
export function convFilter(args: FilterArgs, tile: i32): void {
  const panelIndex = tile % args.panelBlocks;
  let rest = tile / args.panelBlocks;
  const rowIndex = rest % args.rowBlocks;
  rest /= args.rowBlocks;
  const t = rest % args.tapCount;
  const partial = rest / args.tapCount;
  const tap = <usize>args.taps + <usize>t * 12;
  const offsetY = load<i32>(tap);
  const offsetX = load<i32>(tap, 4);
  const y0 = firstInside(offsetY, args.strideY);
  const y1 = pastInside(offsetY, args.strideY, args.height, args.gridHeight);
  const x0 = firstInside(offsetX, args.strideX);
  const x1 = pastInside(offsetX, args.strideX, args.width, args.gridWidth);
  const gridH = max32(0, y1 - y0);
  const gridW = max32(0, x1 - x0);
  const pixels = args.batch * gridH * gridW;

  const m0 = rowIndex * args.rowBlock;
  const rows = min32(args.rowBlock, args.channels - m0);
  const n0 = panelIndex * args.panelBlock * NR;
  const columns = min32(args.panelBlock * NR, args.outChannels - n0);
  const panels = (columns + NR - 1) / NR;
  // Not a power of two, so that the rows fall into different cache sets.
  const xStride = <usize>((rows + 7) & ~3) * 4 + 80;
  const edge = workspace();
  const xs = edge + 256;
  const dys = xs + <usize>KC * xStride + 64;
  const out =
    <usize>args.out +
    (<usize>partial * <usize>args.partialStride +
      <usize>(t * args.channels + m0) * <usize>args.outChannels +
      <usize>n0) *
      4;
  const begin = <i32>((<i64>pixels * partial) / args.partials);
  const end = <i32>((<i64>pixels * (partial + 1)) / args.partials);
  if (begin == end) {
    for (let m = 0; m < rows; m++)
      memory.fill(out + <usize>m * <usize>args.outChannels * 4, 0, <usize>columns * 4);
    return;
  }
  let image = begin / (gridH * gridW);
  let y = (begin / gridW) % gridH;
  let x = begin % gridW;
  for (let pixel = begin; pixel < end; pixel += KC) {
    const k = min32(KC, end - pixel);
    for (let p = 0; p < k; p++) {
      packPixel(args, image, y0 + y, x0 + x, offsetY, offsetX, m0, rows, xs + <usize>p * xStride);
      const position =
        (<usize>image * <usize>args.gridHeight + <usize>(y0 + y)) * <usize>args.gridWidth +
        <usize>(x0 + x);
      packColumns(
        <usize>args.dy + (position * <usize>args.outChannels + <usize>n0) * 4, dys + <usize>p * 32,
        columns, panels,
      );
      if (++x == gridW) {
        x = 0;
        if (++y == gridH) {
          y = 0;
          image++;
        }
      }
    }
    product(
      k, xs, xStride, rows, dys, <usize>KC * 32, columns, out, <usize>args.outChannels * 4, edge,
      pixel > begin,
    );
  }
}

/** Copies a source pixel's channels into one row, and up to three floats more. */
// @ts-ignore: decorator
@inline
function packPixel(
  args: FilterArgs, image: i32, gy: i32, gx: i32, offsetY: i32, offsetX: i32, m0: i32, rows: i32,
  out: usize,
): void {
  const imageStart =
    <usize>args.x +
    <usize>image * <usize>args.height * <usize>args.width * <usize>args.channels * 4;
  const pixel = <usize>((gy * args.strideY + offsetY) * args.width + gx * args.strideX + offsetX);
  const from = imageStart + (pixel * <usize>args.channels + <usize>m0) * 4;
  for (let c = 0; c < rows; c += 4) v128.store(out + <usize>c * 4, v128.load(from + <usize>c * 4));
}

/** Writes a row of dy into panels of eight columns, KC rows each. */
// @ts-ignore: decorator
@inline
function packColumns(from: usize, out: usize, columns: i32, panels: i32): void {
  const whole = columns / NR;
  for (let panel = 0; panel < whole; panel++) {
    v128.store(out, v128.load(from));
    v128.store(out, v128.load(from, 16), 16);
    from += 32;
    out += <usize>KC * 32;
  }
  if (whole == panels) return;
  for (let j = 0; j < NR; j++)
    store<f32>(out + <usize>j * 4, whole * NR + j < columns ? load<f32>(from + <usize>j * 4) : 0);
}

/**
 * out[rows][columns] (+)= xsᵀ · dys, register block by register block. Blocks that reach beyond the
 * last row or column are computed in `edge` first.
 */
export function product(
  k: i32, xs: usize, xStride: usize, rows: i32, dys: usize, panelStep: usize, columns: i32,
  out: usize, outStride: usize, edge: usize, add: bool,
): void {
  for (let n = 0; n < columns; n += NR) {
    for (let m = 0; m < rows; m += MR) {
      const c = out + <usize>m * outStride + <usize>n * 4;
      const height = min32(MR, rows - m);
      const width = min32(NR, columns - n);
      if (height == MR && width == NR) {
        microColumns(k, xs + <usize>m * 4, xStride, dys, c, outStride, add);
        continue;
      }
      microColumns(k, xs + <usize>m * 4, xStride, dys, edge, 32, false);
      for (let i = 0; i < height; i++) {
        for (let j = 0; j < width; j++) {
          const at = c + <usize>i * outStride + <usize>j * 4;
          const value = load<f32>(edge + <usize>(i * NR + j) * 4);
          store<f32>(at, add ? load<f32>(at) + value : value);
        }
      }
    }
    dys += panelStep;
  }
}

@unmanaged
export class ReduceArgs {
  source: u32; out: u32; count: i32; partials: i32; stride: i32; block: i32;
}

/** out[i] = Σ over partials, in order. One tile sums `block` floats. */
export function reducePartials(args: ReduceArgs, tile: i32): void {
  const start = tile * args.block;
  const end = min32(args.count, start + args.block);
  for (let i = start; i < end; i++) {
    let at = <usize>args.source + <usize>i * 4;
    let sum: f32 = 0;
    for (let p = 0; p < args.partials; p++) {
      sum += load<f32>(at);
      at += <usize>args.stride * 4;
    }
    store<f32>(<usize>args.out + <usize>i * 4, sum);
  }
}
