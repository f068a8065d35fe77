/**
 * The memory, the module and its threads. A process has one of each, however often TensorFlow.js
 * creates and disposes the backend.
 */
import { Task } from '../assembly/ops';
import { type BuildName, chooseBuild, type WasmBuild } from './build';
import {
  type Memory32,
  MICRO,
  TASK_LAYOUTS,
  type TaskArguments,
  THREADS,
} from './generated/bindings';
import { Heap } from './heap';
import {
  createMemory,
  defaultMemoryLimit,
  HEAP_START,
  MAX_THREADS,
  outOfMemory,
  PAGE,
  SCRATCH_BYTES,
  SCRATCH_START,
} from './memory';
import {
  findNative,
  type Native,
  type NativeBuild,
  type NativeSearch,
  type NativeThreads,
} from './native';
import { defaultThreads } from './thread-count';
import { type WorkerClass, WorkerPool } from './worker-pool';

interface Exports {
  launch(task: number, args: number, tiles: number): number;
  cancel(): void;
}

export interface RuntimeOptions {
  /** 1 to 8. @default `DEEPEND_THREADS`, or else the number of physical cores */
  readonly threads?: number;
  /** Bytes that tensors may take. @default `DEEPEND_MEMORY_MIB`, or else about 4 GiB */
  readonly memoryLimit?: number;
  /**
   * Milliseconds without a finished tile after which the watchdog considers a worker dead.
   * @default 60,000
   */
  readonly watchdogTimeout?: number;
  /** For tests. @default Node's `Worker` */
  readonly WorkerClass?: WorkerClass;
  /** The native build to compute with, if any. @default the one for this machine */
  readonly native?: NativeSearch;
}

/** What a worker does instead of a kernel when a test injects a fault. */
const FAULTS = { trap: THREADS.FAULT_TRAP, hang: THREADS.FAULT_HANG } as const;
const FAULT_TILES = 100;

export class Runtime {
  readonly memory: WebAssembly.Memory;
  readonly heap: Heap;
  readonly pool: WorkerPool;
  /** Bytes that tensors may take. */
  readonly memoryLimit: number;
  /** Builds that can compute here, the best first. */
  readonly builds: readonly BuildName[];
  /** Why no native build computes here. */
  readonly whyNotNative: string | undefined;
  readonly #exports: Exports;
  readonly #wasmBuild: WasmBuild;
  #build: BuildName;
  readonly #addon: Native | undefined;
  readonly #pools = new Map<NativeBuild, NativeThreads>();
  /** The threads of the native build that computes. */
  #native: NativeThreads | undefined;
  readonly #watchdogTimeout: number;
  #threads = 1;
  /** The control block, which also receives the arguments of each launch. */
  readonly #control: Memory32;

  constructor(options: RuntimeOptions = {}) {
    const {
      threads = defaultThreads(),
      memoryLimit = defaultMemoryLimit(),
      watchdogTimeout = 60_000,
      WorkerClass,
      native: search = findNative(),
    } = options;
    const native = 'native' in search ? search.native : undefined;
    const { name, module } = chooseBuild();
    const memory = createMemory(memoryLimit);
    this.#wasmBuild = name;
    this.#addon = native;
    this.builds = [...(native?.builds ?? []), name];
    this.#build = name;
    this.whyNotNative = 'reason' in search ? search.reason : undefined;
    this.#watchdogTimeout = watchdogTimeout;
    this.memory = memory;
    this.memoryLimit = memoryLimit;
    this.#control = {
      words: new Int32Array(memory.buffer, 0, THREADS.CONTROL_BYTES >> 2),
      floats: new Float32Array(memory.buffer, 0, THREADS.CONTROL_BYTES >> 2),
    };
    const { words } = this.#control;
    words[THREADS.SCRATCH >> 2] = SCRATCH_START;
    words[THREADS.SCRATCH_SIZE >> 2] = SCRATCH_BYTES;
    words[THREADS.WATCHDOG_WAITS >> 2] = Math.ceil(watchdogTimeout / THREADS.WAIT_MS);
    const { exports } = new WebAssembly.Instance(module, { env: { memory, abort } });
    this.#exports = exports as unknown as Exports;
    this.heap = new Heap(HEAP_START, (bytes) => this.#grow(bytes));
    this.pool = new WorkerPool({
      module,
      memory,
      WorkerClass,
      onAllExited: () => this.#recover(),
    });
    this.#threads = threads;
    this.setBuild(this.builds[0] as BuildName);
  }

  /** The build that computes. */
  get build(): BuildName {
    return this.#build;
  }

  /**
   * Chooses the build that computes from now on. Results of different builds differ in the last
   * bits.
   * @throws RangeError when the build cannot compute here
   */
  setBuild(build: BuildName): void {
    if (!this.builds.includes(build)) {
      throw new RangeError(
        `[backend-simd] setBuild: expected one of ${this.builds.join(', ')}, got '${build}'`,
      );
    }
    this.#useThreads(1); // the threads of the other build sleep
    this.#build = build;
    this.#native = undefined;
    if (build !== this.#wasmBuild) {
      const name = build as NativeBuild;
      this.#native = this.#pools.get(name) ?? (this.#addon as Native).start(name, this.memory);
      this.#pools.set(name, this.#native);
    }
    this.#useThreads(this.#threads);
  }

  #useThreads(count: number): void {
    if (this.#native) this.#native.setThreads(count);
    else this.pool.setThreads(count);
  }

  get numThreads(): number {
    return this.#native ? this.#threads : this.pool.threads;
  }

  /** Columns of a panel of a matrix product's second factor. */
  get panelColumns(): number {
    return this.#native?.nr ?? MICRO.NR;
  }

  /** @param count 1 to 8, the main thread included */
  setThreads(count: number): void {
    if (!Number.isInteger(count) || count < 1 || count > MAX_THREADS) {
      throw new RangeError(
        `[backend-simd] setThreads: expected an integer from 1 to ${MAX_THREADS}, got ${count}`,
      );
    }
    this.#threads = count;
    this.#useThreads(count);
  }

  /**
   * Runs `tiles` tiles of a kernel on all threads and returns when they are done.
   * @throws Error when a thread failed. The result is lost, but the next launch works.
   */
  launch<T extends Task>(task: T, args: TaskArguments[T], tiles: number): void {
    if (this.#native) {
      TASK_LAYOUTS[task].write(this.#control, THREADS.ARGS_SPARE >> 2, args);
      this.#runNative(task, tiles);
      return;
    }
    this.pool.complete();
    const at = this.#argumentsAddress();
    TASK_LAYOUTS[task].write(this.#control, at >> 2, args);
    this.#run(task, at, tiles);
  }

  /**
   * Launches a job whose workers fail, for tests of what happens then.
   * @param fault `trap`: every worker traps; `hang`: every worker runs forever and writes to
   *   `address`
   */
  injectFault(fault: keyof typeof FAULTS, address = 0): void {
    if (this.#native) {
      this.#runNative(FAULTS[fault], FAULT_TILES);
      return;
    }
    this.pool.complete();
    const at = this.#argumentsAddress();
    this.#control.words[at >> 2] = address;
    this.#run(FAULTS[fault], at, FAULT_TILES);
  }

  /**
   * A native thread that hangs cannot be ended, and may still write to the memory of its job. So
   * that memory is never used again, and WebAssembly computes from then on.
   */
  #runNative(task: number, tiles: number): void {
    const native = this.#native as NativeThreads;
    if (native.launch(task, THREADS.ARGS_SPARE, tiles, this.#watchdogTimeout)) return;
    this.#native = undefined;
    this.heap.quarantine();
    this.#build = this.#wasmBuild;
    this.pool.setThreads(this.#threads);
    throw new Error(
      `[backend-simd] a native thread failed in kernel ${Task[task] ?? task} (no tile finished ` +
        `within ${this.#watchdogTimeout / 1000} s): the result is lost. From now on kernels run ` +
        'in WebAssembly, whose results differ in the last bits; restart the process and resume',
    );
  }

  /** A worker of a failed job may read its arguments until it has exited. */
  #argumentsAddress(): number {
    return this.pool.isTerminating ? THREADS.ARGS_SPARE : THREADS.ARGS_START;
  }

  #run(task: number, at: number, tiles: number): void {
    let failed = 1;
    let cause: unknown;
    try {
      failed = this.#exports.launch(task, at, tiles);
    } catch (error) {
      cause = error;
    }
    if (failed) this.#fail(task, cause);
  }

  /**
   * Handles a trap or a dead worker. A worker terminates only when the event loop turns, and until
   * then it may still write to the memory of its job. So the main thread computes without workers
   * for now, in memory that the failed job does not know.
   */
  #fail(task: number, cause: unknown): never {
    this.#exports.cancel();
    const { words } = this.#control;
    const died = Atomics.load(words, THREADS.ERROR >> 2) === 1;
    const waits = Atomics.load(words, THREADS.WATCHDOG_WAITS >> 2);
    const timeout = `no tile finished within ${(waits * THREADS.WAIT_MS) / 1000} s`;
    const reason = cause ?? (died ? this.#readErrorText() : timeout);
    this.pool.restart();
    if (this.pool.isTerminating) this.heap.quarantine();
    else this.#recover();
    throw new Error(
      `[backend-simd] a thread failed in kernel ${Task[task] ?? task} (${reason}): the result is ` +
        'lost. The threads restart, and the next kernel works',
      { cause },
    );
  }

  /** Called when every thread of a failed job has exited, so that no other thread writes. */
  #recover(): void {
    for (const at of [THREADS.DONE, THREADS.SLEEPERS, THREADS.MAIN_WAITS, THREADS.ERROR])
      Atomics.store(this.#control.words, at >> 2, 0);
    this.heap.release();
    this.pool.complete();
  }

  #readErrorText(): string {
    const { ERROR_TEXT, ERROR_TEXT_BYTES } = THREADS;
    const bytes = Buffer.from(this.memory.buffer, ERROR_TEXT, ERROR_TEXT_BYTES);
    return bytes.toString('utf8', 0, Math.max(0, bytes.indexOf(0)));
  }

  /** @throws OutOfMemoryError */
  alloc(bytes: number): number {
    const { heap, memoryLimit } = this;
    const at = heap.alloc(bytes);
    if (at) return at;
    throw outOfMemory({
      asked: bytes,
      inUse: heap.bytes,
      limit: memoryLimit,
      largestFree: heap.largestFree(HEAP_START + memoryLimit),
    });
  }

  free(at: number): void {
    this.heap.free(at);
  }

  #grow(bytes: number): boolean {
    const missing = Math.ceil((bytes - this.memory.buffer.byteLength) / PAGE);
    if (missing <= 0) return true;
    // At least 16 MiB at a time, since each growth interrupts every thread.
    for (const pages of [Math.max(missing, 256), missing]) {
      try {
        this.memory.grow(pages);
        return true;
      } catch {
        // Beyond the limit, or the system has no more memory.
      }
    }
    return false;
  }
}

function abort(): never {
  throw new Error('the module aborted');
}

const KEY = Symbol.for('deepend.simd');

/** The process's runtime. The first call starts it. */
export function runtime(): Runtime {
  const shared = globalThis as { [KEY]?: Runtime };
  shared[KEY] ??= new Runtime();
  return shared[KEY];
}
