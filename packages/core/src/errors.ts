/** Error classes that several packages throw or recognise. */

import { isError } from './realms';

const OUT_OF_MEMORY = 'OutOfMemoryError';

export interface OutOfMemoryDetails {
  /** Bytes that were requested. */
  readonly asked: number;
  /** Bytes that tensors and kernels held then. */
  readonly inUse: number;
  /** The most bytes that they may hold together. */
  readonly limit: number;
  /** Bytes of the largest free block: less than what is free when memory is fragmented. */
  readonly largestFree?: number;
}

/**
 * A backend has no memory for a tensor. The backend still works: free tensors, or use smaller
 * batches. A training plan adds which batch size would fit.
 */
export class OutOfMemoryError extends Error {
  override readonly name = OUT_OF_MEMORY;
  readonly asked: number;
  readonly inUse: number;
  readonly limit: number;
  readonly largestFree: number | undefined;
  /** The largest batch size that would fit; 0 when not even one sample does. A plan sets it. */
  fits?: number;

  constructor(message: string, { asked, inUse, limit, largestFree }: OutOfMemoryDetails) {
    super(message);
    this.asked = asked;
    this.inUse = inUse;
    this.limit = limit;
    this.largestFree = largestFree;
  }

  /** `instanceof` also accepts an error of another copy of this package (ES module, CommonJS). */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return isError(value) && value.name === OUT_OF_MEMORY && 'asked' in value;
  }
}
