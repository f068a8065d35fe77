/** The gradient of batch normalization: one reduction and one pass over x [rows][channels]. */
import { NormArgs } from './norm';
import { madd, min32 } from './simd';

/** dz: dy where the ReLU's output is above 0, and below 6 if `relu` is 2; else 0. */
// @ts-ignore: decorator
@inline
function reluGradient4(dy: usize, y: usize, relu: i32): v128 {
  const v = v128.load(dy);
  if (!relu) return v;
  const output = v128.load(y);
  const positive = v128.and(v, f32x4.gt(output, f32x4.splat(0)));
  return relu == 2 ? v128.and(positive, f32x4.lt(output, f32x4.splat(6))) : positive;
}

// @ts-ignore: decorator
@inline
function reluGradient1(dy: usize, y: usize, relu: i32): f32 {
  const output = load<f32>(y);
  const stops = relu && (!(output > 0) || (relu == 2 && !(output < 6)));
  return stops ? 0 : load<f32>(dy);
}

/** Σ dz and Σ dz · (x − mean) of each channel. One tile is a block of rows. */
export function normBackPartial(args: NormArgs, block: i32): void {
  const first = block * args.block;
  const rows = min32(args.block, args.rows - first);
  const step = <usize>args.channels * 4;
  const offset = <usize>first * step;
  const out = <usize>args.partials + <usize>block * 2 * step;
  let c = 0;
  for (; c + 8 <= args.channels; c += 8) {
    const c4 = <usize>c * 4;
    const m0 = v128.load(<usize>args.mean + c4), m1 = v128.load(<usize>args.mean + c4, 16);
    let s0 = f32x4.splat(0), s1 = f32x4.splat(0), p0 = f32x4.splat(0), p1 = f32x4.splat(0);
    let at = offset + c4;
    for (let r = 0; r < rows; r++) {
      const z0 = reluGradient4(<usize>args.dy + at, <usize>args.y + at, args.relu);
      const z1 = reluGradient4(<usize>args.dy + at + 16, <usize>args.y + at + 16, args.relu);
      s0 = f32x4.add(s0, z0);
      s1 = f32x4.add(s1, z1);
      p0 = madd(z0, f32x4.sub(v128.load(<usize>args.x + at), m0), p0);
      p1 = madd(z1, f32x4.sub(v128.load(<usize>args.x + at, 16), m1), p1);
      at += step;
    }
    const to = out + c4;
    v128.store(to, s0);
    v128.store(to, s1, 16);
    v128.store(to + step, p0);
    v128.store(to + step, p1, 16);
  }
  for (; c < args.channels; c++) {
    const c4 = <usize>c * 4;
    const mean = load<f32>(<usize>args.mean + c4);
    let sum: f32 = 0, products: f32 = 0;
    let at = offset + c4;
    for (let r = 0; r < rows; r++, at += step) {
      const z = reluGradient1(<usize>args.dy + at, <usize>args.y + at, args.relu);
      sum += z;
      products += z * (load<f32>(<usize>args.x + at) - mean);
    }
    store<f32>(out + c4, sum);
    store<f32>(out + step + c4, products);
  }
}

/**
 * Gradients of gamma and beta, and for each channel the a, b and c of dx = a·dz + b·(x − mean) + c.
 * One tile is a block of channels.
 */
export function normBackCombine(args: NormArgs, tile: i32): void {
  const end = min32(args.channels, (tile + 1) * args.channelBlock);
  const step = <usize>args.channels * 4;
  const count = <f64>args.rows;
  for (let c = tile * args.channelBlock; c < end; c++) {
    const c4 = <usize>c * 4;
    let sum: f64 = 0, products: f64 = 0;
    let at = <usize>args.partials + c4;
    for (let block = 0; block < args.blocks; block++) {
      sum += <f64>load<f32>(at);
      products += <f64>load<f32>(at + step);
      at += 2 * step;
    }
    const invStd = <f64>load<f32>(<usize>args.invStd + c4);
    const dGamma = products * invStd;
    const a = args.gamma ? <f64>load<f32>(<usize>args.gamma + c4) * invStd : invStd;
    const b = (-a * invStd * dGamma) / count;
    store<f32>(<usize>args.dGamma + c4, <f32>dGamma);
    store<f32>(<usize>args.dBeta + c4, <f32>sum);
    store<f32>(<usize>args.a + c4, <f32>a);
    store<f32>(<usize>args.b + c4, <f32>b);
    // x − mean is computed first, since both may be large.
    store<f32>(<usize>args.c + c4, <f32>((-a * sum) / count));
  }
}

/** dx and, if outResidual is set, the shortcut's gradient dz. One tile is a block of rows. */
export function normBackApply(args: NormArgs, block: i32): void {
  const first = block * args.block;
  const rows = min32(args.block, args.rows - first);
  const whole = args.channels & ~3;
  let at = <usize>first * <usize>args.channels * 4;
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < whole; c += 4) {
      const c4 = <usize>c * 4;
      const z = reluGradient4(<usize>args.dy + at, <usize>args.y + at, args.relu);
      const centred = f32x4.sub(v128.load(<usize>args.x + at), v128.load(<usize>args.mean + c4));
      const rest = madd(centred, v128.load(<usize>args.b + c4), v128.load(<usize>args.c + c4));
      v128.store(<usize>args.out + at, madd(z, v128.load(<usize>args.a + c4), rest));
      if (args.outResidual) v128.store(<usize>args.outResidual + at, z);
      at += 16;
    }
    for (let c = whole; c < args.channels; c++) {
      const c4 = <usize>c * 4;
      const z = reluGradient1(<usize>args.dy + at, <usize>args.y + at, args.relu);
      const centred = load<f32>(<usize>args.x + at) - load<f32>(<usize>args.mean + c4);
      const rest = centred * load<f32>(<usize>args.b + c4) + load<f32>(<usize>args.c + c4);
      store<f32>(<usize>args.out + at, z * load<f32>(<usize>args.a + c4) + rest);
      if (args.outResidual) store<f32>(<usize>args.outResidual + at, z);
      at += 4;
    }
  }
}
