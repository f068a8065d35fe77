/** The worker threads of a runtime: starts them and replaces those that die. */
import { Worker } from 'node:worker_threads';
import { THREADS } from './generated/bindings';

/**
 * The program of a worker: it announces that it is ready, then waits for jobs inside the module.
 * On a trap it stores the error's text and sets the error word. The main thread polls that word,
 * since it receives no events while a kernel runs.
 */
const SCRIPT = `
const { workerData: { module: compiled, memory, index } } = require('node:worker_threads');
const env = { memory, abort() { throw new Error('abort'); } };
const { workerMain } = new WebAssembly.Instance(compiled, { env }).exports;
const control = new Int32Array(memory.buffer, 0, ${THREADS.CONTROL_BYTES >> 2});
Atomics.store(control, ${THREADS.READY >> 2} + index, 1);
try {
  workerMain(index);
} catch (error) {
  const text = Buffer.from(String(error)).subarray(0, ${THREADS.ERROR_TEXT_BYTES - 1});
  const place = new Uint8Array(memory.buffer, ${THREADS.ERROR_TEXT}, ${THREADS.ERROR_TEXT_BYTES});
  place.fill(0).set(text);
  Atomics.store(control, ${THREADS.ERROR >> 2}, 1);
  Atomics.notify(control, ${THREADS.DONE >> 2});
}`;

export type WorkerClass = new (script: string, options: object) => Worker;

export interface WorkerPoolOptions {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  /** For tests. @default Node's `Worker` */
  readonly WorkerClass?: WorkerClass;
  /** Called when every terminated worker has exited. */
  onAllExited(): void;
}

export class WorkerPool {
  readonly #options: WorkerPoolOptions;
  readonly #control: Int32Array;
  readonly #workers = new Map<number, Worker>(); // by index, from 1
  readonly #terminating = new Set<Worker>();
  #wanted = 1;
  #refused = false;
  #warned = false;
  #incomplete = false;

  constructor(options: WorkerPoolOptions) {
    this.#options = options;
    this.#control = new Int32Array(options.memory.buffer, 0, THREADS.CONTROL_BYTES >> 2);
    Atomics.store(this.#control, THREADS.LIMIT >> 2, 1);
  }

  /** Threads that compute once all workers have started, the main thread included. */
  get threads(): number {
    return this.#refused ? 1 : this.#wanted;
  }

  /** Number of workers that wait for jobs. */
  get ready(): number {
    return [...this.#workers.keys()].filter((index) => this.#isReady(index)).length;
  }

  /**
   * Whether terminated workers may still run. Until they have exited, the main thread computes
   * without workers.
   */
  get isTerminating(): boolean {
    return this.#terminating.size > 0;
  }

  setThreads(count: number): void {
    this.#wanted = count;
    this.#refused = false;
    this.#incomplete = true;
    this.complete();
  }

  /** Starts the workers that are missing. Cheap if none is. */
  complete(): void {
    if (!this.#incomplete || this.isTerminating) return;
    this.#incomplete = false;
    for (let index = 1; index < this.threads; index++) {
      if (!this.#workers.has(index)) this.#start(index);
    }
    this.#setLimit(this.threads);
  }

  /**
   * Terminates every worker; `complete` starts new ones after all have exited. They exit when the
   * event loop turns.
   */
  restart(): void {
    this.#setLimit(1);
    for (const worker of this.#workers.values()) {
      this.#terminating.add(worker);
      void worker.terminate();
    }
    this.#workers.clear();
    this.#incomplete = true;
  }

  /** Terminates every worker and starts no others. */
  async stop(): Promise<void> {
    const workers = [...this.#workers.values(), ...this.#terminating];
    this.#wanted = 1;
    this.restart();
    await Promise.all(workers.map((worker) => worker.terminate()));
  }

  #start(index: number): void {
    const { module, memory, WorkerClass = Worker as WorkerClass } = this.#options;
    Atomics.store(this.#control, (THREADS.READY >> 2) + index, 0);
    let failure: unknown;
    try {
      // Inherit nothing from the parent: its flags and NODE_OPTIONS may load whole programs.
      const settings = {
        eval: true,
        workerData: { module, memory, index },
        execArgv: [],
        env: {},
        stdin: false,
      };
      const worker = new WorkerClass(SCRIPT, settings);
      worker.on('error', (error) => {
        failure = error;
      });
      worker.on('exit', (code) => this.#onExit(worker, index, failure ?? `exit code ${code}`));
      worker.unref(); // it never returns, and must not keep the process alive
      this.#workers.set(index, worker);
    } catch (error) {
      this.#refuse(error);
    }
  }

  #onExit(worker: Worker, index: number, reason: unknown): void {
    if (this.#terminating.delete(worker)) {
      if (!this.isTerminating) this.#options.onAllExited();
    } else if (this.#workers.get(index) === worker) {
      this.#workers.delete(index);
      if (this.#isReady(index)) this.#incomplete = true;
      else this.#refuse(reason);
    }
  }

  /** A worker died before it waited for jobs, so another one would too: stop trying. */
  #refuse(reason: unknown): void {
    this.#refused = true;
    this.#setLimit(1);
    if (this.#warned) return;
    this.#warned = true;
    console.warn(
      `[backend-simd] worker threads do not start here (${reason}); computing on one thread`,
    );
  }

  #isReady(index: number): boolean {
    return Atomics.load(this.#control, (THREADS.READY >> 2) + index) === 1;
  }

  /** Workers beyond the limit wait on its word. */
  #setLimit(count: number): void {
    Atomics.store(this.#control, THREADS.LIMIT >> 2, count);
    Atomics.notify(this.#control, THREADS.LIMIT >> 2);
  }
}
