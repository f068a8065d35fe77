const MIB = 1 << 20;

/** WebAssembly's 4 GiB are not enough. The backend works on: free tensors, or take smaller batches. */
export class OutOfMemoryError extends Error {
  override readonly name = 'OutOfMemoryError';

  constructor(
    /** Bytes that were asked for. */
    readonly asked: number,
    /** Bytes that tensors hold. */
    readonly inUse: number,
  ) {
    const mib = (bytes: number) => (bytes / MIB).toFixed(1);
    super(
      `[backend-simd] out of memory: ${mib(asked)} MiB asked for, ${mib(inUse)} MiB in use, of the 4096 MiB that WebAssembly addresses; ` +
        'free tensors or take smaller batches',
    );
  }
}
