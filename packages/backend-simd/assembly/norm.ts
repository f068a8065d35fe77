/**
 * Batch normalization in training (Ioffe & Szegedy 2015, https://arxiv.org/abs/1502.03167). Inputs
 * are [rows][channels], where a row is a pixel.
 */
import { madd, min32 } from './simd';

@unmanaged
export class NormArgs {
  x: u32; y: u32; dy: u32; residual: u32; out: u32; outResidual: u32;
  partials: u32; // [blocks][2][channels]
  a: u32; b: u32; c: u32; // [channels]
  mean: u32; invStd: u32; gamma: u32; beta: u32; // invStd: 1 / √(variance + epsilon)
  movingMean: u32; movingVariance: u32; newMean: u32; newVariance: u32; dGamma: u32; dBeta: u32;
  rows: i32; channels: i32; block: i32; blocks: i32; relu: i32; channelBlock: i32;
  epsilon: f32; momentum: f32;
}

/**
 * For each channel, the mean of a block of rows and the sum of squared differences from it. (Sums
 * of squares would cancel.) One tile is a block of rows.
 */
export function normPartial(args: NormArgs, block: i32): void {
  const first = block * args.block;
  const rows = min32(args.block, args.rows - first);
  const step = <usize>args.channels * 4;
  const x = <usize>args.x + <usize>first * step;
  const out = <usize>args.partials + <usize>block * 2 * step;
  const fraction = f32x4.splat(1 / <f32>rows);
  let c = 0;
  for (; c + 8 <= args.channels; c += 8) {
    let at = x + <usize>c * 4;
    let s0 = f32x4.splat(0), s1 = f32x4.splat(0);
    for (let r = 0; r < rows; r++) {
      s0 = f32x4.add(s0, v128.load(at));
      s1 = f32x4.add(s1, v128.load(at, 16));
      at += step;
    }
    const m0 = f32x4.mul(s0, fraction), m1 = f32x4.mul(s1, fraction);
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

/**
 * Combines the blocks in double precision (Chan, Golub & LeVeque 1979), writes each channel's scale
 * and shift, and updates the moving statistics. One tile is a block of channels.
 */
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
    const invStd = 1 / Math.sqrt(variance + <f64>args.epsilon);
    const factor = args.gamma ? <f64>load<f32>(<usize>args.gamma + at4) * invStd : invStd;
    const shift = (args.beta ? <f64>load<f32>(<usize>args.beta + at4) : 0) - mean * factor;
    store<f32>(<usize>args.mean + at4, <f32>mean);
    store<f32>(<usize>args.invStd + at4, <f32>invStd);
    store<f32>(<usize>args.a + at4, <f32>factor);
    store<f32>(<usize>args.b + at4, <f32>shift);
    const unbiased = squares / Math.max(count - 1, 1);
    store<f32>(
      <usize>args.newMean + at4, move(load<f32>(<usize>args.movingMean + at4), mean, args.momentum),
    );
    store<f32>(
      <usize>args.newVariance + at4,
      move(load<f32>(<usize>args.movingVariance + at4), unbiased, args.momentum),
    );
  }
}

// @ts-ignore: decorator
@inline
function move(old: f32, now: f64, momentum: f32): f32 {
  return <f32>(<f64>old * <f64>momentum + now * (1 - <f64>momentum));
}

/** y = relu(x · a + b + residual); `relu` 2: ReLU6. One tile is a block of rows. */
export function normApply(args: NormArgs, block: i32): void {
  const first = block * args.block;
  const rows = min32(args.block, args.rows - first);
  const offset = <usize>first * <usize>args.channels * 4;
  const zero = f32x4.splat(0), six = f32x4.splat(6);
  const whole = args.channels & ~3;
  let x = <usize>args.x + offset, y = <usize>args.out + offset;
  let residual = args.residual ? <usize>args.residual + offset : 0;
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < whole; c += 4) {
      const at = <usize>c * 4;
      let v = madd(v128.load(x + at), v128.load(<usize>args.a + at), v128.load(<usize>args.b + at));
      if (residual) v = f32x4.add(v, v128.load(residual + at));
      if (args.relu) v = f32x4.max(v, zero);
      if (args.relu == 2) v = f32x4.min(v, six);
      v128.store(y + at, v);
    }
    for (let c = whole; c < args.channels; c++) {
      const at = <usize>c * 4;
      let v = load<f32>(x + at) * load<f32>(<usize>args.a + at) + load<f32>(<usize>args.b + at);
      if (residual) v += load<f32>(residual + at);
      if (args.relu) v = max<f32>(v, 0);
      store<f32>(y + at, args.relu == 2 ? min<f32>(v, 6) : v);
    }
    const step = <usize>args.channels * 4;
    x += step;
    y += step;
    if (residual) residual += step;
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
