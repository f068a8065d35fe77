import { EnvironmentError, envRule, readEnv } from '@deepend/core';
import { afterEach, describe, expect, it, vi } from 'vitest';

const rules = {
  integer: envRule.integer(1, 8),
  number: envRule.numberFrom(16, 'MiB'),
  choice: envRule.oneOf(['plain', 'relaxed']),
  string: envRule.string('a folder'),
} as const;
const read = (rule: keyof typeof rules, value?: string) =>
  readEnv<number | string>('x', 'X_NAME', rules[rule], value);

afterEach(() => vi.unstubAllEnvs());

describe('readEnv', () => {
  it.each([
    ['integer', '1', 1],
    ['integer', ' 8 ', 8],
    ['number', '16.5', 16.5],
    ['number', '1e9', 1e9],
    ['choice', 'plain', 'plain'],
    ['string', '/data', '/data'],
  ] as const)('reads the %s %j', (rule, value, expected) => {
    expect(read(rule, value)).toBe(expected);
  });

  it.each(['', '  '])('takes %j for unset', (value) => {
    for (const rule of Object.keys(rules) as (keyof typeof rules)[])
      expect(read(rule, value)).toBeUndefined();
  });

  it.each([
    ['integer', 'abc'],
    ['integer', '0'],
    ['integer', '9'],
    ['integer', '1.5'],
    ['integer', '-1'],
    ['integer', '0x2'],
    ['integer', '2 threads'],
    ['number', '15'],
    ['number', 'Infinity'],
    ['number', 'NaN'],
    ['number', '4GiB'],
    ['choice', 'PLAIN'],
    ['choice', 'fast'],
  ] as const)('refuses the %s %j', (rule, value) => {
    expect(() => read(rule, value)).toThrow(EnvironmentError);
    expect(() => read(rule, value)).toThrow(
      `[x] X_NAME: expected ${rules[rule].expected}, got '${value}'; correct or unset this environment variable`,
    );
  });

  it('reads the environment', () => {
    expect(readEnv('x', 'X_NAME', rules.integer)).toBeUndefined();
    vi.stubEnv('X_NAME', '3');
    expect(readEnv('x', 'X_NAME', rules.integer)).toBe(3);
  });
});
