/**
 * Data of a known line, for a first regression: the book's `synthetic_data` (Dive into Deep
 * Learning, chapter 3.3).
 */
import { checkOptions, rule } from '@deepend/core';
import { uniform } from '../random';
import type { Random } from '../types';
import type { ShapedArray } from './arrays';

export interface SyntheticOptions {
  /** What the numbers depend on. @default 0 */
  seed?: number;
  /** Standard deviation of the noise that is added to each label. @default 0.01 */
  noise?: number;
}

const OPTIONS = rule.object({
  w: rule.list(rule.finiteNumber(), 'a list of numbers').min(1, 'a list of at least one number'),
  b: rule.finiteNumber(),
  numExamples: rule.positiveInteger(),
  seed: rule.nonNegativeInteger().optional(),
  noise: rule.nonNegativeNumber().optional(),
});

interface Floats extends ShapedArray {
  readonly values: Float32Array;
}

/**
 * Features and labels of a regression; `loadArray` takes them, and `tf.tensor(values, shape)` makes
 * a tensor of either.
 */
export type Regression = [features: Floats, labels: Floats];

/**
 * Examples of y = Xw + b + ε: X from the standard normal distribution, ε from a normal one with
 * mean 0.
 * @returns features float32 `[numExamples, w.length]` and labels float32 `[numExamples, 1]`, as `{
 *   values, shape }`
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
  const [x, epsilon] = [normal(uniform(seed, 0)), normal(uniform(seed, 1))];
  const features = Float32Array.from({ length: numExamples * w.length }, x); // [numExamples, w.length]
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

/** Standard normal numbers from uniform ones. Box and Muller 1958. */
function normal(random: Random): () => number {
  return () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}
