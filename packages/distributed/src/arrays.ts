/** Flat arrays that hold the values of many tensors, and the parts of a batch. */
import { backendTraits, isSharedBuffer } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';

type Shaped = { readonly shape: readonly number[] };

const sizeOf = ({ shape }: Shaped) => tf.util.sizeFromShape([...shape]);

/** The number of values in all tensors together. */
export const totalSize = (tensors: readonly Shaped[]): number =>
  tensors.reduce((sum, tensor) => sum + sizeOf(tensor), 0);

/** A float array in memory that threads share. */
export const sharedArray = (length: number): Float32Array =>
  new Float32Array(new SharedArrayBuffer(4 * length));

/** `array` itself if it is long enough, else a new one. */
export const ensureLength = (array: Float32Array | undefined, length: number): Float32Array =>
  array && array.length >= length ? array : sharedArray(length);

/** Reads the tensors' values one after another into `into`, and waits for the device. */
export async function readTensors(
  into: Float32Array,
  tensors: readonly tf.Tensor[],
): Promise<Float32Array> {
  const read = await Promise.all(tensors.map((tensor) => tensor.data()));
  let offset = 0;
  for (const values of read) {
    into.set(values, offset);
    offset += values.length;
  }
  return into;
}

/** A tensor of values whose memory will be overwritten: they are copied unless the backend does. */
export function tensorOf(values: Float32Array, shape: readonly number[]): tf.Tensor {
  const isShared = isSharedBuffer(values.buffer);
  const isCopied = isShared && backendTraits(tf.getBackend()).copiesOnUpload;
  return tf.tensor(isCopied ? values : values.slice(), [...shape]);
}

/** Calls `use` with each tensor's part of the values. */
export function forEachTensor<T extends Shaped>(
  values: Float32Array,
  tensors: readonly T[],
  use: (part: Float32Array, tensor: T, i: number) => void,
): void {
  let offset = 0;
  tensors.forEach((tensor, i) => {
    const size = sizeOf(tensor);
    use(values.subarray(offset, offset + size), tensor, i);
    offset += size;
  });
}
