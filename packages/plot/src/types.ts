/**
 * The shapes that plot shares with trainers and tensors: structural types, so that anyone's own
 * fit.
 */

/** What an epoch came to, as far as charts and exports read it. */
export interface HistoryRecord {
  readonly epoch: number;
  readonly loss: number;
  /** Shares of right answers, 0 to 1. */
  readonly trainAcc: number;
  readonly testAcc: number | null;
}

/**
 * A tensor, or anything like it: images `[count, height, width]` or `[count, height, width,
 * channels]`, 1 or 3 channels.
 */
export interface ImageBatch {
  readonly shape: readonly number[];
  /**
   * Whole numbers are taken as 0 to 255, floats as 0 to 1. @default the type of a typed array;
   * plain numbers are floats
   */
  readonly dtype?: string | undefined;
  readonly data: ArrayLike<number> | (() => Promise<ArrayLike<number>> | ArrayLike<number>);
}
