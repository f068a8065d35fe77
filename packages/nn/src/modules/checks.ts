/** Checks of what modules are given. */
import { formatValue, rule } from '@deepend/core';
import type * as tf from '@tensorflow/tfjs-core';
import { isTensor } from '../weight-traits';

/** One number for both axes, or `[height, width]`. */
export type Pair = number | readonly [number, number];

export const toPair = (value: Pair): [number, number] =>
  typeof value === 'number' ? [value, value] : [...value];

const isPairFrom = (least: number) => (value: unknown) => {
  const sizes = Array.isArray(value) ? value : [value, value];
  return sizes.length === 2 && sizes.every((size) => Number.isInteger(size) && size >= least);
};

/** The rule of a `Pair` of integers of at least `least`. */
export const pairRule = (least: number) =>
  rule.custom<Pair>(
    isPairFrom(least),
    `an integer of at least ${least}, or [height, width] of two of them`,
  );

/** @throws RangeError when it is no integer of at least 1 */
export function checkSize(where: string, name: string, value: unknown): void {
  if (Number.isInteger(value) && (value as number) >= 1) return;
  throw new RangeError(
    `${where}: ${name} must be an integer of at least 1, got ${formatValue(value)}`,
  );
}

/** @throws RangeError when it is no pair of integers of at least `least` */
export function checkPair(where: string, name: string, value: unknown, least = 1): void {
  if (isPairFrom(least)(value)) return;
  throw new RangeError(
    `${where}: ${name} must be an integer of at least ${least}, or [height, width] of two of ` +
      `them, got ${formatValue(value)}`,
  );
}

export const shown = (value: unknown): string =>
  isTensor(value) ? `[${value.shape.join(', ')}]` : formatValue(value);

/** @throws TypeError when it is no tensor */
export function checkTensor(where: string, value: unknown, what = 'a tensor'): void {
  if (isTensor(value)) return;
  throw new TypeError(`${where}: expected ${what}, got ${formatValue(value)}`);
}

/**
 * @param axes names of the axes, such as `['batch', 'height', 'width', 'channels']`
 * @throws RangeError when the tensor has another number of axes, or another size in the last
 */
export function checkInput(
  where: string,
  x: tf.Tensor,
  { axes, last }: { axes: readonly string[]; last?: number },
): void {
  checkTensor(where, x, `a tensor [${axes.join(', ')}]`);
  if (x.rank !== axes.length) {
    throw new RangeError(`${where}: expected inputs [${axes.join(', ')}], got ${shown(x)}`);
  }
  if (last !== undefined) checkLastAxis(where, x, last, axes.at(-1));
}

/** @throws RangeError when the last axis has another size */
export function checkLastAxis(where: string, x: tf.Tensor, size: number, what = 'features'): void {
  checkTensor(where, x);
  if (x.shape.at(-1) === size) return;
  throw new RangeError(
    `${where}: expected inputs of ${size} ${what} in the last axis, got ${shown(x)}; build the ` +
      'module for that size, or reshape its inputs',
  );
}

/** @throws RangeError when a tensor has another shape */
export function checkShapeOf(
  where: string,
  what: string,
  { tensor, shape, axes }: { tensor: tf.Tensor; shape: readonly number[]; axes: string },
): void {
  checkTensor(where, tensor, `${what} ${axes}`);
  if (tensor.rank === shape.length && tensor.shape.every((size, i) => size === shape[i])) return;
  throw new RangeError(
    `${where}: expected ${what} ${axes} of shape [${shape.join(', ')}], got ${shown(tensor)}`,
  );
}
