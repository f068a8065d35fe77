/** Batch normalization in training, with its gradient (Ioffe & Szegedy 2015, https://arxiv.org/abs/1502.03167). Rows are pixels: [rows][channels]. */
import { madd, min32 } from './simd';

/** Keep in step with src/kernels/norm.ts. */
@unmanaged
export class NormArgs {
  x: u32; y: u32; dy: u32; residual: u32; out: u32; outResidual: u32;
  partials: u32; // [blocks][2][channels]
  a: u32; b: u32; c: u32; // [channels]
  mean: u32; deviation: u32; gamma: u32; beta: u32;
  movingMean: u32; movingVariance: u32; newMean: u32; newVariance: u32; dGamma: u32; dBeta: u32;
  rows: i32; channels: i32; block: i32; blocks: i32; relu: i32; channelBlock: i32;
  epsilon: f32; momentum: f32;
}

/** Sum and squared deviations from the block's own mean, of each channel: sums of squares would cancel. One tile is a block of rows. */
export function normPartial(args: NormArgs, block: i32): void {
  const first = block * args.block;
  const rows = min32(args.block, args.rows - first);
  const step = <usize>args.channels * 4;
  const x = <usize>args.x + <usize>first * step;
  const out = <usize>args.partials + <usize>block * 2 * step;
  const share = f32x4.splat(1 / <f32>rows);
  let c = 0;
  for (; c + 8 <= args.channels; c += 8) {
    let at = x + <usize>c * 4;
    let s0 = f32x4.splat(0), s1 = f32x4.splat(0);
    for (let r = 0; r < rows; r++) {
      s0 = f32x4.add(s0, v128.load(at));
      s1 = f32x4.add(s1, v128.load(at, 16));
      at += step;
    }
    const m0 = f32x4.mul(s0, share), m1 = f32x4.mul(s1, share);
    at = x + <usize>c * 4;
    let q0 = f32x4.splat(0), q1 = f32x4.splat(0);
    for (let r = 0; r < rows; r++) {
      const d0 = f32x4.sub(v128.load(at), m0), d1 = f32x4.sub(v128.load(at, 16), m1);
      q0 = madd(d0, d0, q0);
      q1 = madd(d1, d1, q1);
      at += step;
    }
    const to = out + <usize>c * 4;
    v128.store(to, m0);
    v128.store(to, m1, 16);
    v128.store(to + step, q0);
    v128.store(to + step, q1, 16);
  }
  for (; c < args.channels; c++) {
    let at = x + <usize>c * 4;
    let sum: f32 = 0;
    for (let r = 0; r < rows; r++, at += step) sum += load<f32>(at);
    const mean = sum / <f32>rows;
    at = x + <usize>c * 4;
    let squares: f32 = 0;
    for (let r = 0; r < rows; r++, at += step) {
      const d = load<f32>(at) - mean;
      squares += d * d;
    }
    store<f32>(out + <usize>c * 4, mean);
    store<f32>(out + step + <usize>c * 4, squares);
  }
}

/** Joins the blocks (Chan, Golub & LeVeque 1979) in double precision; writes scale and shift, and moves the statistics. One tile is a block of channels. */
export function normCombine(args: NormArgs, tile: i32): void {
  const end = min32(args.channels, (tile + 1) * args.channelBlock);
  const step = <usize>args.channels * 4;
  for (let c = tile * args.channelBlock; c < end; c++) {
    const at4 = <usize>c * 4;
    let count: f64 = 0, mean: f64 = 0, squares: f64 = 0;
    let at = <usize>args.partials + at4;
    for (let block = 0; block < args.blocks; block++) {
      const n = <f64>min32(args.block, args.rows - block * args.block);
      const delta = <f64>load<f32>(at) - mean;
      const total = count + n;
      mean += (delta * n) / total;
      squares += <f64>load<f32>(at + step) + (delta * delta * count * n) / total;
      count = total;
      at += 2 * step;
    }
    const variance = squares / count;
    const deviation = 1 / Math.sqrt(variance + <f64>args.epsilon);
    const factor = args.gamma ? <f64>load<f32>(<usize>args.gamma + at4) * deviation : deviation;
    const shift = (args.beta ? <f64>load<f32>(<usize>args.beta + at4) : 0) - mean * factor;
    store<f32>(<usize>args.mean + at4, <f32>mean);
    store<f32>(<usize>args.deviation + at4, <f32>deviation);
    store<f32>(<usize>args.a + at4, <f32>factor);
    store<f32>(<usize>args.b + at4, <f32>shift);
    const unbiased = squares / Math.max(count - 1, 1);
    store<f32>(<usize>args.newMean + at4, move(load<f32>(<usize>args.movingMean + at4), mean, args.momentum));
    store<f32>(<usize>args.newVariance + at4, move(load<f32>(<usize>args.movingVariance + at4), unbiased, args.momentum));
  }
}

// @ts-ignore: decorator
@inline
function move(old: f32, now: f64, momentum: f32): f32 {
  return <f32>(<f64>old * <f64>momentum + now * (1 - <f64>momentum));
}

/** y = relu(x · a + b + residual). One tile is a block of rows. */
export function normApply(args: NormArgs, block: i32): void {
  const first = block * args.block;
  const rows = min32(args.block, args.rows - first);
  const offset = <usize>first * <usize>args.channels * 4;
  const zero = f32x4.splat(0);
  const whole = args.channels & ~3;
  let x = <usize>args.x + offset, y = <usize>args.out + offset;
  let residual = args.residual ? <usize>args.residual + offset : 0;
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < whole; c += 4) {
      const at = <usize>c * 4;
      let v = madd(v128.load(x + at), v128.load(<usize>args.a + at), v128.load(<usize>args.b + at));
      if (residual) v = f32x4.add(v, v128.load(residual + at));
      if (args.relu) v = f32x4.max(v, zero);
      v128.store(y + at, v);
    }
    for (let c = whole; c < args.channels; c++) {
      const at = <usize>c * 4;
      let v = load<f32>(x + at) * load<f32>(<usize>args.a + at) + load<f32>(<usize>args.b + at);
      if (residual) v += load<f32>(residual + at);
      store<f32>(y + at, args.relu ? max<f32>(v, 0) : v);
    }
    const step = <usize>args.channels * 4;
    x += step;
    y += step;
    if (residual) residual += step;
  }
}

/** dy where the ReLU was open. */
// @ts-ignore: decorator
@inline
function open4(dy: usize, y: usize, relu: i32): v128 {
  const v = v128.load(dy);
  return relu ? v128.and(v, f32x4.gt(v128.load(y), f32x4.splat(0))) : v;
}

// @ts-ignore: decorator
@inline
function open1(dy: usize, y: usize, relu: i32): f32 {
  return relu && !(load<f32>(y) > 0) ? 0 : load<f32>(dy);
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
      const z0 = open4(<usize>args.dy + at, <usize>args.y + at, args.relu);
      const z1 = open4(<usize>args.dy + at + 16, <usize>args.y + at + 16, args.relu);
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
      const z = open1(<usize>args.dy + at, <usize>args.y + at, args.relu);
      sum += z;
      products += z * (load<f32>(<usize>args.x + at) - mean);
    }
    store<f32>(out + c4, sum);
    store<f32>(out + step + c4, products);
  }
}

/** Gradients of gamma and beta, and dx = a·dz + b·x + c as three numbers a channel. One tile is a block of channels. */
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
    const deviation = <f64>load<f32>(<usize>args.deviation + c4);
    const dGamma = products * deviation;
    const a = args.gamma ? <f64>load<f32>(<usize>args.gamma + c4) * deviation : deviation;
    const b = (-a * deviation * dGamma) / count;
    store<f32>(<usize>args.dGamma + c4, <f32>dGamma);
    store<f32>(<usize>args.dBeta + c4, <f32>sum);
    store<f32>(<usize>args.a + c4, <f32>a);
    store<f32>(<usize>args.b + c4, <f32>b);
    // dx = a·dz + b·(x − mean) + c: the difference is taken first, since x and mean may both be large.
    store<f32>(<usize>args.c + c4, <f32>((-a * sum) / count));
  }
}

/** dx, and the shortcut's gradient dz where there is one. One tile is a block of rows. */
export function normBackApply(args: NormArgs, block: i32): void {
  const first = block * args.block;
  const rows = min32(args.block, args.rows - first);
  const whole = args.channels & ~3;
  let at = <usize>first * <usize>args.channels * 4;
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < whole; c += 4) {
      const c4 = <usize>c * 4;
      const z = open4(<usize>args.dy + at, <usize>args.y + at, args.relu);
      const centred = f32x4.sub(v128.load(<usize>args.x + at), v128.load(<usize>args.mean + c4));
      const rest = madd(centred, v128.load(<usize>args.b + c4), v128.load(<usize>args.c + c4));
      v128.store(<usize>args.out + at, madd(z, v128.load(<usize>args.a + c4), rest));
      if (args.outResidual) v128.store(<usize>args.outResidual + at, z);
      at += 16;
    }
    for (let c = whole; c < args.channels; c++) {
      const c4 = <usize>c * 4;
      const z = open1(<usize>args.dy + at, <usize>args.y + at, args.relu);
      const centred = load<f32>(<usize>args.x + at) - load<f32>(<usize>args.mean + c4);
      const rest = centred * load<f32>(<usize>args.b + c4) + load<f32>(<usize>args.c + c4);
      store<f32>(<usize>args.out + at, z * load<f32>(<usize>args.a + c4) + rest);
      if (args.outResidual) store<f32>(<usize>args.outResidual + at, z);
      at += 4;
    }
  }
}

/** Σ of each channel over a block of rows: [blocks][channels]. */
export function channelSumsPartial(args: NormArgs, block: i32): void {
  const first = block * args.block;
  const rows = min32(args.block, args.rows - first);
  const step = <usize>args.channels * 4;
  const out = <usize>args.partials + <usize>block * step;
  for (let c = 0; c < args.channels; ) {
    let at = <usize>args.x + <usize>first * step + <usize>c * 4;
    if (c + 8 <= args.channels) {
      let s0 = f32x4.splat(0), s1 = f32x4.splat(0);
      for (let r = 0; r < rows; r++, at += step) {
        s0 = f32x4.add(s0, v128.load(at));
        s1 = f32x4.add(s1, v128.load(at, 16));
      }
      v128.store(out + <usize>c * 4, s0);
      v128.store(out + <usize>c * 4, s1, 16);
      c += 8;
    } else {
      let sum: f32 = 0;
      for (let r = 0; r < rows; r++, at += step) sum += load<f32>(at);
      store<f32>(out + <usize>c * 4, sum);
      c++;
    }
  }
}
