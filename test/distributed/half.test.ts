/** Halves with a scale: rounding, range, and what is not finite. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeHalves, encodeHalves } from '../../packages/distributed/src/mpi/half';

function rounded(values: readonly number[]): Float32Array {
  const halves = new Uint16Array(values.length);
  const scale = encodeHalves(Float32Array.from(values), halves);
  const into = new Float32Array(values.length);
  decodeHalves(halves, scale, { into });
  return into;
}

describe('halves', () => {
  it('keep numbers of 11 bits, of both signs', () => {
    const values = [0, 1, -1, 0.5, 1023, -2047, 2 ** -11];
    expect([...rounded(values)]).toEqual(values);
  });

  it('round to the nearest, and of two to the even one', () => {
    // The largest number fixes the scale; the others lie between neighbors 2^-10 apart.
    const unit = 2 ** -10;
    const values = [1, 1 + unit / 2, 1 + 1.5 * unit, 1 + 0.51 * unit, 1 + 0.49 * unit];
    const expected = [1, 1, 1 + 2 * unit, 1 + unit, 1];
    expect([...rounded(values)]).toEqual(expected);
  });

  it('never overflow, and are off by at most 2^-11 of a number or 2^-39 of the largest', () => {
    const numbers = fc.float({ noNaN: true, min: -(2 ** 127), max: 2 ** 127 });
    fc.assert(
      fc.property(fc.array(numbers, { minLength: 1, maxLength: 20 }), (values) => {
        const largest = Math.max(...values.map(Math.abs));
        const got = rounded(values);
        values.forEach((value, i) => {
          // Below 2^-112 the scale has reached its end.
          const allowed = Math.max(Math.abs(value) * 2 ** -11, largest * 2 ** -39, 2 ** -150);
          expect(Math.abs((got[i] as number) - value)).toBeLessThanOrEqual(allowed);
        });
      }),
    );
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
    'of a part with %d are NaN, so that the loss shows it',
    (value) => {
      expect([...rounded([value, 1])]).toEqual([Number.NaN, Number.NaN]);
    },
  );

  it('are added to what is there', () => {
    const halves = new Uint16Array(2);
    const scale = encodeHalves(Float32Array.of(1, 2), halves);
    const into = Float32Array.of(10, 20);
    decodeHalves(halves, scale, { into, add: true });
    expect([...into]).toEqual([11, 22]);
  });
});
