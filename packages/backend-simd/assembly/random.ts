/** Random numbers that depend only on a key and their own index, so any thread can draw them. */
import { min32 } from './simd';

@unmanaged
export class RandomArgs {
  x: u32; out: u32; count: i32; block: i32; key0: i32; key1: i32;
  rate: f32; scale: f32; // of dropout: probability of 0, factor of the others
}

/**
 * A 32-bit mix, a bijection. The constants are lowbias32's,
 * https://github.com/skeeto/hash-prospector.
 */
// @ts-ignore: decorator
@inline
function mix(h: v128): v128 {
  h = i32x4.mul(v128.xor(h, i32x4.shr_u(h, 16)), i32x4.splat(0x21f0aaad));
  h = i32x4.mul(v128.xor(h, i32x4.shr_u(h, 15)), i32x4.splat(0xd35a2d97));
  return v128.xor(h, i32x4.shr_u(h, 15));
}

/**
 * Numbers `index` … `index + 3`, in [0, 1). The second key is added between the two mixes, so that
 * one seed's numbers are not another's, shifted.
 */
// @ts-ignore: decorator
@inline
function uniform4(index: i32, key0: i32, key1: i32): v128 {
  const i = i32x4.add(i32x4.splat(index), i32x4(0, 1, 2, 3));
  const h = mix(i32x4.add(mix(v128.xor(i, i32x4.splat(key0))), i32x4.splat(key1)));
  return f32x4.mul(f32x4.convert_i32x4_u(i32x4.shr_u(h, 8)), f32x4.splat(1.0 / 16777216));
}

/** One tile of the job is a block of numbers. */
export function randomUniform(args: RandomArgs, tile: i32): void {
  const out = <usize>args.out, key0 = args.key0, key1 = args.key1;
  const end = min32(args.count, (tile + 1) * args.block);
  let i = tile * args.block;
  for (; i + 4 <= end; i += 4) v128.store(out + <usize>i * 4, uniform4(i, key0, key1));
  for (; i < end; i++)
    store<f32>(out + <usize>i * 4, f32x4.extract_lane(uniform4(i, key0, key1), 0));
}

/**
 * out = u < rate ? 0 : x · scale, with the numbers u of `randomUniform`. One tile of the job is a
 * block of numbers.
 */
export function dropout(args: RandomArgs, tile: i32): void {
  const x = <usize>args.x, out = <usize>args.out, key0 = args.key0, key1 = args.key1;
  const rate = f32x4.splat(args.rate), scale = f32x4.splat(args.scale);
  const end = min32(args.count, (tile + 1) * args.block);
  let i = tile * args.block;
  for (; i + 4 <= end; i += 4) {
    const kept = f32x4.ge(uniform4(i, key0, key1), rate);
    v128.store(out + <usize>i * 4, v128.and(kept, f32x4.mul(v128.load(x + <usize>i * 4), scale)));
  }
  for (; i < end; i++) {
    const kept = f32x4.extract_lane(uniform4(i, key0, key1), 0) >= args.rate;
    store<f32>(out + <usize>i * 4, kept ? load<f32>(x + <usize>i * 4) * args.scale : 0);
  }
}
