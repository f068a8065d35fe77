/**
 * The gradient of resizing: each pixel of the source collects what it gave to the pixels of the
 * result, so that no two tiles write to one place.
 */
import { madd, min32 } from './simd';
import { scratch } from './threads';

@unmanaged
export class ResizeGradientArgs {
  dy: u32; //  [images][outHeight][outWidth][channels]
  out: u32; // [images][height][width][channels]
  rowTaps: u32; columnTaps: u32; // ResizeTap
  rowStarts: u32; columnStarts: u32; // i32 [height + 1], [width + 1]: the taps of each
  height: i32; width: i32; channels: i32; outHeight: i32; outWidth: i32;
  rows: i32; block: i32; // rows of all sources; rows of one tile
}

/** A row or column of dy that counts for one of the source, and how much. */
@unmanaged
export class ResizeTap {
  index: i32; weight: f32;
}

// @ts-ignore: decorator
@inline
function tap(taps: u32, i: i32): ResizeTap {
  return changetype<ResizeTap>(<usize>taps + <usize>i * offsetof<ResizeTap>());
}

// @ts-ignore: decorator
@inline
function start(starts: u32, i: i32): i32 {
  return load<i32>(<usize>starts + <usize>i * 4);
}

/** out[0 … count) = Σ over taps [first, end) of weight · x[index][0 … count); `step` in bytes. */
// @ts-ignore: decorator
@inline
function collect(
  taps: u32, first: i32, end: i32, x: usize, step: usize, out: usize, count: i32,
): void {
  let i = 0;
  for (; i + 8 <= count; i += 8) {
    const from = x + <usize>i * 4;
    let v0 = f32x4.splat(0), v1 = v0;
    for (let n = first; n < end; n++) {
      const one = tap(taps, n), at = from + <usize>one.index * step;
      const weight = f32x4.splat(one.weight);
      v0 = madd(v128.load(at), weight, v0);
      v1 = madd(v128.load(at, 16), weight, v1);
    }
    v128.store(out + <usize>i * 4, v0);
    v128.store(out + <usize>i * 4, v1, 16);
  }
  for (; i < count; i++) {
    let v = f32x4.splat(0);
    for (let n = first; n < end; n++) {
      const one = tap(taps, n);
      v = madd(
        v128.load32_zero(x + <usize>one.index * step + <usize>i * 4), f32x4.splat(one.weight), v,
      );
    }
    store<f32>(out + <usize>i * 4, f32x4.extract_lane(v, 0));
  }
}

/** One tile of the job is a block of the source's rows. */
export function resizeGradient(args: ResizeGradientArgs, tile: i32): void {
  const channels = args.channels, width = args.width, count = args.outWidth * channels;
  const pixel = <usize>channels * 4, rowBytes = <usize>count * 4, line = scratch();
  const end = min32(args.rows, (tile + 1) * args.block);
  for (let r = tile * args.block; r < end; r++) {
    const y = r % args.height, image = <usize>(r / args.height) * <usize>args.outHeight * rowBytes;
    collect(
      args.rowTaps, start(args.rowStarts, y), start(args.rowStarts, y + 1),
      <usize>args.dy + image, rowBytes, line, count,
    );
    let out = <usize>args.out + <usize>r * <usize>width * pixel;
    for (let c = 0; c < width; c++, out += pixel)
      collect(
        args.columnTaps, start(args.columnStarts, c), start(args.columnStarts, c + 1),
        line, pixel, out, channels,
      );
  }
}
