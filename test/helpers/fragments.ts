import * as tf from '@tensorflow/tfjs-core';

/** Numbers of a tensor of 1 MiB. */
export const MIB_FLOATS = 1 << 18;

/**
 * Fills the heap with tensors of 1 MiB, each of its index plus a half, and disposes every other
 * one, so that what is free lies in pieces.
 * @returns those that are left
 */
export function fragmentHeap(count: number): tf.Tensor[] {
  const tensors = Array.from({ length: count }, (_, i) =>
    tf.tidy(() => tf.add(tf.fill([MIB_FLOATS], i), 0.5)),
  );
  return tensors.filter((tensor, i) => {
    if (i % 2 === 1) tensor.dispose();
    return i % 2 === 0;
  });
}
