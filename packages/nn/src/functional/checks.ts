/** Checks of what functions are given. Messages say where, what was expected, and what came. */
import { formatValue } from '@deepend/core';
import type * as tf from '@tensorflow/tfjs-core';

export const shapeText = (shape: readonly (number | string)[]): string => `[${shape.join(', ')}]`;

/** Throws a RangeError: `[nn] functional.linear: expected …`. */
export function refuse(name: string, expected: string): never {
  throw new RangeError(`[nn] functional.${name}: expected ${expected}`);
}

/** The size of an axis of a shape that has it. */
export const sizeOf = (shape: readonly number[], axis: number): number => shape.at(axis) as number;

/**
 * Checks a tensor's type and sizes.
 * @param shape a size, or a name where any size may be
 */
export function expectShape(
  where: string,
  what: string,
  tensor: tf.Tensor,
  shape: readonly (number | string)[],
): void {
  const fits =
    tensor.rank === shape.length &&
    shape.every((size, axis) => typeof size === 'string' || size === tensor.shape[axis]);
  if (!fits) refuse(where, `${what} of shape ${shapeText(shape)}, got ${shapeText(tensor.shape)}`);
}

export function expectFloat(where: string, what: string, tensor: tf.Tensor): void {
  if (tensor.dtype !== 'float32') {
    refuse(where, `${what} of float32 numbers, got ${tensor.dtype}; convert it with tf.cast`);
  }
}

export function expectAxis(where: string, axis: number, rank: number): void {
  if (!Number.isInteger(axis) || axis < -rank || axis >= rank)
    refuse(where, `an axis from ${-rank} to ${rank - 1}, got ${formatValue(axis)}`);
}
