/**
 * Rules for single options. Each message completes the sentence `option "x" must be …`. A rule is a
 * zod schema, but callers chain only `.optional()` and `.default(value)`; everything else is an
 * argument here, so that each rule has one message. Importing deepend writes hundreds of rules of
 * which a program uses few, and zod takes long to build one: each is built at its first use.
 */
import * as z from 'zod'; // bundled with only what is used here: the whole of it loads slowly
import type { ImageShape } from './shapes';

/** The rule that `build` returns, built when zod or `checkOptions` first reads a property of it. */
function lazy<T extends z.ZodType>(build: () => T): T {
  let rule: T | undefined;
  const built = () => {
    rule ??= build();
    return rule;
  };
  const get = (_: T, name: string | symbol) => {
    if (name === 'optional') return () => lazy(() => built().optional());
    if (name === 'default') return (value: never) => lazy(() => built().default(value));
    return Reflect.get(built(), name);
  };
  return new Proxy({} as T, { get });
}

/** An integer from `min` to `max`, both included: `an integer from 1 to 512`. */
export const integer = ({ min, max }: { min?: number; max?: number } = {}) => {
  const message = `an integer${between(min, max)}`;
  const lowest = min ?? Number.MIN_SAFE_INTEGER;
  const highest = max ?? Number.MAX_SAFE_INTEGER;
  return lazy(() =>
    z.number({ error: message }).int(message).min(lowest, message).max(highest, message),
  );
};
export const positiveInteger = () => integer({ min: 1 });
export const nonNegativeInteger = () => integer({ min: 0 });
/** Any safe integer, negative ones included: `Date.now()` is as good a seed as 0. */
export const seed = () => {
  const message = `a safe integer (from ${Number.MIN_SAFE_INTEGER} to ${Number.MAX_SAFE_INTEGER})`;
  return lazy(() => z.number({ error: message }).refine(Number.isSafeInteger, message));
};

const between = (min: number | undefined, max: number | undefined) => {
  if (min === undefined) return max === undefined ? '' : ` of at most ${max}`;
  return max === undefined ? ` of at least ${min}` : ` from ${min} to ${max}`;
};

interface NumberRange {
  /** The smallest number allowed. */
  min?: number;
  /** The largest number allowed. */
  max?: number;
  /** A number that is too small. */
  above?: number;
  /** A number that is too large. */
  below?: number;
}

/** A finite number within a range: `a number of at least 0 and below 1`. */
export const number = (range: NumberRange = {}) => {
  const { min, max, above, below } = range;
  const limits = [
    ...(min === undefined ? [] : [`of at least ${min}`]),
    ...(above === undefined ? [] : [`above ${above}`]),
    ...(max === undefined ? [] : [`of at most ${max}`]),
    ...(below === undefined ? [] : [`below ${below}`]),
  ];
  const message = limits.length > 0 ? `a number ${limits.join(' and ')}` : 'a finite number';
  const { NEGATIVE_INFINITY, POSITIVE_INFINITY } = Number;
  return lazy(() =>
    z
      .number({ error: message })
      .min(min ?? NEGATIVE_INFINITY, message)
      .max(max ?? POSITIVE_INFINITY, message)
      .gt(above ?? NEGATIVE_INFINITY, message)
      .lt(below ?? POSITIVE_INFINITY, message),
  );
};
export const finiteNumber = () => number();
export const positiveNumber = () => number({ above: 0 });
export const nonNegativeNumber = () => number({ min: 0 });
/** A probability or a part of a whole that leaves something over: 0 up to, not including, 1. */
export const fraction = () => number({ min: 0, below: 1 });

export const boolean = () => lazy(() => z.boolean({ error: 'true or false' }));

/**
 * A string that matches `pattern`.
 * @param options.expected what such a string is, for the error
 */
export const string = ({ pattern, expected = 'a string' }: StringOptions = {}) => {
  const rule = lazy(() => z.string({ error: expected }));
  return pattern ? lazy(() => rule.regex(pattern, expected)) : rule;
};
interface StringOptions {
  pattern?: RegExp;
  /** @default 'a string' */
  expected?: string;
}
export const nonEmptyString = (expected = 'a string that is not empty') =>
  lazy(() => z.string({ error: expected }).min(1, expected));

export const oneOf = <const T extends readonly [string, ...string[]]>(choices: T) =>
  lazy(() => {
    const names = choices.map((choice) => `'${choice}'`).join(', ');
    return z.enum(choices, { error: `one of ${names}` });
  });
export const func = <F extends (...args: never[]) => unknown>() =>
  lazy(() => z.custom<F>((value) => typeof value === 'function', { error: 'a function' }));
/** A value that passes `test`; `message` says what it must be. */
export const custom = <T>(test: (value: unknown) => boolean, message: string) =>
  lazy(() => z.custom<T>(test, { error: message }));
/** A value that fits one of two rules. */
export const either = <A extends z.ZodType, B extends z.ZodType>(a: A, b: B, message: string) =>
  lazy(() => z.union([a, b], { error: message }));
/** `[height, width, channels]`, each at least 1. */
export const imageShape = () =>
  custom<ImageShape>(
    (value) =>
      Array.isArray(value) &&
      value.length === 3 &&
      value.every((size) => Number.isInteger(size) && size >= 1),
    '[height, width, channels] of integers of at least 1',
  );

/** A list of at least `min` elements, 0 by default, or of exactly `length`. */
export const list = <T extends z.ZodType>(
  element: T,
  message: string,
  { min = 0, length }: { min?: number; length?: number } = {},
) => {
  const rule = lazy(() => z.array(element, { error: message }).min(length ?? min, message));
  return length === undefined ? rule : lazy(() => rule.max(length, message));
};

/** An object with these options and no others. */
export const object = <T extends z.core.$ZodLooseShape>(shape: T) =>
  lazy(() => z.strictObject(shape));
