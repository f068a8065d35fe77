/** Unary operations. */
import { gelu4, geluTanh4, silu4 } from './curves';
import { exp4, expm14, sigmoid4, tanh4 } from './simd';
import { UnaryOp } from './ops';
import { min32 } from './simd';

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
  if (op == UnaryOp.Step)
    return v128.bitselect(v128.bitselect(one, a, f32x4.gt(v, zero)), v, f32x4.eq(v, v));
  if (op == UnaryOp.Reciprocal) return f32x4.div(one, v);
  if (op == UnaryOp.Floor) return f32x4.floor(v);
  if (op == UnaryOp.Ceil) return f32x4.ceil(v);
  if (op == UnaryOp.Round) return f32x4.nearest(v);
  if (op == UnaryOp.LeakyRelu) return v128.bitselect(f32x4.mul(v, a), v, f32x4.lt(v, zero));
  if (op == UnaryOp.Clip) return f32x4.max(f32x4.min(v, b), a);
  if (op == UnaryOp.Exp) return exp4(v);
  if (op == UnaryOp.Expm1) return expm14(v);
  if (op == UnaryOp.Elu) return v128.bitselect(v, expm14(v), f32x4.ge(v, zero));
  if (op == UnaryOp.Sigmoid) return sigmoid4(v);
  if (op == UnaryOp.Tanh) return tanh4(v);
  if (op == UnaryOp.Gelu) return gelu4(v);
  if (op == UnaryOp.GeluTanh) return geluTanh4(v);
  if (op == UnaryOp.Silu) return silu4(v);
  return f32x4.add(f32x4.mul(v, a), b); // Affine
}

/** In double precision and rounded once, like JavaScript's functions. */
// @ts-ignore: decorator
@inline
function scalar(op: i32, x: f64): f64 {
  if (op == UnaryOp.Log) return Math.log(x);
  if (op == UnaryOp.Log1p) return Math.log1p(x);
  if (op == UnaryOp.Softplus) return x > 15 ? x : x < -15 ? Math.exp(x) : Math.log1p(Math.exp(x));
  if (op == UnaryOp.Sin) return Math.sin(x);
  return Math.cos(x);
}

// @ts-ignore: decorator
@inline
function run(op: i32, x: usize, out: usize, count: i32, alpha: f32, beta: f32): void {
  if (op >= UnaryOp.Log) {
    for (let i = 0; i < count; i++)
      store<f32>(out + <usize>i * 4, <f32>scalar(op, <f64>load<f32>(x + <usize>i * 4)));
    return;
  }
  const a = f32x4.splat(alpha), b = f32x4.splat(beta);
  let i = 0;
  for (; i + 4 <= count; i += 4)
    v128.store(out + <usize>i * 4, vector(op, v128.load(x + <usize>i * 4), a, b));
  for (; i < count; i++) {
    const v = vector(op, v128.load32_zero(x + <usize>i * 4), a, b);
    store<f32>(out + <usize>i * 4, f32x4.extract_lane(v, 0));
  }
}

/** One tile of the job is a block of numbers. */
export function unary(args: UnaryArgs, tile: i32): void {
  const first = tile * args.block;
  const count = min32(args.block, args.count - first);
  const x = <usize>args.x + <usize>first * 4, out = <usize>args.out + <usize>first * 4;
  const a = args.alpha, b = args.beta;
  switch (args.op) {
    case UnaryOp.Relu: return run(UnaryOp.Relu, x, out, count, a, b);
    case UnaryOp.Relu6: return run(UnaryOp.Relu6, x, out, count, a, b);
    case UnaryOp.Neg: return run(UnaryOp.Neg, x, out, count, a, b);
    case UnaryOp.Abs: return run(UnaryOp.Abs, x, out, count, a, b);
    case UnaryOp.Square: return run(UnaryOp.Square, x, out, count, a, b);
    case UnaryOp.Sqrt: return run(UnaryOp.Sqrt, x, out, count, a, b);
    case UnaryOp.Rsqrt: return run(UnaryOp.Rsqrt, x, out, count, a, b);
    case UnaryOp.Step: return run(UnaryOp.Step, x, out, count, a, b);
    case UnaryOp.Reciprocal: return run(UnaryOp.Reciprocal, x, out, count, a, b);
    case UnaryOp.Floor: return run(UnaryOp.Floor, x, out, count, a, b);
    case UnaryOp.Ceil: return run(UnaryOp.Ceil, x, out, count, a, b);
    case UnaryOp.Round: return run(UnaryOp.Round, x, out, count, a, b);
    case UnaryOp.LeakyRelu: return run(UnaryOp.LeakyRelu, x, out, count, a, b);
    case UnaryOp.Clip: return run(UnaryOp.Clip, x, out, count, a, b);
    case UnaryOp.Affine: return run(UnaryOp.Affine, x, out, count, a, b);
    case UnaryOp.Exp: return run(UnaryOp.Exp, x, out, count, a, b);
    case UnaryOp.Expm1: return run(UnaryOp.Expm1, x, out, count, a, b);
    case UnaryOp.Elu: return run(UnaryOp.Elu, x, out, count, a, b);
    case UnaryOp.Sigmoid: return run(UnaryOp.Sigmoid, x, out, count, a, b);
    case UnaryOp.Tanh: return run(UnaryOp.Tanh, x, out, count, a, b);
    case UnaryOp.Gelu: return run(UnaryOp.Gelu, x, out, count, a, b);
    case UnaryOp.GeluTanh: return run(UnaryOp.GeluTanh, x, out, count, a, b);
    case UnaryOp.Silu: return run(UnaryOp.Silu, x, out, count, a, b);
    case UnaryOp.Log: return run(UnaryOp.Log, x, out, count, a, b);
    case UnaryOp.Log1p: return run(UnaryOp.Log1p, x, out, count, a, b);
    case UnaryOp.Softplus: return run(UnaryOp.Softplus, x, out, count, a, b);
    case UnaryOp.Sin: return run(UnaryOp.Sin, x, out, count, a, b);
    default: return run(UnaryOp.Cos, x, out, count, a, b);
  }
}
