/**
 * A checkpoint's file. Little-endian:
 *
 *   8 bytes    DEEPEND and the format's version, 1
 *   4 bytes    length n of the header
 *   n bytes    header, UTF-8 JSON: { progress, tensors: [{ name, dtype, shape }] }
 *   ...        the tensors' numbers, one after another, in the header's order: float32 or int32
 *   32 bytes   SHA-256 of all before
 *
 * It appears whole or not at all, and what is read is checked against its sum.
 */
import { createHash, randomUUID } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import type { RunProgress } from '../types';

const MAGIC = Buffer.from('DEEPEND');
const VERSION = 1;
const SUM_BYTES = 32;
const WORD = 4;

export interface SavedTensor {
  readonly name: string;
  readonly dtype: 'float32' | 'int32';
  readonly shape: readonly number[];
  readonly values: Float32Array | Int32Array;
}

export interface Checkpoint {
  readonly progress: RunProgress;
  readonly tensors: readonly SavedTensor[];
}

const bytesOf = (values: Float32Array | Int32Array) =>
  Buffer.from(values.buffer, values.byteOffset, values.byteLength);

/** @throws Error when the folder cannot be written; nothing of the file is there then */
export async function writeCheckpoint(
  file: string,
  { progress, tensors }: Checkpoint,
): Promise<void> {
  const header = Buffer.from(
    JSON.stringify({
      progress,
      tensors: tensors.map(({ name, dtype, shape }) => ({ name, dtype, shape })),
    }),
  );
  const length = Buffer.alloc(WORD);
  length.writeUInt32LE(header.length);
  const parts = [
    Buffer.concat([MAGIC, Buffer.from([VERSION]), length, header]),
    ...tensors.map(({ values }) => bytesOf(values)),
  ];
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  const temporary = path.join(path.dirname(file), `.${path.basename(file)}.${randomUUID()}`);
  try {
    const handle = await open(temporary, 'w');
    try {
      for (const part of [...parts, hash.digest()]) await handle.writeFile(part);
      await handle.sync(); // before the name: a power cut must not leave a whole name on half a file
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
    await syncFolder(path.dirname(file));
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => {});
    const next = 'free the disk or name another folder';
    throw new Error(
      `[trainer] checkpoint: cannot write ${file}: ${(cause as Error).message}; ${next}`,
      { cause },
    );
  }
}

/** The new name itself must survive a power cut; not every system can be asked. */
async function syncFolder(folder: string): Promise<void> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(folder, 'r');
    await handle.sync();
  } catch {
  } finally {
    await handle?.close();
  }
}

/** @throws Error that says what is wrong with the file */
export async function readCheckpoint(file: string): Promise<Checkpoint> {
  const bytes = await readWhole(file);
  const unsound = (what: string) =>
    new Error(`[trainer] checkpoint: ${file}: ${what}; delete it and go on from an older one`);
  const least = MAGIC.length + 1 + WORD + SUM_BYTES;
  if (bytes.length < least || !bytes.subarray(0, MAGIC.length).equals(MAGIC))
    throw unsound('expected a checkpoint, got something else');
  const version = bytes[MAGIC.length];
  if (version !== VERSION)
    throw new Error(
      `[trainer] checkpoint: ${file}: expected format ${VERSION}, got ${version}; read it with the deepend that wrote it`,
    );
  const body = bytes.subarray(0, -SUM_BYTES);
  if (!createHash('sha256').update(body).digest().equals(bytes.subarray(-SUM_BYTES)))
    throw unsound('its sum is wrong: it is damaged or cut off');
  // The sum is right, so the file is what was written.
  let at = MAGIC.length + 1;
  const headerLength = body.readUInt32LE(at);
  at += WORD;
  const { progress, tensors } = JSON.parse(body.toString('utf8', at, at + headerLength)) as {
    progress: RunProgress;
    tensors: Omit<SavedTensor, 'values'>[];
  };
  at += headerLength;
  const read = tensors.map(({ name, dtype, shape }): SavedTensor => {
    const size = shape.reduce((product, length) => product * length, 1);
    const copy = new Uint8Array(body.subarray(at, at + size * WORD)).buffer; // of its own, so aligned
    at += size * WORD;
    return {
      name,
      dtype,
      shape,
      values: dtype === 'int32' ? new Int32Array(copy) : new Float32Array(copy),
    };
  });
  return { progress, tensors: read };
}

async function readWhole(file: string): Promise<Buffer> {
  const handle = await open(file, 'r').catch((cause: Error) => {
    throw new Error(`[trainer] checkpoint: ${file}: cannot be read (${cause.message})`, { cause });
  });
  try {
    return await handle.readFile();
  } finally {
    await handle.close();
  }
}
