/** And, or and not of bytes, with broadcasting. */
import { BinaryArgs, place } from './elementwise';
import { LogicalOp } from './ops';
import { min32 } from './simd';

/** As in JavaScript: `a && b`, `a || b`, and 0 or 1. */
// @ts-ignore: decorator
@inline
function join(op: i32, a: v128, b: v128): v128 {
  const none = i8x16.eq(a, i8x16.splat(0));
  if (op == LogicalOp.And) return v128.andnot(b, none);
  if (op == LogicalOp.Or) return v128.bitselect(b, a, none);
  return v128.and(none, i8x16.splat(1));
}

// @ts-ignore: decorator
@inline
function load16(at: usize, step: i32, i: i32): v128 {
  return step ? v128.load(at + <usize>i) : v128.load_splat<u8>(at);
}

// @ts-ignore: decorator
@inline
function load1(at: usize, step: i32, i: i32): v128 {
  return v128.load_splat<u8>(at + <usize>(i * step));
}

// @ts-ignore: decorator
@inline
function rows(op: i32, args: BinaryArgs, tile: i32): void {
  const first = (tile % args.columnBlocks) * args.columnBlock;
  const end = min32(args.inner, first + args.columnBlock);
  const firstRow = (tile / args.columnBlocks) * args.rowBlock;
  const endRow = min32(args.rows, firstRow + args.rowBlock);
  const aStep = args.aStep, bStep = args.bStep;
  for (let r = firstRow; r < endRow; r++) {
    const a = <usize>args.a + <usize>place(args, r, args.a0, args.a1, args.a2, args.a3, args.a4);
    const b = <usize>args.b + <usize>place(args, r, args.b0, args.b1, args.b2, args.b3, args.b4);
    const out = <usize>args.out + <usize>r * <usize>args.inner;
    let i = first;
    for (; i + 16 <= end; i += 16)
      v128.store(out + <usize>i, join(op, load16(a, aStep, i), load16(b, bStep, i)));
    for (; i < end; i++)
      v128.store8_lane(out + <usize>i, join(op, load1(a, aStep, i), load1(b, bStep, i)), 0);
  }
}

/** One tile of the job is a block of rows and columns. */
export function logical(args: BinaryArgs, tile: i32): void {
  switch (args.op) {
    case LogicalOp.And: return rows(LogicalOp.And, args, tile);
    case LogicalOp.Or: return rows(LogicalOp.Or, args, tile);
    default: return rows(LogicalOp.Not, args, tile);
  }
}
