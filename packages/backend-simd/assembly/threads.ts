/**
 * Fork and join. A job is a task number, an argument block and a number of tiles; threads claim
 * tiles one by one.
 * One 64-bit word holds the generation and the next tile, so that a late worker can never claim a
 * tile of another job: its compare-and-swap fails when anything has changed. Results do not depend
 * on which thread computes a tile.
 */
import { runTile } from './tasks';

/**
 * Addresses of the control block, in the reserved first 64 KiB of the memory. TypeScript reads the
 * exported ones from src/generated/bindings.ts.
 */
const WORD: usize = 1024; //                  i64: generation << 32 | next tile
const EPOCH: usize = 1088; //                 i32: grows with each job; sleeping workers wait on it
export const DONE: usize = 1152; //           i32: tiles finished in the present job
export const SLEEPERS: usize = 1216; //       i32: workers in wait32 on EPOCH
export const MAIN_WAITS: usize = 1280; //     i32: 1 while the main thread is in wait32
export const ERROR: usize = 1344; //          i32: set by a worker that died
export const LIMIT: usize = 1408; //          i32: threads in use, main one too; others wait on it
const TASK: usize = 1472; //                  i32
const ARGS: usize = 1476; //                  i32: address of the present job's arguments
export const SCRATCH: usize = 1480; //        i32: start of the threads' scratch memory
export const SCRATCH_SIZE: usize = 1484; //   i32: bytes of scratch memory for each thread
const TILES: usize = 1488; //                 i32: tiles of the present job
export const WATCHDOG_WAITS: usize = 1492; // i32: waits without a finished tile until the job fails
export const READY: usize = 1536; //          i32[8]: for each worker, 1 once it waits for jobs
export const ERROR_TEXT: usize = 2048; //     why a worker died: UTF-8, ends with a zero
export const ERROR_TEXT_BYTES: i32 = 1024;
export const ARGS_START: usize = 4096; //     where a launch writes its arguments
export const ARGS_SPARE: usize = 6144; //     the same, while a failed worker may read the others
export const CONTROL_BYTES: i32 = 8192; //    the module's own constants follow (--memoryBase)

const WORKER_SPINS: i32 = 4000;
const MAIN_SPINS: i32 = 20000;
/** As the next tile: there is nothing to claim. Every job has fewer tiles. */
const CLOSED: i64 = 0x7fffffff;
/**
 * The main thread waits in pieces of this length and looks at the error word after each. However
 * long the process is suspended, that counts as one wait.
 */
export const WAIT_MS: i32 = 50;
const WAIT_NS: i64 = 1_000_000 * <i64>WAIT_MS;

let me: i32 = 0;

/** This thread's own scratch memory. */
// @ts-ignore: decorator
@inline
export function scratch(): usize {
  return <usize>load<u32>(SCRATCH) + <usize>me * <usize>load<u32>(SCRATCH_SIZE);
}

/** Claims and runs tiles until none is left. */
function work(): void {
  while (true) {
    const word = atomic.load<i64>(WORD);
    // The number of tiles may already be the next job's; then the word has changed as well, and the
    // swap fails.
    const next = <i32>word, tiles = atomic.load<i32>(TILES);
    if (next >= tiles) return;
    if (atomic.cmpxchg<i64>(WORD, word, word + 1) != word) continue;
    // Task and arguments cannot change before this tile is counted as done.
    run(load<i32>(TASK), <usize>load<u32>(ARGS), next);
    const done = atomic.add<i32>(DONE, 1) + 1;
    if (done == tiles && atomic.load<i32>(MAIN_WAITS)) atomic.notify(DONE, 1);
  }
}

// @ts-ignore: decorator
@inline
function run(task: i32, args: usize, tile: i32): void {
  if (task < 0) injectFault(task, args);
  else runTile(task, args, tile);
}

/** Cancels the present job, if any: tiles that no thread has claimed will not be computed. */
export function cancel(): void {
  atomic.store<i64>(WORD, (((atomic.load<i64>(WORD) >> 32) + 1) << 32) | CLOSED);
}

/**
 * Runs a job on all threads and returns when every tile is done. @returns 0, or 1 when a worker
 * died
 */
export function launch(task: i32, args: usize, tiles: i32): i32 {
  if (tiles <= 0) return 0;
  if (tiles == 1 || load<i32>(LIMIT) == 1) {
    for (let tile = 0; tile < tiles; tile++) run(task, args, tile);
    return 0;
  }
  cancel();
  atomic.store<i32>(TILES, tiles);
  store<i32>(TASK, task);
  store<u32>(ARGS, <u32>args);
  atomic.store<i32>(DONE, 0);
  atomic.store<i64>(WORD, atomic.load<i64>(WORD) & ~CLOSED);
  atomic.add<i32>(EPOCH, 1);
  if (atomic.load<i32>(SLEEPERS) > 0) atomic.notify(EPOCH, -1);
  work();
  return join(tiles);
}

function join(tiles: i32): i32 {
  for (let spin = 0; spin < MAIN_SPINS; spin++) {
    if (atomic.load<i32>(DONE) == tiles) return 0;
  }
  let waits = 0;
  let last = -1;
  while (true) {
    atomic.store<i32>(MAIN_WAITS, 1);
    const done = atomic.load<i32>(DONE);
    if (done == tiles) break;
    if (atomic.load<i32>(ERROR)) return 1;
    waits = done == last ? waits + 1 : 0;
    if (waits > load<i32>(WATCHDOG_WAITS)) return 1;
    last = done;
    atomic.wait<i32>(DONE, done, WAIT_NS);
  }
  atomic.store<i32>(MAIN_WAITS, 0);
  return 0;
}

/** A worker's loop: compute, spin a little, sleep until the next job. Never returns. */
export function workerMain(index: i32): void {
  me = index;
  while (true) {
    const limit = atomic.load<i32>(LIMIT);
    if (index >= limit) {
      atomic.wait<i32>(LIMIT, limit, -1);
      continue;
    }
    const epoch = atomic.load<i32>(EPOCH);
    work();
    for (let spin = 0; spin < WORKER_SPINS; spin++) {
      if (atomic.load<i32>(EPOCH) != epoch) break;
    }
    atomic.add<i32>(SLEEPERS, 1);
    atomic.wait<i32>(EPOCH, epoch, -1); // returns at once when there is another job by now
    atomic.sub<i32>(SLEEPERS, 1);
  }
}

/** Fault injection: tests launch these instead of a kernel, to check how failures are handled. */
export const FAULT_TRAP: i32 = -1; // every worker traps
export const FAULT_HANG: i32 = -2; // every worker runs forever and writes to the address in args[0]

/** The main thread waits 5 ms over each tile, so that the workers get some. */
function injectFault(task: i32, args: usize): void {
  if (me == 0) {
    atomic.wait<i32>(args, load<i32>(args), 5_000_000);
    return;
  }
  if (task == FAULT_TRAP) unreachable();
  while (task == FAULT_HANG) atomic.add<i32>(<usize>load<u32>(args), 1);
}
