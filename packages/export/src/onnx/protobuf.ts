/**
 * The wire format of protocol buffers, https://protobuf.dev/programming-guides/encoding/: as much
 * of it as a writer of ONNX files needs.
 */

/**
 * Bytes that are made when it is their turn to be written, so that one tensor at a time is held.
 */
import { isUint8Array } from '@deepend/core';
export interface LateBytes {
  readonly byteLength: number;
  readonly read: () => Promise<Uint8Array>;
}

/** A field, or the fields of a message one after the other. */
export type Encoded = readonly (Uint8Array | LateBytes)[];

const WIRE = { varint: 0, length: 2, fixed32: 5 } as const;

const tag = (field: number, wire: keyof typeof WIRE) => varint(field * 8 + WIRE[wire]);

/**
 * Seven bits a byte, the lowest first, and the eighth says that more follow. Negative numbers go as
 * 64 bits in two's complement.
 */
export function varint(value: number | bigint): number[] {
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  return [...bytes, Number(rest)];
}

/** int32, int64 or an enumeration. */
export const integer = (field: number, value: number | bigint): Encoded => [
  Uint8Array.from([...tag(field, 'varint'), ...varint(value)]),
];

/** A repeated integer, a field each: proto2 packs none that do not say so, and ONNX's do not. */
export const integers = (field: number, values: readonly number[]): Encoded =>
  values.flatMap((value) => integer(field, value));

export function float(field: number, value: number): Encoded {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setFloat32(0, value, true);
  return [Uint8Array.from([...tag(field, 'fixed32'), ...bytes])];
}

/** Fields of `bytes`, and of a message that is inside another: the length goes before. */
export const message = (field: number, ...parts: readonly Encoded[]): Encoded => {
  const content = parts.flat();
  return [Uint8Array.from([...tag(field, 'length'), ...varint(byteLength(content))]), ...content];
};

export const text = (field: number, value: string): Encoded =>
  message(field, [new TextEncoder().encode(value)]);

export const byteLength = (encoded: Encoded): number =>
  encoded.reduce((sum, piece) => sum + piece.byteLength, 0);

/** The bytes in pieces that are worth a write each: small ones are joined. */
export async function* pieces(encoded: Encoded): AsyncGenerator<Uint8Array> {
  let small: Uint8Array[] = [];
  for (const piece of encoded) {
    if (isUint8Array(piece)) {
      small.push(piece);
      continue;
    }
    yield Buffer.concat(small);
    small = [];
    const bytes = await piece.read();
    if (bytes.byteLength !== piece.byteLength)
      throw new Error(`expected ${piece.byteLength} bytes, got ${bytes.byteLength}`);
    yield bytes;
  }
  yield Buffer.concat(small);
}
