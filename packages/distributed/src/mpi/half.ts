/**
 * Numbers of 16 bits (IEEE 754 binary16) with one scale for each part of an array: a power of two
 * that brings the largest number to between 2^14 and 2^15, below the largest half of 65504. So
 * nothing overflows, and only what is 2^39 times smaller than the largest becomes 0.
 */

const BLOCK = 4096;
const scratch = new Float32Array(BLOCK);
const bits = new Int32Array(scratch.buffer);

/** Exponent bits of infinity and NaN. */
const NOT_FINITE = 255;
/** So that the scale and its inverse are normal numbers. */
const SMALLEST = 15;

const table = new Float32Array(1 << 16);
for (let half = 0; half < table.length; half++) table[half] = numberOf(half);

function numberOf(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 31;
  const fraction = half & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/**
 * Rounds numbers to halves, to the nearest and of two the even one. NaN and infinity stay.
 * @returns the power of two that `decodeHalves` multiplies by
 */
export function encodeHalves(values: Float32Array, into: Uint16Array): number {
  const scale = scaleOf(values);
  for (let start = 0; start < values.length; start += BLOCK) {
    const length = Math.min(BLOCK, values.length - start);
    for (let i = 0; i < length; i++) scratch[i] = (values[start + i] as number) * scale;
    for (let i = 0; i < length; i++) {
      const word = bits[i] as number;
      const size = word & 0x7fffffff;
      let half: number;
      if (size < 0x38800000) {
        // Below 2^-14: adding 1/2 leaves the multiple of 2^-24 in the lowest bits.
        scratch[i] = Math.abs(scratch[i] as number) + 0.5;
        half = (bits[i] as number) - 0x3f000000;
      } else if (size >= 0x47800000) half = size > 0x7f800000 ? 0x7e00 : 0x7c00;
      else half = (size - 0x38000000 + 0xfff + ((size >> 13) & 1)) >> 13;
      into[start + i] = half | ((word >>> 16) & 0x8000);
    }
  }
  return 1 / scale;
}

/** The numbers of halves, added to those in `into` where `add`. */
export function decodeHalves(
  halves: Uint16Array,
  scale: number,
  { into, add = false }: { into: Float32Array; add?: boolean },
): void {
  if (!add) into.fill(0);
  for (let i = 0; i < into.length; i++) {
    into[i] = (into[i] as number) + (table[halves[i] as number] as number) * scale;
  }
}

function scaleOf(values: Float32Array): number {
  const words = new Int32Array(values.buffer, values.byteOffset, values.length);
  let largest = 0;
  for (let i = 0; i < words.length; i++) {
    const size = (words[i] as number) & 0x7fffffff;
    if (size > largest) largest = size;
  }
  const exponent = largest >>> 23;
  return exponent === NOT_FINITE ? 1 : 2 ** (141 - Math.max(exponent, SMALLEST));
}
