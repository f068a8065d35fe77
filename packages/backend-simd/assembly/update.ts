/**
 * Updates of all weights in one pass. Momentum and Nesterov as PyTorch writes them (Sutskever et al. 2013), Adam: Kingma & Ba 2014,
 * https://arxiv.org/abs/1412.6980, algorithm 1.
 */
import { UpdateRule } from './ops';
import { madd, min32 } from './simd';

/** Keep in step with src/kernels/fused.ts. */
@unmanaged
export class UpdateArgs {
  table: u32; // [entries] of six words: weights, gradient, slot 1, slot 2, count, first tile
  entries: i32; block: i32; rule: i32;
  lr: f32; momentum: f32; beta2: f32; epsilon: f32; decay: f32;
  correction1: f32; correction2: f32; // Adam's 1 − βᵗ
}

const ENTRY: usize = 24;

/** a·x + b·y */
// @ts-ignore: decorator
@inline
function mix(a: f32, x: v128, b: f32, y: v128): v128 {
  return madd(f32x4.splat(a), x, f32x4.mul(f32x4.splat(b), y));
}

/** The weights' change for four gradients g; m and v point at the slots' numbers, which move on. */
// @ts-ignore: decorator
@inline
function stepOf(rule: i32, args: UpdateArgs, g: v128, m: usize, v: usize): v128 {
  if (rule == UpdateRule.Sgd) return g;
  if (rule == UpdateRule.Adam) {
    const mean = mix(args.momentum, v128.load(m), 1 - args.momentum, g);
    const square = mix(args.beta2, v128.load(v), 1 - args.beta2, f32x4.mul(g, g));
    v128.store(m, mean);
    v128.store(v, square);
    const root = f32x4.sqrt(f32x4.div(square, f32x4.splat(args.correction2)));
    return f32x4.div(f32x4.div(mean, f32x4.splat(args.correction1)), f32x4.add(root, f32x4.splat(args.epsilon)));
  }
  const velocity = madd(f32x4.splat(args.momentum), v128.load(m), g);
  v128.store(m, velocity);
  return rule == UpdateRule.Nesterov ? madd(f32x4.splat(args.momentum), velocity, g) : velocity;
}

// @ts-ignore: decorator
@inline
function stepFour(rule: i32, args: UpdateArgs, w: usize, g: usize, m: usize, v: usize): void {
  const weight = v128.load(w);
  const gradient = madd(f32x4.splat(args.decay), weight, v128.load(g));
  v128.store(w, f32x4.sub(weight, f32x4.mul(f32x4.splat(args.lr), stepOf(rule, args, gradient, m, v))));
}

// @ts-ignore: decorator
@inline
function updateBlock(rule: i32, args: UpdateArgs, entry: usize, first: i32): void {
  const end = min32(load<i32>(entry, 16), first + args.block);
  const w = <usize>load<u32>(entry), g = <usize>load<u32>(entry, 4), m = <usize>load<u32>(entry, 8), v = <usize>load<u32>(entry, 12);
  // A tensor has at least 64 bytes behind it that are its own, so its last vector may stick out.
  for (let i = <usize>first * 4; i < <usize>end * 4; i += 16) stepFour(rule, args, w + i, g + i, m + i, v + i);
}

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
  switch (args.rule) {
    case UpdateRule.Sgd: return updateBlock(UpdateRule.Sgd, args, entry, first);
    case UpdateRule.Momentum: return updateBlock(UpdateRule.Momentum, args, entry, first);
    case UpdateRule.Nesterov: return updateBlock(UpdateRule.Nesterov, args, entry, first);
    default: return updateBlock(UpdateRule.Adam, args, entry, first);
  }
}
