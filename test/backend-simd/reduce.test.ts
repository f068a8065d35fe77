/** Sums, means, products, extremes and softmax on simd, as on stock cpu. */
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { Task } from '../../packages/backend-simd/assembly/ops';
import { rowsOf, runsOf } from '../helpers/full';
import {
  type Allowed,
  expectLikeStock,
  integers,
  type Numbers,
  numbers,
  oddNumbers,
  runSimd,
  seeds,
  shapes,
  tasksOf,
} from './operations';

beforeAll(() => tf.setBackend('simd'));

const count = (shape: readonly number[], axes: readonly number[]) =>
  axes.reduce((product, axis) => product * (shape[axis] ?? 1), 1);

/** A sum may be near 0 where its terms are not: its rounding goes by them. */
function allowedFor(x: Numbers, terms: number): Allowed {
  const largest = Array.from(x.values, Math.abs).reduce(
    (most, value) => (value < Infinity ? Math.max(most, value) : most),
    0,
  );
  return { relative: 1e-6, absolute: 1e-7 * largest * Math.max(1, terms) };
}

const REDUCTIONS: readonly {
  kernel: string;
  axes: string;
  odd: readonly number[];
  exact?: boolean;
}[] = [
  { kernel: 'Sum', axes: 'axis', odd: [Number.NaN, Infinity, -Infinity, -0, 1e20] },
  { kernel: 'Sum', axes: 'axis', odd: [-0, 100] },
  { kernel: 'Mean', axes: 'axis', odd: [Number.NaN, Infinity, -Infinity, -0, 1e20] },
  { kernel: 'Mean', axes: 'axis', odd: [-0, 100] },
  { kernel: 'Prod', axes: 'axis', odd: [Number.NaN, Infinity, -0, 1, -1] },
  { kernel: 'Prod', axes: 'axis', odd: [1e30, 1e-30] },
  {
    kernel: 'Max',
    axes: 'reductionIndices',
    odd: [Number.NaN, Infinity, -Infinity, -0],
    exact: true,
  },
  { kernel: 'Max', axes: 'reductionIndices', odd: [-Infinity, 5], exact: true },
  { kernel: 'Min', axes: 'axis', odd: [Number.NaN, Infinity, -Infinity, -0], exact: true },
  { kernel: 'Min', axes: 'axis', odd: [Infinity, -5], exact: true },
];

/** Which axes go, as the bits of a number; 64: all, unsaid. */
const cases = fc.record({
  shape: shapes(),
  mask: fc.nat(64),
  keepDims: fc.boolean(),
  seed: seeds,
  odd: fc.boolean(),
});

const axesOf = (mask: number, rank: number) =>
  mask === 64
    ? undefined
    : Array.from({ length: rank }, (_, axis) => axis).filter((axis) => (mask >> axis) & 1);

describe.each(REDUCTIONS)('$kernel with $odd', ({ kernel, axes: name, odd, exact }) => {
  const check = async (x: Numbers, axes: number[] | undefined, keepDims = false) => {
    const terms = axes ? count(x.shape, axes) : x.values.length;
    const [allowed, attrs] = [
      exact ? {} : allowedFor(x, terms),
      { [name]: axes ?? null, keepDims },
    ];
    await expectLikeStock({ kernel, inputs: { x }, attrs }, allowed);
  };

  it("equals stock cpu's over any axes", async () => {
    await fc.assert(
      fc.asyncProperty(cases, async ({ shape, mask, keepDims, seed, odd: withOdd }) => {
        const x = withOdd ? oddNumbers(shape, seed, odd) : numbers(shape, seed);
        await check(x, axesOf(mask, shape.length), keepDims);
      }),
      { numRuns: runsOf(80) },
    );
  });

  const TILED = [
    { shape: [100_003], axes: [0] },
    { shape: [40_001, 3], axes: [0] },
    { shape: [700, 130], axes: [0] },
    { shape: [700, 130], axes: [1] },
    { shape: [3, 40_005], axes: [0] },
    { shape: [5, 40, 41, 17], axes: [1, 2] },
    { shape: [5, 40, 41, 17], axes: [0, 2] },
    { shape: [8, 30, 6, 70], axes: [1, 3] },
    { shape: [9, 8, 7, 6, 5, 4], axes: [0, 2, 4] },
  ];
  // By default rows, columns, axes in the middle, and many axes.
  const isRepresentative = ({ shape: [first] }: (typeof TILED)[number]) =>
    [9, 8, 700].includes(first as number);
  it.each(rowsOf(TILED, isRepresentative))(
    "equals stock cpu's in many tiles: $shape over $axes",
    async ({ shape, axes }) => {
      const x = numbers(shape, 7, kernel === 'Prod' ? 1 : 4);
      if (kernel === 'Prod') x.values.set(x.values.map((value) => 1 + value / 1000));
      await check(x, axes);
      await check(
        { ...x, values: x.values.map((value, i) => (i === 5 ? (odd[0] as number) : value)) },
        axes,
      );
    },
  );

  it('runs in WebAssembly, but for integers', () => {
    const attrs = { [name]: [1], keepDims: false };
    expect(tasksOf({ kernel, attrs, inputs: { x: numbers([2, 3], 1) } })).toEqual([
      Task.ReduceRows,
    ]);
    expect(tasksOf({ kernel, attrs, inputs: { x: integers([2, 3], 1) } })).not.toContain(
      Task.ReduceRows,
    );
  });
});

it('a long sum keeps its precision', () => {
  const x = {
    dtype: 'float32',
    shape: [1 << 20],
    values: new Float32Array(1 << 20).fill(0.1),
  } as const;
  const [sum] = runSimd({
    kernel: 'Sum',
    inputs: { x: { ...x, shape: [...x.shape] } },
    attrs: { axis: [0], keepDims: false },
  });
  expect(Math.abs((sum?.values[0] as number) / (Math.fround(0.1) * 2 ** 20) - 1)).toBeLessThan(
    1e-7,
  );
});

describe('softmax', () => {
  const rows = fc.record({ shape: shapes({ minRank: 1 }), seed: seeds, odd: fc.boolean() });

  it("equals stock cpu's", async () => {
    await fc.assert(
      fc.asyncProperty(rows, async ({ shape, seed, odd }) => {
        const logits = odd
          ? oddNumbers(shape, seed, [100, -100, -Infinity, Infinity, Number.NaN])
          : numbers(shape, seed, 20);
        await expectLikeStock(
          { kernel: 'Softmax', inputs: { logits }, attrs: { dim: -1 } },
          { relative: 2e-6, absolute: 3e-45 },
        );
      }),
      { numRuns: runsOf(80) },
    );
    await expectLikeStock(
      { kernel: 'Softmax', inputs: { logits: numbers([3001, 37], 1, 9) }, attrs: { dim: 1 } },
      { relative: 2e-6 },
    );
    expect(
      tasksOf({ kernel: 'Softmax', inputs: { logits: numbers([2, 3], 1) }, attrs: { dim: -1 } }),
    ).toEqual([Task.Softmax]);
  });

  it("its logarithm equals tf.logSoftmax's on stock cpu", async () => {
    await fc.assert(
      fc.asyncProperty(rows, async ({ shape, seed, odd }) => {
        const logits = odd ? oddNumbers(shape, seed, [100, -100, -0]) : numbers(shape, seed, 20);
        if (logits.values.length === 0) return;
        await tf.setBackend('cpu');
        const expected = tf.tidy(() => tf.logSoftmax(tf.tensor(logits.values, shape)).dataSync());
        await tf.setBackend('simd');
        const [actual] = runSimd({ kernel: 'LogSoftmax', inputs: { logits }, attrs: { axis: -1 } });
        expect(actual?.shape).toEqual(shape);
        for (const [i, e] of expected.entries())
          expect(Math.abs((actual?.values[i] as number) - e)).toBeLessThan(2e-5);
      }),
      { numRuns: runsOf(80) },
    );
  });
});
