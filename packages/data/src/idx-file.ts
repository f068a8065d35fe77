/**
 * Reads one IDX file from disk, gzipped or not, and trusts nothing in it: neither its header, nor
 * its packing, nor its length.
 */
import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import { constants, gunzip, gunzipSync } from 'node:zlib';
import { DataError, errorCode, reason } from './errors';
import { type IdxArray, type IdxHeader, parseIdx, parseIdxHeader, sizeError } from './idx';

export interface ReadIdxOptions {
  /** The shape that the file must hold. */
  shape?: readonly number[];
  /** SHA-256 of the unpacked file. */
  sha256?: string;
  /** SHA-256 of packings of that file which are known to hold it. */
  gzipSha256?: readonly string[];
  /** What an error advises. */
  next?: string;
  /** The file's bytes where they are in memory already, as out of an archive. */
  bytes?: Uint8Array;
}

/** Larger files are refused: a typed array of them would not fit beside the batches. */
const MAX_BYTES = 2 ** 31 - 1;
/**
 * No DEFLATE stream unpacks to more than 1032 times its length (https://zlib.net/zlib_tech.html).
 */
const MAX_RATIO = 1032;
const PEEK = 4096;

/**
 * Reads an IDX file of unsigned bytes, gzipped or not.
 * @throws DataError when it is missing, foreign, cut off, longer than its header says, of another
 *   shape or of other content
 */
export async function readIdx(file: string, options: ReadIdxOptions = {}): Promise<IdxArray> {
  const { shape, sha256, gzipSha256 = [], next = 'get the file again' } = options;
  const bytes = options.bytes ?? (await readBounded(file, next));
  const packed = bytes[0] === 0x1f && bytes[1] === 0x8b;
  const unpacking = packed ? unpack(bytes, file, next) : Promise.resolve(bytes);
  unpacking.catch(() => {}); // awaited below, or of no interest once the sum is wrong
  const packedHash = packed && gzipSha256.length > 0 ? hash(bytes) : undefined; // while another thread unpacks
  const known = packedHash !== undefined && gzipSha256.includes(packedHash);
  // Where only packings have known sums, another packing cannot be told from another file.
  if (packedHash !== undefined && !known && sha256 === undefined) {
    throw new DataError(
      file,
      `a gzip file with SHA-256 ${gzipSha256.join(' or ')}`,
      packedHash,
      next,
    );
  }
  const unpacked = await unpacking;
  const array = parseIdx(unpacked, file, next);
  if (shape && shape.join() !== array.shape.join()) {
    throw new DataError(
      file,
      `the shape [${shape.join(', ')}]`,
      `[${array.shape.join(', ')}]`,
      next,
    );
  }
  // A repacked file is as good as the original when what is inside is the same.
  if (sha256 !== undefined && !known) {
    const actual = hash(unpacked);
    if (actual !== sha256)
      throw new DataError(file, `content with SHA-256 ${sha256}`, actual, next);
  }
  return array;
}

/**
 * A whole file, unless it is too large for a typed array. @throws DataError when it cannot be read
 */
export async function readBounded(file: string, next: string): Promise<Uint8Array> {
  try {
    const info = await stat(file);
    if (!info.isFile())
      throw new DataError(
        file,
        'a file',
        info.isDirectory() ? 'a folder' : 'a device or pipe',
        next,
      );
    if (info.size > MAX_BYTES)
      throw new DataError(file, `at most ${MAX_BYTES} bytes`, `${info.size}`, next);
    return await readFile(file);
  } catch (error) {
    if (error instanceof DataError) throw error;
    throw new DataError(file, 'a file that can be read', reason(error), next, { cause: error });
  }
}

/**
 * Unpacks to no more than the header inside promises, and believes the header no further than the
 * packed length allows.
 */
async function unpack(packed: Uint8Array, file: string, next: string): Promise<Uint8Array> {
  const header = peek(packed, file, next);
  if (header.size > MAX_BYTES || header.size > packed.length * MAX_RATIO) {
    throw sizeError(
      file,
      header,
      `a gzip file of ${packed.length} bytes, which cannot hold that`,
      next,
    );
  }
  try {
    const chunkSize = Math.max(64, Math.min(header.size + 1, 64 * 2 ** 20));
    return await promisify(gunzip)(packed, { maxOutputLength: header.size, chunkSize });
  } catch (error) {
    if (errorCode(error) === 'ERR_BUFFER_TOO_LARGE')
      throw sizeError(file, header, 'more: bytes follow the last value', next);
    throw new DataError(file, 'a whole gzip file', `a damaged one (${gzipFault(error)})`, next, {
      cause: error,
    });
  }
}

/** The IDX header inside a gzip file, unpacking no more than its first few kilobytes. */
function peek(packed: Uint8Array, file: string, next: string): IdxHeader {
  let beginning: Uint8Array;
  try {
    beginning = gunzipSync(packed.subarray(0, PEEK), { finishFlush: constants.Z_SYNC_FLUSH });
  } catch (error) {
    throw new DataError(file, 'a whole gzip file', `a damaged one (${gzipFault(error)})`, next, {
      cause: error,
    });
  }
  return parseIdxHeader(beginning, file, next);
}

/** What is wrong with a gzip file, in a few words. */
export function gzipFault(error: unknown): string {
  return errorCode(error) === 'Z_BUF_ERROR' ? 'it is cut off' : reason(error);
}

export function hash(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
