/** The gradients of resizing on simd: the transposes of what stock cpu computes forward. */
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
  runOnThreads,
  runStock,
  seeds,
  tasksOf,
} from './operations';

beforeAll(() => tf.setBackend('simd'));

const LENGTH = fc.integer({ min: 1, max: 9 });
const CORNERS = { alignCorners: true, halfPixelCenters: false };
const CENTERS = { alignCorners: false, halfPixelCenters: true };
const NEITHER = { alignCorners: false, halfPixelCenters: false };

const cases = fc.record({
  batch: fc.integer({ min: 1, max: 3 }),
  channels: fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 6, max: 40 })),
  from: fc.tuple(LENGTH, LENGTH),
  to: fc.tuple(fc.integer({ min: 1, max: 30 }), LENGTH),
  mode: fc.constantFrom(NEITHER, CORNERS, CENTERS),
  seed: seeds,
});

interface Resizing {
  readonly kernel: string;
  readonly from: readonly [number, number];
  readonly to: readonly [number, number];
  readonly mode: object;
}

/** Row by row: what each pixel of the source gives to every pixel of the result. */
async function weightsOf({ kernel, from: [height, width], to, mode }: Resizing) {
  const pixels = height * width;
  const values = Float32Array.from({ length: pixels * pixels }, (_, i) =>
    i % (pixels + 1) === 0 ? 1 : 0,
  );
  const images: Numbers = { dtype: 'float32', shape: [pixels, height, width, 1], values };
  const [out] = await runStock({ kernel, inputs: { images }, attrs: { size: to, ...mode } });
  const { values: all } = out as Numbers;
  const count = to[0] * to[1];
  return Array.from({ length: pixels }, (_, i) => all.subarray(i * count, (i + 1) * count));
}

async function expectTransposed(resizing: Resizing, dy: Numbers): Promise<void> {
  const { kernel, from, mode } = resizing;
  const [batch = 0, , , channels = 0] = dy.shape;
  const weights = await weightsOf(resizing);
  const images = numbers([batch, ...from, channels], 1);
  const [dx] = runOnThreads({ kernel: `${kernel}Grad`, inputs: { images, dy }, attrs: mode });
  expect(dx?.shape).toEqual(images.shape);
  const count = weights[0]?.length ?? 0;
  for (const [i, value] of (dx as Numbers).values.entries()) {
    const [pixel, channel] = [Math.floor(i / channels), i % channels];
    const image = Math.floor(pixel / weights.length);
    let sum = 0;
    for (const [j, weight] of (weights[pixel % weights.length] as Float32Array).entries())
      sum += weight * (dy.values[(image * count + j) * channels + channel] as number);
    expect(Math.abs(value - sum), `[${i}]: got ${value}, expected ${sum}`).toBeLessThan(1e-4);
  }
}

describe.each(['ResizeBilinear', 'ResizeNearestNeighbor'])('the gradient of %s', (kernel) => {
  it('is the transpose, for any sizes', async () => {
    await fc.assert(
      fc.asyncProperty(cases, ({ batch, channels, from, to, mode, seed }) =>
        expectTransposed({ kernel, from, to, mode }, numbers([batch, ...to, channels], seed)),
      ),
      { numRuns: runsOf(150) },
    );
  });

  // Stock's gradient of bilinear resizing turns images that are not square, nearest's mixes images.
  it.each([
    [1, 12, [24, 24], 5, NEITHER],
    [1, 12, [24, 24], 5, CORNERS],
    [1, 28, [96, 96], 1, CORNERS],
    [1, 40, [13, 17], 3, NEITHER],
    [1, 9, [45, 300], 37, CORNERS],
  ] as const)(
    "equals stock cpu's: batch %i, %i px to %j, %i channels, %j",
    async (batch, side, to, channels, attrs) => {
      const inputs = {
        images: numbers([batch, side, side, channels], 1),
        dy: numbers([batch, ...to, channels], 2),
      };
      const allowed = { relative: 1e-5, absolute: 1e-4 };
      await expectLikeStock({ kernel: `${kernel}Grad`, inputs, attrs }, allowed);
    },
  );

  it('runs in WebAssembly, but for integers', () => {
    const call = (dy: Numbers) => ({
      kernel: `${kernel}Grad`,
      inputs: { images: numbers([1, 2, 2, 1], 1), dy },
      attrs: NEITHER,
    });
    expect(tasksOf(call(numbers([1, 4, 4, 1], 1)))).toEqual([Task.ResizeGradient]);
    expect(tasksOf(call(integers([1, 4, 4, 1], 1)))).toEqual([]);
  });
});
