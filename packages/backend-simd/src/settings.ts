/** Settings and statistics of the process's one runtime. */
import type { BuildName } from './build';
import { runtime } from './runtime';

/**
 * Sets the number of threads. Results do not depend on it, bit for bit.
 * @param count 1 to 8, the main thread included
 * @throws RangeError when `count` is not an integer from 1 to 8
 */
export function setThreads(count: number): void {
  runtime().setThreads(count);
}

/**
 * The number of threads that compute, or 1 if worker threads do not start.
 * @default `DEEPEND_THREADS`, or else the number of physical cores, at most 8
 */
export function getThreads(): number {
  return runtime().numThreads;
}

/** The build of the module that runs. `relaxed` has fused multiply-add: one rounding, not two. */
export function wasmBuild(): BuildName {
  return runtime().build;
}

/** Build, threads and memory of the backend. */
export interface SimdInfo {
  /** Results are equal bit for bit only within a build. */
  readonly build: BuildName;
  /** Number of threads that compute, the main thread included. */
  readonly threads: number;
  /** Bytes that tensors and kernels hold at present. */
  readonly heapBytes: number;
  /** Bytes of the module's memory. It grows when needed and never shrinks. */
  readonly memoryBytes: number;
  /** Maximum of `heapBytes`: `DEEPEND_MEMORY_MIB`, or else about 4 GiB. */
  readonly memoryLimit: number;
}

/** Reports build, threads and memory of the backend. The first call starts its threads. */
export function simdInfo(): SimdInfo {
  const { build, numThreads, heap, memory, memoryLimit } = runtime();
  return {
    build,
    threads: numThreads,
    heapBytes: heap.bytes,
    memoryBytes: memory.buffer.byteLength,
    memoryLimit,
  };
}
