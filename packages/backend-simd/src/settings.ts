/** What a user may ask and change of the process's one runtime. */
import type { BuildName } from './build';
import { runtime } from './runtime';

/**
 * How many threads compute. @param count 1 to 8, the main thread included; results do not depend on
 * it, bit for bit
 */
export function setThreads(count: number): void {
  runtime().setThreads(count);
}

/**
 * How many threads compute; 1 where worker threads do not start. @default `DEEPEND_THREADS`, else
 * the physical cores, at most 8
 */
export function getThreads(): number {
  return runtime().numThreads;
}

/**
 * Which build of the module runs: `relaxed` has fused multiply-add, and rounds a little less than
 * `plain`.
 */
export function wasmBuild(): BuildName {
  return runtime().build;
}

/** What the engine is and holds. */
export interface SimdInfo {
  /** Results agree bit for bit only within a build: a run's record names it. */
  readonly build: BuildName;
  /** Threads that compute, the main thread included. */
  readonly threads: number;
  /** Bytes that tensors and kernels hold now. */
  readonly heapBytes: number;
  /** Bytes of the module's memory: what was needed at most so far. It never shrinks. */
  readonly memoryBytes: number;
  /** Bytes that `heapBytes` may reach: `DEEPEND_MEMORY_MIB`, else some 4 GiB. */
  readonly memoryLimit: number;
}

/** Build, threads and memory of the engine. Starts it where it has not been started. */
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
