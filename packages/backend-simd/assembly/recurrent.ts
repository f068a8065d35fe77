/**
 * One time step of a recurrent layer, after the matrix products: gates, new states, and their
 * gradients. PyTorch's gates: r, z, n of a GRU; i, f, g, o of an LSTM. Names of sizes: B samples,
 * H hidden numbers, G gates.
 */
import { RecurrentCell } from './ops';
import { get, min32, put, sigmoid4, tanh4 } from './simd';

@unmanaged
export class RecurrentArgs {
  x: u32; //        [B, G·H] inputs · weightIhᵀ + biasIh
  product: u32; //  forward [B, G·H] h · weightHhᵀ + biasHh; backward [B, H] dHidden · weightHh
  previous: u32; previousCell: u32; // [B, H] before the step
  state: u32; gates: u32; extra: u32; // [B, H], [B, G·H], [B, H] of the step
  lengths: u32; //  int32 [B], or 0
  dOutput: u32; //  [B, H]
  carry: u32; //    [B, H] what comes from the later step without weightHh; updated
  dCell: u32; //    [B, H] updated
  dGates: u32; dHidden: u32; // [B, G·H]; a GRU's dHidden differs
  batch: i32; hidden: i32; block: i32; step: i32;
  cell: i32; // RecurrentCell
}

// @ts-ignore: decorator
@inline
function isOver(args: RecurrentArgs, row: i32): bool {
  return args.lengths != 0 && args.step >= load<i32>(<usize>args.lengths + <usize>row * 4);
}

// @ts-ignore: decorator
@inline
function mul(a: v128, b: v128): v128 {
  return f32x4.mul(a, b);
}

/** s · (1 − s) */
// @ts-ignore: decorator
@inline
function sigmoidSlope(s: v128): v128 {
  return mul(s, f32x4.sub(f32x4.splat(1), s));
}

/** 1 − t² */
// @ts-ignore: decorator
@inline
function tanhSlope(t: v128): v128 {
  return f32x4.sub(f32x4.splat(1), mul(t, t));
}

/** The sequence has ended: the state stays. */
function keepState(args: RecurrentArgs, at: usize, gatesAt: usize, step: usize, gates: usize): void {
  memory.copy(<usize>args.state + at, <usize>args.previous + at, step);
  memory.fill(<usize>args.gates + gatesAt, 0, gates * step);
  if (args.cell == RecurrentCell.Lstm)
    memory.copy(<usize>args.extra + at, <usize>args.previousCell + at, step);
  else if (args.cell == RecurrentCell.Gru) memory.fill(<usize>args.extra + at, 0, step);
}

// @ts-ignore: decorator
@inline
function gatesOf(cell: i32): usize {
  return cell == RecurrentCell.Lstm ? 4 : cell == RecurrentCell.Gru ? 3 : 1;
}

/** One tile is a block of samples. */
export function recurrentStep(args: RecurrentArgs, tile: i32): void {
  const hidden = args.hidden, cell = args.cell;
  const end = min32(args.batch, (tile + 1) * args.block);
  const step = <usize>hidden * 4, wide = gatesOf(cell);
  for (let row = tile * args.block; row < end; row++) {
    const skip = <usize>row * step, skipGates = skip * wide;
    if (isOver(args, row)) {
      keepState(args, skip, skipGates, step, wide);
      continue;
    }
    for (let j = 0, count = 0; j < hidden; j += count) {
      count = hidden - j >= 4 ? 4 : 1;
      const at = skip + <usize>j * 4, first = skipGates + <usize>j * 4;
      const x = <usize>args.x + first, p = <usize>args.product + first;
      const gates = <usize>args.gates + first;
      if (cell == RecurrentCell.Gru) {
        const r = sigmoid4(f32x4.add(get(x, count), get(p, count)));
        const z = sigmoid4(f32x4.add(get(x + step, count), get(p + step, count)));
        const hn = get(p + 2 * step, count);
        const n = tanh4(f32x4.add(get(x + 2 * step, count), mul(r, hn)));
        const h = f32x4.add(n, mul(z, f32x4.sub(get(<usize>args.previous + at, count), n)));
        put(gates, r, count);
        put(gates + step, z, count);
        put(gates + 2 * step, n, count);
        put(<usize>args.extra + at, hn, count);
        put(<usize>args.state + at, h, count);
      } else if (cell == RecurrentCell.Lstm) {
        const i = sigmoid4(f32x4.add(get(x, count), get(p, count)));
        const f = sigmoid4(f32x4.add(get(x + step, count), get(p + step, count)));
        const g = tanh4(f32x4.add(get(x + 2 * step, count), get(p + 2 * step, count)));
        const o = sigmoid4(f32x4.add(get(x + 3 * step, count), get(p + 3 * step, count)));
        const c = f32x4.add(mul(f, get(<usize>args.previousCell + at, count)), mul(i, g));
        put(gates, i, count);
        put(gates + step, f, count);
        put(gates + 2 * step, g, count);
        put(gates + 3 * step, o, count);
        put(<usize>args.extra + at, c, count);
        put(<usize>args.state + at, mul(o, tanh4(c)), count);
      } else {
        const sum = f32x4.add(get(x, count), get(p, count));
        const h = cell == RecurrentCell.Tanh ? tanh4(sum) : f32x4.max(sum, f32x4.splat(0));
        put(gates, h, count);
        put(<usize>args.state + at, h, count);
      }
    }
  }
}

/** The sequence has ended: the gradients pass through. */
function keepGradient(args: RecurrentArgs, at: usize, gatesAt: usize, gates: usize): void {
  const hidden = args.hidden;
  memory.fill(<usize>args.dGates + gatesAt, 0, gates * <usize>hidden * 4);
  memory.fill(<usize>args.dHidden + gatesAt, 0, gates * <usize>hidden * 4);
  for (let j = 0, count = 0; j < hidden; j += count) {
    count = hidden - j >= 4 ? 4 : 1;
    const to = <usize>args.carry + at + <usize>j * 4;
    const product = get(<usize>args.product + at + <usize>j * 4, count);
    put(to, f32x4.add(get(to, count), product), count);
  }
}

/** One tile is a block of samples. */
export function recurrentGradient(args: RecurrentArgs, tile: i32): void {
  const hidden = args.hidden, cell = args.cell;
  const end = min32(args.batch, (tile + 1) * args.block);
  const step = <usize>hidden * 4, wide = gatesOf(cell);
  const one = f32x4.splat(1);
  for (let row = tile * args.block; row < end; row++) {
    const skip = <usize>row * step, skipGates = skip * wide;
    if (isOver(args, row)) {
      keepGradient(args, skip, skipGates, wide);
      continue;
    }
    for (let j = 0, count = 0; j < hidden; j += count) {
      count = hidden - j >= 4 ? 4 : 1;
      const at = skip + <usize>j * 4, first = skipGates + <usize>j * 4;
      const gates = <usize>args.gates + first, to = <usize>args.dGates + first;
      const carry = <usize>args.carry + at;
      const later = f32x4.add(get(<usize>args.product + at, count), get(carry, count));
      const dh = f32x4.add(later, get(<usize>args.dOutput + at, count));
      if (cell == RecurrentCell.Gru) {
        const r = get(gates, count), z = get(gates + step, count);
        const n = get(gates + 2 * step, count);
        const dn = mul(mul(dh, f32x4.sub(one, z)), tanhSlope(n));
        const change = f32x4.sub(get(<usize>args.previous + at, count), n);
        const dz = mul(mul(dh, change), sigmoidSlope(z));
        const dr = mul(mul(dn, get(<usize>args.extra + at, count)), sigmoidSlope(r));
        const other = <usize>args.dHidden + first;
        put(to, dr, count);
        put(to + step, dz, count);
        put(to + 2 * step, dn, count);
        put(other, dr, count);
        put(other + step, dz, count);
        put(other + 2 * step, mul(dn, r), count);
        put(carry, mul(dh, z), count);
      } else if (cell == RecurrentCell.Lstm) {
        const i = get(gates, count), f = get(gates + step, count);
        const g = get(gates + 2 * step, count), o = get(gates + 3 * step, count);
        const t = tanh4(get(<usize>args.extra + at, count));
        const dCell = <usize>args.dCell + at;
        const d = f32x4.add(get(dCell, count), mul(mul(dh, o), tanhSlope(t)));
        const c = get(<usize>args.previousCell + at, count);
        put(to, mul(mul(d, g), sigmoidSlope(i)), count);
        put(to + step, mul(mul(d, c), sigmoidSlope(f)), count);
        put(to + 2 * step, mul(mul(d, i), tanhSlope(g)), count);
        put(to + 3 * step, mul(mul(dh, t), sigmoidSlope(o)), count);
        put(dCell, mul(d, f), count);
        put(carry, f32x4.splat(0), count);
      } else {
        const h = get(gates, count);
        // Of a ReLU: dh, or 0, or NaN.
        const d = cell == RecurrentCell.Tanh
          ? mul(dh, tanhSlope(h))
          : v128.bitselect(dh, mul(h, dh), f32x4.gt(h, f32x4.splat(0)));
        put(to, d, count);
        put(carry, f32x4.splat(0), count);
      }
    }
  }
}
