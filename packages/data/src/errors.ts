/** Errors about files and mirrors. */

/** A data file or folder that cannot be used. `file` is its path. */
import { isError } from '@deepend/core';
export class DataError extends Error {
  override readonly name = 'DataError';
  readonly file: string;
  /** What was wrong, without the place and the advice. */
  readonly fault: string;
  /**
   * `DEEPEND_NO_DATA` when no source had the dataset, so that a program can offer to download it;
   * undefined otherwise.
   */
  readonly code: 'DEEPEND_NO_DATA' | undefined;

  /**
   * @param next what the reader should do about it
   * @param options.code for programs @default undefined
   */
  constructor(
    file: string,
    expected: string,
    got: string,
    next: string,
    { code, ...options }: ErrorOptions & { code?: 'DEEPEND_NO_DATA' } = {},
  ) {
    const fault = `expected ${expected}, got ${got}`;
    super(`[data] ${file}: ${fault}; ${next}`, options);
    this.file = file;
    this.code = code;
    this.fault = fault;
  }
}

const SYSTEM_ERRORS: Record<string, string> = {
  EACCES: 'no rights to it (EACCES)',
  EPERM: 'no rights to it (EPERM)',
  EROFS: 'a read-only file system (EROFS)',
  ENOSPC: 'a full disk (ENOSPC)',
  EDQUOT: 'an exhausted disk quota (EDQUOT)',
  ENOENT: 'nothing there (ENOENT)',
  ENOTDIR: 'a file where a folder should be (ENOTDIR)',
  EISDIR: 'a folder (EISDIR)',
  ELOOP: 'a loop of symbolic links (ELOOP)',
  ENOTFOUND: 'the host name is not known (ENOTFOUND)',
  EAI_AGAIN: 'the host name cannot be looked up (EAI_AGAIN)',
  ECONNREFUSED: 'the connection was refused (ECONNREFUSED)',
  ECONNRESET: 'the connection broke off (ECONNRESET)',
  ENETUNREACH: 'the network cannot be reached (ENETUNREACH)',
  UND_ERR_SOCKET: 'the connection broke off',
  UND_ERR_CONNECT_TIMEOUT: 'the connection took too long',
};

/** Finds the system's code of an error (`ENOSPC`), also when `fetch` has wrapped the error. */
export function errorCode(error: unknown): string | undefined {
  for (let at = error; isError(at); at = at.cause) {
    const { code } = at as NodeJS.ErrnoException;
    if (typeof code === 'string') return code;
  }
  return undefined;
}

/** Describes an error in a few plain words. */
export function reason(error: unknown): string {
  const code = errorCode(error);
  if (code !== undefined && code in SYSTEM_ERRORS) return SYSTEM_ERRORS[code] as string;
  if (!isError(error)) return String(error);
  return isError(error.cause) && error.cause.message ? error.cause.message : error.message;
}

/** Errors from worker threads whose class only this package knows, for `deserializeError`. */
export const ERROR_CLASSES = { DataError: () => new DataError('', '', '', '') };
