const MIB = 1 << 20;
const NAME = 'OutOfMemoryError';

/**
 * Tensors need more than the engine's memory has. The backend works on: free tensors, or take
 * smaller batches.
 */
export class OutOfMemoryError extends Error {
  override readonly name = NAME;

  constructor(
    /** Bytes that were asked for. */
    readonly asked: number,
    /** Bytes that tensors and kernels hold. */
    readonly inUse: number,
    /** Bytes that they may hold altogether: some 4 GiB, or `DEEPEND_MEMORY_MIB`. */
    readonly limit: number,
    /** Bytes of the largest piece that is free: less than what is left where memory is cut up. */
    readonly largestFree: number,
  ) {
    const mib = (bytes: number) => `${(bytes / MIB).toFixed(1)} MiB`;
    super(
      `[backend-simd] out of memory: ${mib(asked)} asked for, ${mib(inUse)} in use of ${mib(limit)}, ` +
        `the largest free piece has ${mib(largestFree)}; free tensors or take smaller batches`,
    );
  }

  /** Also an error of another copy of this package in the process (ESM beside CJS). */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return value instanceof Error && value.name === NAME && 'asked' in value;
  }
}
