/** Errors about files and mirrors, and how errors travel between threads. */

/** A data file or folder that cannot be used. `file` is its path. */
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

  /** @param next what the reader should do about it */
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
  for (let at = error; at instanceof Error; at = at.cause) {
    const { code } = at as NodeJS.ErrnoException;
    if (typeof code === 'string') return code;
  }
  return undefined;
}

/** Describes an error in a few plain words. */
export function reason(error: unknown): string {
  const code = errorCode(error);
  if (code !== undefined && code in SYSTEM_ERRORS) return SYSTEM_ERRORS[code] as string;
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error && error.cause.message ? error.cause.message : error.message;
}

/** An error as plain data: structured clones lose an error's class and properties. */
export interface SerializedError {
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  /** Only for a DataError. */
  readonly data?: { readonly file: string; readonly fault: string };
}

export function serializeError(error: unknown): SerializedError {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error), stack: undefined };
  const { name, message, stack } = error;
  // Compared by name: a worker's bundle has its own copy of the class.
  if (name !== 'DataError') return { name, message, stack };
  const { file, fault } = error as DataError;
  return { name, message, stack, data: { file, fault } };
}

export function deserializeError({ name, message, stack, data }: SerializedError): Error {
  if (data) {
    const error = new DataError(data.file, '', '', '');
    return Object.assign(error, { message, fault: data.fault }, stack && { stack });
  }
  const ErrorClass = { RangeError, TypeError }[name] ?? Error;
  return Object.assign(new ErrorClass(message), stack && { stack });
}
