/** Resizing on simd gives stock cpu's images, to the bit. */
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { Task } from '../../packages/backend-simd/assembly/ops';
import { runsOf } from '../helpers/full';
import { expectLikeStock, integers, numbers, oddNumbers, seeds, tasksOf } from './operations';

beforeAll(() => tf.setBackend('simd'));

const LENGTH = fc.integer({ min: 1, max: 17 });

const cases = fc.record({
  shape: fc.tuple(fc.nat(3), LENGTH, LENGTH, fc.integer({ min: 1, max: 5 })),
  size: fc.tuple(LENGTH, LENGTH),
  // No backend takes both at once.
  mode: fc.constantFrom(
    { alignCorners: false, halfPixelCenters: false },
    { alignCorners: true, halfPixelCenters: false },
    { alignCorners: false, halfPixelCenters: true },
  ),
  seed: seeds,
});

describe.each([
  ['ResizeBilinear', Task.ResizeBilinear],
  ['ResizeNearestNeighbor', Task.ResizeNearest],
])('%s', (kernel, task) => {
  it("equals stock cpu's", async () => {
    await fc.assert(
      fc.asyncProperty(cases, ({ shape, size, mode, seed }) =>
        expectLikeStock({
          kernel,
          inputs: { images: oddNumbers(shape, seed) },
          attrs: { size, ...mode },
        }),
      ),
      { numRuns: runsOf(150) },
    );
  });

  it.each([
    [
      [7, 28, 28, 1],
      [96, 96],
    ],
    [
      [3, 90, 70, 3],
      [31, 44],
    ],
    [
      [2, 1, 1, 2000],
      [3, 5],
    ],
  ] as [number[], [number, number]][])(
    "equals stock cpu's in many tiles: %j to %j",
    async (shape, size) => {
      const attrs = { size, alignCorners: false, halfPixelCenters: true };
      await expectLikeStock({ kernel, inputs: { images: numbers(shape, 1) }, attrs });
    },
  );

  it('runs in WebAssembly, but for integers', async () => {
    const attrs = { size: [3, 3], alignCorners: false, halfPixelCenters: false };
    expect(tasksOf({ kernel, attrs, inputs: { images: numbers([1, 2, 2, 1], 1) } })).toEqual([
      task,
    ]);
    await expectLikeStock({ kernel, attrs, inputs: { images: integers([1, 2, 2, 1], 1) } });
  });
});
