/** Casts, constant tensors and one-hot rows. */
import { CastKind } from './ops';
import { min32 } from './simd';

@unmanaged
export class CastArgs {
  x: u32; out: u32; count: i32; block: i32; kind: i32;
}

/** Converts four numbers. */
// @ts-ignore: decorator
@inline
function convert(kind: i32, x: usize, i: i32): v128 {
  if (kind == CastKind.IntToFloat) return f32x4.convert_i32x4_s(v128.load(x + <usize>i * 4));
  const words = i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(x + <usize>i)));
  return kind == CastKind.ByteToFloat ? f32x4.convert_i32x4_s(words) : words;
}

/** Whether four numbers differ from 0, as masks. */
// @ts-ignore: decorator
@inline
function isSet(kind: i32, x: usize): v128 {
  const v = v128.load(x);
  return kind == CastKind.FloatToByte
    ? f32x4.ne(v, f32x4.splat(0))
    : i32x4.ne(v, i32x4.splat(0));
}

/** Bytes that are 1 where a number is not 0, NaN too. */
// @ts-ignore: decorator
@inline
function toBytes(kind: i32, x: usize, out: usize, first: i32, end: i32): void {
  let i = first;
  for (; i + 8 <= end; i += 8) {
    const from = x + <usize>i * 4;
    const words = i16x8.narrow_i32x4_s(isSet(kind, from), isSet(kind, from + 16));
    v128.store64_lane(
      out + <usize>i, v128.and(i8x16.narrow_i16x8_s(words, words), i8x16.splat(1)), 0,
    );
  }
  for (; i < end; i++)
    store<u8>(out + <usize>i, <u8>(i32x4.extract_lane(isSet(kind, x + <usize>i * 4), 0) & 1));
}

/** One tile of the job is a block of numbers. */
export function cast(args: CastArgs, tile: i32): void {
  const kind = args.kind, x = <usize>args.x, out = <usize>args.out;
  const end = min32(args.count, (tile + 1) * args.block);
  let i = tile * args.block;
  if (kind >= CastKind.FloatToByte) return toBytes(kind, x, out, i, end);
  for (; i + 4 <= end; i += 4) v128.store(out + <usize>i * 4, convert(kind, x, i));
  // A kernel may read up to 64 bytes past the end of a tensor, but must not write there.
  for (; i < end; i++) store<i32>(out + <usize>i * 4, i32x4.extract_lane(convert(kind, x, i), 0));
}

@unmanaged
export class FillArgs {
  out: u32; count: i32; block: i32;
  bits: i32; // of a 32-bit number of any type
}

/** One tile of the job is a block of numbers. */
export function fill(args: FillArgs, tile: i32): void {
  const out = <usize>args.out, bits = args.bits;
  const end = min32(args.count, (tile + 1) * args.block);
  let i = tile * args.block;
  for (; i + 4 <= end; i += 4) v128.store(out + <usize>i * 4, i32x4.splat(bits));
  for (; i < end; i++) store<i32>(out + <usize>i * 4, bits);
}

@unmanaged
export class OneHotArgs {
  x: u32; out: u32; count: i32; block: i32; depth: i32; on: i32; off: i32;
}

/**
 * Rows of `depth` numbers: `on` at the index that x holds for the row, `off` elsewhere. One tile of
 * the job is a block of rows.
 */
export function oneHot(args: OneHotArgs, tile: i32): void {
  const depth = args.depth;
  const end = min32(args.count, (tile + 1) * args.block);
  for (let i = tile * args.block; i < end; i++) {
    const row = <usize>args.out + <usize>i * <usize>depth * 4;
    for (let d = 0; d < depth; d++) store<i32>(row + <usize>d * 4, args.off);
    const hot = load<i32>(<usize>args.x + <usize>i * 4);
    if (<u32>hot < <u32>depth) store<i32>(row + <usize>hot * 4, args.on);
  }
}
