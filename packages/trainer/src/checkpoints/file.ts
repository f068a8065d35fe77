/**
 * The format of a checkpoint file. Little-endian:
 *
 *   8 bytes    DEEPEND and the format's version, 2
 *   4 bytes    length n of the header
 *   n bytes    header, UTF-8 JSON: { progress, tensors: [{ name, dtype, shape }], best }
 *   ...        the tensors' numbers, one after another, in the header's order: float32 or int32
 *   32 bytes   SHA-256 of all bytes before
 *
 * A file appears complete or not at all, and a reader compares it with its checksum.
 */
import { createHash } from 'node:crypto';
import { open, readFile } from 'node:fs/promises';
import { writeFileAtomic } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import type { RunProgress } from '../callbacks/callback';

const WHERE = '[trainer] checkpoint';
const MAGIC = Buffer.from('DEEPEND');
const VERSION = 2;
const CHECKSUM_BYTES = 32;
const WORD_BYTES = 4;
const MIN_BYTES = MAGIC.length + 1 + WORD_BYTES + CHECKSUM_BYTES;

export interface SavedTensor {
  /** `model/…`, `optimizer/…` or `ema/…`, then the tensor's own name. */
  readonly name: string;
  readonly dtype: 'float32' | 'int32';
  readonly shape: readonly number[];
  readonly values: Float32Array | Int32Array;
}

/** All that a run needs to resume. */
export interface Checkpoint {
  readonly progress: RunProgress;
  readonly tensors: readonly SavedTensor[];
  /** Why the option `best` keeps the checkpoint; absent in others. */
  readonly best?: BestValue;
}

/** What ranks a best checkpoint. */
export interface BestValue {
  readonly monitor: string;
  readonly value: number;
}

/** A checkpoint's description, without the tensors' numbers. */
export interface CheckpointHeader extends Omit<Checkpoint, 'tensors'> {
  readonly tensors: readonly Omit<SavedTensor, 'values'>[];
}

/** A saved tensor as a new tensor, which is the caller's. */
export const toTensor = ({ values, shape, dtype }: SavedTensor): tf.Tensor =>
  tf.tensor(values, [...shape], dtype);

const bytesOf = (values: Float32Array | Int32Array) =>
  Buffer.from(values.buffer, values.byteOffset, values.byteLength);

/**
 * Writes a checkpoint.
 * @throws Error when the file cannot be written; a file that was there before stays
 */
export async function writeCheckpoint(
  file: string,
  { progress, tensors, best }: Checkpoint,
): Promise<void> {
  const described = tensors.map(({ name, dtype, shape }) => ({ name, dtype, shape }));
  const header = Buffer.from(JSON.stringify({ progress, tensors: described, best }));
  const length = Buffer.alloc(WORD_BYTES);
  length.writeUInt32LE(header.length);
  const parts = [
    Buffer.concat([MAGIC, Buffer.from([VERSION]), length, header]),
    ...tensors.map(({ values }) => bytesOf(values)),
  ];
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  parts.push(hash.digest());
  await writeFileAtomic(
    file,
    async (handle) => {
      for (const part of parts) await handle.writeFile(part);
    },
    { where: WHERE, hint: 'free the disk or name another folder' },
  );
}

/**
 * Reads a checkpoint.
 * @throws Error when the file cannot be read, is damaged, or has another version
 * @example
 * const { progress } = await readCheckpoint('run/checkpoints/step-00000120.ckpt');
 */
export async function readCheckpoint(file: string): Promise<Checkpoint> {
  const bytes = await readFile(file).catch((cause: Error) => {
    throw new Error(`${WHERE}: ${file}: cannot be read (${cause.message})`, { cause });
  });
  return parseCheckpoint(file, bytes);
}

/** A checkpoint from the bytes of its file, whose name stands in errors. */
export function parseCheckpoint(file: string, bytes: Buffer): Checkpoint {
  const body = checkFile(file, bytes);
  let at = MAGIC.length + 1 + WORD_BYTES;
  const headerLength = body.readUInt32LE(at - WORD_BYTES);
  const header = JSON.parse(body.toString('utf8', at, at + headerLength)) as CheckpointHeader;
  at += headerLength;
  const tensors = header.tensors.map(({ name, dtype, shape }): SavedTensor => {
    const numBytes = WORD_BYTES * shape.reduce((product, size) => product * size, 1);
    const copy = new Uint8Array(body.subarray(at, at + numBytes)).buffer; // aligned, as a copy
    at += numBytes;
    const values = dtype === 'int32' ? new Int32Array(copy) : new Float32Array(copy);
    return { name, dtype, shape, values };
  });
  const { progress, best } = header;
  return { progress, tensors, ...(best && { best }) };
}

/**
 * Reads only a checkpoint's header, and does not compare the checksum.
 * @returns undefined when the file is no checkpoint of this format
 */
export async function readCheckpointHeader(file: string): Promise<CheckpointHeader | undefined> {
  const handle = await open(file).catch(() => undefined);
  if (!handle) return undefined;
  try {
    const { size } = await handle.stat();
    const start = Buffer.alloc(MAGIC.length + 1 + WORD_BYTES);
    await handle.read(start, 0, start.length, 0);
    const length = start.readUInt32LE(MAGIC.length + 1);
    const isOurs = start.subarray(0, MAGIC.length).equals(MAGIC) && start[MAGIC.length] === VERSION;
    if (!isOurs || length > size) return undefined;
    const header = Buffer.alloc(length);
    await handle.read(header, 0, length, start.length);
    return JSON.parse(header.toString('utf8')) as CheckpointHeader;
  } catch {
    return undefined; // a damaged header
  } finally {
    await handle.close();
  }
}

/** @returns the bytes before the checksum. @throws Error when they are no valid checkpoint */
function checkFile(file: string, bytes: Buffer): Buffer {
  const invalid = (what: string) =>
    new Error(`${WHERE}: ${file}: ${what}; delete it and resume from an older one`);
  if (bytes.length < MIN_BYTES || !bytes.subarray(0, MAGIC.length).equals(MAGIC))
    throw invalid('expected a checkpoint, got something else');
  const version = bytes[MAGIC.length];
  if (version !== VERSION)
    throw new Error(
      `${WHERE}: ${file}: expected format ${VERSION}, got ${version}; ` +
        'read it with the version of deepend that wrote it',
    );
  const body = bytes.subarray(0, -CHECKSUM_BYTES);
  const checksum = createHash('sha256').update(body).digest();
  if (!checksum.equals(bytes.subarray(-CHECKSUM_BYTES)))
    throw invalid('its checksum is wrong: it is damaged or cut off');
  return body;
}
