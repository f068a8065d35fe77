/** Tensors' numbers, one tensor after another in one array. */
import * as tf from '@tensorflow/tfjs-core';

type Shaped = { readonly shape: readonly number[] };

const sizeOf = ({ shape }: Shaped) => tf.util.sizeFromShape([...shape]);
export const totalSize = (tensors: readonly Shaped[]): number =>
  tensors.reduce((sum, tensor) => sum + sizeOf(tensor), 0);

/** Memory that threads have in common. */
export const sharedFloats = (length: number): Float32Array =>
  new Float32Array(new SharedArrayBuffer(4 * length));

/** `into` itself where it has room for so many, else new memory. */
export const atLeast = (into: Float32Array | undefined, length: number): Float32Array =>
  into && into.length >= length ? into : sharedFloats(length);

/** Waits for the device. @returns `into`, filled from its beginning */
export async function readInto(
  into: Float32Array,
  tensors: readonly tf.Tensor[],
): Promise<Float32Array> {
  const read = await Promise.all(tensors.map((tensor) => tensor.data()));
  let at = 0;
  for (const values of read) {
    into.set(values, at);
    at += values.length;
  }
  return into;
}

/**
 * A tensor of numbers that stay another's, whose memory is written again. The engine simd copies at
 * once what is shared; others may keep it.
 */
export function tensorOf(values: Float32Array, shape: readonly number[]): tf.Tensor {
  const copies = tf.getBackend() === 'simd' && values.buffer instanceof SharedArrayBuffer;
  return tf.tensor(copies ? values : values.slice(), [...shape]);
}

/** Does `use` with each tensor's part of the numbers. */
export function eachPart<T extends Shaped>(
  values: Float32Array,
  tensors: readonly T[],
  use: (part: Float32Array, tensor: T, i: number) => void,
): void {
  let at = 0;
  tensors.forEach((tensor, i) => {
    const size = sizeOf(tensor);
    use(values.subarray(at, at + size), tensor, i);
    at += size;
  });
}
