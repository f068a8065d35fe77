/** Binary operations with broadcasting, and select. */
import { geluSlope4, geluTanhSlope4, siluSlope4 } from './curves';
import { BinaryOp } from './ops';
import { min32 } from './simd';

/** Rows of `inner` numbers. The index of a row counts over up to five dimensions. */
@unmanaged
export class BinaryArgs {
  a: u32; b: u32; out: u32; op: i32;
  inner: i32; aStep: i32; bStep: i32; // steps along a row: 1, or 0 to broadcast one number
  rows: i32; rowBlock: i32; columnBlock: i32; columnBlocks: i32;
  size1: i32; size2: i32; size3: i32; size4: i32; // of the rows, innermost first
  a0: i32; a1: i32; a2: i32; a3: i32; a4: i32; // strides in floats, innermost dimension first
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
  const zero = f32x4.splat(0), one = f32x4.splat(1);
  if (op == BinaryOp.Prelu) return v128.bitselect(f32x4.mul(a, b), a, f32x4.lt(a, zero));
  // In the gradients, a is dy and b is y.
  if (op == BinaryOp.ReluGrad) return v128.and(a, f32x4.gt(b, zero));
  if (op == BinaryOp.Relu6Grad)
    return v128.and(a, v128.and(f32x4.gt(b, zero), f32x4.lt(b, f32x4.splat(6))));
  if (op == BinaryOp.SigmoidGrad) return f32x4.mul(a, f32x4.mul(b, f32x4.sub(one, b)));
  if (op == BinaryOp.TanhGrad) return f32x4.mul(a, f32x4.sub(one, f32x4.mul(b, b)));
  if (op == BinaryOp.EluGrad)
    return v128.bitselect(a, f32x4.mul(a, f32x4.add(b, one)), f32x4.ge(b, zero));
  // Here b is x.
  if (op == BinaryOp.GeluGrad) return f32x4.mul(a, geluSlope4(b));
  if (op == BinaryOp.GeluTanhGrad) return f32x4.mul(a, geluTanhSlope4(b));
  if (op == BinaryOp.SiluGrad) return f32x4.mul(a, siluSlope4(b));
  if (op == BinaryOp.Greater) return f32x4.gt(a, b);
  if (op == BinaryOp.GreaterEqual) return f32x4.ge(a, b);
  if (op == BinaryOp.Less) return f32x4.lt(a, b);
  if (op == BinaryOp.LessEqual) return f32x4.le(a, b);
  if (op == BinaryOp.Equal) return f32x4.eq(a, b);
  if (op == BinaryOp.NotEqual) return f32x4.ne(a, b);
  if (op == BinaryOp.GreaterInt) return i32x4.gt_s(a, b);
  if (op == BinaryOp.GreaterEqualInt) return i32x4.ge_s(a, b);
  if (op == BinaryOp.LessInt) return i32x4.lt_s(a, b);
  if (op == BinaryOp.LessEqualInt) return i32x4.le_s(a, b);
  if (op == BinaryOp.EqualInt) return i32x4.eq(a, b);
  return i32x4.ne(a, b);
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
function row(
  op: i32, a: usize, aStep: i32, b: usize, bStep: i32, out: usize, first: i32, end: i32,
): void {
  let i = first;
  if (aStep && bStep)
    for (; i + 4 <= end; i += 4)
      v128.store(
        out + <usize>i * 4, pair(op, v128.load(a + <usize>i * 4), v128.load(b + <usize>i * 4)),
      );
  else for (; i + 4 <= end; i += 4)
    v128.store(out + <usize>i * 4, pair(op, load4(a, aStep, i), load4(b, bStep, i)));
  for (; i < end; i++)
    store<f32>(
      out + <usize>i * 4, f32x4.extract_lane(pair(op, load1(a, aStep, i), load1(b, bStep, i)), 0),
    );
}

// @ts-ignore: decorator
@inline
function byteRow(
  op: i32, a: usize, aStep: i32, b: usize, bStep: i32, out: usize, first: i32, end: i32,
): void {
  let i = first;
  for (; i + 8 <= end; i += 8) {
    const low = pair(op, load4(a, aStep, i), load4(b, bStep, i));
    const high = pair(op, load4(a, aStep, i + 4), load4(b, bStep, i + 4));
    const words = i16x8.narrow_i32x4_s(low, high);
    v128.store64_lane(
      out + <usize>i, v128.and(i8x16.narrow_i16x8_s(words, words), i8x16.splat(1)), 0,
    );
  }
  for (; i < end; i++)
    store<u8>(
      out + <usize>i,
      <u8>(i32x4.extract_lane(pair(op, load1(a, aStep, i), load1(b, bStep, i)), 0) & 1),
    );
}

/** Where a row begins, in floats from the start of the tensor. */
// @ts-ignore: decorator
@inline
export function place(args: BinaryArgs, r: i32, s0: i32, s1: i32, s2: i32, s3: i32, s4: i32): i32 {
  let at = (r % args.size1) * s0; r /= args.size1;
  at += (r % args.size2) * s1; r /= args.size2;
  at += (r % args.size3) * s2; r /= args.size3;
  at += (r % args.size4) * s3; r /= args.size4;
  return at + r * s4;
}

// @ts-ignore: decorator
@inline
function rows(op: i32, args: BinaryArgs, tile: i32): void {
  const bytes = op >= BinaryOp.Greater;
  const firstColumn = (tile % args.columnBlocks) * args.columnBlock;
  const endColumn = min32(args.inner, firstColumn + args.columnBlock);
  let r = (tile / args.columnBlocks) * args.rowBlock;
  const endRow = min32(args.rows, r + args.rowBlock);
  const aStep = args.aStep, bStep = args.bStep, size1 = args.size1;
  let out = <usize>args.out + (<usize>r * <usize>args.inner << (bytes ? 0 : 2));
  while (r < endRow) {
    // Within the innermost dimension of the rows, the next row is one stride away. Only at its end
    // is the start computed again.
    const runEnd = min32(endRow, r + size1 - r % size1);
    let a = <usize>args.a + <usize>place(args, r, args.a0, args.a1, args.a2, args.a3, args.a4) * 4;
    let b = <usize>args.b + <usize>place(args, r, args.b0, args.b1, args.b2, args.b3, args.b4) * 4;
    for (; r < runEnd; r++) {
      if (bytes) byteRow(op, a, aStep, b, bStep, out, firstColumn, endColumn);
      else row(op, a, aStep, b, bStep, out, firstColumn, endColumn);
      a += <usize>args.a0 * 4;
      b += <usize>args.b0 * 4;
      out += <usize>args.inner << (bytes ? 0 : 2);
    }
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
    case BinaryOp.Relu6Grad: return rows(BinaryOp.Relu6Grad, args, tile);
    case BinaryOp.SigmoidGrad: return rows(BinaryOp.SigmoidGrad, args, tile);
    case BinaryOp.TanhGrad: return rows(BinaryOp.TanhGrad, args, tile);
    case BinaryOp.EluGrad: return rows(BinaryOp.EluGrad, args, tile);
    case BinaryOp.GeluGrad: return rows(BinaryOp.GeluGrad, args, tile);
    case BinaryOp.GeluTanhGrad: return rows(BinaryOp.GeluTanhGrad, args, tile);
    case BinaryOp.SiluGrad: return rows(BinaryOp.SiluGrad, args, tile);
    case BinaryOp.Greater: return rows(BinaryOp.Greater, args, tile);
    case BinaryOp.GreaterEqual: return rows(BinaryOp.GreaterEqual, args, tile);
    case BinaryOp.Less: return rows(BinaryOp.Less, args, tile);
    case BinaryOp.LessEqual: return rows(BinaryOp.LessEqual, args, tile);
    case BinaryOp.Equal: return rows(BinaryOp.Equal, args, tile);
    case BinaryOp.NotEqual: return rows(BinaryOp.NotEqual, args, tile);
    case BinaryOp.GreaterInt: return rows(BinaryOp.GreaterInt, args, tile);
    case BinaryOp.GreaterEqualInt: return rows(BinaryOp.GreaterEqualInt, args, tile);
    case BinaryOp.LessInt: return rows(BinaryOp.LessInt, args, tile);
    case BinaryOp.LessEqualInt: return rows(BinaryOp.LessEqualInt, args, tile);
    case BinaryOp.EqualInt: return rows(BinaryOp.EqualInt, args, tile);
    default: return rows(BinaryOp.NotEqualInt, args, tile);
  }
}

@unmanaged
export class SelectArgs {
  condition: u32; a: u32; b: u32; out: u32; count: i32; block: i32;
  bytes: i32; // of a number: 4, or 1
}

/** Of numbers of one byte: see select4. */
// @ts-ignore: decorator
@inline
function selectBytes(condition: usize, a: usize, b: usize, out: usize, first: i32, end: i32): void {
  let i = <usize>first;
  for (; i + 16 <= <usize>end; i += 16) {
    const chosen = i8x16.eq(v128.load(condition + i), i8x16.splat(1));
    v128.store(out + i, v128.bitselect(v128.load(a + i), v128.load(b + i), chosen));
  }
  for (; i < <usize>end; i++)
    store<u8>(out + i, load<u8>(condition + i) == 1 ? load<u8>(a + i) : load<u8>(b + i));
}

/** out = condition ? a : b; a condition is one byte. One tile of the job is a block of numbers. */
export function select4(args: SelectArgs, tile: i32): void {
  const end = min32(args.count, (tile + 1) * args.block);
  const condition = <usize>args.condition,
    a = <usize>args.a,
    b = <usize>args.b,
    out = <usize>args.out;
  const one = i32x4.splat(1);
  let i = tile * args.block;
  if (args.bytes == 1) return selectBytes(condition, a, b, out, i, end);
  for (; i + 4 <= end; i += 4) {
    const words = i32x4.extend_low_i16x8_u(
      i16x8.extend_low_i8x16_u(v128.load32_zero(condition + <usize>i)),
    );
    const at = <usize>i * 4;
    v128.store(
      out + at, v128.bitselect(v128.load(a + at), v128.load(b + at), i32x4.eq(words, one)),
    );
  }
  for (; i < end; i++) {
    const at = <usize>i * 4;
    store<u32>(
      out + at, load<u8>(condition + <usize>i) == 1 ? load<u32>(a + at) : load<u32>(b + at),
    );
  }
}
