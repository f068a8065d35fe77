/**
 * Files of named tensors in the safetensors format,
 * https://github.com/huggingface/safetensors#format.
 */
import { type FileHandle, open, stat } from 'node:fs/promises';
import { formatValue, writeFileAtomic } from '@deepend/core';
import {
  FLOAT_DECODERS,
  type FloatDtype,
  NUMBER_DECODERS,
  type NumberDtype,
} from './float-formats';
import { parseHeader, type SafetensorsHeader, type SafetensorsTensor } from './safetensors-header';

const MOST_HEADER_BYTES = 100_000_000; // the reference implementation's limit
const LENGTH_BYTES = 8;
const MOST_READ = 2 ** 30; // Node reads less than 2 GiB at once

/**
 * Reads the header of a safetensors file: names, types and shapes of its tensors, and its metadata.
 * @throws Error when the file cannot be read or its header does not describe it; the header's
 *   length is checked before memory is allocated for it
 */
export async function readSafetensorsHeader(file: string): Promise<SafetensorsHeader> {
  return withSafetensors(
    file,
    { where: `[models] readSafetensorsHeader: ${file}` },
    async ({ header }) => header,
  );
}

export interface OpenSafetensors {
  readonly header: SafetensorsHeader;
  /** Reads a tensor as float32. */
  readFloats(tensor: SafetensorsTensor & { dtype: NumberDtype }): Promise<Float32Array>;
}

export const isFloat = (
  tensor: SafetensorsTensor,
): tensor is SafetensorsTensor & { dtype: FloatDtype } =>
  Object.hasOwn(FLOAT_DECODERS, tensor.dtype);

export const isNumber = (
  tensor: SafetensorsTensor,
): tensor is SafetensorsTensor & { dtype: NumberDtype } =>
  Object.hasOwn(NUMBER_DECODERS, tensor.dtype);

/**
 * Opens a file, checks its header, and closes it when `use` has ended. @param options.where the
 * beginning of each error
 */
export async function withSafetensors<T>(
  file: string,
  { where }: { where: string },
  use: (source: OpenSafetensors) => Promise<T>,
): Promise<T> {
  const handle = await openFile(file, where);
  try {
    const { size } = await handle.stat();
    const headerBytes = await readHeaderLength(handle, { where, size });
    const dataStart = LENGTH_BYTES + headerBytes;
    const text = decodeText(
      await readBytes(handle, { where, begin: LENGTH_BYTES, end: dataStart }),
      where,
    );
    const header = parseHeader(text, { where, dataBytes: size - dataStart });
    const readFloats: OpenSafetensors['readFloats'] = async ({ dtype, begin, end }) =>
      NUMBER_DECODERS[dtype](
        await readBytes(handle, { where, begin: dataStart + begin, end: dataStart + end }),
      );
    return await use({ header, readFloats });
  } finally {
    await handle.close();
  }
}

async function openFile(file: string, where: string): Promise<FileHandle> {
  try {
    // Checked before opening: opening a pipe would wait for its other end.
    if ((await stat(file)).isFile()) return await open(file);
  } catch (cause) {
    throw new Error(
      `${where}: cannot be read (${(cause as Error).message}); expected a safetensors file`,
      { cause },
    );
  }
  throw new Error(`${where}: expected a safetensors file, got a folder or a device`);
}

async function readHeaderLength(
  handle: FileHandle,
  { where, size }: { where: string; size: number },
): Promise<number> {
  if (size < LENGTH_BYTES) {
    throw new Error(
      `${where}: expected a safetensors file, at least ${LENGTH_BYTES} bytes, got ${size}; ` +
        `get it again`,
    );
  }
  const first = await readBytes(handle, { where, begin: 0, end: LENGTH_BYTES });
  const length = new DataView(first).getBigUint64(0, true);
  const most = Math.min(MOST_HEADER_BYTES, size - LENGTH_BYTES);
  if (length <= most) return Number(length);
  if (isPickle(new Uint8Array(first)))
    throw new Error(`${where}: expected a safetensors file, got a pickle of PyTorch's; ${CONVERT}`);
  throw new Error(
    `${where}: expected a header of at most ${most} bytes, got a length of ${length}; the ` +
      `file is cut off or is no safetensors file`,
  );
}

const CONVERT = `convert it in Python:
  import torch; from safetensors.torch import save_file
  weights = torch.load('weights.pth', map_location='cpu', weights_only=True)
  save_file(weights, 'weights.safetensors')`;

/**
 * Whether a file was written by torch.save: a zip archive, or before PyTorch 1.6 a bare pickle
 * (byte 0x80 and the protocol's number).
 */
const isPickle = ([a, b, c, d]: Uint8Array) =>
  (a === 0x50 && b === 0x4b && c === 3 && d === 4) || (a === 0x80 && (b ?? 9) <= 5);

function decodeText(bytes: ArrayBuffer, where: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new Error(`${where}: expected a header in UTF-8, got other bytes; get the file again`, {
      cause,
    });
  }
}

/** Reads the bytes from `begin` to `end` (exclusive) into a new buffer. */
async function readBytes(
  handle: FileHandle,
  { where, begin, end }: { where: string; begin: number; end: number },
): Promise<ArrayBuffer> {
  const bytes = new Uint8Array(end - begin);
  for (let done = 0; done < bytes.length; ) {
    const length = Math.min(bytes.length - done, MOST_READ);
    const { bytesRead } = await handle.read(bytes, done, length, begin + done);
    if (bytesRead === 0)
      throw new Error(
        `${where}: expected bytes up to ${end}, got ${begin + done}; was the file cut meanwhile?`,
      );
    done += bytesRead;
  }
  return bytes.buffer;
}

/** A float32 tensor to write; `values` is called when its turn comes. */
export interface TensorToWrite {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: () => Promise<Float32Array>;
}

/**
 * Writes tensors, sorted by name, as float32, one at a time. The file appears complete or not at
 * all.
 * @param options.where the beginning of each error
 */
export async function writeSafetensors(
  file: string,
  tensors: readonly TensorToWrite[],
  { where, metadata }: { where: string; metadata: Readonly<Record<string, string>> },
): Promise<void> {
  const sorted = [...tensors].sort((a, b) => (a.name < b.name ? -1 : 1));
  const content = async (handle: FileHandle) => {
    await handle.writeFile(encodeHeader(sorted, metadata));
    for (const tensor of sorted) await handle.writeFile(await bytesOf(tensor));
  };
  await writeFileAtomic(file, content, { where });
}

async function bytesOf({ name, shape, values }: TensorToWrite): Promise<Uint8Array> {
  const numbers = await values();
  const expected = shape.reduce((a, b) => a * b, 1);
  if (numbers.length !== expected)
    throw new Error(
      `tensor ${formatValue(name)}: expected ${expected} numbers, got ${numbers.length}`,
    );
  return new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
}

function encodeHeader(
  tensors: readonly TensorToWrite[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  let offset = 0;
  const entries = tensors.map(({ name, shape }) => {
    const begin = offset;
    offset += 4 * shape.reduce((a, b) => a * b, 1);
    const entry = { dtype: 'F32', shape, data_offsets: [begin, offset] };
    return `${JSON.stringify(name)}:${JSON.stringify(entry)}`;
  });
  const json = new TextEncoder().encode(
    `{${[`"__metadata__":${JSON.stringify(metadata)}`, ...entries].join(',')}}`,
  );
  // Padded with spaces to a multiple of 8, so that tensors are aligned when the file is mapped.
  const bytes = new Uint8Array(LENGTH_BYTES + 8 * Math.ceil(json.length / 8)).fill(
    ' '.charCodeAt(0),
  );
  new DataView(bytes.buffer).setBigUint64(0, BigInt(bytes.length - LENGTH_BYTES), true);
  bytes.set(json, LENGTH_BYTES);
  return bytes;
}
