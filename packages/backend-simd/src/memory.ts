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
  throw new RangeError(`[backend-simd] DEEPEND_MEMORY_MIB: expected a number of MiB from ${LEAST / MIB} on, got '${asked}'`);
}

/**
 * A shared memory in which tensors may hold `limit` bytes, or less where the process may not have so much address space (`ulimit -v`).
 * @throws Error where there is no shared memory at all
 */
export function createMemory(limit: number): { memory: WebAssembly.Memory; limit: number } {
  let cause: unknown;
  for (const bytes of [limit, limit / 2, limit / 4, limit / 16]) {
    const maximum = Math.ceil((HEAP_START + bytes) / PAGE);
    try {
      const memory = new WebAssembly.Memory({ initial: HEAP_START / PAGE, maximum, shared: true });
      return { memory, limit: maximum * PAGE - HEAP_START };
    } catch (error) {
      cause = error;
    }
  }
  throw new Error(
    `[backend-simd] expected WebAssembly's shared memory, got ${cause}; let the process have more address space (ulimit -v), ` +
      "or take the backend 'cpu'",
    { cause },
  );
}
