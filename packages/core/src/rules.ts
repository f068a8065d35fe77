/** Rules for single options. Each message completes the sentence `option "x" must be …`. */
import { z } from 'zod';

const number = (message: string) => z.number({ error: message });

export const positiveInteger = () =>
  number('an integer of at least 1')
    .int('an integer of at least 1')
    .min(1, 'an integer of at least 1');
export const nonNegativeInteger = () =>
  number('an integer of at least 0')
    .int('an integer of at least 0')
    .min(0, 'an integer of at least 0');
export const positiveNumber = () => number('a number above 0').positive('a number above 0');
export const nonNegativeNumber = () =>
  number('a number of at least 0').min(0, 'a number of at least 0');
export const finiteNumber = () => number('a finite number');
export const boolean = () => z.boolean({ error: 'true or false' });
export const string = () => z.string({ error: 'a string' });
export const oneOf = <const T extends readonly [string, ...string[]]>(choices: T) =>
  z.enum(choices, { error: `one of ${choices.map((choice) => `'${choice}'`).join(', ')}` });
export const func = <F extends (...args: never[]) => unknown>() =>
  z.custom<F>((value) => typeof value === 'function', { error: 'a function' });
/** A value that passes `test`; `message` says what it must be. */
export const custom = <T>(test: (value: unknown) => boolean, message: string) =>
  z.custom<T>(test, { error: message });
/** `[height, width, channels]`, each at least 1. */
export const imageShape = () =>
  custom<[number, number, number]>(
    (value) =>
      Array.isArray(value) &&
      value.length === 3 &&
      value.every((size) => Number.isInteger(size) && size >= 1),
    '[height, width, channels] of integers of at least 1',
  );
export const list = <T extends z.ZodType>(element: T, message: string) =>
  z.array(element, { error: message });
export { strictObject as object } from 'zod';
