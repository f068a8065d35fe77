/** Resizes images. Two tables say which source rows and columns to read. */
import { min32 } from './simd';
import { scratch } from './threads';

@unmanaged
export class ResizeArgs {
  x: u32; out: u32; rowTable: u32; columnTable: u32;
  height: i32; width: i32; channels: i32; outHeight: i32; outWidth: i32;
  rows: i32; block: i32; // rows of all images; rows of one tile
}

/** A table entry: the two source rows or columns, and how far the new one lies between them. */
@unmanaged
export class ResizeEntry {
  fraction: f64; first: i32; second: i32;
}

// @ts-ignore: decorator
@inline
function entry(table: u32, i: i32): ResizeEntry {
  return changetype<ResizeEntry>(<usize>table + <usize>i * offsetof<ResizeEntry>());
}

/** Interpolates a source row horizontally, to `outWidth` pixels in double precision. */
// @ts-ignore: decorator
@inline
function blendAcross(args: ResizeArgs, row: usize, out: usize): void {
  const channels = <usize>args.channels * 4, columns = args.columnTable, outWidth = args.outWidth;
  for (let c = 0; c < outWidth; c++) {
    const column = entry(columns, c), fraction = column.fraction;
    const left = row + <usize>column.first * channels,
      right = row + <usize>column.second * channels;
    for (let d: usize = 0; d < channels; d += 4, out += 8) {
      const a = <f64>load<f32>(left + d), b = <f64>load<f32>(right + d);
      store<f64>(out, a + (b - a) * fraction);
    }
  }
}

// @ts-ignore: decorator
@inline
function blendDown(top: usize, bottom: usize, fraction: f64, out: usize, count: i32): void {
  const factor = f64x2.splat(fraction);
  let i = 0;
  for (; i + 2 <= count; i += 2) {
    const a = v128.load(top + <usize>i * 8), b = v128.load(bottom + <usize>i * 8);
    const v = f32x4.demote_f64x2_zero(f64x2.add(a, f64x2.mul(f64x2.sub(b, a), factor)));
    v128.store64_lane(out + <usize>i * 4, v, 0);
  }
  for (; i < count; i++) {
    const a = load<f64>(top + <usize>i * 8), b = load<f64>(bottom + <usize>i * 8);
    store<f32>(out + <usize>i * 4, <f32>(a + (b - a) * fraction));
  }
}

/**
 * In double precision and in stock cpu's order, so that the results are equal to the bit. The last
 * two source rows are kept after horizontal interpolation: when an image is enlarged, several new
 * rows lie between the same two. One tile of the job is a block of the result's rows.
 */
export function resizeBilinear(args: ResizeArgs, tile: i32): void {
  const count = args.outWidth * args.channels, stride = <usize>(args.width * args.channels) * 4;
  let top = scratch(), bottom = top + <usize>count * 8;
  let inTop = -1, inBottom = -1;
  const end = min32(args.rows, (tile + 1) * args.block);
  for (let r = tile * args.block; r < end; r++) {
    const row = entry(args.rowTable, r % args.outHeight);
    const first = (r / args.outHeight) * args.height + row.first,
      second = first - row.first + row.second;
    if (inTop != first && inBottom == first) {
      const kept = top;
      top = bottom; inTop = first;
      bottom = kept; inBottom = -1;
    }
    if (inTop != first) {
      blendAcross(args, <usize>args.x + <usize>first * stride, top);
      inTop = first;
    }
    if (second != first && inBottom != second) {
      blendAcross(args, <usize>args.x + <usize>second * stride, bottom);
      inBottom = second;
    }
    blendDown(
      top, second == first ? top : bottom, row.fraction,
      <usize>args.out + <usize>r * <usize>count * 4, count,
    );
  }
}

/** Reads only `first` of each entry. One tile of the job is a block of the result's rows. */
export function resizeNearest(args: ResizeArgs, tile: i32): void {
  const size = <usize>args.channels * 4, outWidth = args.outWidth;
  const stride = <usize>args.width * size;
  const end = min32(args.rows, (tile + 1) * args.block);
  for (let r = tile * args.block; r < end; r++) {
    const image = <usize>args.x + <usize>(r / args.outHeight) * <usize>args.height * stride;
    const row = image + <usize>entry(args.rowTable, r % args.outHeight).first * stride;
    let out = <usize>args.out + <usize>r * <usize>outWidth * size;
    for (let c = 0; c < outWidth; c++, out += size) {
      const from = row + <usize>entry(args.columnTable, c).first * size;
      for (let d: usize = 0; d < size; d += 4) store<u32>(out + d, load<u32>(from + d));
    }
  }
}
