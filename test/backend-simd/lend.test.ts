// Own process: it fills the one memory with pieces of its own.
/** Tensors whose memory is lent to another thread. */
import '@deepend/backend-simd';
import { backendTraits } from '@deepend/core';
import '@deepend/device';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { runtime } from '../../packages/backend-simd/src/runtime';
import { fragmentHeap, MIB_FLOATS } from '../helpers/fragments';

process.env.DEEPEND_MEMORY_MIB = '32'; // read when the backend starts, which is below
beforeAll(() => tf.setBackend('simd'));
const lend = (tensor: tf.Tensor) => backendTraits('simd').lend(tensor);

describe('lend', () => {
  it('gives the memory itself', () => {
    const x = tf.tidy(() => tf.add(tf.tensor1d([1, 2]), 1));
    const lent = lend(x);
    expect([...(lent?.values ?? [])]).toEqual([2, 3]);
    lent?.values.set([7, 8]);
    lent?.release();
    expect([...x.dataSync()]).toEqual([7, 8]);
    x.dispose();
  });

  it('refuses memory that another tensor shares, and integers', () => {
    const x = tf.tensor1d([1, 2]);
    const y = x.clone();
    expect(lend(x)).toBeUndefined();
    y.dispose();
    expect(lend(x)).toBeDefined();
    expect(lend(tf.tensor1d([1], 'int32'))).toBeUndefined();
  });

  it('keeps a tensor in its place when the heap moves others', () => {
    const kept = fragmentHeap(28);
    const { heap, memoryLimit } = runtime();
    expect(heap.largestFree(memoryLimit)).toBeLessThan(4 << 20);
    const middle = kept[2] as tf.Tensor;
    const lent = lend(middle);
    const large = tf.tidy(() => tf.fill([4 * MIB_FLOATS], 7)); // which needs room that is in pieces
    lent?.values.fill(3);
    lent?.release();
    expect(middle.dataSync().every((value) => value === 3)).toBe(true);
    kept.forEach((tensor, i) => {
      if (tensor !== middle) expect(tensor.dataSync()[MIB_FLOATS - 1]).toBe(2 * i + 0.5);
    });
    expect(large.dataSync()[4 * MIB_FLOATS - 1]).toBe(7);
    tf.dispose([...kept, large]);
  });
});
