/**
 * Reads single members of a zip archive on disk without reading the rest: of EMNIST's 562 MB, the
 * letters are 6 %. The format: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT,
 * sections 4.3.7, 4.3.12 and 4.3.16. Archives of 4 GB and more (ZIP64) are not supported.
 */
import { type FileHandle, open, stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import { inflateRaw } from 'node:zlib';
import { DataError, reason } from '../../errors';
import { MAX_BYTES } from './read';

/** Signatures and lengths of the records. */
const END = { signature: 0x06054b50, bytes: 22 };
const ENTRY = { signature: 0x02014b50, bytes: 46 };
const LOCAL = { signature: 0x04034b50, bytes: 30 };
const MAX_COMMENT = 0xffff;
/** A directory of some 100,000 members. */
const MAX_DIRECTORY = 2 ** 24;
/** Stands where a number of ZIP64 does not fit. */
const ZIP64 = 0xffffffff;
const STORED = 0;
const DEFLATED = 8;

interface ZipEntry {
  readonly path: string;
  readonly method: number;
  readonly packedBytes: number;
  readonly bytes: number;
  /** Position of its local header. */
  readonly offset: number;
}

export interface ZipMember {
  path: string;
  bytes: Uint8Array;
}

export interface ZipOptions {
  /** Whether to read the member of this path. */
  wanted: (path: string) => boolean;
  /** Largest allowed size of a wanted member. */
  maxBytes: (path: string) => number;
  /** Largest allowed size of all wanted members together. */
  maxTotalBytes?: number;
  /** The advice in errors. */
  next: string;
}

/**
 * Reads and unpacks the wanted members.
 * @throws DataError when the file is not a zip archive or is damaged, or a wanted member is too
 *   large
 */
export async function readZip(file: string, options: ZipOptions): Promise<ZipMember[]> {
  const members: ZipMember[] = [];
  await visitZip(file, options, (member) => {
    members.push(member);
  });
  return members;
}

/**
 * Reads and unpacks the wanted members one after the other, so that only one is in memory.
 * @throws DataError as `readZip` does, before the first visit if the archive is larger than allowed
 */
export async function visitZip(
  file: string,
  { wanted, maxBytes, maxTotalBytes = MAX_BYTES, next }: ZipOptions,
  visit: (member: ZipMember) => void | Promise<void>,
): Promise<void> {
  const handle = await openFile(file, next);
  const fail: Fail = (got) => new DataError(file, 'a complete zip archive', got, next);
  try {
    const entries = (await readDirectory(handle, fail)).filter(({ path }) => wanted(path));
    const total = entries.reduce((sum, { bytes }) => sum + bytes, 0);
    // Many entries may share the same packed bytes, and together unpack to any size.
    if (total > maxTotalBytes)
      throw fail(
        `members of ${total} bytes in all, more than the ${maxTotalBytes} that it may have`,
      );
    for (const entry of entries) {
      const most = maxBytes(entry.path);
      if (Math.max(entry.bytes, entry.packedBytes) > most)
        throw fail(`${entry.path} of ${entry.bytes} bytes, more than the ${most} that it may have`);
    }
    for (const entry of entries)
      await visit({ path: entry.path, bytes: await readMember(handle, entry, fail) });
  } finally {
    await handle.close();
  }
}

type Fail = (got: string) => DataError;

/** Opens a regular file: a pipe would wait for a writer, and a device has no end. */
async function openFile(file: string, next: string): Promise<FileHandle> {
  const expected = 'a file that can be read';
  try {
    if (!(await stat(file)).isFile())
      throw new DataError(file, expected, 'a folder, device or pipe', next);
    return await open(file);
  } catch (error) {
    if (error instanceof DataError) throw error;
    throw new DataError(file, expected, reason(error), next, { cause: error });
  }
}

async function readDirectory(handle: FileHandle, fail: Fail): Promise<ZipEntry[]> {
  const { size } = await handle.stat();
  const tailBytes = Math.min(size, END.bytes + MAX_COMMENT);
  const tail = await readPiece(handle, { position: size - tailBytes, length: tailBytes }, fail);
  let at = tail.length - END.bytes;
  while (at >= 0 && tail.readUInt32LE(at) !== END.signature) at--;
  if (at < 0)
    throw fail('a file without a directory at its end: it is not a zip archive, or truncated');
  const length = tail.readUInt32LE(at + 12);
  const position = tail.readUInt32LE(at + 16);
  if (position === ZIP64 || length === ZIP64)
    throw fail('one of 4 GB or more (ZIP64), which is not supported; unpack it with unzip');
  if (position + length > size) throw fail('a directory that lies outside the file');
  if (length > MAX_DIRECTORY) throw fail(`a directory of ${length} bytes`);
  return parseDirectory(await readPiece(handle, { position, length }, fail), fail);
}

/** Parses the central directory of a zip archive. */
function parseDirectory(bytes: Buffer, fail: Fail): ZipEntry[] {
  const entries: ZipEntry[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (at + ENTRY.bytes > bytes.length || bytes.readUInt32LE(at) !== ENTRY.signature)
      throw fail('a damaged directory');
    const nameEnd = at + ENTRY.bytes + bytes.readUInt16LE(at + 28);
    const end = nameEnd + bytes.readUInt16LE(at + 30) + bytes.readUInt16LE(at + 32);
    if (end > bytes.length) throw fail('a damaged directory');
    entries.push({
      path: bytes.toString('utf8', at + ENTRY.bytes, nameEnd),
      method: bytes.readUInt16LE(at + 10),
      packedBytes: bytes.readUInt32LE(at + 20),
      bytes: bytes.readUInt32LE(at + 24),
      offset: bytes.readUInt32LE(at + 42),
    });
    at = end;
  }
  return entries;
}

async function readMember(handle: FileHandle, entry: ZipEntry, fail: Fail): Promise<Uint8Array> {
  const { path, offset, method, packedBytes } = entry;
  const local = await readPiece(handle, { position: offset, length: LOCAL.bytes }, fail);
  if (local.readUInt32LE(0) !== LOCAL.signature)
    throw fail(`no member where its directory has ${path}`);
  const position = offset + LOCAL.bytes + local.readUInt16LE(26) + local.readUInt16LE(28);
  const packed = await readPiece(handle, { position, length: packedBytes }, fail);
  if (method !== STORED && method !== DEFLATED)
    throw fail(`${path} packed by the unknown method ${method}`);
  const bytes = method === STORED ? packed : await inflate(packed, entry, fail);
  if (bytes.length !== entry.bytes)
    throw fail(`${bytes.length} of the ${entry.bytes} bytes of ${path}`);
  return bytes;
}

async function inflate(packed: Buffer, { path, bytes }: ZipEntry, fail: Fail): Promise<Buffer> {
  try {
    return await promisify(inflateRaw)(packed, { maxOutputLength: Math.max(1, bytes) });
  } catch (error) {
    throw fail(`${path}, which cannot be unpacked (${reason(error)})`);
  }
}

interface Piece {
  position: number;
  length: number;
}

async function readPiece(
  handle: FileHandle,
  { position, length }: Piece,
  fail: Fail,
): Promise<Buffer> {
  const { size } = await handle.stat();
  if (position + length > size) throw fail('one that is truncated');
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await handle.read(buffer, 0, length, position);
  if (bytesRead !== length) throw fail('one that is truncated');
  return buffer;
}
