/** What a model takes and gives: one tensor, a list of tensors, or tensors by name. */
import { formatValue } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';

/** One tensor, a list of tensors, or a record of named tensors, all with the batch first. */
export type Tensors = tf.Tensor | readonly tf.Tensor[] | Readonly<Record<string, tf.Tensor>>;

/** Whether a value is a tensor, of any copy of TensorFlow.js. */
export const isTensor = (value: unknown): value is tf.Tensor =>
  value instanceof Object && 'dataId' in value && 'shape' in value;

/** Whether a value is a tensor, a list of tensors, or a record of tensors; none may be empty. */
export function areTensors(value: unknown): value is Tensors {
  if (isTensor(value)) return true;
  if (typeof value !== 'object' || value === null || value instanceof tf.Tensor) return false;
  const parts = Object.values(value);
  return parts.length > 0 && parts.every(isTensor);
}

/** The tensors in their order. */
export const listTensors = (tensors: Tensors): tf.Tensor[] =>
  isTensor(tensors) ? [tensors] : Object.values(tensors);

/** Applies a function to each tensor and keeps the structure. */
export function mapTensors(
  tensors: Tensors,
  map: (tensor: tf.Tensor, index: number) => tf.Tensor,
): Tensors {
  if (isTensor(tensors)) return map(tensors, 0);
  if (Array.isArray(tensors)) return tensors.map(map);
  return Object.fromEntries(
    Object.entries(tensors).map(([name, tensor], i) => [name, map(tensor, i)]),
  );
}

/** A list of tensors in the structure of others. */
export const likeTensors = (structure: Tensors, list: readonly tf.Tensor[]): Tensors =>
  mapTensors(structure, (_, i) => list[i] as tf.Tensor);

/**
 * The number of samples: the first size of every tensor.
 * @throws RangeError when the tensors have different numbers of samples, or one is a scalar
 */
export function batchSizeOf(where: string, tensors: Tensors): number {
  const list = listTensors(tensors);
  const sizes = list.map(({ shape }) => shape[0]);
  const [first] = sizes;
  if (first !== undefined && sizes.every((size) => size === first)) return first;
  const names = isTensor(tensors) || Array.isArray(tensors) ? [] : Object.keys(tensors);
  const described = list.map(({ shape }, i) => `${names[i] ?? i} [${shape.join(', ')}]`);
  throw new RangeError(
    `${where}: expected tensors with the same number of samples in front, got ` +
      `${described.join(' and ')}`,
  );
}

/** A part of every tensor: `length` samples from `start`. The caller disposes them. */
export const sliceTensors = (tensors: Tensors, start: number, length: number): Tensors =>
  mapTensors(tensors, (x) =>
    tf.slice(x, [start, ...x.shape.slice(1).map(() => 0)], [length, ...x.shape.slice(1)]),
  );

/** `[32, 28, 28, 1]`, `{ ids: [32, 35], mask: [32, 35] }`: shapes for messages. */
export function describeTensors(tensors: unknown): string {
  if (isTensor(tensors)) return `[${tensors.shape.join(', ')}]`;
  if (!areTensors(tensors)) return formatValue(tensors);
  const parts = Object.entries(tensors).map(([name, { shape }]) =>
    Array.isArray(tensors) ? `[${shape.join(', ')}]` : `${name}: [${shape.join(', ')}]`,
  );
  return Array.isArray(tensors) ? `[${parts.join(', ')}]` : `{ ${parts.join(', ')} }`;
}

/** The tensor times a factor. Disposes what it was given, unless that is the result. */
export function scaled<T extends tf.Tensor>(tensor: T, factor: number): T {
  if (factor === 1) return tensor;
  const product = tf.mul<T>(tensor, factor);
  tensor.dispose();
  return product;
}
