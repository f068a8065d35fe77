/** Updates of all weights in one pass. */
import { madd, min32 } from './simd';

export enum UpdateRule { Sgd, Momentum, Nesterov, Adam }

/** Keep in step with src/kernels/update.ts. */
@unmanaged
export class UpdateArgs {
  table: u32; // [entries] of six words: weights, gradient, slot 1, slot 2, count, first tile
  entries: i32; block: i32; rule: i32;
  lr: f32; momentum: f32; beta2: f32; epsilon: f32; decay: f32;
  correction1: f32; correction2: f32; // Adam's 1 − βᵗ
}

const ENTRY: usize = 24;

/** One tile of the job is a block of one weight's numbers. */
export function update(args: UpdateArgs, tile: i32): void {
  let low = 0, high = args.entries - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (load<i32>(<usize>args.table + <usize>middle * ENTRY, 20) <= tile) low = middle;
    else high = middle - 1;
  }
  const entry = <usize>args.table + <usize>low * ENTRY;
  const first = (tile - load<i32>(entry, 20)) * args.block;
  const end = min32(load<i32>(entry, 16), first + args.block);
  const w = <usize>load<u32>(entry), g = <usize>load<u32>(entry, 4), m = <usize>load<u32>(entry, 8), v = <usize>load<u32>(entry, 12);
  let i = first;
  if (args.rule == UpdateRule.Sgd) {
    const minusLr = f32x4.splat(-args.lr), decay = f32x4.splat(args.decay);
    for (; i + 4 <= end; i += 4) {
      const at = <usize>i * 4;
      const weight = v128.load(w + at);
      v128.store(w + at, f32x4.add(weight, f32x4.mul(minusLr, madd(decay, weight, v128.load(g + at)))));
    }
  }
  for (; i < end; i++) {
    const at = <usize>i * 4;
    const weight = load<f32>(w + at);
    const gradient = load<f32>(g + at) + args.decay * weight;
    if (args.rule == UpdateRule.Sgd) {
      store<f32>(w + at, weight - args.lr * gradient);
    } else if (args.rule == UpdateRule.Adam) {
      const mean = args.momentum * load<f32>(m + at) + (1 - args.momentum) * gradient;
      const square = args.beta2 * load<f32>(v + at) + (1 - args.beta2) * gradient * gradient;
      store<f32>(m + at, mean);
      store<f32>(v + at, square);
      store<f32>(w + at, weight - (args.lr * (mean / args.correction1)) / (sqrt<f32>(square / args.correction2) + args.epsilon));
    } else {
      const velocity = args.momentum * load<f32>(m + at) + gradient;
      store<f32>(m + at, velocity);
      store<f32>(w + at, weight - args.lr * (args.rule == UpdateRule.Nesterov ? gradient + args.momentum * velocity : velocity));
    }
  }
}
