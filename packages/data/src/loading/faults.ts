/**
 * Errors on their way between threads: structured clones lose an error's class and its own
 * properties.
 */
import { DataError } from '../errors';

export interface Fault {
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  /** Of a DataError. */
  readonly data?: { readonly file: string; readonly fault: string };
}

export function faultOf(error: unknown): Fault {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error), stack: undefined };
  const { name, message, stack } = error;
  // By its name: a worker's bundle has a class of its own.
  if (name !== 'DataError') return { name, message, stack };
  const { file, fault } = error as DataError;
  return { name, message, stack, data: { file, fault } };
}

export function errorOf({ name, message, stack, data }: Fault): Error {
  if (data) {
    const error = new DataError(data.file, '', '', '');
    return Object.assign(error, { message, fault: data.fault }, stack && { stack });
  }
  const Kind = { RangeError, TypeError }[name] ?? Error;
  return Object.assign(new Kind(message), stack && { stack });
}
