/** Casts, fills and one-hot rows on simd, as on stock cpu, to the bit. */
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { CASTS } from './cast-rows';
import { describeMoves } from './moves';

describeMoves(CASTS);

it('a cast number is one for the kernels that follow', async () => {
  const computed = tf.tidy(() =>
    tf.add(tf.cast(tf.tensor1d([1, 2, 3], 'int32'), 'float32'), 0.5).dataSync(),
  );
  expect([...computed]).toEqual([1.5, 2.5, 3.5]);
});
