/**
 * The wire format of protocol buffers, https://protobuf.dev/programming-guides/encoding/: the part
 * that writing ONNX files needs.
 */

/**
 * Bytes that are read when their turn to be written comes, so that only one tensor is in memory at
 * a time.
 */
import { isUint8Array } from '@deepend/core';
export interface LateBytes {
  readonly byteLength: number;
  readonly read: () => Promise<Uint8Array>;
}

/** An encoded field, or the concatenated fields of a message. */
export type Encoded = readonly (Uint8Array | LateBytes)[];

const WIRE = { varint: 0, length: 2, fixed32: 5 } as const;

const tag = (field: number, wire: keyof typeof WIRE) => varint(field * 8 + WIRE[wire]);

/**
 * A varint: seven bits per byte, the lowest first; the eighth bit is set when more bytes follow.
 * Negative numbers are encoded as 64 bits in two's complement.
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

/**
 * A repeated integer, one field for each value: proto2 packs only fields declared so, which ONNX's
 * are not.
 */
export const integers = (field: number, values: readonly number[]): Encoded =>
  values.flatMap((value) => integer(field, value));

export function float(field: number, value: number): Encoded {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setFloat32(0, value, true);
  return [Uint8Array.from([...tag(field, 'fixed32'), ...bytes])];
}

/** A field of bytes or of a nested message, preceded by its length. */
export const message = (field: number, ...parts: readonly Encoded[]): Encoded => {
  const content = parts.flat();
  return [Uint8Array.from([...tag(field, 'length'), ...varint(byteLength(content))]), ...content];
};

export const text = (field: number, value: string): Encoded =>
  message(field, [new TextEncoder().encode(value)]);

export const byteLength = (encoded: Encoded): number =>
  encoded.reduce((sum, piece) => sum + piece.byteLength, 0);

/** The bytes in pieces for writing; small pieces are joined. */
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
