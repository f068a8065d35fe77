/**
 * The two passes of Pillow's resize on bytes, in its 22-bit fixed point, 16 bytes at a time; the
 * second can output float32. Rows are read and written in whole blocks of 16 bytes: the caller
 * leaves a margin after each area, and rows are written in rising order, so that the next row
 * overwrites what a block has written past the end of its row.
 *
 * scripts/build-wasm.mjs passes the fields of the argument classes and the output kinds on to
 * TypeScript, which writes the arguments by name.
 */

const PRECISION_BITS: i32 = 22;
const HALF: i32 = 1 << (PRECISION_BITS - 1);
const BLOCK: usize = 16;

/** `spare`: 256 bytes; `columns` and `transposed`: 16 times a row before and after the pass. */
@unmanaged
class AcrossArgs {
  source: u32; rowBytes: u32; rows: u32; channels: u32;
  to: u32; taps: u32; starts: u32; weights: u32;
  spare: u32; columns: u32; transposed: u32; wide: u32; wideStride: u32;
}

/** `imageStride`: from one image to the next in `wide`. */
@unmanaged
class DownArgs {
  wide: u32; wideStride: u32; imageStride: u32; count: u32;
  from: u32; to: u32; taps: u32; starts: u32; weights: u32;
  out: u32; rowLength: u32; kind: u32; means: u32; stds: u32;
}

const BYTES: u32 = 0; // uint8
const UNIT: u32 = 1; // float32, byte / 255
const NORMALIZED: u32 = 2; // float32, (byte / 255 - mean) / std

// 1 / 255 in two parts. The product of the first with a byte is exact, so the sum is byte / 255
// rounded once.
const UNIT_HIGH: f32 = <f32>(<f64>257 / <f64>65536);
const UNIT_LOW: f32 = <f32>(<f64>1 / <f64>255 - <f64>257 / <f64>65536);

// @ts-ignore: decorator
@inline
function floats(pixels: v128, kind: u32, means: usize, stds: usize): v128 {
  const x = f32x4.convert_i32x4_s(pixels);
  const unit = f32x4.add(f32x4.mul(x, f32x4.splat(UNIT_HIGH)), f32x4.mul(x, f32x4.splat(UNIT_LOW)));
  if (kind == UNIT) return unit;
  return f32x4.div(f32x4.sub(unit, v128.load(means)), v128.load(stds));
}

// @ts-ignore: decorator
@inline
function clipped(sums: v128): v128 {
  const pixels = i32x4.shr_s(sums, PRECISION_BITS);
  return i32x4.min_s(i32x4.max_s(pixels, i32x4.splat(0)), i32x4.splat(255));
}

/** `taps` blocks of 16 bytes, `step` apart, weighted and added → 16 values of `kind` at `out`. */
// @ts-ignore: decorator
@inline
function blend(
  at: usize, step: usize, weights: usize, taps: u32,
  out: usize, kind: u32, means: usize, stds: usize,
): void {
  let a = i32x4.splat(HALF), b = a, c = a, d = a;
  for (const end = weights + <usize>taps * 4; weights < end; weights += 4, at += step) {
    const pixels = v128.load(at), weight = v128.load32_splat(weights);
    const low = i16x8.extend_low_i8x16_u(pixels), high = i16x8.extend_high_i8x16_u(pixels);
    a = i32x4.add(a, i32x4.mul(i32x4.extend_low_i16x8_u(low), weight));
    b = i32x4.add(b, i32x4.mul(i32x4.extend_high_i16x8_u(low), weight));
    c = i32x4.add(c, i32x4.mul(i32x4.extend_low_i16x8_u(high), weight));
    d = i32x4.add(d, i32x4.mul(i32x4.extend_high_i16x8_u(high), weight));
  }
  if (kind == BYTES) {
    a = i16x8.narrow_i32x4_s(i32x4.shr_s(a, PRECISION_BITS), i32x4.shr_s(b, PRECISION_BITS));
    c = i16x8.narrow_i32x4_s(i32x4.shr_s(c, PRECISION_BITS), i32x4.shr_s(d, PRECISION_BITS));
    v128.store(out, i8x16.narrow_i16x8_u(a, c));
  } else {
    v128.store(out, floats(clipped(a), kind, means, stds), 0);
    v128.store(out, floats(clipped(b), kind, means + 16, stds + 16), 16);
    v128.store(out, floats(clipped(c), kind, means + 32, stds + 32), 32);
    v128.store(out, floats(clipped(d), kind, means + 48, stds + 48), 48);
  }
}

// @ts-ignore: decorator
@inline
function low(a: v128, b: v128): v128 {
  return i8x16.shuffle(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

// @ts-ignore: decorator
@inline
function high(a: v128, b: v128): v128 {
  return i8x16.shuffle(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}

/**
 * Two of the four rounds of a transposition: row i is interleaved with row i + 8 into rows 2i and
 * 2i + 1.
 */
// @ts-ignore: decorator
@inline
function transposeHalf(from: usize, fromStride: usize, to: usize, toStride: usize): void {
  for (let i: usize = 0; i < 4; i++, from += fromStride, to += 4 * toStride) {
    const w = v128.load(from), x = v128.load(from + 4 * fromStride);
    const y = v128.load(from + 8 * fromStride), z = v128.load(from + 12 * fromStride);
    const a = low(w, y), b = high(w, y), c = low(x, z), d = high(x, z);
    v128.store(to, low(a, c));
    v128.store(to + toStride, high(a, c));
    v128.store(to + 2 * toStride, low(b, d));
    v128.store(to + 3 * toStride, high(b, d));
  }
}

/** Transposes 16 × 16 bytes. */
// @ts-ignore: decorator
@inline
function transpose(from: usize, fromStride: usize, spare: usize, to: usize, toStride: usize): void {
  transposeHalf(from, fromStride, spare, BLOCK);
  transposeHalf(spare, BLOCK, to, toStride);
}

/**
 * uint8 `[rows, from, channels]` → uint8 `[rows, to, channels]`, rows `wideStride` apart. 16 rows
 * at a time are transposed, so that the bytes of a column are adjacent, and back.
 */
export function across(args: AcrossArgs): void {
  const rowBytes = <usize>args.rowBytes, wideStride = <usize>args.wideStride;
  const spare = <usize>args.spare;
  const columns = <usize>args.columns, transposed = <usize>args.transposed;
  const pixel = <usize>args.channels * BLOCK, taps = args.taps, starts = <usize>args.starts;
  for (let row: u32 = 0; row < args.rows; row += <u32>BLOCK) {
    const source = <usize>args.source + <usize>row * rowBytes;
    const wide = <usize>args.wide + <usize>row * wideStride;
    for (let x: usize = 0; x < rowBytes; x += BLOCK) {
      transpose(source + x, rowBytes, spare, columns + x * BLOCK, BLOCK);
    }
    let out = transposed, weights = <usize>args.weights;
    for (let x: u32 = 0; x < args.to; x++, weights += <usize>taps * 4) {
      const first = columns + <usize>load<u32>(starts + <usize>x * 4) * pixel;
      for (let c: usize = 0; c < pixel; c += BLOCK, out += BLOCK) {
        blend(first + c, pixel, weights, taps, out, BYTES, 0, 0);
      }
    }
    for (let x: usize = 0; x < wideStride; x += BLOCK) {
      transpose(transposed + x * BLOCK, BLOCK, spare, wide + x, wideStride);
    }
  }
}

// @ts-ignore: decorator
@inline
function downAs(args: DownArgs, kind: u32): void {
  const wideStride = <usize>args.wideStride, taps = args.taps, length = <usize>args.rowLength;
  const size: usize = kind == BYTES ? 1 : 4;
  let outRow = <usize>args.out;
  for (let image: usize = 0; image < <usize>args.count; image++) {
    const wide = <usize>args.wide + image * <usize>args.imageStride;
    for (let y = args.from; y < args.to; y++, outRow += length * size) {
      const first = wide + <usize>load<u32>(<usize>args.starts + <usize>y * 4) * wideStride;
      const weights = <usize>args.weights + <usize>(y * taps) * 4;
      for (let x: usize = 0; x < length; x += BLOCK) {
        const means = <usize>args.means + x * 4, stds = <usize>args.stds + x * 4;
        blend(first + x, wideStride, weights, taps, outRow + x * size, kind, means, stds);
      }
    }
  }
}

/**
 * Computes rows `from` … `to` - 1 of each image's result: uint8 `[count, height, rowLength]` →
 * uint8 or float32 `[count, to - from, rowLength]`.
 */
export function down(args: DownArgs): void {
  if (args.kind == BYTES) downAs(args, BYTES);
  else if (args.kind == UNIT) downAs(args, UNIT);
  else downAs(args, NORMALIZED);
}

/** `count` bytes → float32 in [0, 1]. */
export function unit(source: usize, count: usize, out: usize): void {
  for (const end = source + count; source < end; source += BLOCK, out += 4 * BLOCK) {
    const pixels = v128.load(source);
    const a = i16x8.extend_low_i8x16_u(pixels), b = i16x8.extend_high_i8x16_u(pixels);
    v128.store(out, floats(i32x4.extend_low_i16x8_u(a), UNIT, 0, 0), 0);
    v128.store(out, floats(i32x4.extend_high_i16x8_u(a), UNIT, 0, 0), 16);
    v128.store(out, floats(i32x4.extend_low_i16x8_u(b), UNIT, 0, 0), 32);
    v128.store(out, floats(i32x4.extend_high_i16x8_u(b), UNIT, 0, 0), 48);
  }
}
