/** Reads whole files, and helpers that several formats share. */
import { createHash } from 'node:crypto';
import { access, readFile, stat } from 'node:fs/promises';
import { DataError, errorCode, reason } from '../../errors';

/** The largest typed array that leaves memory for batches. */
export const MAX_BYTES = 2 ** 31 - 1;

/** Reads a file. @throws DataError when it cannot be read or is larger than `MAX_BYTES` */
export async function readWholeFile(file: string, next: string): Promise<Uint8Array> {
  try {
    const info = await stat(file);
    if (!info.isFile()) {
      const got = info.isDirectory() ? 'a folder' : 'a device or pipe';
      throw new DataError(file, 'a file', got, next);
    }
    if (info.size > MAX_BYTES)
      throw new DataError(file, `at most ${MAX_BYTES} bytes`, `${info.size}`, next);
    return await readFile(file);
  } catch (error) {
    if (error instanceof DataError) throw error;
    throw new DataError(file, 'a file that can be read', reason(error), next, { cause: error });
  }
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
