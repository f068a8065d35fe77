/** The one shared memory: its map, its limit, and the error when tensors do not fit. */
import { envRule, type OutOfMemoryDetails, OutOfMemoryError, readEnv } from '@deepend/core';

/** wasm32 addresses 65,536 pages of 64 KiB. */
export const PAGE = 1 << 16;
const MAX_PAGES = 65_536;

export const MAX_THREADS = 8;
/** Scratch memory of each thread. The system does not back pages that nobody touches. */
export const SCRATCH_BYTES = 8 << 20;
/** The first page holds the control block of assembly/threads.ts and the module's constants. */
export const SCRATCH_START = PAGE;
/** Tensors lie from here on. */
export const HEAP_START = SCRATCH_START + MAX_THREADS * SCRATCH_BYTES;

const MIB = 1 << 20;
const MAX_LIMIT = MAX_PAGES * PAGE - HEAP_START;
const MIN_LIMIT = 16 * MIB;

/**
 * The number of bytes that tensors may take: `DEEPEND_MEMORY_MIB`, or else everything that
 * WebAssembly can address.
 * @throws EnvironmentError when `DEEPEND_MEMORY_MIB` is not a number of at least 16
 */
export function defaultMemoryLimit(asked = process.env.DEEPEND_MEMORY_MIB): number {
  const rule = envRule.numberFrom(MIN_LIMIT / MIB, 'MiB');
  const mib = readEnv('backend-simd', 'DEEPEND_MEMORY_MIB', rule, asked);
  if (mib === undefined) return MAX_LIMIT;
  return Math.min(MAX_LIMIT, Math.ceil((mib * MIB) / PAGE) * PAGE);
}

/**
 * Creates a shared memory in which tensors may take `limit` bytes.
 * @throws Error when the process may not reserve the address space: V8 reserves about 10 GiB of it,
 *   though only touched pages take memory
 */
export function createMemory(limit: number): WebAssembly.Memory {
  try {
    return new WebAssembly.Memory({
      initial: HEAP_START / PAGE,
      maximum: (HEAP_START + limit) / PAGE,
      shared: true,
    });
  } catch (cause) {
    throw new Error(
      `[backend-simd] expected WebAssembly's shared memory, got ${cause}; raise the limit on ` +
        'address space (ulimit -v), start Node with --disable-wasm-trap-handler, or use the ' +
        "backend 'cpu'",
      { cause },
    );
  }
}

/** The error that this backend throws when tensors need more memory than it may use. */
export function outOfMemory(details: Required<OutOfMemoryDetails>): OutOfMemoryError {
  const { asked, inUse, limit, largestFree } = details;
  const mib = (bytes: number) => `${(bytes / MIB).toFixed(1)} MiB`;
  return new OutOfMemoryError(
    `[backend-simd] out of memory: ${mib(asked)} asked for, ${mib(inUse)} in use of ` +
      `${mib(limit)}, the largest free block has ${mib(largestFree)}; dispose tensors or use a ` +
      'smaller batch size',
    details,
  );
}
