/**
 * Makes a runtime's memory strict while native code computes in it. Tensors share one memory, in
 * which a sanitizer sees no overrun; so
 *
 * - everything that no block of the heap owns is poisoned, and so is a gap after each block: an
 *   access ends the process with AddressSanitizer's report;
 * - the bytes after a tensor that kernels may read (docs/backend-simd.md) hold a pattern, which is
 *   checked after each launch: a kernel has written to them if it has changed;
 * - memory that was allocated holds signalling NaNs until it is written.
 */
import { THREADS } from '../../packages/backend-simd/src/generated/bindings';
import {
  HEAP_START,
  MAX_THREADS,
  SCRATCH_BYTES,
  SCRATCH_START,
} from '../../packages/backend-simd/src/memory';
import type { Runtime } from '../../packages/backend-simd/src/runtime';

/** What guard.cpp exports. */
export interface Guard {
  poison(memory: Int32Array, from: number, to: number): void;
  unpoison(memory: Int32Array, from: number, to: number): void;
}

/** Bytes after a tensor that kernels may read. */
const SLACK = 64;
/** Bytes after these that nobody may touch. */
const GAP = 128;
/** The longest argument block. */
const ARGUMENT_BYTES = 256;
/** Bytes at the end of a thread's scratch memory that nobody may touch. */
const SCRATCH_GAP = 4096;
const WORD = 4;

const roundUp = (bytes: number) => Math.ceil(bytes / WORD) * WORD;

export class GuardedMemory {
  readonly #runtime: Runtime;
  readonly #guard: Guard | undefined;
  /** Blocks in use: start → bytes that the caller asked for, and the pattern after them. */
  readonly #blocks = new Map<number, { bytes: number; pattern: number }>();
  #end = HEAP_START;
  #patterns = 0;

  /** @param guard without it, nothing is poisoned: for other sanitizers */
  constructor(runtime: Runtime, guard: Guard | undefined) {
    this.#runtime = runtime;
    this.#guard = guard;
    this.#poison(0, THREADS.ARGS_SPARE);
    this.#poison(THREADS.ARGS_SPARE + ARGUMENT_BYTES, SCRATCH_START);
    for (let thread = 1; thread <= MAX_THREADS; thread++) {
      const end = SCRATCH_START + thread * SCRATCH_BYTES;
      this.#poison(end - SCRATCH_GAP, end);
    }
    this.#guardHeap();
  }

  get #words(): Int32Array {
    return new Int32Array(this.#runtime.memory.buffer);
  }

  #poison(from: number, to: number): void {
    this.#guard?.poison(this.#words, from, to);
  }

  #guardHeap(): void {
    const { heap } = this.#runtime;
    const alloc = heap.alloc.bind(heap);
    const free = heap.free.bind(heap);
    heap.alloc = (bytes) => {
      const at = alloc(bytes + GAP);
      if (at) this.#open(at, bytes);
      return at;
    };
    heap.free = (at) => {
      const bytes = this.#blocks.get(at)?.bytes ?? 0;
      this.#blocks.delete(at);
      this.#poison(at, at + roundUp(bytes) + SLACK);
      free(at);
    };
  }

  #open(at: number, bytes: number): void {
    const words = this.#words;
    if (words.byteLength > this.#end) this.#poison(this.#end, words.byteLength);
    this.#end = words.byteLength;
    const end = at + roundUp(bytes) + SLACK;
    this.#guard?.unpoison(words, at, end);
    this.#patterns = (this.#patterns + 0x9e3779) & 0x3fffff;
    const pattern = 0x7f800001 | this.#patterns; // a signalling NaN: arithmetic would change it
    words.fill(pattern, at / WORD, end / WORD);
    this.#blocks.set(at, { bytes, pattern });
  }

  /**
   * Checks the patterns after all tensors.
   * @throws Error when one has changed
   */
  check(what: string): void {
    const words = this.#words;
    for (const [at, { bytes, pattern }] of this.#blocks) {
      const first = (at + roundUp(bytes)) / WORD;
      for (let i = first; i < first + SLACK / WORD; i++) {
        if (words[i] === pattern) continue;
        throw new Error(
          `${what} has written ${(i - first) * WORD} bytes after the end of a tensor of ${bytes} bytes`,
        );
      }
    }
  }
}
