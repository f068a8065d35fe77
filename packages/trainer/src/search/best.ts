import type { SearchResult } from './types';

/**
 * The smallest error among the results of the largest budget: others are not comparable. Undefined
 * when all failed.
 */
export function bestResult(results: readonly SearchResult[]): SearchResult | undefined {
  const valid = results.filter(({ error }) => error !== null);
  const most = valid.reduce((largest, { budget }) => Math.max(largest, budget), 0);
  const [best] = valid
    .filter(({ budget }) => budget === most)
    .sort((a, b) => (a.error as number) - (b.error as number));
  return best;
}
