/** Max and average pooling with their gradients. Channels are contiguous: four make one vector. */
import { max32, min32 } from './simd';

@unmanaged
export class PoolArgs {
  x: u32; y: u32; dy: u32; out: u32;
  batch: i32; height: i32; width: i32; channels: i32; outHeight: i32; outWidth: i32;
  kernelHeight: i32; kernelWidth: i32; strideY: i32; strideX: i32; padTop: i32; padLeft: i32;
  average: i32; // 1: average, 0: maximum
}

// @ts-ignore: decorator
@inline
function pixelAt(base: usize, args: PoolArgs, image: i32, y: i32, x: i32): usize {
  return base + <usize>((image * args.height + y) * args.width + x) * <usize>args.channels * 4;
}

/** One tile of the job is one row of one output image. */
export function poolForward(args: PoolArgs, job: i32): void {
  const image = job / args.outHeight;
  const oy = job % args.outHeight;
  const y0 = max32(0, oy * args.strideY - args.padTop);
  const y1 = min32(args.height, oy * args.strideY - args.padTop + args.kernelHeight);
  const pixel = <usize>args.channels * 4;
  const row = <usize>args.width * pixel;
  let out = <usize>args.out + <usize>job * <usize>args.outWidth * pixel;
  for (let ox = 0; ox < args.outWidth; ox++) {
    const x0 = max32(0, ox * args.strideX - args.padLeft);
    const x1 = min32(args.width, ox * args.strideX - args.padLeft + args.kernelWidth);
    const from = pixelAt(args.x, args, image, y0, x0);
    const count = (y1 - y0) * (x1 - x0);
    let c = 0;
    for (; c + 4 <= args.channels; c += 4) {
      let v = f32x4.splat(args.average ? 0 : -Infinity);
      for (let y = y0, line = from + <usize>c * 4; y < y1; y++, line += row) {
        for (let x = x0, at = line; x < x1; x++, at += pixel) {
          // pmax skips NaN, as stock cpu does.
          v = args.average ? f32x4.add(v, v128.load(at)) : f32x4.pmax(v, v128.load(at));
        }
      }
      if (args.average) v = f32x4.div(v, f32x4.splat(<f32>count));
      v128.store(out + <usize>c * 4, v);
    }
    for (; c < args.channels; c++) {
      let v: f32 = args.average ? 0 : -Infinity;
      for (let y = y0, line = from + <usize>c * 4; y < y1; y++, line += row) {
        for (let x = x0, at = line; x < x1; x++, at += pixel) {
          const pixelValue = load<f32>(at);
          v = args.average ? v + pixelValue : pixelValue > v ? pixelValue : v;
        }
      }
      store<f32>(out + <usize>c * 4, args.average ? v / <f32>count : v);
    }
    out += pixel;
  }
}

/**
 * Adds each window's gradient to the first pixel that equals the window's maximum. One tile of the
 * job is one image.
 */
export function maxPoolGradient(args: PoolArgs, image: i32): void {
  const pixel = <usize>args.channels * 4;
  const row = <usize>args.width * pixel;
  memory.fill(pixelAt(args.out, args, image, 0, 0), 0, <usize>args.height * row);
  let index = <usize>image * <usize>(args.outHeight * args.outWidth) * pixel;
  for (let oy = 0; oy < args.outHeight; oy++) {
    const y0 = max32(0, oy * args.strideY - args.padTop);
    const y1 = min32(args.height, oy * args.strideY - args.padTop + args.kernelHeight);
    for (let ox = 0; ox < args.outWidth; ox++) {
      const x0 = max32(0, ox * args.strideX - args.padLeft);
      const x1 = min32(args.width, ox * args.strideX - args.padLeft + args.kernelWidth);
      const offset = pixelAt(0, args, image, y0, x0);
      let c = 0;
      for (; c + 4 <= args.channels; c += 4) {
        const c4 = <usize>c * 4;
        const largest = v128.load(<usize>args.y + index + c4);
        let left = v128.load(<usize>args.dy + index + c4); // gradients still to be placed
        for (let y = y0, line = offset + c4; y < y1; y++, line += row) {
          for (let x = x0, at = line; x < x1; x++, at += pixel) {
            const here = f32x4.eq(v128.load(<usize>args.x + at), largest);
            v128.store(
              <usize>args.out + at,
              f32x4.add(v128.load(<usize>args.out + at), v128.and(left, here)),
            );
            left = v128.andnot(left, here);
          }
        }
      }
      for (; c < args.channels; c++) {
        const c4 = <usize>c * 4;
        const largest = load<f32>(<usize>args.y + index + c4);
        let found = false;
        for (let y = y0, line = offset + c4; y < y1 && !found; y++, line += row) {
          for (let x = x0, at = line; x < x1; x++, at += pixel) {
            if (load<f32>(<usize>args.x + at) != largest) continue;
            store<f32>(
              <usize>args.out + at,
              load<f32>(<usize>args.out + at) + load<f32>(<usize>args.dy + index + c4),
            );
            found = true;
            break;
          }
        }
      }
      index += pixel;
    }
  }
}

/**
 * Every pixel of a window gets dy / (kernel height · kernel width), even if the window contains
 * padding, as on stock cpu. (`compiler` corrects that.) One tile of the job is one image.
 */
export function averagePoolGradient(args: PoolArgs, image: i32): void {
  const pixel = <usize>args.channels * 4;
  const row = <usize>args.width * pixel;
  memory.fill(pixelAt(args.out, args, image, 0, 0), 0, <usize>args.height * row);
  const fraction: f32 = 1 / <f32>(args.kernelHeight * args.kernelWidth);
  let from = <usize>args.dy + <usize>image * <usize>(args.outHeight * args.outWidth) * pixel;
  for (let oy = 0; oy < args.outHeight; oy++) {
    const y0 = max32(0, oy * args.strideY - args.padTop);
    const y1 = min32(args.height, oy * args.strideY - args.padTop + args.kernelHeight);
    for (let ox = 0; ox < args.outWidth; ox++) {
      const x0 = max32(0, ox * args.strideX - args.padLeft);
      const x1 = min32(args.width, ox * args.strideX - args.padLeft + args.kernelWidth);
      for (let y = y0; y < y1; y++) {
        for (let x = x0; x < x1; x++) {
          const to = pixelAt(args.out, args, image, y, x);
          let c = 0;
          for (; c + 4 <= args.channels; c += 4) {
            const c4 = <usize>c * 4;
            v128.store(
              to + c4,
              f32x4.add(v128.load(to + c4), f32x4.mul(v128.load(from + c4), f32x4.splat(fraction))),
            );
          }
          for (; c < args.channels; c++)
            store<f32>(
              to + <usize>c * 4,
              load<f32>(to + <usize>c * 4) + load<f32>(from + <usize>c * 4) * fraction,
            );
        }
      }
      from += pixel;
    }
  }
}
