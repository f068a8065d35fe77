/**
 * The memory, the module and its threads: one of each in a process, whatever TensorFlow.js starts
 * and disposes.
 */
import { Task } from '../assembly/task';
import { type BuildName, chooseBuild } from './build';
import {
  CONTROL,
  CONTROL_BYTES,
  ERROR_TEXT_BYTES,
  HEAP_START,
  MAX_ARGS,
  MAX_THREADS,
  PAGE,
  SCRATCH_BYTES,
  SCRATCH_START,
} from './control';
import { OutOfMemoryError } from './errors';
import { Heap } from './heap';
import { createMemory, defaultMemoryLimit } from './memory';
import { Pool, type WorkerClass } from './pool';
import { defaultThreads } from './threads';

interface Exports {
  launch(task: number, args: number, tiles: number): number;
  cancel(): void;
}

export interface RuntimeOptions {
  /** 1 to 8. @default `DEEPEND_THREADS`, else the physical cores */
  readonly threads?: number;
  /** Bytes that tensors may hold. @default `DEEPEND_MEMORY_MIB`, else some 4 GiB */
  readonly memoryLimit?: number;
  /** How long no tile may end before a worker counts as dead, in milliseconds. @default 60,000 */
  readonly deadline?: number;
  /** For tests. @default Node's */
  readonly WorkerClass?: WorkerClass;
}

const WAIT_MS = 50; // assembly/threads.ts

export class Runtime {
  readonly memory: WebAssembly.Memory;
  readonly build: BuildName;
  readonly heap: Heap;
  readonly pool: Pool;
  /** Bytes that tensors may hold. */
  readonly memoryLimit: number;
  private readonly exports: Exports;
  private readonly control: Int32Array;

  constructor(options: RuntimeOptions = {}) {
    const {
      threads = defaultThreads(),
      memoryLimit = defaultMemoryLimit(),
      deadline = 60_000,
      WorkerClass,
    } = options;
    const { name, module } = chooseBuild();
    const memory = createMemory(memoryLimit);
    this.build = name;
    this.memory = memory;
    this.memoryLimit = memoryLimit;
    this.control = new Int32Array(memory.buffer, 0, CONTROL_BYTES >> 2);
    this.control[CONTROL.SCRATCH >> 2] = SCRATCH_START;
    this.control[CONTROL.SCRATCH_SIZE >> 2] = SCRATCH_BYTES;
    this.control[CONTROL.PATIENCE >> 2] = Math.ceil(deadline / WAIT_MS);
    this.exports = new WebAssembly.Instance(module, { env: { memory, abort: trap } })
      .exports as unknown as Exports;
    this.heap = new Heap(HEAP_START, (bytes) => this.grow(bytes));
    this.pool = new Pool({ module, memory, WorkerClass, onQuiet: () => this.recover() });
    this.setThreads(threads);
  }

  get numThreads(): number {
    return this.pool.threads;
  }

  /** @param count 1 to 8, the main thread included */
  setThreads(count: number): void {
    if (!Number.isInteger(count) || count < 1 || count > MAX_THREADS) {
      throw new RangeError(
        `[backend-simd] setThreads: expected an integer from 1 to ${MAX_THREADS}, got ${count}`,
      );
    }
    this.pool.setThreads(count);
  }

  /**
   * Runs a kernel over so many tiles on all threads, and returns when they are done.
   * @param args 32-bit words; see `float`
   * @throws Error when a thread failed. The result is lost; the next launch works.
   */
  launch(task: Task, args: readonly number[], tiles: number): void {
    if (args.length > MAX_ARGS)
      throw new RangeError(
        `[backend-simd] launch: at most ${MAX_ARGS} arguments, got ${args.length}`,
      );
    this.pool.complete();
    // A failed job's worker may read its arguments until it has ended.
    const at = this.pool.isEnding ? CONTROL.ARGS_APART : CONTROL.ARGS;
    for (let i = 0; i < args.length; i++) this.control[(at >> 2) + i] = args[i] as number; // modulo 2³²
    let failed = 1;
    let cause: unknown;
    try {
      failed = this.exports.launch(task, at, tiles);
    } catch (error) {
      cause = error;
    }
    if (failed) this.fail(task, cause);
  }

  /**
   * After a trap or a dead worker. Ending a worker takes until the event loop turns, and until then
   * it may still write what it was
   * told to: so the main thread computes alone for now, on memory that the failed job does not
   * know.
   */
  private fail(task: number, cause: unknown): never {
    this.exports.cancel();
    const died = Atomics.load(this.control, CONTROL.ERROR >> 2) === 1;
    const seconds = (Atomics.load(this.control, CONTROL.PATIENCE >> 2) * WAIT_MS) / 1000;
    const what = cause ?? (died ? this.errorText() : `no tile ended within ${seconds} s`);
    this.pool.restart();
    if (this.pool.isEnding) this.heap.quarantine();
    else this.recover();
    throw new Error(
      `[backend-simd] a thread failed in kernel ${Task[task] ?? task} (${what}): its result is lost. The threads start anew, and the next kernel works`,
      { cause },
    );
  }

  /** Every thread of a failed job has ended: nobody else touches the memory. */
  private recover(): void {
    for (const at of [CONTROL.DONE, CONTROL.SLEEPERS, CONTROL.MAIN_WAITS, CONTROL.ERROR])
      Atomics.store(this.control, at >> 2, 0);
    this.heap.release();
    this.pool.complete();
  }

  private errorText(): string {
    const bytes = Buffer.from(this.memory.buffer, CONTROL.ERROR_TEXT, ERROR_TEXT_BYTES);
    return bytes.toString('utf8', 0, Math.max(0, bytes.indexOf(0)));
  }

  /** @throws OutOfMemoryError */
  alloc(bytes: number): number {
    const { heap, memoryLimit } = this;
    const at = heap.alloc(bytes);
    if (at) return at;
    throw new OutOfMemoryError(
      bytes,
      heap.bytes,
      memoryLimit,
      heap.largestFree(HEAP_START + memoryLimit),
    );
  }

  free(at: number): void {
    this.heap.free(at);
  }

  private grow(bytes: number): boolean {
    const missing = Math.ceil((bytes - this.memory.buffer.byteLength) / PAGE);
    if (missing <= 0) return true;
    // A little more than asked for: each growth tells every thread.
    for (const pages of [Math.max(missing, 256), missing]) {
      try {
        this.memory.grow(pages);
        return true;
      } catch {
        // Past the limit, or the system has no more.
      }
    }
    return false;
  }
}

function trap(): never {
  throw new Error('the module aborted');
}

const bits = new DataView(new ArrayBuffer(4));

/** A float32 argument as the 32-bit word that `launch` takes. */
export function float(value: number): number {
  bits.setFloat32(0, value);
  return bits.getInt32(0);
}

const KEY = Symbol.for('deepend.simd');

/** The process's runtime, started on first use. */
export function runtime(): Runtime {
  const shared = globalThis as { [KEY]?: Runtime };
  shared[KEY] ??= new Runtime();
  return shared[KEY];
}
