/** Reading the environment variables that docs/environment.md lists. */

import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { formatValue } from './options';
import { isError } from './realms';

/** What the value of a variable must be, and how it is read. */
export interface EnvRule<T> {
  /** Completes the sentence `expected …`. */
  readonly expected: string;
  /** @returns undefined when the text makes no sense */
  parse(text: string): T | undefined;
}

const ENVIRONMENT_ERROR = 'EnvironmentError';

/**
 * Thrown when an environment variable has a value that makes no sense, or that cannot work here. A
 * choice among several backends must not take it for a reason to try the next one.
 */
export class EnvironmentError extends RangeError {
  override readonly name = ENVIRONMENT_ERROR;

  /** Also recognizes an error of another copy of this package in the process (ESM and CJS). */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return isError(value) && value.name === ENVIRONMENT_ERROR;
  }
}

/**
 * Reads an environment variable. Blanks around the value do not count.
 * @param where the package that reads it
 * @param value for tests @default `process.env[name]`
 * @returns undefined when the variable is unset or empty
 * @throws EnvironmentError when the value is not what the rule expects
 * @example readEnv('backend-simd', 'DEEPEND_THREADS', envRule.integer(1, 8))
 */
export function readEnv<T>(
  where: string,
  name: string,
  rule: EnvRule<T>,
  value: string | undefined = process.env[name],
): T | undefined {
  const text = value?.trim() ?? '';
  if (text === '') return undefined;
  const parsed = rule.parse(text);
  if (parsed !== undefined) return parsed;
  throw new EnvironmentError(
    `[${where}] ${name}: expected ${rule.expected}, got ${formatValue(value)}; ` +
      'correct or unset this environment variable',
  );
}

const DECIMAL = /^[+-]?\d+(\.\d+)?(e\+?\d+)?$/i;

/** Decimal digits only: `Number` would also read `0x8` and `Infinity`. */
const decimal = (text: string): number => (DECIMAL.test(text) ? Number(text) : Number.NaN);

/** The rules that the project's variables have. */
export const envRule = {
  integer: (least: number, most: number): EnvRule<number> => ({
    expected: `an integer from ${least} to ${most}`,
    parse: (text) => {
      const value = decimal(text);
      return Number.isInteger(value) && value >= least && value <= most ? value : undefined;
    },
  }),
  numberFrom: (least: number, unit: string): EnvRule<number> => ({
    expected: `a number of ${unit}, ${least} or more`,
    parse: (text) => {
      const value = decimal(text);
      return value >= least ? value : undefined;
    },
  }),
  oneOf: <const T extends string>(choices: readonly T[]): EnvRule<T> => ({
    expected: choices.map((choice) => `'${choice}'`).join(' or '),
    parse: (text) => choices.find((choice) => choice === text),
  }),
  string: (expected: string): EnvRule<string> => ({ expected, parse: (text) => text }),
} as const;

/**
 * A folder or file of deepend's cache: `$XDG_CACHE_HOME/deepend/<name>`, or
 * `~/.cache/deepend/<name>`, by the XDG rules
 * (https://specifications.freedesktop.org/basedir-spec/).
 */
export function cacheFolder(name: string): string {
  const { XDG_CACHE_HOME: xdg = '' } = process.env;
  return join(isAbsolute(xdg) ? xdg : join(homedir(), '.cache'), 'deepend', name);
}
