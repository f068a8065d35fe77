/** kFold: parts for k-fold cross-validation. */
import { checkOptions, rule } from '@deepend/core';
import { permutation } from '../../random';

export interface KFoldOptions {
  /** Whether samples are put into the folds by chance; else in their order. @default true */
  shuffle?: boolean;
  /** Seeds the order. @default 0 */
  seed?: number;
}

/** Indices of the samples to train on and of those to validate with. */
export interface Fold {
  readonly train: Uint32Array;
  readonly validation: Uint32Array;
}

const OPTIONS = rule.object({
  n: rule.integer({ min: 2 }),
  k: rule.integer({ min: 2 }),
  shuffle: rule.boolean().default(true),
  seed: rule.seed().default(0),
});

/**
 * Divides n samples into k folds of nearly one size (the book's 3.6 and 5.7): each sample is in the
 * validation part of exactly one. The first n mod k folds have one more, as in scikit-learn.
 * @throws RangeError for fewer than two folds, or fewer samples than folds
 * @example
 * for (const { train, validation } of datasets.kFold(table.numRows, 5)) {
 *   const encoder = new datasets.TableEncoder().fit(table.select(train));
 * }
 */
export function kFold(n: number, k: number, options: KFoldOptions = {}): Fold[] {
  const where = '[data] kFold';
  const { shuffle, seed } = checkOptions(where, OPTIONS, { ...options, n, k });
  if (k > n)
    throw new RangeError(`${where}: expected at most ${n} folds for ${n} samples, got ${k}`);
  const order = shuffle ? permutation(n, seed) : Uint32Array.from({ length: n }, (_, i) => i);
  return Array.from({ length: k }, (_, fold) => {
    const [start, end] = [fold, fold + 1].map((i) => i * Math.floor(n / k) + Math.min(i, n % k));
    const train = [...order.subarray(0, start), ...order.subarray(end)];
    return { train: Uint32Array.from(train), validation: order.slice(start, end) };
  });
}
