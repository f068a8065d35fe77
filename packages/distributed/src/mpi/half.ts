/**
 * Numbers of 16 bits (IEEE 754 binary16) with one scale for each part of an array: a power of two
 * that brings the largest number to between 2^14 and 2^15, below the largest half of 65504. So
 * nothing overflows, and only what is 2^39 times smaller than the largest becomes 0.
 */
import { BLOCK, FLOATS, HALF_MODULE, HALVES } from '../generated/half-module';

/** What assembly/half.ts exports; counts are multiples of 8. */
interface HalfModule {
  readonly memory: { readonly buffer: ArrayBuffer };
  largest(count: number): number;
  encode(count: number, scale: number): void;
  decode(count: number, scale: number, add: boolean): void;
}

/** The part of WebAssembly's API that is used here; TypeScript has it only among the DOM types. */
interface Wasm {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: unknown };
}

const { Module, Instance } = (globalThis as unknown as { WebAssembly: Wasm }).WebAssembly;
const code = new Module(Buffer.from(HALF_MODULE, 'base64'));
const { memory, largest, encode, decode } = new Instance(code, {}).exports as HalfModule;
const floats = new Float32Array(memory.buffer, FLOATS, BLOCK);
const halves = new Uint16Array(memory.buffer, HALVES, BLOCK);

/** Exponent bits of infinity and NaN. */
const NOT_FINITE = 255;
/** Exponent bits from which on the scale is exact. */
const SMALLEST = 15;

/** Calls `use` with the bounds of each block, and its number of floats as a multiple of 8. */
function forEachBlock(
  length: number,
  use: (start: number, end: number, count: number) => void,
): void {
  for (let start = 0; start < length; start += BLOCK) {
    const end = Math.min(length, start + BLOCK);
    use(start, end, 8 * Math.ceil((end - start) / 8));
  }
}

/** Copies a block to the module, with zeros up to a multiple of 8. */
function copyIn(values: Float32Array): void {
  floats.set(values);
  floats.fill(0, values.length, 8 * Math.ceil(values.length / 8));
}

/**
 * Rounds numbers to halves, to the nearest and of two to the even one.
 * @returns the power of two that `decodeHalves` multiplies by; NaN where a number is not finite,
 *   for which all are then NaN
 */
export function encodeHalves(values: Float32Array, into: Uint16Array): number {
  const scale = scaleOf(values);
  forEachBlock(values.length, (start, end, count) => {
    copyIn(values.subarray(start, end));
    encode(count, scale);
    into.set(halves.subarray(0, end - start), start);
  });
  return 1 / scale;
}

/** The numbers of halves, added to those in `into` where `add`. */
export function decodeHalves(
  from: Uint16Array,
  scale: number,
  { into, add = false }: { into: Float32Array; add?: boolean },
): void {
  forEachBlock(into.length, (start, end, count) => {
    halves.set(from.subarray(start, end));
    if (add) copyIn(into.subarray(start, end));
    decode(count, scale, add);
    into.set(floats.subarray(0, end - start), start);
  });
}

function scaleOf(values: Float32Array): number {
  let bits = 0;
  forEachBlock(values.length, (start, end, count) => {
    copyIn(values.subarray(start, end));
    bits = Math.max(bits, largest(count));
  });
  const exponent = bits >>> 23;
  return exponent === NOT_FINITE ? Number.NaN : 2 ** (141 - Math.max(exponent, SMALLEST));
}
