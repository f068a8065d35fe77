/**
 * Fork and join. A job is a task number, an argument block and a count of tiles; threads claim tiles one by one.
 * One 64-bit word holds the generation, the count and the next tile, so that a late worker can never claim a tile of another job:
 * its compare-and-swap fails when anything has changed. Results do not depend on who computes a tile.
 */
import { runTile } from './tasks';

/** The control block, in the module's reserved first 64 KiB. memory.ts on the TypeScript side has the same numbers. */
const WORD: usize = 1024; //        i64: generation << 40 | tiles << 20 | next tile
const EPOCH: usize = 1088; //       i32: grows by one with each job; sleeping workers wait on it
const DONE: usize = 1152; //        i32: tiles finished in the present job
const SLEEPERS: usize = 1216; //    i32: workers in wait32
const MAIN_WAITS: usize = 1280; //  i32: 1 while the main thread is in wait32
const ERROR: usize = 1344; //       i32: set by a worker that died
const LIMIT: usize = 1408; //       i32: threads in use, the main thread included
const TASK: usize = 1472; //        i32
const ARGS: usize = 1476; //        i32
const SCRATCH: usize = 1480; //     i32: start of the threads' scratch memory
const SCRATCH_SIZE: usize = 1484; //i32: bytes of it for each thread

const WORKER_SPINS: i32 = 4000;
const MAIN_SPINS: i32 = 20000;
const TILE_MASK: i64 = 0xfffff;
/** One wait of the main thread, in nanoseconds; after each it looks for the error word. */
const WAIT_NS: i64 = 50_000_000;
/** So many waits without a single finished tile (60 s) mean that a worker has died without a word. */
const MAX_WAITS: i32 = 1200;

let me: i32 = 0;

/** This thread's own scratch memory. */
// @ts-ignore: decorator
@inline
export function scratch(): usize {
  return <usize>load<u32>(SCRATCH) + <usize>me * <usize>load<u32>(SCRATCH_SIZE);
}

/** Claims and runs tiles until none is left. @returns whether it ran any */
function work(): bool {
  let ran = false;
  while (true) {
    const word = atomic.load<i64>(WORD);
    const next = word & TILE_MASK;
    const tiles = (word >> 20) & TILE_MASK;
    if (next >= tiles) return ran;
    if (atomic.cmpxchg<i64>(WORD, word, word + 1) != word) continue;
    // Task and arguments cannot change before this tile is counted as done.
    runTile(load<i32>(TASK), <usize>load<u32>(ARGS), <i32>next);
    ran = true;
    const done = atomic.add<i32>(DONE, 1) + 1;
    if (done == <i32>tiles && atomic.load<i32>(MAIN_WAITS)) atomic.notify(DONE, 1);
  }
}

/** Runs a job on all threads and returns when every tile is done. @returns 0, or 1 when a worker died */
export function launch(task: i32, args: usize, tiles: i32): i32 {
  if (tiles <= 0) return 0;
  if (tiles == 1 || load<i32>(LIMIT) == 1) {
    for (let tile = 0; tile < tiles; tile++) runTile(task, args, tile);
    return 0;
  }
  store<i32>(TASK, task);
  store<u32>(ARGS, <u32>args);
  atomic.store<i32>(DONE, 0);
  const generation = (atomic.load<i64>(WORD) >> 40) + 1;
  atomic.store<i64>(WORD, (generation << 40) | ((<i64>tiles) << 20));
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
    if (waits > MAX_WAITS) return 1;
    last = done;
    atomic.wait<i32>(DONE, done, WAIT_NS);
  }
  atomic.store<i32>(MAIN_WAITS, 0);
  return 0;
}

/** A worker's life: spin a little, then sleep until the next job. Never returns. */
export function workerMain(index: i32): void {
  me = index;
  while (true) {
    let epoch = atomic.load<i32>(EPOCH);
    if (index < atomic.load<i32>(LIMIT)) {
      work();
      for (let spin = 0; spin < WORKER_SPINS; spin++) {
        if (atomic.load<i32>(EPOCH) != epoch) break;
      }
      if (atomic.load<i32>(EPOCH) != epoch) continue;
    }
    atomic.add<i32>(SLEEPERS, 1);
    atomic.wait<i32>(EPOCH, epoch, -1);
    atomic.sub<i32>(SLEEPERS, 1);
  }
}
