/**
 * Updates all weights in one pass. The rules and their sources are those of the optimizers that
 * launch `deepend.update`.
 */
import { UpdateRule } from './ops';
import { madd, min32 } from './simd';
import { scratch } from './threads';

@unmanaged
export class UpdateArgs {
  table: u32; // UpdateEntry[entries]
  entries: i32; block: i32; rule: i32;
  beta1: f32; rest1: f32; // β₁, and 1 − β₁ rounded from double precision
  beta2: f32; rest2: f32;
  epsilon: f32;
}

/** How one weight is updated. */
@unmanaged
export class UpdateEntry {
  weight: u32; gradient: u32; slot1: u32; slot2: u32; slot3: u32;
  count: i32; first: i32; // number of elements; its first tile
  lr: f32; decay: f32; shrink: f32; correction: f32;
}

/** keep·before + rest·now */
// @ts-ignore: decorator
@inline
function average(keep: f32, before: v128, rest: f32, now: v128): v128 {
  return madd(f32x4.splat(keep), before, f32x4.mul(f32x4.splat(rest), now));
}

/** Updates the running mean at `slot`. @returns its new value */
// @ts-ignore: decorator
@inline
function updateMean(slot: usize, keep: f32, rest: f32, now: v128): v128 {
  const mean = average(keep, v128.load(slot), rest, now);
  v128.store(slot, mean);
  return mean;
}

/** Updates the velocity at `slot` to β₁·before + now. @returns its new value */
// @ts-ignore: decorator
@inline
function updateVelocity(slot: usize, beta1: f32, now: v128): v128 {
  const velocity = madd(f32x4.splat(beta1), v128.load(slot), now);
  v128.store(slot, velocity);
  return velocity;
}

/** −1, 0, 1, or NaN. */
// @ts-ignore: decorator
@inline
function sign(x: v128): v128 {
  const one = f32x4.splat(1), zero = f32x4.splat(0);
  const signs = f32x4.sub(v128.and(f32x4.gt(x, zero), one), v128.and(f32x4.lt(x, zero), one));
  return v128.bitselect(signs, x, f32x4.eq(x, x));
}

/** The change of four weights with gradients g. Updates the slots, at p, q and r. */
// @ts-ignore: decorator
@inline
function computeChange(
  rule: i32, args: UpdateArgs, correction: f32, g: v128, p: usize, q: usize, r: usize,
): v128 {
  const epsilon = f32x4.splat(args.epsilon);
  if (rule == UpdateRule.Sgd) return g;
  if (rule == UpdateRule.Momentum) return updateVelocity(p, args.beta1, g);
  if (rule == UpdateRule.Nesterov)
    return madd(f32x4.splat(args.beta1), updateVelocity(p, args.beta1, g), g);
  if (rule == UpdateRule.Adam) {
    const mean = updateMean(p, args.beta1, args.rest1, g);
    const square = updateMean(q, args.beta2, args.rest2, f32x4.mul(g, g));
    return f32x4.div(
      mean, f32x4.add(f32x4.div(f32x4.sqrt(square), f32x4.splat(correction)), epsilon),
    );
  }
  if (rule == UpdateRule.Adagrad) {
    const sum = madd(g, g, v128.load(p));
    v128.store(p, sum);
    return f32x4.div(g, f32x4.add(f32x4.sqrt(sum), epsilon));
  }
  if (rule == UpdateRule.Lion) {
    const before = v128.load(p);
    v128.store(p, average(args.beta2, before, args.rest2, g));
    return sign(average(args.beta1, before, args.rest1, g));
  }
  const centered = rule == UpdateRule.RmspropCentered || rule == UpdateRule.RmspropCenteredMomentum;
  let variance = updateMean(p, args.beta2, args.rest2, f32x4.mul(g, g));
  if (centered) {
    const mean = updateMean(q, args.beta2, args.rest2, g);
    // If all gradients were equal, rounding can make it negative.
    variance = f32x4.max(f32x4.sub(variance, f32x4.mul(mean, mean)), f32x4.splat(0));
  }
  const scaled = f32x4.div(g, f32x4.add(f32x4.sqrt(variance), epsilon));
  if (rule == UpdateRule.RmspropMomentum) return updateVelocity(q, args.beta1, scaled);
  if (rule == UpdateRule.RmspropCenteredMomentum) return updateVelocity(r, args.beta1, scaled);
  return scaled;
}

// @ts-ignore: decorator
@inline
function updateVector(
  rule: i32, args: UpdateArgs, entry: UpdateEntry, w: usize, g: usize, p: usize, q: usize, r: usize,
): void {
  const weight = v128.load(w);
  const gradient = madd(f32x4.splat(entry.decay), weight, v128.load(g));
  const change = computeChange(rule, args, entry.correction, gradient, p, q, r);
  const shrunk = f32x4.mul(f32x4.splat(entry.shrink), weight);
  v128.store(w, f32x4.sub(shrunk, f32x4.mul(f32x4.splat(entry.lr), change)));
}

// @ts-ignore: decorator
@inline
function updateBlock(rule: i32, args: UpdateArgs, entry: UpdateEntry, first: i32): void {
  const end = <usize>min32(entry.count, first + args.block) * 4;
  const w = <usize>entry.weight, g = <usize>entry.gradient;
  const p = <usize>entry.slot1, q = <usize>entry.slot2, r = <usize>entry.slot3;
  let i = <usize>first * 4;
  for (; i + 16 <= end; i += 16) updateVector(rule, args, entry, w + i, g + i, p + i, q + i, r + i);
  if (i >= end) return;
  // The last numbers are copied, so that nothing is written after the end of a tensor.
  const rest = scratch(), bytes = end - i;
  copySome(rest, w + i, bytes);
  copySome(rest + 16, g + i, bytes);
  if (p) copySome(rest + 32, p + i, bytes);
  if (q) copySome(rest + 48, q + i, bytes);
  if (r) copySome(rest + 64, r + i, bytes);
  updateVector(rule, args, entry, rest, rest + 16, rest + 32, rest + 48, rest + 64);
  copySome(w + i, rest, bytes);
  if (p) copySome(p + i, rest + 32, bytes);
  if (q) copySome(q + i, rest + 48, bytes);
  if (r) copySome(r + i, rest + 64, bytes);
}

/** Copies up to three numbers. */
function copySome(to: usize, from: usize, bytes: usize): void {
  for (let i: usize = 0; i < bytes; i += 4) store<f32>(to + i, load<f32>(from + i));
}

/** One tile of the job is a block of one weight's elements. */
export function update(args: UpdateArgs, tile: i32): void {
  let low = 0, high = args.entries - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (entryAt(args, middle).first <= tile) low = middle;
    else high = middle - 1;
  }
  const entry = entryAt(args, low);
  const first = (tile - entry.first) * args.block;
  switch (args.rule) {
    case UpdateRule.Sgd: return updateBlock(UpdateRule.Sgd, args, entry, first);
    case UpdateRule.Momentum: return updateBlock(UpdateRule.Momentum, args, entry, first);
    case UpdateRule.Nesterov: return updateBlock(UpdateRule.Nesterov, args, entry, first);
    case UpdateRule.Adam: return updateBlock(UpdateRule.Adam, args, entry, first);
    case UpdateRule.Rmsprop: return updateBlock(UpdateRule.Rmsprop, args, entry, first);
    case UpdateRule.RmspropMomentum:
      return updateBlock(UpdateRule.RmspropMomentum, args, entry, first);
    case UpdateRule.RmspropCentered:
      return updateBlock(UpdateRule.RmspropCentered, args, entry, first);
    case UpdateRule.RmspropCenteredMomentum:
      return updateBlock(UpdateRule.RmspropCenteredMomentum, args, entry, first);
    case UpdateRule.Adagrad: return updateBlock(UpdateRule.Adagrad, args, entry, first);
    default: return updateBlock(UpdateRule.Lion, args, entry, first);
  }
}

// @ts-ignore: decorator
@inline
function entryAt(args: UpdateArgs, i: i32): UpdateEntry {
  return changetype<UpdateEntry>(<usize>args.table + <usize>i * offsetof<UpdateEntry>());
}
