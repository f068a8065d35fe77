/** Rows by their indices, sums of rows by theirs, and ArgMax. */
import '@deepend/backend-simd';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { GATHERS } from './gather-rows';
import { describeMoves } from './moves';
import { expectLikeStock, integers, numbers, tasksOf } from './operations';

describeMoves(GATHERS);

describe('UnsortedSegmentSum', () => {
  it.each([
    [[50, 3, 7], 9],
    [[700], 30],
    [[40, 100], 1],
  ])("equals stock cpu's for %j in %i segments", async (shape, numSegments) => {
    const segmentIds = integers([shape[0] as number], 2, [-1, numSegments]);
    const call = { inputs: { x: numbers(shape, 1), segmentIds }, attrs: { numSegments } };
    await expectLikeStock(
      { kernel: 'UnsortedSegmentSum', ...call },
      { relative: 1e-5, absolute: 1e-5 },
    );
    expect(tasksOf({ kernel: 'UnsortedSegmentSum', ...call })).toHaveLength(1);
  });
});

describe('an index outside', () => {
  const x = [
    [1, 2],
    [3, 4],
  ];

  it.each<[string, () => tf.Tensor, RegExp]>([
    [
      'gather',
      () => tf.gather(tf.tensor2d(x), tf.tensor1d([0, 2], 'int32')),
      /GatherV2: the index value 2 is not in \[0, 1\]/,
    ],
    [
      'gatherND',
      () => tf.gatherND(tf.tensor2d(x), tf.tensor2d([[1, 2]], [1, 2], 'int32')),
      /Invalid indices: 1,2 does not index into 2,2/,
    ],
    [
      'scatterND',
      () => tf.scatterND(tf.tensor2d([[-1]], [1, 1], 'int32'), tf.tensor2d([[5, 6]]), [2, 2]),
      /Invalid indices: -1 does not index into 2,2/,
    ],
  ])('%s throws', async (_, run, message) => {
    await tf.setBackend('simd');
    expect(() => tf.tidy(run)).toThrow(message);
  });
});
