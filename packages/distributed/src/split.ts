/** How a batch is divided. */

export interface Part {
  readonly start: number;
  readonly length: number;
}

/**
 * Parts of a batch as even as can be, the larger ones first; the last ones of a small batch are
 * empty. The book's `split_batch`.
 */
export function splitBatch(count: number, parts: number): Part[] {
  const [least, more] = [Math.floor(count / parts), count % parts];
  return Array.from({ length: parts }, (_, i) => ({
    start: i * least + Math.min(i, more),
    length: least + (i < more ? 1 : 0),
  }));
}
