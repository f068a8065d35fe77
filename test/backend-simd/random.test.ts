/** Seeded random numbers and dropout. */
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { runsOf } from '../helpers/full';
import { numbers, oddNumbers, runOnThreads, runSimd } from './operations';

beforeAll(() => tf.setBackend('simd'));

const uniform = (shape: number[], seed: number) =>
  runSimd({ kernel: 'deepend.randomUniform', inputs: {}, attrs: { shape, seed } })[0]
    ?.values as Float32Array;

const mean = (values: Float32Array) =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** Of numbers in [0, 1), by their known mean and variance. */
const correlation = (a: Float32Array, b: Float32Array) =>
  12 * mean(a.map((value, i) => (value - 0.5) * ((b[i] as number) - 0.5)));

const COUNT = 1 << 17;
/** Five deviations of a mean of COUNT numbers of variance 1. */
const CHANCE = 5 / Math.sqrt(COUNT);
const anySeed = fc.oneof(fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }));

describe('deepend.randomUniform', () => {
  it('spreads evenly over [0, 1)', () => {
    for (const seed of [0, 1, -1, 2 ** 32, 0.5, 123456789]) {
      const values = uniform([COUNT], seed);
      expect(values.every((value) => value >= 0 && value < 1)).toBe(true);
      const buckets = new Float64Array(64);
      for (const value of values)
        buckets[Math.floor(value * 64)] = (buckets[Math.floor(value * 64)] as number) + 1;
      const chiSquare = buckets.reduce((sum, n) => sum + (n - COUNT / 64) ** 2 / (COUNT / 64), 0);
      // 63 degrees of freedom: mean 63, deviation 11.2.
      expect(chiSquare).toBeGreaterThan(20);
      expect(chiSquare).toBeLessThan(125);
    }
  });

  it('shows no link between neighbours, nor between seeds', () => {
    const values = uniform([COUNT], 7);
    for (const lag of [1, 2, 4, 64, 1024])
      expect(Math.abs(correlation(values.slice(lag), values))).toBeLessThan(CHANCE);
    for (const seed of [6, 8, 7.5, -7, 7 + 2 ** 32])
      expect(Math.abs(correlation(values, uniform([COUNT], seed)))).toBeLessThan(CHANCE);
  });

  it('depends on seed and index alone', () => {
    fc.assert(
      fc.property(anySeed, fc.nat(300), (seed, count) => {
        expect(uniform([count], seed)).toEqual(uniform([301], seed).slice(0, count));
        expect(uniform([count, 1], seed)).toEqual(uniform([count], seed));
      }),
      { numRuns: runsOf(50) },
    );
    runOnThreads({
      kernel: 'deepend.randomUniform',
      inputs: {},
      attrs: { shape: [COUNT], seed: 3 },
    });
  });

  it('asks for a seed', () => {
    for (const seed of [undefined, Number.NaN, '7']) {
      const call = () =>
        runSimd({ kernel: 'deepend.randomUniform', inputs: {}, attrs: { shape: [1], seed } });
      expect(call).toThrow(/randomUniform: expected a finite number as seed/);
    }
  });
});

describe('deepend.dropout', () => {
  it('keeps where the uniform number is at least the rate, and scales', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 0.99, noNaN: true }),
        anySeed,
        fc.nat(300),
        (rate, seed, count) => {
          const x = oddNumbers([count], 5);
          const [y] = runOnThreads({
            kernel: 'deepend.dropout',
            inputs: { x },
            attrs: { rate, seed },
          });
          const drawn = uniform([count], seed);
          const scale = Math.fround(1 / (1 - rate));
          const expected = x.values.map((value, i) =>
            (drawn[i] as number) >= Math.fround(rate) ? value * scale : 0,
          );
          expect(y?.values).toEqual(expected);
        },
      ),
      { numRuns: runsOf(100) },
    );
  });

  it('drops so many, and keeps the mean', () => {
    const x = { ...numbers([COUNT], 1), values: new Float32Array(COUNT).fill(1) };
    const [y] = runOnThreads({
      kernel: 'deepend.dropout',
      inputs: { x },
      attrs: { rate: 0.3, seed: 4 },
    });
    const values = y?.values as Float32Array;
    expect(Math.abs(values.filter((value) => value === 0).length / COUNT - 0.3)).toBeLessThan(
      CHANCE,
    );
    expect(Math.abs(mean(values) - 1)).toBeLessThan(CHANCE);
  });
});
