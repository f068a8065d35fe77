/**
 * The IDX format of MNIST: http://yann.lecun.com/exdb/mnist/. Numbers are big-endian. Image
 * datasets use only arrays of unsigned bytes.
 */
import { DataError } from '../../errors';

/** An array of unsigned bytes from an IDX file. */
export interface IdxArray {
  readonly shape: readonly number[];
  /** uint8, `shape` in row-major order: a view of the file's bytes, not a copy. */
  readonly values: Uint8Array;
}

export interface IdxHeader {
  readonly shape: readonly number[];
  /** Bytes before the values. */
  readonly offset: number;
  /** Bytes of the whole file, including the header. */
  readonly size: number;
}

const UNSIGNED_BYTE = 0x08;

/**
 * Parses an IDX header at the beginning of a file.
 * @throws DataError for anything but an array of unsigned bytes
 */
export function parseIdxHeader(bytes: Uint8Array, file: string, next: string): IdxHeader {
  const [zero, alsoZero, type, rank = 0] = bytes;
  if (bytes.length < 4 || zero !== 0 || alsoZero !== 0 || type !== UNSIGNED_BYTE || rank === 0) {
    const expected = 'an IDX file of unsigned bytes, which begins with 00 00 08 01 or 00 00 08 03';
    throw new DataError(file, expected, describeStart(bytes), next);
  }
  const offset = 4 + 4 * rank;
  if (bytes.length < offset) {
    const got = `${bytes.length} bytes: the file is truncated`;
    throw new DataError(file, `an IDX header of ${offset} bytes`, got, next);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const shape = Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis));
  if (shape.includes(0))
    throw new DataError(file, 'at least one value', `the shape [${shape.join(', ')}]`, next);
  return { shape, offset, size: offset + shape.reduce((product, length) => product * length, 1) };
}

/**
 * Parses a whole IDX file.
 * @param file its name, for errors
 * @param next the advice in errors
 * @throws DataError when the header is not IDX, values are missing, or bytes follow the last value
 */
export function parseIdx(
  bytes: Uint8Array,
  file = 'IDX data',
  next = 'get the file again',
): IdxArray {
  const { shape, offset, size } = parseIdxHeader(bytes, file, next);
  if (bytes.length !== size)
    throw sizeError(file, { shape, offset, size }, `${bytes.length}`, next);
  // A plain Uint8Array even when the bytes are a Buffer, whose `slice` and `toString` differ.
  return { shape, values: new Uint8Array(bytes.buffer, bytes.byteOffset + offset, size - offset) };
}

/** The error for a file whose length does not match its header. */
export function sizeError(file: string, header: IdxHeader, got: string, next: string): DataError {
  const expected = `${header.size} bytes for the shape [${header.shape.join(', ')}] in its header`;
  return new DataError(file, expected, got, next);
}

function describeStart(bytes: Uint8Array): string {
  if (bytes.length === 0) return 'an empty file';
  const start = Array.from(bytes.subarray(0, 4), (byte) => byte.toString(16).padStart(2, '0'));
  const hex = start.join(' ');
  return bytes[0] === 0x3c ? `${hex}, which looks like a web page` : hex;
}
