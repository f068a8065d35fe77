/** Parts of a batch for several devices or processes. */

/** Consecutive samples of a batch. */
export interface Part {
  readonly start: number;
  readonly length: number;
}

/**
 * Splits a batch into parts as even as possible, larger ones first; the last parts of a small batch
 * are empty. The book's `split_batch`.
 * @param count number of samples
 */
export function splitBatch(count: number, parts: number): Part[] {
  const smallest = Math.floor(count / parts);
  const rest = count % parts;
  return Array.from({ length: parts }, (_, i) => ({
    start: i * smallest + Math.min(i, rest),
    length: smallest + (i < rest ? 1 : 0),
  }));
}

/** Which part of every batch a process computes. */
export interface Share {
  /** The part's number, from 0. */
  readonly index: number;
  /** The number of parts. */
  readonly of: number;
}

/** The samples of a batch of `count` that a share is. */
export const partOf = (count: number, { index, of }: Share): Part =>
  splitBatch(count, of)[index] as Part;
