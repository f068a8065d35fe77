/** Synthetic data for linear regression: the book's `synthetic_data` (chapter 3.3). */
import { checkOptions, rule } from '@deepend/core';
import { uniform } from '../random';
import type { Rng } from '../types';
import type { ShapedArray } from './arrays';

export interface SyntheticOptions {
  /** Seeds the random numbers. @default 0 */
  seed?: number;
  /** Standard deviation of the noise that is added to each label. @default 0.01 */
  noise?: number;
}

const OPTIONS = rule.object({
  w: rule.list(rule.finiteNumber(), 'a list of at least one number', { min: 1 }),
  b: rule.finiteNumber(),
  numExamples: rule.positiveInteger(),
  seed: rule.seed().optional(),
  noise: rule.nonNegativeNumber().optional(),
});

interface FloatArray extends ShapedArray {
  readonly values: Float32Array;
}

/** Features and labels, for `loadArray`; `tf.tensor(values, shape)` makes a tensor of either. */
export type Regression = [features: FloatArray, labels: FloatArray];

/**
 * Makes examples of y = Xw + b + ε, with X from the standard normal distribution and normal noise ε
 * with mean 0. The book's `synthetic_data`: d2l 23.7, zh 3.2.
 * @param w weights
 * @param b bias
 * @returns features float32 `[numExamples, w.length]` and labels float32 `[numExamples, 1]`, each
 *   as `{ values, shape }`
 * @throws TypeError or RangeError for an unknown option or a value out of range
 * @example
 * const trainIter = loadArray(syntheticData([2, -3.4], 4.2, 1000, { seed: 1 }), 10);
 */
export function syntheticData(
  w: readonly number[],
  b: number,
  numExamples: number,
  options: SyntheticOptions = {},
): Regression {
  const { seed = 0, noise = 0.01 } = checkOptions('[data] syntheticData', OPTIONS, {
    ...options,
    w,
    b,
    numExamples,
  });
  const x = normal(uniform(seed, 0));
  const epsilon = normal(uniform(seed, 1));
  // [numExamples, w.length]
  const features = Float32Array.from({ length: numExamples * w.length }, x);
  const labels = Float32Array.from({ length: numExamples }, (_, i) => {
    const product = w.reduce(
      (sum, weight, j) => sum + weight * (features[i * w.length + j] as number),
      0,
    );
    return product + b + noise * epsilon();
  });
  return [
    { values: features, shape: [numExamples, w.length] },
    { values: labels, shape: [numExamples, 1] },
  ];
}

/** Makes standard normal numbers of uniform ones. Box and Muller 1958. */
function normal(rng: Rng): () => number {
  return () => Math.sqrt(-2 * Math.log(1 - rng())) * Math.cos(2 * Math.PI * rng());
}
