/** The memory, the module and its threads: one of each in a process, whatever TensorFlow.js starts and disposes. */
import { Worker } from 'node:worker_threads';
import type { Task } from '../assembly/task';
import { type BuildName, chooseBuild } from './build';
import { CONTROL, HEAP_START, MAX_PAGES, MAX_THREADS, PAGE, SCRATCH_BYTES, SCRATCH_START } from './control';
import { OutOfMemoryError } from './errors';
import { Heap } from './heap';
import { defaultThreads } from './threads';

/** What a worker runs: it waits in the module for jobs. A trap there becomes the error word, which the main thread looks for. */
const WORKER = `
const { workerData: { module, memory, index } } = require('node:worker_threads');
try {
  new WebAssembly.Instance(module, { env: { memory, abort() { throw new Error('abort'); } } }).exports.workerMain(index);
} catch (error) {
  const control = new Int32Array(memory.buffer, 0, 4096);
  Atomics.store(control, ${CONTROL.ERROR >> 2}, 1);
  Atomics.notify(control, ${CONTROL.DONE >> 2});
}`;

interface Exports {
  launch(task: number, args: number, tiles: number): number;
}

export class Runtime {
  readonly memory: WebAssembly.Memory;
  readonly build: BuildName;
  readonly heap: Heap;
  private readonly module: WebAssembly.Module;
  private readonly exports: Exports;
  private readonly control: Int32Array;
  private readonly args: Int32Array;
  private workers: Worker[] = [];
  private threads = 1;

  constructor() {
    const { name, module } = chooseBuild();
    this.build = name;
    this.module = module;
    this.memory = new WebAssembly.Memory({ initial: HEAP_START / PAGE, maximum: MAX_PAGES, shared: true });
    this.control = new Int32Array(this.memory.buffer, 0, CONTROL.ARGS >> 2);
    this.args = new Int32Array(this.memory.buffer, CONTROL.ARGS, 1024);
    this.control[CONTROL.LIMIT >> 2] = 1;
    this.control[CONTROL.SCRATCH >> 2] = SCRATCH_START;
    this.control[CONTROL.SCRATCH_SIZE >> 2] = SCRATCH_BYTES;
    this.exports = new WebAssembly.Instance(module, { env: { memory: this.memory, abort: trap } }).exports as unknown as Exports;
    this.heap = new Heap(HEAP_START, (bytes) => this.grow(bytes));
    this.setThreads(defaultThreads());
  }

  get numThreads(): number {
    return this.threads;
  }

  /** @param count 1 to 8, the main thread included */
  setThreads(count: number): void {
    if (!Number.isInteger(count) || count < 1 || count > MAX_THREADS) {
      throw new RangeError(`[backend-simd] setThreads: expected a whole number from 1 to ${MAX_THREADS}, got ${count}`);
    }
    while (this.workers.length < count - 1) this.workers.push(this.startWorker(this.workers.length + 1));
    Atomics.store(this.control, CONTROL.LIMIT >> 2, count);
    this.threads = count;
  }

  private startWorker(index: number): Worker {
    const workerData = { module: this.module, memory: this.memory, index };
    const worker = new Worker(WORKER, { eval: true, workerData, execArgv: [], stdin: false });
    worker.on('error', () => Atomics.store(this.control, CONTROL.ERROR >> 2, 1));
    worker.unref(); // it waits for jobs for ever; the process need not wait for it
    return worker;
  }

  /** Runs a kernel over so many tiles on all threads, and returns when they are done. @param args 32-bit words; see `float` */
  launch(task: Task, args: readonly number[], tiles: number): void {
    for (let i = 0; i < args.length; i++) this.args[i] = args[i] as number;
    let failed = 1;
    try {
      failed = this.exports.launch(task, CONTROL.ARGS, tiles);
    } finally {
      if (failed) this.restart();
    }
    if (failed) throw new Error('[backend-simd] a worker thread died; its kernel has no result. The threads were started anew');
  }

  /** After a trap or a dead worker: new threads, no job. */
  private restart(): void {
    for (const worker of this.workers) void worker.terminate();
    this.workers = [];
    for (const at of [CONTROL.WORD, CONTROL.WORD + 4, CONTROL.DONE, CONTROL.SLEEPERS, CONTROL.MAIN_WAITS, CONTROL.ERROR]) {
      Atomics.store(this.control, at >> 2, 0);
    }
    this.setThreads(this.threads);
  }

  /** @throws OutOfMemoryError */
  alloc(bytes: number): number {
    const at = this.heap.alloc(bytes);
    if (!at) throw new OutOfMemoryError(bytes, this.heap.bytes);
    return at;
  }

  free(at: number): void {
    this.heap.free(at);
  }

  private grow(bytes: number): boolean {
    const missing = Math.ceil((bytes - this.memory.buffer.byteLength) / PAGE);
    if (missing <= 0) return true;
    // A little more than asked for: each growth maps the memory anew.
    for (const pages of [Math.max(missing, 256), missing]) {
      try {
        this.memory.grow(pages);
        return true;
      } catch {
        // Past 4 GiB, or the system has no more.
      }
    }
    return false;
  }
}

function trap(): never {
  throw new Error('[backend-simd] the module aborted');
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

/** Whether `runtime` has been called: asking must not start it. */
export function isStarted(): boolean {
  return (globalThis as { [KEY]?: Runtime })[KEY] !== undefined;
}
