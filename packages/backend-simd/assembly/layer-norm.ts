/** Layer normalization of rows (Ba, Kiros & Hinton 2016, https://arxiv.org/abs/1607.06450). */
import { get, madd, min32, put, total } from './simd';

@unmanaged
export class LayerNormArgs {
  x: u32; dy: u32; out: u32; // [rows][n]
  mean: u32; invStd: u32; //    [rows]; invStd: 1 / √(variance + epsilon)
  gamma: u32; beta: u32; //     [n], or 0
  partials: u32; //             [blocks][2][n]: each block's part of dGamma and dBeta
  rows: i32; n: i32; block: i32;
  epsilon: f32;
}

/** Σ x */
function sumOf(x: usize, n: i32): f64 {
  let a = f32x4.splat(0), b = f32x4.splat(0), i = 0;
  for (; i + 8 <= n; i += 8) {
    a = f32x4.add(a, v128.load(x + <usize>i * 4));
    b = f32x4.add(b, v128.load(x + <usize>i * 4, 16));
  }
  let sum = total(f32x4.add(a, b));
  for (; i < n; i++) sum += <f64>load<f32>(x + <usize>i * 4);
  return sum;
}

/** Σ (x − mean)²: sums of squares would cancel. */
function squaresOf(x: usize, n: i32, mean: f32): f64 {
  const shift = f32x4.splat(mean);
  let a = f32x4.splat(0), b = f32x4.splat(0), i = 0;
  for (; i + 8 <= n; i += 8) {
    const p = f32x4.sub(v128.load(x + <usize>i * 4), shift);
    const q = f32x4.sub(v128.load(x + <usize>i * 4, 16), shift);
    a = madd(p, p, a);
    b = madd(q, q, b);
  }
  let sum = total(f32x4.add(a, b));
  for (; i < n; i++) {
    const d = load<f32>(x + <usize>i * 4) - mean;
    sum += <f64>(d * d);
  }
  return sum;
}

/** One tile is a block of rows. */
export function layerNorm(args: LayerNormArgs, tile: i32): void {
  const n = args.n, end = min32(args.rows, (tile + 1) * args.block);
  const gamma = <usize>args.gamma, beta = <usize>args.beta;
  for (let row = tile * args.block; row < end; row++) {
    const skip = <usize>row * <usize>n * 4, place = <usize>row * 4;
    const x = <usize>args.x + skip, out = <usize>args.out + skip;
    const mean = <f32>(sumOf(x, n) / <f64>n);
    const variance = squaresOf(x, n, mean) / <f64>n;
    const invStd = <f32>(1 / Math.sqrt(variance + <f64>args.epsilon));
    store<f32>(<usize>args.mean + place, mean);
    store<f32>(<usize>args.invStd + place, invStd);
    const shift = f32x4.splat(mean), scale = f32x4.splat(invStd);
    for (let j = 0, count = 0; j < n; j += count) {
      count = n - j >= 4 ? 4 : 1;
      const at = <usize>j * 4;
      let y = f32x4.mul(f32x4.sub(get(x + at, count), shift), scale);
      if (gamma) y = f32x4.mul(y, get(gamma + at, count));
      if (beta) y = f32x4.add(y, get(beta + at, count));
      put(out + at, y, count);
    }
  }
}

/**
 * One tile is a block of rows. With d = dy · gamma and the normalized x̂, a row's dx is
 * (d − mean(d) − x̂ · mean(d · x̂)) · invStd.
 */
export function layerNormGradient(args: LayerNormArgs, tile: i32): void {
  const n = args.n, end = min32(args.rows, (tile + 1) * args.block);
  const step = <usize>n * 4, gamma = <usize>args.gamma;
  const dGamma = <usize>args.partials + <usize>tile * 2 * step, dBeta = dGamma + step;
  memory.fill(dGamma, 0, 2 * step);
  for (let row = tile * args.block; row < end; row++) {
    const skip = <usize>row * step, place = <usize>row * 4;
    const x = <usize>args.x + skip, dy = <usize>args.dy + skip, out = <usize>args.out + skip;
    const shift = v128.load_splat<f32>(<usize>args.mean + place);
    const scale = v128.load_splat<f32>(<usize>args.invStd + place);
    let s = f32x4.splat(0), along = f32x4.splat(0);
    for (let j = 0, count = 0; j < n; j += count) {
      count = n - j >= 4 ? 4 : 1;
      const at = <usize>j * 4;
      const change = get(dy + at, count);
      const normal = f32x4.mul(f32x4.sub(get(x + at, count), shift), scale);
      put(dBeta + at, f32x4.add(get(dBeta + at, count), change), count);
      put(dGamma + at, madd(change, normal, get(dGamma + at, count)), count);
      const d = gamma ? f32x4.mul(change, get(gamma + at, count)) : change;
      s = f32x4.add(s, d); // what is beyond a row's end is 0
      along = madd(d, normal, along);
    }
    const mean = f32x4.splat(<f32>(total(s) / <f64>n));
    const slope = f32x4.splat(<f32>(total(along) / <f64>n));
    for (let j = 0, count = 0; j < n; j += count) {
      count = n - j >= 4 ? 4 : 1;
      const at = <usize>j * 4;
      const change = get(dy + at, count);
      const normal = f32x4.mul(f32x4.sub(get(x + at, count), shift), scale);
      const d = gamma ? f32x4.mul(change, get(gamma + at, count)) : change;
      const centered = f32x4.sub(f32x4.sub(d, mean), f32x4.mul(normal, slope));
      put(out + at, f32x4.mul(centered, scale), count);
    }
  }
}
