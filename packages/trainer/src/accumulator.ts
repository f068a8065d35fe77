import { formatValue } from '@deepend/core';

/** Sums of `n` quantities. The book's `Accumulator`. */
export class Accumulator {
  private readonly sums: number[];

  constructor(n: number) {
    if (!Number.isInteger(n) || n < 1)
      throw new RangeError(
        `[trainer] Accumulator: expected a number of sums of at least 1, got ${formatValue(n)}`,
      );
    this.sums = new Array<number>(n).fill(0);
  }

  /** Adds one value to each sum. @throws RangeError when there are more or fewer */
  add(...values: number[]): void {
    if (values.length !== this.sums.length) {
      throw new RangeError(
        `[trainer] Accumulator: expected ${this.sums.length} values, one for each sum, got ${values.length}`,
      );
    }
    values.forEach((value, i) => {
      this.sums[i] = (this.sums[i] ?? 0) + value;
    });
  }

  reset(): void {
    this.sums.fill(0);
  }

  /** @throws RangeError when there is no such sum */
  get(i: number): number {
    const sum = this.sums[i];
    if (sum === undefined)
      throw new RangeError(
        `[trainer] Accumulator: expected an index from 0 to ${this.sums.length - 1}, got ${formatValue(i)}`,
      );
    return sum;
  }
}
