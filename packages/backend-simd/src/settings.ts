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

/** What each build is, in words. */
const BUILDS: Readonly<Record<BuildName, string>> = {
  avx512: 'native AVX-512',
  avx2: 'native AVX2',
  baseline: 'native',
  relaxed: 'WebAssembly, relaxed SIMD',
  plain: 'WebAssembly, SIMD',
};

/** The build that computes, in words: `native AVX2`, `WebAssembly, relaxed SIMD` and so on. */
export const describeBuild = (): string => BUILDS[runtime().build];

/**
 * Chooses the build that computes from now on, for comparisons and tests. Results of different
 * builds differ in the last bits.
 * @param build one of `simdInfo().builds`
 * @throws RangeError when the build cannot compute here
 */
export function setBuild(build: BuildName): void {
  runtime().setBuild(build);
}

/** Build, threads and memory of the backend. */
export interface SimdInfo {
  /** The build that computes. Results are equal bit for bit only within a build. */
  readonly build: BuildName;
  /** Builds that can compute here, the best first. */
  readonly builds: readonly BuildName[];
  /** Why no native build computes here, if none does. */
  readonly whyNotNative: string | undefined;
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
  const { build, builds, whyNotNative, numThreads, heap, memory, memoryLimit } = runtime();
  return {
    build,
    builds,
    whyNotNative,
    threads: numThreads,
    heapBytes: heap.bytes,
    memoryBytes: memory.buffer.byteLength,
    memoryLimit,
  };
}
