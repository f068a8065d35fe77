/** Compares tensors of two computations: NaN in the same places, numbers within a tolerance. */
import { expect } from 'vitest';

/**
 * @param options.tolerance of the largest number of each tensor
 * @param options.isNaNRequired whether NaN must stand in a tensor where it is expected: a gradient
 *   may leave out what a NaN would be multiplied by 0 with @default everywhere
 */
export function expectAlike(
  actual: readonly Float32Array[],
  expected: readonly Float32Array[],
  options: { tolerance: number; isNaNRequired?: (tensor: number) => boolean },
): void {
  const { tolerance, isNaNRequired = () => true } = options;
  for (const [i, values] of expected.entries()) {
    const largest = values.reduce((most, v) => Math.max(most, Math.abs(v) || 0), 1e-3);
    const bad = values.findIndex((value, at) => {
      const other = (actual[i] as Float32Array)[at] as number;
      if (Number.isNaN(value)) return isNaNRequired(i) && !Number.isNaN(other);
      return !(Math.abs(other - value) <= tolerance * largest);
    });
    expect(bad, `tensor ${i}: ${actual[i]?.[bad]} for ${values[bad]}`).toBe(-1);
  }
}
