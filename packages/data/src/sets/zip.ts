/**
 * Takes single members out of a zip archive on disk without reading the rest: EMNIST's is of 562
 * MB, of which its letters are 6 %.
 * The format: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, sections 4.3.7, 4.3.12
 * and 4.3.16. Archives of 4 GB and more are refused.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { promisify } from 'node:util';
import { inflateRaw } from 'node:zlib';
import { DataError, reason } from '../errors';

const [END, ENTRY, LOCAL] = [0x06054b50, 0x02014b50, 0x04034b50];
const [END_BYTES, ENTRY_BYTES, LOCAL_BYTES] = [22, 46, 30];
const MAX_COMMENT = 0xffff;
const [STORED, DEFLATED] = [0, 8];

export interface ZipEntry {
  readonly path: string;
  readonly method: number;
  readonly packedBytes: number;
  readonly bytes: number;
  /** Where its local header begins. */
  readonly offset: number;
}

export interface ZipOptions {
  /** Which members are wanted, by their paths. */
  wanted: (path: string) => boolean;
  /** The most bytes that a wanted member may have. */
  maxBytes: (path: string) => number;
  /** What an error advises. */
  next: string;
}

/**
 * The wanted members, unpacked.
 * @throws DataError when the file is no zip archive, is damaged, or holds a member larger than
 *   allowed
 */
export async function readZip(
  file: string,
  { wanted, maxBytes, next }: ZipOptions,
): Promise<{ path: string; bytes: Uint8Array }[]> {
  const handle = await open(file).catch((error) => {
    throw new DataError(file, 'a file that can be read', reason(error), next, { cause: error });
  });
  const bad = (got: string) => new DataError(file, 'a whole zip archive', got, next);
  try {
    const entries = (await directory(handle, bad)).filter(({ path }) => wanted(path));
    const members: { path: string; bytes: Uint8Array }[] = [];
    for (const entry of entries) {
      if (Math.max(entry.bytes, entry.packedBytes) > maxBytes(entry.path)) {
        throw bad(
          `${entry.path} of ${entry.bytes} bytes, more than the ${maxBytes(entry.path)} it can need`,
        );
      }
      members.push({ path: entry.path, bytes: await member(handle, entry, bad) });
    }
    return members;
  } finally {
    await handle.close();
  }
}

type Bad = (got: string) => DataError;

async function directory(handle: FileHandle, bad: Bad): Promise<ZipEntry[]> {
  const { size } = await handle.stat();
  const tail = await piece(
    handle,
    Math.max(0, size - END_BYTES - MAX_COMMENT),
    Math.min(size, END_BYTES + MAX_COMMENT),
    bad,
  );
  let at = tail.length - END_BYTES;
  while (at >= 0 && tail.readUInt32LE(at) !== END) at--;
  if (at < 0) throw bad('a file without a directory at its end: another kind, or cut off');
  const length = tail.readUInt32LE(at + 12);
  const offset = tail.readUInt32LE(at + 16);
  if (offset + length > size) throw bad('a directory that lies outside the file');
  return parseDirectory(await piece(handle, offset, length, bad), bad);
}

/** Parses the central directory of a zip archive. */
export function parseDirectory(bytes: Buffer, bad: Bad): ZipEntry[] {
  const entries: ZipEntry[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (at + ENTRY_BYTES > bytes.length || bytes.readUInt32LE(at) !== ENTRY)
      throw bad('a damaged directory');
    const nameBytes = bytes.readUInt16LE(at + 28);
    const end =
      at + ENTRY_BYTES + nameBytes + bytes.readUInt16LE(at + 30) + bytes.readUInt16LE(at + 32);
    if (end > bytes.length) throw bad('a damaged directory');
    entries.push({
      path: bytes.toString('utf8', at + ENTRY_BYTES, at + ENTRY_BYTES + nameBytes),
      method: bytes.readUInt16LE(at + 10),
      packedBytes: bytes.readUInt32LE(at + 20),
      bytes: bytes.readUInt32LE(at + 24),
      offset: bytes.readUInt32LE(at + 42),
    });
    at = end;
  }
  return entries;
}

async function member(handle: FileHandle, entry: ZipEntry, bad: Bad): Promise<Uint8Array> {
  const local = await piece(handle, entry.offset, LOCAL_BYTES, bad);
  if (local.readUInt32LE(0) !== LOCAL) throw bad(`no member where its directory has ${entry.path}`);
  const start = entry.offset + LOCAL_BYTES + local.readUInt16LE(26) + local.readUInt16LE(28);
  const packed = await piece(handle, start, entry.packedBytes, bad);
  if (entry.method !== STORED && entry.method !== DEFLATED)
    throw bad(`${entry.path} packed by the unknown method ${entry.method}`);
  const bytes = entry.method === STORED ? packed : await inflated(packed, entry, bad);
  if (bytes.length !== entry.bytes)
    throw bad(`${bytes.length} of the ${entry.bytes} bytes of ${entry.path}`);
  return bytes;
}

async function inflated(packed: Buffer, { path, bytes }: ZipEntry, bad: Bad): Promise<Buffer> {
  try {
    return await promisify(inflateRaw)(packed, { maxOutputLength: Math.max(1, bytes) });
  } catch (error) {
    throw bad(`${path}, which cannot be unpacked (${reason(error)})`);
  }
}

async function piece(
  handle: FileHandle,
  position: number,
  length: number,
  bad: Bad,
): Promise<Buffer> {
  const { size } = await handle.stat();
  if (position + length > size) throw bad('one that is cut off');
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await handle.read(buffer, 0, length, position);
  if (bytesRead !== length) throw bad('one that is cut off');
  return buffer;
}
