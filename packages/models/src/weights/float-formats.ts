/**
 * Floating-point formats of weight files → float32. Little-endian, as the files are, and every
 * machine that TensorFlow.js runs on.
 */

/** Decodes a buffer that holds the bytes of one tensor, by their type. */
export const FLOAT_DECODERS = {
  F32: (buffer) => new Float32Array(buffer),
  F16: (buffer) => decode(buffer, halfBits),
  BF16: (buffer) => decode(buffer, (bits) => bits << 16), // a float32 whose lower half is cut off
  F64: (buffer) => Float32Array.from(new Float64Array(buffer)), // rounds to nearest
} as const satisfies Record<string, (buffer: ArrayBuffer) => Float32Array>;

export type FloatDtype = keyof typeof FLOAT_DECODERS;

/** What a buffer of integers, such as batch normalization's counter, may be stored as too. */
export const NUMBER_DECODERS = {
  ...FLOAT_DECODERS,
  I32: (buffer: ArrayBuffer) => Float32Array.from(new Int32Array(buffer)),
  I64: (buffer: ArrayBuffer) => Float32Array.from(new BigInt64Array(buffer), Number),
} as const;

export type NumberDtype = keyof typeof NUMBER_DECODERS;

function decode(buffer: ArrayBuffer, toFloatBits: (bits: number) => number): Float32Array {
  const from = new Uint16Array(buffer);
  const to = new Uint32Array(from.length); // bits, since arithmetic would change those of a NaN
  for (let i = 0; i < from.length; i++) to[i] = toFloatBits(from[i] as number);
  return new Float32Array(to.buffer);
}

/**
 * IEEE 754 binary16 → binary32: 1 sign, 5 exponent (bias 15) and 10 fraction bits → 1, 8 (bias 127)
 * and 23. Every value is exact.
 */
function halfBits(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0x1f) return sign | 0x7f800000 | (fraction << 13); // infinity, NaN
  if (exponent > 0) return sign | ((exponent + 127 - 15) << 23) | (fraction << 13);
  if (fraction === 0) return sign;
  // Shifts the leading one of a subnormal to float32's implicit bit.
  const shift = Math.clz32(fraction) - 21;
  return sign | ((127 - 14 - shift) << 23) | (((fraction << shift) & 0x3ff) << 13);
}
