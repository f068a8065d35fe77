/** Winograd's transforms of filters, and the filter's gradient through them: dW = Gᵀ [Σ over tiles (BᵀdB) ⊙ (A·dy·Aᵀ)] G. */
import { workspace } from './gemm';
import { NR } from './micro';
import { product } from './conv-filter';
import { madd, min32 } from './simd';
import { copyPadded, transformTiles } from './winograd';

/** Keep in step with src/kernels/conv-winograd.ts. */
@unmanaged
export class FilterTransformArgs {
  filter: u32; out: u32;
  k: i32; columns: i32; kStride: i32; nStride: i32; tapStride: i32; // strides in floats
  flip: i32; // 1: turned by 180 degrees, for the input's gradient
  panels: i32;
}

/** Four columns of one filter tap, zeros beyond the last. */
// @ts-ignore: decorator
@inline
function loadColumns(at: usize, nStride: usize, left: i32): v128 {
  if (nStride == 4 && left >= 4) return v128.load(at);
  let v = f32x4.splat(0);
  if (left > 0) v = f32x4.replace_lane(v, 0, load<f32>(at));
  if (left > 1) v = f32x4.replace_lane(v, 1, load<f32>(at + nStride));
  if (left > 2) v = f32x4.replace_lane(v, 2, load<f32>(at + 2 * nStride));
  if (left > 3) v = f32x4.replace_lane(v, 3, load<f32>(at + 3 * nStride));
  return v;
}

/** out = G · (g0, g1, g2). */
// @ts-ignore: decorator
@inline
function filter6(g0: v128, g1: v128, g2: v128, out: usize, step: usize): void {
  const sixth = f32x4.splat(-1.0 / 6.0);
  const sum = f32x4.mul(sixth, f32x4.add(g0, g2));
  const middle = f32x4.mul(sixth, g1);
  const outer = madd(f32x4.splat(1.0 / 24.0), g0, f32x4.mul(f32x4.splat(1.0 / 6.0), g2));
  const twelfth = f32x4.mul(f32x4.splat(1.0 / 12.0), g1);
  v128.store(out, f32x4.mul(f32x4.splat(0.25), g0));
  v128.store(out + step, f32x4.add(sum, middle));
  v128.store(out + 2 * step, f32x4.sub(sum, middle));
  v128.store(out + 3 * step, f32x4.add(outer, twelfth));
  v128.store(out + 4 * step, f32x4.sub(outer, twelfth));
  v128.store(out + 5 * step, g2);
}

/** U[36][panels][k][8] = G g Gᵀ. One tile of the job is one panel. */
export function transformFilter(args: FilterTransformArgs, panel: i32): void {
  const temporary = workspace(); // [3][6] vectors
  const nStride = <usize>args.nStride * 4;
  const planeStep = <usize>args.panels * <usize>args.k * 32;
  for (let k = 0; k < args.k; k++) {
    for (let half = 0; half < 2; half++) {
      const n = panel * NR + half * 4;
      const from = <usize>args.filter + (<usize>k * <usize>args.kStride + <usize>n * <usize>args.nStride) * 4;
      for (let x = 0; x < 3; x++) {
        const tap = (args.flip ? 8 - x : x) as usize;
        const down: isize = args.flip ? -3 : 3;
        const step = down * <isize>args.tapStride * 4;
        const at = from + tap * <usize>args.tapStride * 4;
        const left = args.columns - n;
        filter6(
          loadColumns(at, nStride, left), loadColumns(at + step, nStride, left), loadColumns(at + 2 * step, nStride, left),
          temporary + <usize>x * 16, 48,
        );
      }
      const to = <usize>args.out + (<usize>panel * <usize>args.k + <usize>k) * 32 + <usize>half * 16;
      for (let y: usize = 0; y < 6; y++) {
        const row = temporary + y * 48;
        filter6(v128.load(row), v128.load(row, 16), v128.load(row, 32), to + y * 6 * planeStep, planeStep);
      }
    }
  }
}

/** Keep in step with src/kernels/conv-winograd.ts. */
@unmanaged
export class TilesArgs {
  source: u32; out: u32; height: i32; width: i32; channels: i32; padTop: i32; padLeft: i32;
  tilesY: i32; tilesX: i32; first: i32; count: i32; block: i32; // tiles first … first + count, `block` of them in one tile of the job
  tileStep: i32; planeStep: i32; // bytes
}

/** V[36][count][channels] of input tiles. */
export function winogradTiles(args: TilesArgs, job: i32): void {
  const begin = job * args.block;
  transformTiles(
    args.source, args.height, args.width, args.channels, args.padTop, args.padLeft, args.tilesY, args.tilesX,
    args.first + begin, min32(args.block, args.count - begin),
    <usize>args.out + <usize>begin * <usize>args.tileStep, <usize>args.tileStep, <usize>args.planeStep, workspace(),
  );
}

/** out = A · in: four vectors to six. */
// @ts-ignore: decorator
@inline
function spread6(source: usize, step: usize, out: usize, outStep: usize): void {
  const d0 = v128.load(source), d1 = v128.load(source + step), d2 = v128.load(source + 2 * step), d3 = v128.load(source + 3 * step);
  const even1 = f32x4.add(d0, d2), odd1 = f32x4.add(d1, d3);
  const even2 = madd(f32x4.splat(4), d2, d0);
  const odd2 = madd(f32x4.splat(8), d3, f32x4.add(d1, d1));
  v128.store(out, d0);
  v128.store(out + outStep, f32x4.add(even1, odd1));
  v128.store(out + 2 * outStep, f32x4.sub(even1, odd1));
  v128.store(out + 3 * outStep, f32x4.add(even2, odd2));
  v128.store(out + 4 * outStep, f32x4.sub(even2, odd2));
  v128.store(out + 5 * outStep, d3);
}

/** Y[36][panels][count][8] = A·dy·Aᵀ of the tiles of the output's gradient. `tileStep` is 32, `planeStep` panels · count · 32. */
export function winogradGradientTiles(args: TilesArgs, job: i32): void {
  const temporary = workspace(); // [4][6] vectors
  const square = temporary + 640;
  const pixelBytes = <usize>args.channels * 4;
  const rowBytes = <usize>args.width * pixelBytes;
  const begin = job * args.block;
  const end = begin + min32(args.block, args.count - begin);
  const panelStep = <usize>args.count * 32;
  for (let i = begin; i < end; i++) {
    const tile = args.first + i;
    const image = <usize>args.source + <usize>(tile / (args.tilesY * args.tilesX)) * <usize>args.height * rowBytes;
    const y = ((tile / args.tilesX) % args.tilesY) * 4;
    const x = (tile % args.tilesX) * 4;
    const inside = y + 4 <= args.height && x + 4 <= args.width;
    if (!inside) copyPadded(image, args.height, args.width, args.channels, y, x, 4, square);
    const from = inside ? image + <usize>y * rowBytes + <usize>x * pixelBytes : square;
    const step = inside ? rowBytes : 4 * pixelBytes;
    for (let c = 0; c < args.channels; c += 4) {
      for (let column: usize = 0; column < 4; column++) {
        spread6(from + <usize>c * 4 + column * pixelBytes, step, temporary + column * 16, 64);
      }
      const to = <usize>args.out + <usize>(c / NR) * panelStep + <usize>i * 32 + <usize>(c % NR) * 4;
      for (let row: usize = 0; row < 6; row++) spread6(temporary + row * 64, 16, to + row * 6 * <usize>args.planeStep, <usize>args.planeStep);
    }
  }
}

/** Keep in step with src/kernels/conv-winograd.ts. */
@unmanaged
export class PlaneProductArgs {
  v: u32; y: u32; out: u32; count: i32; channels: i32; columns: i32; vStride: i32; vPlane: i32; yPlane: i32; add: i32; block: i32; blocks: i32;
}

/** dU[plane][channels][columns] (+)= Vᵀ · Y. One tile of the job is a block of one plane's rows. */
export function winogradFilterProduct(args: PlaneProductArgs, job: i32): void {
  const plane = job / args.blocks;
  const m0 = (job % args.blocks) * args.block;
  const outStride = <usize>args.columns * 4;
  product(
    args.count, <usize>args.v + <usize>plane * <usize>args.vPlane + <usize>m0 * 4, args.vStride, min32(args.block, args.channels - m0),
    <usize>args.y + <usize>plane * <usize>args.yPlane, <usize>args.count * 32, args.columns,
    <usize>args.out + (<usize>plane * <usize>args.channels + <usize>m0) * outStride, outStride, workspace(), args.add != 0,
  );
}

/** out = Gᵀ · in: six vectors to three. */
// @ts-ignore: decorator
@inline
function gather3(source: usize, step: usize, out: usize, outStep: usize): void {
  const u1 = v128.load(source + step), u2 = v128.load(source + 2 * step);
  const u3 = v128.load(source + 3 * step), u4 = v128.load(source + 4 * step);
  const sixth = f32x4.splat(1.0 / 6.0);
  const near = f32x4.mul(sixth, f32x4.add(u1, u2));
  const far = f32x4.add(u3, u4);
  v128.store(out, f32x4.sub(madd(f32x4.splat(0.25), v128.load(source), f32x4.mul(f32x4.splat(1.0 / 24.0), far)), near));
  v128.store(out + outStep, madd(sixth, f32x4.sub(u2, u1), f32x4.mul(f32x4.splat(1.0 / 12.0), f32x4.sub(u3, u4))));
  v128.store(out + 2 * outStep, f32x4.add(f32x4.sub(f32x4.mul(sixth, far), near), v128.load(source + 5 * step)));
}

/** Keep in step with src/kernels/conv-winograd.ts. */
@unmanaged
export class UnfilterArgs {
  u: u32; out: u32; channels: i32; columns: i32; // columns: a multiple of 4
}

/** dW[3][3][channels][columns] = Gᵀ dU G. One tile of the job is one input channel. */
export function untransformFilter(args: UnfilterArgs, channel: i32): void {
  const temporary = workspace(); // [3][6] vectors
  const plane = <usize>args.channels * <usize>args.columns * 4;
  for (let n = 0; n < args.columns; n += 4) {
    const offset = (<usize>channel * <usize>args.columns + <usize>n) * 4;
    for (let x: usize = 0; x < 6; x++) gather3(<usize>args.u + offset + x * plane, 6 * plane, temporary + x * 16, 96);
    for (let y: usize = 0; y < 3; y++) gather3(temporary + y * 96, 16, <usize>args.out + offset + 3 * y * plane, plane);
  }
}
