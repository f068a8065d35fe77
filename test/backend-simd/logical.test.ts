/** And, or and not of masks on simd, as on stock cpu. */
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { Task } from '../../packages/backend-simd/assembly/ops';
import { mix } from '../helpers/fill';
import { runsOf } from '../helpers/full';
import { booleans, broadcast, expectLikeStock, type Numbers, seeds, tasksOf } from './operations';

beforeAll(() => tf.setBackend('simd'));

/** Bytes that a bool tensor may hold, but should not: JavaScript takes all but 0 for true. */
const bytes = (shape: number[], seed: number): Numbers => ({
  ...booleans(shape, seed),
  values: Uint8Array.from(mix(tf.util.sizeFromShape(shape), `${seed}`), (x) => Math.floor(x * 4)),
});

const makers = fc.constantFrom(booleans, booleans, bytes);

describe.each(['LogicalAnd', 'LogicalOr'])('%s', (kernel) => {
  it("equals stock cpu's, however its inputs are broadcast", async () => {
    await fc.assert(
      fc.asyncProperty(broadcast, seeds, makers, async ([a, b], seed, make) => {
        const inputs = { a: make(a as number[], seed), b: make(b as number[], seed + 1) };
        await expectLikeStock({ kernel, inputs });
      }),
      { numRuns: runsOf(80) },
    );
  });

  it.each([
    [
      [300, 301],
      [300, 301],
    ],
    [
      [9, 1, 500],
      [1, 23, 1],
    ],
    [[50_001], []],
  ] as [number[], number[]][])('equals stock cpu in many tiles: %j and %j', async (a, b) => {
    await expectLikeStock({ kernel, inputs: { a: booleans(a, 1), b: booleans(b, 2) } });
    await expectLikeStock({ kernel, inputs: { a: booleans(b, 1), b: booleans(a, 2) } });
  });

  it('runs in WebAssembly', () => {
    const inputs = { a: booleans([2, 3], 1), b: booleans([3], 2) };
    expect(tasksOf({ kernel, inputs })).toEqual([Task.Logical]);
  });
});

describe('LogicalNot', () => {
  it("equals stock cpu's", async () => {
    await fc.assert(
      fc.asyncProperty(broadcast, seeds, makers, async ([shape], seed, make) => {
        await expectLikeStock({
          kernel: 'LogicalNot',
          inputs: { x: make(shape as number[], seed) },
        });
      }),
      { numRuns: runsOf(40) },
    );
    await expectLikeStock({ kernel: 'LogicalNot', inputs: { x: booleans([70_001], 1) } });
  });

  it('runs in WebAssembly', () => {
    expect(tasksOf({ kernel: 'LogicalNot', inputs: { x: booleans([3], 1) } })).toEqual([
      Task.Logical,
    ]);
  });
});

describe('a mask', () => {
  it('is broadcast in WebAssembly, but for copies of several numbers', async () => {
    const tiled = (shape: number[], reps: number[]) => ({
      kernel: 'Tile',
      inputs: { x: booleans(shape, 1) },
      attrs: { reps },
    });
    expect(tasksOf(tiled([4, 1, 3], [1, 5, 1]))).toEqual([Task.Logical]);
    expect(tasksOf(tiled([4, 3], [2, 1]))).toEqual([]);
    await expectLikeStock(tiled([4, 3], [2, 1]));
  });

  it('chooses numbers of a larger shape', () => {
    const chosen = tf.tidy(() => {
      const mask = tf.tensor([1, 0, 1, 1], [1, 1, 4], 'bool');
      return [...tf.where(mask, tf.ones([2, 3, 4]), 0).dataSync()];
    });
    expect(chosen).toEqual(Array.from({ length: 24 }, (_, i) => (i % 4 === 1 ? 0 : 1)));
  });
});
