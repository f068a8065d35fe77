/** The largest numbers of rows on simd, as on stock cpu. */
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { Task } from '../../packages/backend-simd/assembly/ops';
import { runsOf } from '../helpers/full';
import {
  expectLikeStock,
  integers,
  type Numbers,
  numbers,
  type Operation,
  oddNumbers,
  runOnThreads,
  seeds,
  tasksOf,
} from './operations';

beforeAll(() => tf.setBackend('simd'));

const call = (x: Numbers, k: number, sorted = true): Operation => ({
  kernel: 'TopK',
  inputs: { x },
  attrs: { k, sorted },
});

/** Stock's order, but also for infinite numbers, which stock subtracts from one another. */
function expected({ shape, values }: Numbers, k: number): [values: number[], indices: number[]] {
  const n = shape.at(-1) as number;
  const rows = Array.from({ length: values.length / n }, (_, r) => {
    const row = [...values.subarray(r * n, (r + 1) * n)];
    const order = row
      .map((_, i) => i)
      .sort((i, j) => (row[i] === row[j] ? i - j : after(row, i, j)));
    return order.slice(0, k).map((i) => [row[i] as number, i] as const);
  }).flat();
  return [rows.map(([value]) => value), rows.map(([, i]) => i)];
}
const after = (row: number[], i: number, j: number) =>
  (row[i] as number) < (row[j] as number) ? 1 : -1;

const FINITE = [0, -0, 1, 1, 1, 2, -3, 1e30, 1e-40];
const INFINITE = [Infinity, -Infinity, 0, 1, 1, -3];

const rows = fc
  .record({
    outer: fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 2 }),
    n: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 21, max: 300 })),
    fraction: fc.constantFrom(0, 0.1, 0.5, 1),
    seed: seeds,
    odd: fc.constantFrom(undefined, FINITE, INFINITE),
  })
  .map(({ outer, n, fraction, seed, odd }) => {
    const shape = [...outer, n];
    const x = odd ? oddNumbers(shape, seed, odd) : numbers(shape, seed);
    return { x, k: Math.max(1, Math.round(fraction * n)), isInfinite: odd === INFINITE };
  });

describe('TopK', () => {
  it('gives the largest numbers in order, and equal ones by their indices', async () => {
    await fc.assert(
      fc.asyncProperty(rows, async ({ x, k, isInfinite }) => {
        const [values, indices] = runOnThreads(call(x, k));
        expect([[...(values?.values ?? [])], [...(indices?.values ?? [])]]).toEqual(expected(x, k));
        if (!isInfinite) await expectLikeStock(call(x, k));
      }),
      { numRuns: runsOf(150) },
    );
  });

  it('leaves rows with NaN to stock cpu', async () => {
    const odd = [Number.NaN, 1, 1, 2];
    const property = fc.asyncProperty(rows, async ({ x: { shape }, k }) => {
      const x = oddNumbers(shape, k, odd);
      x.values[0] = Number.NaN; // without one, the order of unsorted results is another
      await expectLikeStock(call(x, k));
      await expectLikeStock(call(x, k, false));
    });
    await fc.assert(property, { numRuns: runsOf(60) });
    const x = numbers([3, 5], 1);
    x.values[7] = Number.NaN;
    expect(tasksOf(call(x, 2))).not.toContain(Task.TopK);
  });

  it.each([
    [[3000, 37], 5],
    [[3, 30_000], 1000],
    [[40, 999], 999],
    [[100_003], 1],
  ])("equals stock cpu's in many tiles: %j, %i of each", async (shape, k) => {
    await expectLikeStock(call(numbers(shape, 1), k));
    await expectLikeStock(call(oddNumbers(shape, 2, [1, 1, 1, 2, -2]), k));
  });

  it('runs in WebAssembly, but for integers and for no numbers', async () => {
    expect(tasksOf(call(numbers([2, 3], 1), 2))).toEqual([Task.ReduceRows, Task.TopK]);
    expect(tasksOf(call(numbers([2, 3], 1), 2, false))).toContain(Task.TopK);
    expect(tasksOf(call(integers([2, 3], 1), 2))).toEqual([]);
    await expectLikeStock(call(integers([2, 3], 1), 2));
    await expectLikeStock(call(numbers([2, 3], 1), 0));
  });

  it('takes numbers that a cast left as integers', () => {
    const indices = tf.tidy(() => {
      const x = tf.cast(tf.tensor1d([3, 9, 5], 'int32'), 'float32');
      return [...tf.topk(x, 2).indices.dataSync()];
    });
    expect(indices).toEqual([1, 2]);
  });
});
