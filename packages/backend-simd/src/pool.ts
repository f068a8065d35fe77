/** The worker threads of a runtime: started, found dead, replaced. */
import { Worker } from 'node:worker_threads';
import { CONTROL, CONTROL_BYTES, ERROR_TEXT_BYTES } from './control';

/**
 * What a worker runs: it says that it is ready, then waits in the module for jobs. A trap there
 * becomes the error word and its text,
 * which the main thread finds: it hears no event while a kernel runs.
 */
const SCRIPT = `
const { workerData: { module: compiled, memory, index } } = require('node:worker_threads');
const env = { memory, abort() { throw new Error('abort'); } };
const { workerMain } = new WebAssembly.Instance(compiled, { env }).exports;
const control = new Int32Array(memory.buffer, 0, ${CONTROL_BYTES >> 2});
Atomics.store(control, ${CONTROL.READY >> 2} + index, 1);
try {
  workerMain(index);
} catch (error) {
  const text = Buffer.from(String(error)).subarray(0, ${ERROR_TEXT_BYTES - 1});
  const place = new Uint8Array(memory.buffer, ${CONTROL.ERROR_TEXT}, ${ERROR_TEXT_BYTES});
  place.fill(0).set(text);
  Atomics.store(control, ${CONTROL.ERROR >> 2}, 1);
  Atomics.notify(control, ${CONTROL.DONE >> 2});
}`;

export type WorkerClass = new (script: string, options: object) => Worker;

export interface PoolOptions {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  /** @default Node's; tests take another */
  readonly WorkerClass?: WorkerClass;
  /** Called when every worker that was told to end has ended. */
  onQuiet(): void;
}

export class Pool {
  private readonly control: Int32Array;
  private readonly workers = new Map<number, Worker>(); // by index, which counts from 1
  private readonly ending = new Set<Worker>();
  private wanted = 1;
  private refused = false;
  private warned = false;
  private incomplete = false;

  constructor(private readonly options: PoolOptions) {
    this.control = new Int32Array(options.memory.buffer, 0, CONTROL_BYTES >> 2);
    Atomics.store(this.control, CONTROL.LIMIT >> 2, 1);
  }

  /** Threads that compute, the main thread included, once all have started. */
  get threads(): number {
    return this.refused ? 1 : this.wanted;
  }

  /** Workers that wait for jobs. */
  get ready(): number {
    return [...this.workers.keys()].filter((index) => this.isReady(index)).length;
  }

  /**
   * Whether workers that were told to end may still run: until they have ended, the main thread
   * computes alone.
   */
  get isEnding(): boolean {
    return this.ending.size > 0;
  }

  setThreads(count: number): void {
    this.wanted = count;
    this.refused = false;
    this.incomplete = true;
    this.complete();
  }

  /** Starts the workers that are missing. Cheap when none is. */
  complete(): void {
    if (!this.incomplete || this.isEnding) return;
    this.incomplete = false;
    for (let index = 1; index < this.threads; index++) {
      if (!this.workers.has(index)) this.start(index);
    }
    this.limit(this.threads);
  }

  /**
   * Ends every worker, and starts new ones when all have ended. Ending takes until the event loop
   * turns.
   */
  restart(): void {
    this.limit(1);
    for (const worker of this.workers.values()) {
      this.ending.add(worker);
      void worker.terminate();
    }
    this.workers.clear();
    this.incomplete = true;
  }

  /** Ends every worker for good. */
  async stop(): Promise<void> {
    const workers = [...this.workers.values(), ...this.ending];
    this.wanted = 1;
    this.restart();
    await Promise.all(workers.map((worker) => worker.terminate()));
  }

  private start(index: number): void {
    const { module, memory, WorkerClass = Worker as WorkerClass } = this.options;
    Atomics.store(this.control, (CONTROL.READY >> 2) + index, 0);
    let failure: unknown;
    try {
      // Nothing of the parent's: flags and NODE_OPTIONS may load whole programs.
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
      worker.on('exit', (code) => this.onExit(worker, index, failure ?? `exit code ${code}`));
      worker.unref(); // it waits for jobs for ever; the process need not wait for it
      this.workers.set(index, worker);
    } catch (error) {
      this.refuse(error);
    }
  }

  private onExit(worker: Worker, index: number, reason: unknown): void {
    if (this.ending.delete(worker)) {
      if (!this.isEnding) this.options.onQuiet();
    } else if (this.workers.get(index) === worker) {
      this.workers.delete(index);
      if (this.isReady(index)) this.incomplete = true;
      else this.refuse(reason);
    }
  }

  /** A worker that never got as far as waiting for jobs: the next would not either. */
  private refuse(reason: unknown): void {
    this.refused = true;
    this.limit(1);
    if (this.warned) return;
    this.warned = true;
    console.warn(
      `[backend-simd] worker threads do not start here (${reason}); one thread computes`,
    );
  }

  private isReady(index: number): boolean {
    return Atomics.load(this.control, (CONTROL.READY >> 2) + index) === 1;
  }

  /** Workers beyond the limit wait on its word. */
  private limit(count: number): void {
    Atomics.store(this.control, CONTROL.LIMIT >> 2, count);
    Atomics.notify(this.control, CONTROL.LIMIT >> 2);
  }
}
