/** Gaussian processes: chapter 18 of the book. */
import { d2l, plots } from 'deepend';
import { expect, it } from 'vitest';
import golden from '../golden/gaussian-process.json';

const near = (values: number[], expected: number[]) => {
  expect(values).toHaveLength(expected.length);
  for (const [i, value] of values.entries()) expect(value).toBeCloseTo(expected[i] as number, 5);
};

it("rbfkernel divides the squared distance by twice the book's length scale", () => {
  expect(d2l.rbfkernel([0, 2], [0])).toEqual([[1], [Math.exp(-0.5)]]);
  expect(d2l.rbfkernel(new Float32Array([1]), [2, 3], 0.5)).toEqual([[Math.exp(-1), Math.exp(-4)]]);
  expect(() => d2l.rbfkernel([0], [0], 0)).toThrow('"ls" must be a number above 0');
});

it("has numpy's posterior", () => {
  const { x, y, test, options, mean, cov, logMarginalLikelihood } = golden;
  const found = d2l.gpPosterior([x, y], test, options);
  near(found.mean, mean);
  near(found.cov.flat(), cov.flat());
  near(
    found.std,
    cov.map((row, i) => Math.sqrt(row[i] as number)),
  );
  expect(found.logMarginalLikelihood).toBeCloseTo(logMarginalLikelihood, 5);
});

it('goes through the points without noise, and returns to the prior far away', () => {
  const { mean, std } = d2l.gpPosterior(
    [
      [0, 1],
      [2, -1],
    ],
    [0, 1, 100],
    { ls: 1 },
  );
  near(mean, [2, -1, 0]);
  for (const value of std.slice(0, 2)) expect(value).toBeLessThan(1e-3);
  expect(std[2]).toBeCloseTo(1, 6);
});

it('samples by mean and covariance, and by the seed', () => {
  const mean = [1, -2];
  const cov = [
    [2, 0.6],
    [0.6, 0.5],
  ];
  const samples = d2l.multivariateNormal([mean, cov], 20_000, { seed: 3 });
  const average = (value: (sample: number[]) => number) =>
    samples.reduce((sum, sample) => sum + value(sample), 0) / samples.length;
  const [a, b] = [average(([x]) => x as number), average(([, y]) => y as number)];
  expect(a).toBeCloseTo(1, 1);
  expect(b).toBeCloseTo(-2, 1);
  expect(average(([x]) => ((x as number) - a) ** 2)).toBeCloseTo(2, 1);
  expect(average(([x, y]) => ((x as number) - a) * ((y as number) - b))).toBeCloseTo(0.6, 1);
  const again = d2l.multivariateNormal([mean, cov], 1, { seed: 3 });
  expect(again[0]).toEqual(samples[0]);
  expect(d2l.multivariateNormal([mean, cov], 1)).not.toEqual(again);
});

it('refuses points that do not fit, and a matrix that is no covariance', () => {
  expect(() => d2l.gpPosterior([[1], []], [1])).toThrow('got 1 trainX and 0 trainY');
  expect(() => d2l.gpPosterior([[1], [Number.NaN]], [1])).toThrow('NaN');
  expect(() => d2l.multivariateNormal([[0, 0], [[1, 0]]], 1)).toThrow('[2][2], got [1][2]');
  const indefinite = [
    [1, 2],
    [2, 1],
  ];
  expect(() => d2l.multivariateNormal([[0, 0], indefinite], 1)).toThrow('positive definite');
  const lower = [
    [1, 0],
    [0.5, 1],
  ];
  expect(() => d2l.multivariateNormal([[0, 0], lower], 1)).toThrow('a symmetric covariance');
  expect(() => d2l.multivariateNormal([[Number.NaN], [[1]]], 1)).toThrow('finite means');
  expect(() => d2l.multivariateNormal([[0], [[Number.NaN]]], 1)).toThrow('of finite numbers');
});

it('is drawn with a band', () => {
  const x = [0, 1, 2];
  const figure = plots.plotBand(
    x,
    { low: [-1, 0, -1], high: [1, 2, 1] },
    {
      lines: [{ y: [0, 1, 0] }, { x: [0.5], y: [1.5] }],
      legend: ['mean', 'data'],
      fmts: ['-', 'ko'],
    },
  );
  expect(figure.toSvg()).toContain('fill-opacity="0.2"');
  expect(figure.toSvg()).toContain('mean');
  expect(() => plots.plotBand(x, { low: [0], high: x })).toThrow('got 3 and 1');
  expect(() => plots.plotBand(x, { low: [0, Number.NaN, 0], high: x })).toThrow('got NaN at x 1');
});
