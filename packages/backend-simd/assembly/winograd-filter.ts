/**
 * Winograd's transforms of filters, and the filter's gradient:
 * dW = Gᵀ [Σ over tiles (BᵀdB) ⊙ (A·dy·Aᵀ)] G.
 */
import { transpose4, workspace } from './gemm';
import { NR } from './micro';
import { product } from './conv-filter';
import { min32 } from './simd';
import { copyPadded, TEMPORARY, transformTiles } from './winograd';
import { filterBack, filterTransform, gradientTransform, countPlanes } from './winograd-transforms';

@unmanaged
export class FilterTransformArgs {
  filter: u32; out: u32;
  k: i32; outChannels: i32;
  kStride: i32; nStride: i32; tapStride: i32; // in floats; kStride or nStride is 1
  flip: i32; // 1: rotate by 180°, for the input's gradient
  panels: i32; m: i32;
}

/** Input channels that are gathered at once. */
const GROUP: i32 = 4;

/** Gathers four columns of four k's of one tap, as four vectors of columns, padded with zeros. */
// @ts-ignore: decorator
@inline
function gatherTap(
  at: usize, kStride: usize, nStride: usize, left: i32, kLeft: i32, out: usize,
): void {
  if (left >= 4 && kLeft >= GROUP) {
    if (nStride == 4)
      for (let k: usize = 0; k < 4; k++) v128.store(out + k * 16, v128.load(at + k * kStride));
    else transpose4(at, nStride, out, 16);
    return;
  }
  for (let k = 0; k < GROUP; k++) {
    for (let n = 0; n < 4; n++) {
      const there = n < left && k < kLeft;
      store<f32>(
        out + <usize>(k * 4 + n) * 4,
        there ? load<f32>(at + <usize>k * kStride + <usize>n * nStride) : 0,
      );
    }
  }
}

/** U[planes²][panels][k][8] = G g Gᵀ. One tile of the job is one panel. */
export function transformFilter(args: FilterTransformArgs, panel: i32): void {
  if (args.m == 2) transformPanel(2, args, panel);
  else if (args.m == 3) transformPanel(3, args, panel);
  else transformPanel(4, args, panel);
}

// @ts-ignore: decorator
@inline
function transformPanel(m: i32, args: FilterTransformArgs, panel: i32): void {
  const n = <usize>countPlanes(m);
  const temporary = workspace(); // [3][planes] vectors
  const taps = temporary + TEMPORARY; // [9][4 k's] vectors of four columns
  const kStride = <usize>args.kStride * 4,
    nStride = <usize>args.nStride * 4,
    tapStride = <usize>args.tapStride * 4;
  const planeStep = <usize>args.panels * <usize>args.k * 32;
  for (let half = 0; half < 2; half++) {
    const column = panel * NR + half * 4;
    for (let k0 = 0; k0 < args.k; k0 += GROUP) {
      const from = <usize>args.filter + <usize>k0 * kStride + <usize>column * nStride;
      for (let tap = 0; tap < 9; tap++) {
        const flipped = args.flip ? 8 - tap : tap;
        gatherTap(
          from + <usize>flipped * tapStride, kStride, nStride, args.outChannels - column,
          args.k - k0, taps + <usize>tap * 64,
        );
      }
      for (let k = 0; k < min32(GROUP, args.k - k0); k++) {
        const at = taps + <usize>k * 16;
        for (let x: usize = 0; x < 3; x++) {
          filterTransform(
            m, v128.load(at + x * 64), v128.load(at + (x + 3) * 64), v128.load(at + (x + 6) * 64),
            temporary + x * 16, 48,
          );
        }
        const to =
          <usize>args.out +
          (<usize>panel * <usize>args.k + <usize>(k0 + k)) * 32 +
          <usize>half * 16;
        for (let y: usize = 0; y < n; y++) {
          const row = temporary + y * 48;
          filterTransform(
            m, v128.load(row), v128.load(row, 16), v128.load(row, 32), to + y * n * planeStep,
            planeStep,
          );
        }
      }
    }
  }
}

@unmanaged
export class TilesArgs {
  source: u32; out: u32; height: i32; width: i32; channels: i32; padTop: i32; padLeft: i32;
  tilesY: i32; tilesX: i32; m: i32;
  first: i32; count: i32; block: i32; // tiles [first, first + count), `block` in a tile of the job
  tileStep: i32; planeStep: i32; // bytes
}

/** V[planes²][count][channels] of input tiles. */
export function winogradTiles(args: TilesArgs, job: i32): void {
  const begin = job * args.block;
  transformTiles(
    args.m, args.source, args.height, args.width, args.channels, args.padTop, args.padLeft,
    args.tilesY, args.tilesX, args.first + begin, min32(args.block, args.count - begin),
    <usize>args.out + <usize>begin * <usize>args.tileStep, <usize>args.tileStep,
    <usize>args.planeStep, workspace(),
  );
}

/**
 * Y[planes²][panels][count][8] = A·dy·Aᵀ for the tiles of dy. `planeStep` is panels · count · 32.
 */
export function winogradGradientTiles(args: TilesArgs, job: i32): void {
  if (args.m == 2) gradientTiles(2, args, job);
  else if (args.m == 3) gradientTiles(3, args, job);
  else gradientTiles(4, args, job);
}

// @ts-ignore: decorator
@inline
function gradientTiles(m: i32, args: TilesArgs, job: i32): void {
  const n = <usize>countPlanes(m);
  const temporary = workspace(); // [m][planes] vectors
  const square = temporary + TEMPORARY;
  const pixelBytes = <usize>args.channels * 4;
  const rowBytes = <usize>args.width * pixelBytes;
  const begin = job * args.block;
  const end = begin + min32(args.block, args.count - begin);
  const panelStep = <usize>args.count * 32;
  for (let i = begin; i < end; i++) {
    const tile = args.first + i;
    const image =
      <usize>args.source +
      <usize>(tile / (args.tilesY * args.tilesX)) * <usize>args.height * rowBytes;
    const y = ((tile / args.tilesX) % args.tilesY) * m;
    const x = (tile % args.tilesX) * m;
    const inside = y + m <= args.height && x + m <= args.width;
    if (!inside) copyPadded(image, args.height, args.width, args.channels, y, x, m, square);
    const from = inside ? image + <usize>y * rowBytes + <usize>x * pixelBytes : square;
    const step = inside ? rowBytes : <usize>m * pixelBytes;
    for (let c = 0; c < args.channels; c += 4) {
      for (let column: usize = 0; column < <usize>m; column++) {
        gradientTransform(
          m, from + <usize>c * 4 + column * pixelBytes, step, temporary + column * 16,
          <usize>m * 16,
        );
      }
      const to =
        <usize>args.out + <usize>(c / NR) * panelStep + <usize>i * 32 + <usize>(c % NR) * 4;
      for (let row: usize = 0; row < n; row++) {
        gradientTransform(
          m, temporary + row * <usize>m * 16, 16, to + row * n * <usize>args.planeStep,
          <usize>args.planeStep,
        );
      }
    }
  }
}

@unmanaged
export class PlaneProductArgs {
  v: u32; y: u32; out: u32;
  count: i32; channels: i32; outChannels: i32;
  vStride: i32; vPlane: i32; yPlane: i32; // bytes
  add: i32; block: i32; blocks: i32;
}

/**
 * dU[plane][channels][outChannels] (+)= Vᵀ · Y. One tile of the job is a block of a plane's rows.
 */
export function winogradFilterProduct(args: PlaneProductArgs, job: i32): void {
  const plane = job / args.blocks;
  const m0 = (job % args.blocks) * args.block;
  const outStride = <usize>args.outChannels * 4;
  product(
    args.count, <usize>args.v + <usize>plane * <usize>args.vPlane + <usize>m0 * 4, args.vStride,
    min32(args.block, args.channels - m0),
    <usize>args.y + <usize>plane * <usize>args.yPlane, <usize>args.count * 32, args.outChannels,
    <usize>args.out + (<usize>plane * <usize>args.channels + <usize>m0) * outStride, outStride,
    workspace(), args.add != 0,
  );
}

@unmanaged
export class UnfilterArgs {
  u: u32; out: u32; channels: i32; outChannels: i32; m: i32; // outChannels: a multiple of 4
}

/** dW[3][3][channels][outChannels] = Gᵀ dU G. One tile of the job is one input channel. */
export function untransformFilter(args: UnfilterArgs, channel: i32): void {
  if (args.m == 2) untransformChannel(2, args, channel);
  else if (args.m == 3) untransformChannel(3, args, channel);
  else untransformChannel(4, args, channel);
}

// @ts-ignore: decorator
@inline
function untransformChannel(m: i32, args: UnfilterArgs, channel: i32): void {
  const count = <usize>countPlanes(m);
  const temporary = workspace(); // [3][planes] vectors
  const plane = <usize>args.channels * <usize>args.outChannels * 4;
  for (let n = 0; n < args.outChannels; n += 4) {
    const offset = (<usize>channel * <usize>args.outChannels + <usize>n) * 4;
    for (let x: usize = 0; x < count; x++)
      filterBack(
        m, <usize>args.u + offset + x * plane, count * plane, temporary + x * 16, count * 16,
      );
    for (let y: usize = 0; y < 3; y++)
      filterBack(
        m, temporary + y * count * 16, 16, <usize>args.out + offset + 3 * y * plane, plane,
      );
  }
}
