/** Operations that take numbers one by one: unary, and binary with broadcasting. */
import { min32 } from './simd';

/** The numbers that src/kernels/elementwise.ts calls them by. */
export enum UnaryOp {
  Relu, Relu6, Neg, Abs, Square, Sqrt, Rsqrt, Step, Reciprocal, Floor, Ceil, Round, LeakyRelu, Clip, Affine,
  Sigmoid, Tanh, Exp, Log, Elu, Softplus, Expm1, Log1p, Sin, Cos,
}

/** Keep in step with src/kernels/elementwise.ts. */
@unmanaged
export class UnaryArgs {
  x: u32; out: u32; count: i32; block: i32; op: i32;
  alpha: f32; beta: f32;
}

// @ts-ignore: decorator
@inline
function vector(op: i32, v: v128, a: v128, b: v128): v128 {
  const zero = f32x4.splat(0), one = f32x4.splat(1);
  if (op == UnaryOp.Relu) return f32x4.max(v, zero);
  if (op == UnaryOp.Relu6) return f32x4.min(f32x4.max(v, zero), f32x4.splat(6));
  if (op == UnaryOp.Neg) return f32x4.neg(v);
  if (op == UnaryOp.Abs) return f32x4.abs(v);
  if (op == UnaryOp.Square) return f32x4.mul(v, v);
  if (op == UnaryOp.Sqrt) return f32x4.sqrt(v);
  if (op == UnaryOp.Rsqrt) return f32x4.div(one, f32x4.sqrt(v));
  if (op == UnaryOp.Step) return v128.bitselect(v128.bitselect(one, a, f32x4.gt(v, zero)), v, f32x4.eq(v, v));
  if (op == UnaryOp.Reciprocal) return f32x4.div(one, v);
  if (op == UnaryOp.Floor) return f32x4.floor(v);
  if (op == UnaryOp.Ceil) return f32x4.ceil(v);
  if (op == UnaryOp.Round) return f32x4.nearest(v);
  if (op == UnaryOp.LeakyRelu) return v128.bitselect(f32x4.mul(v, a), v, f32x4.lt(v, zero));
  if (op == UnaryOp.Clip) return f32x4.max(f32x4.min(v, b), a);
  return f32x4.add(f32x4.mul(v, a), b); // Affine
}

/** In double precision, rounded once, as JavaScript's functions are. */
// @ts-ignore: decorator
@inline
function scalar(op: i32, x: f64): f64 {
  if (op == UnaryOp.Sigmoid) return 1 / (1 + Math.exp(-x));
  if (op == UnaryOp.Tanh) return Math.tanh(x);
  if (op == UnaryOp.Exp) return Math.exp(x);
  if (op == UnaryOp.Log) return Math.log(x);
  if (op == UnaryOp.Elu) return x >= 0 ? x : Math.exp(x) - 1;
  if (op == UnaryOp.Softplus) return x > 15 ? x : x < -15 ? Math.exp(x) : Math.log1p(Math.exp(x));
  if (op == UnaryOp.Expm1) return Math.expm1(x);
  if (op == UnaryOp.Log1p) return Math.log1p(x);
  if (op == UnaryOp.Sin) return Math.sin(x);
  return Math.cos(x);
}

// @ts-ignore: decorator
@inline
function vectorLoop(op: i32, x: usize, out: usize, count: i32, alpha: f32, beta: f32): void {
  const a = f32x4.splat(alpha), b = f32x4.splat(beta);
  let i = 0;
  for (; i + 4 <= count; i += 4) v128.store(out + <usize>i * 4, vector(op, v128.load(x + <usize>i * 4), a, b));
  for (; i < count; i++) {
    const v = vector(op, v128.load32_zero(x + <usize>i * 4), a, b);
    store<f32>(out + <usize>i * 4, f32x4.extract_lane(v, 0));
  }
}

// @ts-ignore: decorator
@inline
function scalarLoop(op: i32, x: usize, out: usize, count: i32): void {
  for (let i = 0; i < count; i++) store<f32>(out + <usize>i * 4, <f32>scalar(op, <f64>load<f32>(x + <usize>i * 4)));
}

/** One tile of the job is a block of numbers. */
export function unary(args: UnaryArgs, tile: i32): void {
  const first = tile * args.block;
  const count = min32(args.block, args.count - first);
  const x = <usize>args.x + <usize>first * 4, out = <usize>args.out + <usize>first * 4;
  const a = args.alpha, b = args.beta;
  switch (args.op) {
    case UnaryOp.Relu: return vectorLoop(UnaryOp.Relu, x, out, count, a, b);
    case UnaryOp.Relu6: return vectorLoop(UnaryOp.Relu6, x, out, count, a, b);
    case UnaryOp.Neg: return vectorLoop(UnaryOp.Neg, x, out, count, a, b);
    case UnaryOp.Abs: return vectorLoop(UnaryOp.Abs, x, out, count, a, b);
    case UnaryOp.Square: return vectorLoop(UnaryOp.Square, x, out, count, a, b);
    case UnaryOp.Sqrt: return vectorLoop(UnaryOp.Sqrt, x, out, count, a, b);
    case UnaryOp.Rsqrt: return vectorLoop(UnaryOp.Rsqrt, x, out, count, a, b);
    case UnaryOp.Step: return vectorLoop(UnaryOp.Step, x, out, count, a, b);
    case UnaryOp.Reciprocal: return vectorLoop(UnaryOp.Reciprocal, x, out, count, a, b);
    case UnaryOp.Floor: return vectorLoop(UnaryOp.Floor, x, out, count, a, b);
    case UnaryOp.Ceil: return vectorLoop(UnaryOp.Ceil, x, out, count, a, b);
    case UnaryOp.Round: return vectorLoop(UnaryOp.Round, x, out, count, a, b);
    case UnaryOp.LeakyRelu: return vectorLoop(UnaryOp.LeakyRelu, x, out, count, a, b);
    case UnaryOp.Clip: return vectorLoop(UnaryOp.Clip, x, out, count, a, b);
    case UnaryOp.Affine: return vectorLoop(UnaryOp.Affine, x, out, count, a, b);
    case UnaryOp.Sigmoid: return scalarLoop(UnaryOp.Sigmoid, x, out, count);
    case UnaryOp.Tanh: return scalarLoop(UnaryOp.Tanh, x, out, count);
    case UnaryOp.Exp: return scalarLoop(UnaryOp.Exp, x, out, count);
    case UnaryOp.Log: return scalarLoop(UnaryOp.Log, x, out, count);
    case UnaryOp.Elu: return scalarLoop(UnaryOp.Elu, x, out, count);
    case UnaryOp.Softplus: return scalarLoop(UnaryOp.Softplus, x, out, count);
    case UnaryOp.Expm1: return scalarLoop(UnaryOp.Expm1, x, out, count);
    case UnaryOp.Log1p: return scalarLoop(UnaryOp.Log1p, x, out, count);
    case UnaryOp.Sin: return scalarLoop(UnaryOp.Sin, x, out, count);
    default: return scalarLoop(UnaryOp.Cos, x, out, count);
  }
}

export enum BinaryOp {
  Add, Sub, Mul, Div, Max, Min, SquaredDifference, Prelu, ReluGrad, SigmoidGrad, TanhGrad,
  // These give bytes.
  Greater, GreaterEqual, Less, LessEqual, Equal, NotEqual,
}

/** Keep in step with src/kernels/elementwise.ts. Rows of `inner` numbers; a row's place is found from its index over up to five dimensions. */
@unmanaged
export class BinaryArgs {
  a: u32; b: u32; out: u32; op: i32;
  inner: i32; aStep: i32; bStep: i32; // steps along a row: 1, or 0 where one number serves the whole row
  rows: i32; rowBlock: i32; columnBlock: i32; columnBlocks: i32;
  size1: i32; size2: i32; size3: i32; size4: i32; // dimensions of the rows, the last first; the first needs no size
  a0: i32; a1: i32; a2: i32; a3: i32; a4: i32; // strides in floats, the last dimension first
  b0: i32; b1: i32; b2: i32; b3: i32; b4: i32;
}

// @ts-ignore: decorator
@inline
function pair(op: i32, a: v128, b: v128): v128 {
  if (op == BinaryOp.Add) return f32x4.add(a, b);
  if (op == BinaryOp.Sub) return f32x4.sub(a, b);
  if (op == BinaryOp.Mul) return f32x4.mul(a, b);
  if (op == BinaryOp.Div) return f32x4.div(a, b);
  if (op == BinaryOp.Max) return f32x4.max(a, b);
  if (op == BinaryOp.Min) return f32x4.min(a, b);
  if (op == BinaryOp.SquaredDifference) {
    const d = f32x4.sub(a, b);
    return f32x4.mul(d, d);
  }
  if (op == BinaryOp.Prelu) return v128.bitselect(f32x4.mul(a, b), a, f32x4.lt(a, f32x4.splat(0)));
  if (op == BinaryOp.ReluGrad) return v128.and(a, f32x4.gt(b, f32x4.splat(0))); // a = dy, b = y
  const one = f32x4.splat(1);
  if (op == BinaryOp.SigmoidGrad) return f32x4.mul(a, f32x4.mul(b, f32x4.sub(one, b)));
  if (op == BinaryOp.TanhGrad) return f32x4.mul(a, f32x4.sub(one, f32x4.mul(b, b)));
  if (op == BinaryOp.Greater) return f32x4.gt(a, b);
  if (op == BinaryOp.GreaterEqual) return f32x4.ge(a, b);
  if (op == BinaryOp.Less) return f32x4.lt(a, b);
  if (op == BinaryOp.LessEqual) return f32x4.le(a, b);
  if (op == BinaryOp.Equal) return f32x4.eq(a, b);
  return f32x4.ne(a, b);
}

// @ts-ignore: decorator
@inline
function load4(at: usize, step: i32, i: i32): v128 {
  return step ? v128.load(at + <usize>i * 4) : v128.load_splat<f32>(at);
}

// @ts-ignore: decorator
@inline
function load1(at: usize, step: i32, i: i32): v128 {
  return v128.load_splat<f32>(at + <usize>(i * step) * 4);
}

// @ts-ignore: decorator
@inline
function row(op: i32, a: usize, aStep: i32, b: usize, bStep: i32, out: usize, first: i32, end: i32): void {
  if (op >= BinaryOp.Greater) {
    for (let i = first; i < end; i++) {
      store<u8>(out + <usize>i, <u8>(i32x4.extract_lane(pair(op, load1(a, aStep, i), load1(b, bStep, i)), 0) & 1));
    }
    return;
  }
  let i = first;
  if (aStep && bStep) for (; i + 4 <= end; i += 4) v128.store(out + <usize>i * 4, pair(op, v128.load(a + <usize>i * 4), v128.load(b + <usize>i * 4)));
  else for (; i + 4 <= end; i += 4) v128.store(out + <usize>i * 4, pair(op, load4(a, aStep, i), load4(b, bStep, i)));
  for (; i < end; i++) store<f32>(out + <usize>i * 4, f32x4.extract_lane(pair(op, load1(a, aStep, i), load1(b, bStep, i)), 0));
}

// @ts-ignore: decorator
@inline
function rows(op: i32, args: BinaryArgs, tile: i32): void {
  const size = <usize>(op >= BinaryOp.Greater ? 1 : 4);
  const firstColumn = (tile % args.columnBlocks) * args.columnBlock;
  const endColumn = min32(args.inner, firstColumn + args.columnBlock);
  const firstRow = (tile / args.columnBlocks) * args.rowBlock;
  const endRow = min32(args.rows, firstRow + args.rowBlock);
  for (let r = firstRow; r < endRow; r++) {
    let rest = r;
    const i1 = rest % args.size1; rest /= args.size1;
    const i2 = rest % args.size2; rest /= args.size2;
    const i3 = rest % args.size3; rest /= args.size3;
    const i4 = rest % args.size4; rest /= args.size4;
    const a = <usize>args.a + <usize>(i1 * args.a0 + i2 * args.a1 + i3 * args.a2 + i4 * args.a3 + rest * args.a4) * 4;
    const b = <usize>args.b + <usize>(i1 * args.b0 + i2 * args.b1 + i3 * args.b2 + i4 * args.b3 + rest * args.b4) * 4;
    row(op, a, args.aStep, b, args.bStep, <usize>args.out + <usize>r * <usize>args.inner * size, firstColumn, endColumn);
  }
}

/** One tile of the job is a block of rows and columns. */
export function binary(args: BinaryArgs, tile: i32): void {
  switch (args.op) {
    case BinaryOp.Add: return rows(BinaryOp.Add, args, tile);
    case BinaryOp.Sub: return rows(BinaryOp.Sub, args, tile);
    case BinaryOp.Mul: return rows(BinaryOp.Mul, args, tile);
    case BinaryOp.Div: return rows(BinaryOp.Div, args, tile);
    case BinaryOp.Max: return rows(BinaryOp.Max, args, tile);
    case BinaryOp.Min: return rows(BinaryOp.Min, args, tile);
    case BinaryOp.SquaredDifference: return rows(BinaryOp.SquaredDifference, args, tile);
    case BinaryOp.Prelu: return rows(BinaryOp.Prelu, args, tile);
    case BinaryOp.ReluGrad: return rows(BinaryOp.ReluGrad, args, tile);
    case BinaryOp.SigmoidGrad: return rows(BinaryOp.SigmoidGrad, args, tile);
    case BinaryOp.TanhGrad: return rows(BinaryOp.TanhGrad, args, tile);
    case BinaryOp.Greater: return rows(BinaryOp.Greater, args, tile);
    case BinaryOp.GreaterEqual: return rows(BinaryOp.GreaterEqual, args, tile);
    case BinaryOp.Less: return rows(BinaryOp.Less, args, tile);
    case BinaryOp.LessEqual: return rows(BinaryOp.LessEqual, args, tile);
    case BinaryOp.Equal: return rows(BinaryOp.Equal, args, tile);
    default: return rows(BinaryOp.NotEqual, args, tile);
  }
}
