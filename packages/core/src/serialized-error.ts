/**
 * Errors on their way between threads and processes. A structured clone loses an error's class and
 * its own properties, so an error is sent as a plain record and made into an error again.
 */

import { isError } from './realms';
export interface SerializedError {
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  /** The error's own properties, such as a system error's `code`, where they are strings. */
  readonly properties?: Readonly<Record<string, string>>;
}

/** An error as a record that a thread or a process can send. */
export function serializeError(error: unknown): SerializedError {
  if (!isError(error)) return { name: 'Error', message: String(error), stack: undefined };
  const { name, message, stack } = error;
  const own = Object.entries(error).filter(
    (entry): entry is [string, string] => entry[0] !== 'name' && typeof entry[1] === 'string',
  );
  return { name, message, stack, ...(own.length > 0 && { properties: Object.fromEntries(own) }) };
}

/**
 * The error that `serializeError` was given, as far as the receiver knows its class.
 * @param classes constructors by the name of their errors, besides RangeError and TypeError; each
 *   is called without arguments that matter: message and properties are set afterwards
 */
export function deserializeError(
  { name, message, stack, properties }: SerializedError,
  classes: Readonly<Record<string, () => Error>> = {},
): Error {
  const Known = { RangeError, TypeError }[name] ?? Error;
  const error = classes[name]?.() ?? new Known(message);
  const named = error.name === name ? {} : { name };
  return Object.assign(error, { message }, named, properties, stack && { stack });
}
