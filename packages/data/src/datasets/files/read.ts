/** Reads whole files, and helpers that several formats share. */
import { createHash } from 'node:crypto';
import { access, readFile, stat } from 'node:fs/promises';
import { DataError, errorCode, reason } from '../../errors';

/** The largest typed array that leaves memory for batches. */
export const MAX_BYTES = 2 ** 31 - 1;

/**
 * Reads a file.
 * @throws DataError when it cannot be read, is not a regular file or is larger than `maxBytes`
 */
export async function readWholeFile(
  file: string,
  next: string,
  maxBytes = MAX_BYTES,
): Promise<Uint8Array> {
  try {
    const info = await stat(file);
    if (!info.isFile()) {
      const got = info.isDirectory() ? 'a folder' : 'a device or pipe';
      throw new DataError(file, 'a file', got, next);
    }
    if (info.size > maxBytes)
      throw new DataError(file, `at most ${maxBytes} bytes`, `${info.size}`, next);
    return await readFile(file);
  } catch (error) {
    if (error instanceof DataError) throw error;
    throw new DataError(file, 'a file that can be read', reason(error), next, { cause: error });
  }
}

/**
 * The largest gzip file of `bytes`: DEFLATE adds 5 bytes to each 16 KB that it cannot compress, and
 * gzip a header.
 */
export const maxPackedBytes = (bytes: number) => Math.ceil(1.001 * bytes) + 1024;

/** Whether a path leads to something other than a folder. */
export async function fileExists(path: string): Promise<boolean> {
  return stat(path).then(
    (info) => !info.isDirectory(),
    (error) => !['ENOENT', 'ENOTDIR'].includes(errorCode(error) ?? ''),
  );
}

/** Whether a path exists. A path that exists but is not accessible counts: reading it says why. */
export async function pathExists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    (error) => !['ENOENT', 'ENOTDIR'].includes(errorCode(error) ?? ''),
  );
}

export const isGzip = (bytes: Uint8Array): boolean => bytes[0] === 0x1f && bytes[1] === 0x8b;

/** The error for a gzip file that cannot be unpacked. */
export function gzipError(file: string, error: unknown, next: string): DataError {
  const got = `a damaged one (${describeGzipError(error)})`;
  return new DataError(file, 'a complete gzip file', got, next, { cause: error });
}

/** Describes in a few words why a gzip file cannot be unpacked. */
export function describeGzipError(error: unknown): string {
  return errorCode(error) === 'Z_BUF_ERROR' ? 'it is truncated' : reason(error);
}

/** SHA-256 in hexadecimal. */
export function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
