import { checkOptions, closest, formatValue, rule } from '@deepend/core';
import { describe, expect, it } from 'vitest';

const schema = rule.object({
  count: rule.positiveInteger(),
  size: rule.nonNegativeInteger().optional(),
  rate: rule.positiveNumber().optional(),
  decay: rule.nonNegativeNumber().optional(),
  shift: rule.finiteNumber().optional(),
  verbose: rule.boolean().optional(),
  name: rule.string().optional(),
  mode: rule.oneOf(['min', 'max']).optional(),
  onEnd: rule.func().optional(),
  shape: rule.imageShape().optional(),
  names: rule.list(rule.string(), 'a list of strings').optional(),
});
const check = (options: unknown) => checkOptions('[x] f', schema, options);

describe('checkOptions', () => {
  it('gives back what is right', () => {
    const right = {
      count: 1,
      size: 0,
      rate: 0.5,
      decay: 0,
      shift: -1,
      verbose: true,
      name: '',
      mode: 'max',
      shape: [1, 2, 3],
      names: ['a'],
    };
    expect(check(right)).toEqual(right);
  });

  const wrong: [options: unknown, kind: typeof TypeError | typeof RangeError, message: string][] = [
    [{ count: 0 }, RangeError, '[x] f: option "count" must be an integer of at least 1, got 0'],
    [{ count: 1.5 }, RangeError, '[x] f: option "count" must be an integer of at least 1, got 1.5'],
    [
      { count: Number.NaN },
      RangeError,
      '[x] f: option "count" must be an integer of at least 1, got NaN',
    ],
    [
      { count: '3' },
      TypeError,
      '[x] f: option "count" must be an integer of at least 1, got \'3\'',
    ],
    [{}, TypeError, '[x] f: option "count" must be an integer of at least 1, got undefined'],
    [undefined, TypeError, '[x] f: option "count" must be an integer of at least 1, got undefined'],
    [null, TypeError, '[x] f: option "count" must be an integer of at least 1, got undefined'],
    [7, TypeError, '[x] f: expected an object of options, got 7'],
    [
      { count: 1, size: -1 },
      RangeError,
      '[x] f: option "size" must be an integer of at least 0, got -1',
    ],
    [{ count: 1, rate: 0 }, RangeError, '[x] f: option "rate" must be a number above 0, got 0'],
    [
      { count: 1, rate: Number.POSITIVE_INFINITY },
      RangeError,
      '[x] f: option "rate" must be a number above 0, got Infinity',
    ],
    [
      { count: 1, decay: -0.1 },
      RangeError,
      '[x] f: option "decay" must be a number of at least 0, got -0.1',
    ],
    [{ count: 1, verbose: 1 }, TypeError, '[x] f: option "verbose" must be true or false, got 1'],
    [
      { count: 1, mode: 'mix' },
      RangeError,
      "[x] f: option \"mode\" must be one of 'min', 'max', got 'mix'",
    ],
    [
      { count: 1, shape: [1, 2] },
      RangeError,
      '[x] f: option "shape" must be [height, width, channels] of integers of at least 1, got [1, 2]',
    ],
    [{ count: 1, names: ['a', 2] }, TypeError, '[x] f: option "names.1" must be a string, got 2'],
    [{ count: 1, onEnd: 'f' }, RangeError, '[x] f: option "onEnd" must be a function, got \'f\''],
    [{ count: 1, cuont: 2 }, TypeError, '[x] f: there is no option "cuont"; did you mean "count"?'],
    [
      { count: 1, xyzzy: 2 },
      TypeError,
      '[x] f: there is no option "xyzzy"; it has "count", "size", "rate"',
    ],
  ];
  it.each(wrong)('%j', (options, kind, message) => {
    let caught: unknown;
    try {
      check(options);
    } catch (error) {
      caught = error;
    }
    expect(caught).toBeInstanceOf(kind);
    expect((caught as Error).message).toContain(message);
  });
});

describe('closest', () => {
  it('finds the word that was meant, and none where none was', () => {
    expect(closest('resnet81', ['vgg11', 'resnet18', 'resnet50'])).toBe('resnet18');
    expect(closest('epochs', ['lr', 'numEpochs'])).toBe('numEpochs');
    expect(closest('LR', ['lr', 'seed'])).toBe('lr');
    expect(closest('momentum', ['lr', 'seed'])).toBeUndefined();
    expect(closest('x', [])).toBeUndefined();
  });
});

describe('formatValue', () => {
  it.each([
    [undefined, 'undefined'],
    [null, 'null'],
    ['a', "'a'"],
    ['x'.repeat(80), `'${'x'.repeat(57)}...'`],
    [[1, 'b'], "[1, 'b']"],
    [[1, 2, 3, 4, 5, 6, 7, 8, 9], '[1, 2, 3, 4, 5, 6, 7, 8, ...]'],
    [{ a: 1, b: 2 }, '{ a, b }'],
    [new Map(), 'a Map'],
    [Math.max, 'the function max'],
    [Object.create(null), '{  }'],
  ])('%s', (value, text) => {
    expect(formatValue(value)).toBe(text);
  });
});
