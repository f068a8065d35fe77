/**
 * The first 64 KiB of the memory, the same numbers as in assembly/threads.ts; the kernels' scratch
 * memory lies behind them.
 */
export const CONTROL = {
  DONE: 1152,
  SLEEPERS: 1216,
  MAIN_WAITS: 1280,
  ERROR: 1344,
  LIMIT: 1408,
  SCRATCH: 1480,
  SCRATCH_SIZE: 1484,
  /** Waits of 50 ms. */
  PATIENCE: 1492,
  /** A word for each worker, 1 once it waits for jobs. */
  READY: 1536,
  /** What a worker that died has to say: UTF-8, ended by a zero. */
  ERROR_TEXT: 2048,
  /** Where a launch puts its arguments. */
  ARGS: 4096,
  /** Where it puts them while a worker of a failed job may still read the others. */
  ARGS_APART: 6144,
} as const;

export const ERROR_TEXT_BYTES = 1024;
export const MAX_ARGS = (CONTROL.ARGS_APART - CONTROL.ARGS) >> 2;
/** Bytes of it all; the module's own constants begin behind it. */
export const CONTROL_BYTES = 8192;

/**
 * Jobs that no kernel has, for tests: a worker traps; a worker never ends and writes to the address
 * in its first argument.
 */
export const DRILL = { TRAP: -1, HANG: -2 } as const;

export const MAX_THREADS = 8;
/** Bytes of each thread's own. Untouched pages cost nothing. */
export const SCRATCH_BYTES = 8 << 20;
export const SCRATCH_START = 1 << 16;
export const HEAP_START = SCRATCH_START + MAX_THREADS * SCRATCH_BYTES;
export const PAGE = 1 << 16;
/** wasm32's whole address space. */
export const MAX_PAGES = 65_536;
