/** The first 64 KiB of the memory, the same numbers as in assembly/threads.ts; the kernels' scratch memory lies behind them. */
export const CONTROL = {
  WORD: 1024,
  EPOCH: 1088,
  DONE: 1152,
  SLEEPERS: 1216,
  MAIN_WAITS: 1280,
  ERROR: 1344,
  LIMIT: 1408,
  SCRATCH: 1480,
  SCRATCH_SIZE: 1484,
  /** Where a launch puts its arguments. */
  ARGS: 4096,
} as const;

export const MAX_THREADS = 8;
/** Bytes of each thread's own. Untouched pages cost nothing. */
export const SCRATCH_BYTES = 8 << 20;
export const SCRATCH_START = 1 << 16;
export const HEAP_START = SCRATCH_START + MAX_THREADS * SCRATCH_BYTES;
export const PAGE = 1 << 16;
/** wasm32's whole address space. */
export const MAX_PAGES = 65_536;
