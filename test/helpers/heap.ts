/** What the backend `simd` holds. It must be the current backend. */
import * as tf from '@tensorflow/tfjs-core';
import { runtime } from '../../packages/backend-simd/src/runtime';

/** The most bytes that are taken while `work` runs, all that was there before included. */
export function peakOf(work: () => void): number {
  const { heap } = runtime();
  const { alloc } = heap;
  let most = heap.bytes;
  heap.alloc = (bytes) => {
    const at = alloc.call(heap, bytes);
    most = Math.max(most, heap.bytes);
    return at;
  };
  try {
    work();
  } finally {
    heap.alloc = alloc;
  }
  return most;
}

/** Bytes that are taken now. */
export const heldBytes = (): number => runtime().heap.bytes;

/** Images and labels of so many classes, and nothing of them on the backend yet. */
export function batchOf(
  count: number,
  shape: readonly number[],
  numClasses = 10,
): { features: tf.Tensor; labels: tf.Tensor } {
  return {
    features: tf.randomUniform([count, ...shape], 0, 1, 'float32', 1),
    labels: tf.tensor1d(
      Int32Array.from({ length: count }, (_, i) => i % numClasses),
      'int32',
    ),
  };
}
