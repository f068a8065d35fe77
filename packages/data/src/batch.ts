/** From floats in memory to the tensors of a batch. */
import { getBackend, type Tensor, tensor, tensor4d } from '@tensorflow/tfjs-core';
import type { Floats } from './loading/epoch';
import type { Made } from './loading/recipe';
import type { Batch, ImageShape } from './types';

/**
 * Engines that copy what they are given when a tensor is made. Others keep the array itself, some
 * until they compute.
 */
const COPYING: readonly string[] = ['simd', 'wasm'];

/**
 * Makes the tensors of a batch. The caller owns them.
 * @param floats.values float32 `[count, height, width, channels]`; where they lie in shared memory,
 *   the next batch will be written over them
 */
export function batchOf({ values, made }: Floats, imageShape: ImageShape): Batch {
  const { count } = made;
  const reused = values.buffer instanceof SharedArrayBuffer;
  const kept = reused && !COPYING.includes(getBackend()) ? values.slice() : values;
  return { features: tensor4d(kept, [count, ...imageShape]), labels: labelsOf(made) };
}

/**
 * Class indices `[count]`; shares of classes, or numbers where there are several for each image,
 * `[count, size]`.
 */
function labelsOf({ labels, count }: Made): Tensor {
  if (labels instanceof Int32Array) return tensor(labels, [count], 'int32');
  const size = labels.length / count;
  return tensor(labels, size === 1 ? [count] : [count, size], 'float32');
}
