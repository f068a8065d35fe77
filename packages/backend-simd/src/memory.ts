/** The shared memory of a runtime. */
import { HEAP_START, MAX_PAGES, PAGE } from './control';

const MIB = 1 << 20;
/** Bytes that tensors may hold at most: wasm32's 4 GiB less the threads' scratch memory. */
const MOST = MAX_PAGES * PAGE - HEAP_START;
const LEAST = 16 * MIB;

/** `DEEPEND_MEMORY_MIB`, else all that WebAssembly addresses. @returns bytes */
export function defaultMemoryLimit(asked = process.env.DEEPEND_MEMORY_MIB): number {
  if (asked === undefined || asked === '') return MOST;
  const bytes = Number(asked) * MIB;
  if (bytes >= LEAST) return Math.min(MOST, Math.ceil(bytes / PAGE) * PAGE);
  throw new RangeError(
    `[backend-simd] DEEPEND_MEMORY_MIB: expected a number of MiB from ${LEAST / MIB} on, got '${asked}'`,
  );
}

/**
 * A shared memory in which tensors may hold `limit` bytes.
 * @throws Error where there is none: V8 reserves some 10 GiB of address space for it, of which only
 *   what is touched costs memory
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
      `[backend-simd] expected WebAssembly's shared memory, got ${cause}; let the process have more address space (ulimit -v), ` +
        "start Node with --disable-wasm-trap-handler, or take the backend 'cpu'",
      { cause },
    );
  }
}
