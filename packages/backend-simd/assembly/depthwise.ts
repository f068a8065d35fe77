/**
 * Depthwise convolution with a channel multiplier of one: x [batch][height][width][channels],
 * filter [kh][kw][channels].
 */
import { madd } from './simd';

@unmanaged
export class DepthwiseArgs {
  x: u32; filter: u32; dy: u32; out: u32;
  batch: i32; height: i32; width: i32; channels: i32; outHeight: i32; outWidth: i32;
  kernelHeight: i32; kernelWidth: i32; strideY: i32; strideX: i32;
  padTop: i32; padLeft: i32; dilationY: i32; dilationX: i32;
}

/** One tile of the job is one row of one output image. */
export function depthwiseForward(args: DepthwiseArgs, job: i32): void {
  const image = job / args.outHeight;
  const oy = job % args.outHeight;
  const pixel = <usize>args.channels * 4;
  const source = <usize>args.x + <usize>(image * args.height * args.width) * pixel;
  let out = <usize>args.out + <usize>job * <usize>args.outWidth * pixel;
  for (let ox = 0; ox < args.outWidth; ox++, out += pixel) {
    memory.fill(out, 0, pixel);
    for (let ky = 0; ky < args.kernelHeight; ky++) {
      const y = oy * args.strideY - args.padTop + ky * args.dilationY;
      if (<u32>y >= <u32>args.height) continue;
      for (let kx = 0; kx < args.kernelWidth; kx++) {
        const x = ox * args.strideX - args.padLeft + kx * args.dilationX;
        if (<u32>x >= <u32>args.width) continue;
        addProduct(
          out, source + <usize>(y * args.width + x) * pixel,
          <usize>args.filter + <usize>(ky * args.kernelWidth + kx) * pixel, args.channels,
        );
      }
    }
  }
}

/** out[c] += a[c] · b[c] */
// @ts-ignore: decorator
@inline
function addProduct(out: usize, a: usize, b: usize, channels: i32): void {
  let c = 0;
  for (; c + 4 <= channels; c += 4) {
    const at = <usize>c * 4;
    v128.store(out + at, madd(v128.load(a + at), v128.load(b + at), v128.load(out + at)));
  }
  for (; c < channels; c++) {
    const at = <usize>c * 4;
    store<f32>(out + at, load<f32>(out + at) + load<f32>(a + at) * load<f32>(b + at));
  }
}

/** dx. One tile of the job is one image. */
export function depthwiseInputGradient(args: DepthwiseArgs, image: i32): void {
  const pixel = <usize>args.channels * 4;
  const out = <usize>args.out + <usize>(image * args.height * args.width) * pixel;
  memory.fill(out, 0, <usize>(args.height * args.width) * pixel);
  let dy = <usize>args.dy + <usize>(image * args.outHeight * args.outWidth) * pixel;
  for (let oy = 0; oy < args.outHeight; oy++) {
    for (let ox = 0; ox < args.outWidth; ox++, dy += pixel) {
      for (let ky = 0; ky < args.kernelHeight; ky++) {
        const y = oy * args.strideY - args.padTop + ky * args.dilationY;
        if (<u32>y >= <u32>args.height) continue;
        for (let kx = 0; kx < args.kernelWidth; kx++) {
          const x = ox * args.strideX - args.padLeft + kx * args.dilationX;
          if (<u32>x >= <u32>args.width) continue;
          addProduct(
            out + <usize>(y * args.width + x) * pixel, dy,
            <usize>args.filter + <usize>(ky * args.kernelWidth + kx) * pixel, args.channels,
          );
        }
      }
    }
  }
}

/**
 * dW of each image: out [batch][kh][kw][channels]. One tile of the job is one image. Each pixel of
 * dy meets all taps in turn, while the pixels of x are in the cache.
 */
export function depthwiseFilterGradient(args: DepthwiseArgs, image: i32): void {
  const pixel = <usize>args.channels * 4;
  const taps = args.kernelHeight * args.kernelWidth;
  const out = <usize>args.out + <usize>(image * taps) * pixel;
  memory.fill(out, 0, <usize>taps * pixel);
  const source = <usize>args.x + <usize>(image * args.height * args.width) * pixel;
  let dy = <usize>args.dy + <usize>(image * args.outHeight * args.outWidth) * pixel;
  for (let oy = 0; oy < args.outHeight; oy++) {
    for (let ox = 0; ox < args.outWidth; ox++, dy += pixel) {
      for (let ky = 0; ky < args.kernelHeight; ky++) {
        const y = oy * args.strideY - args.padTop + ky * args.dilationY;
        if (<u32>y >= <u32>args.height) continue;
        for (let kx = 0; kx < args.kernelWidth; kx++) {
          const x = ox * args.strideX - args.padLeft + kx * args.dilationX;
          if (<u32>x >= <u32>args.width) continue;
          addProduct(
            out + <usize>(ky * args.kernelWidth + kx) * pixel,
            source + <usize>(y * args.width + x) * pixel, dy, args.channels,
          );
        }
      }
    }
  }
}
