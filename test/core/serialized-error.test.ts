/** Errors that cross threads and processes keep their class, message, stack and properties. */
import { deserializeError, serializeError } from '@deepend/core';
import { describe, expect, it } from 'vitest';

class TooMuch extends Error {
  override readonly name = 'TooMuch';
  limit = 'disk';
}
/** What a message port and a process's channel do to a record. */
const WAYS = [structuredClone, (value: unknown) => JSON.parse(JSON.stringify(value))];

describe.each(WAYS)('%o', (send) => {
  it.each([new Error('a'), new RangeError('b'), new TypeError('c')])('%s', (error) => {
    const received = deserializeError(send(serializeError(error)));
    expect(received).toBeInstanceOf(error.constructor);
    expect(received).toMatchObject({ message: error.message, stack: error.stack });
  });

  it("carries a system error's code", () => {
    const error = Object.assign(new Error('full'), { code: 'ENOSPC' });
    expect(deserializeError(send(serializeError(error)))).toMatchObject({
      message: 'full',
      code: 'ENOSPC',
    });
  });

  it('makes an error of a class that the receiver names, and keeps the name otherwise', () => {
    const fault = send(serializeError(new TooMuch('no room')));
    const known = deserializeError(fault, { TooMuch: () => new TooMuch() });
    expect(known).toBeInstanceOf(TooMuch);
    expect(known).toMatchObject({ name: 'TooMuch', message: 'no room', limit: 'disk' });
    expect(deserializeError(fault)).toMatchObject({
      name: 'TooMuch',
      message: 'no room',
      limit: 'disk',
    });
  });

  it('makes an error of anything that was thrown', () => {
    expect(deserializeError(send(serializeError('text')))).toMatchObject({
      name: 'Error',
      message: 'text',
    });
  });
});
