import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'vitest';

/**
 * Does `work` twice and expects the second time to leave as many tensors and bytes as it found; the
 * first may fill caches.
 */
export async function expectNoLeak(work: () => unknown | Promise<unknown>): Promise<void> {
  await work();
  const before = tf.memory();
  await work();
  const after = tf.memory();
  expect({ tensors: after.numTensors, bytes: after.numBytes }).toEqual({
    tensors: before.numTensors,
    bytes: before.numBytes,
  });
}
