/**
 * The worker threads that prepare batches ahead of a loop. They end with the loop, and when they
 * have had nothing to do for a while; the next request then starts others.
 */
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { deserializeError, type SerializedError } from '@deepend/core';
import { ERROR_CLASSES } from '../errors';
import { source } from '../generated/worker';
import type { BatchRequest, EpochSpec, PreparedBatch } from './prepare';

/** What a worker thread receives when it starts. */
export interface WorkerData {
  readonly spec: EpochSpec;
  /** A file of this package: the worker resolves its imports from there. */
  readonly from: string;
}

/** The answer to a `BatchRequest`: a batch or an error. */
export interface WorkerReply {
  readonly batch: number;
  readonly prepared?: PreparedBatch;
  readonly error?: SerializedError;
}

/** CommonJS builds know their file name, ES modules their URL. */
const FROM = typeof __filename === 'string' ? pathToFileURL(__filename).href : import.meta.url;

type Outcome = { readonly prepared: PreparedBatch } | { readonly error: Error };

interface Thread {
  readonly worker: Worker;
  /** Numbers of the batches that it still has to prepare. */
  readonly pending: Set<number>;
}

/** Milliseconds without work after which threads end: a loop may wait in a debugger or for ever. */
const IDLE_MS = 60_000;

export class WorkerPool {
  readonly #count: number;
  readonly #workerData: WorkerData;
  readonly #idleMs: number;
  readonly #running: Thread[] = [];
  #workers: Worker[] = [];
  #idleTimer: NodeJS.Timeout | undefined;
  #retired = false;
  readonly #outcomes = new Map<number, Outcome>();
  #waiting: { batch: number; wake: () => void } | undefined;
  #closed = false;
  #lastError = '';

  /** @throws Error when a worker cannot be started */
  constructor(count: number, spec: EpochSpec, { idleMs = IDLE_MS } = {}) {
    this.#count = count;
    this.#workerData = { spec, from: FROM };
    this.#idleMs = idleMs;
    this.#startAll();
  }

  /** Number of threads that have not ended. */
  get size(): number {
    return this.#running.length;
  }

  #startAll(): void {
    this.#retired = false;
    try {
      for (let i = 0; i < this.#count; i++) this.#start(this.#workerData);
    } catch (error) {
      void this.close();
      throw error;
    }
  }

  /** Starts the time after which threads without work end. */
  #awaitIdle(): void {
    clearTimeout(this.#idleTimer);
    this.#idleTimer = setTimeout(() => this.#retire(), this.#idleMs).unref();
  }

  #retire(): void {
    const isBusy = this.#running.some(({ pending }) => pending.size > 0);
    if (isBusy || this.#running.length === 0) return;
    this.#retired = true;
    this.#running.length = 0;
    for (const worker of this.#workers.splice(0)) void worker.terminate();
  }

  /** Sends a request to the thread with the fewest pending batches. */
  submit(request: BatchRequest): void {
    const { batch } = request;
    if (this.#retired && !this.#closed) this.#startAll();
    const [first, ...others] = this.#running;
    if (!first) {
      this.#settle(batch, { error: this.#exitError(batch) });
      return;
    }
    const thread = others.reduce(
      (least, other) => (other.pending.size < least.pending.size ? other : least),
      first,
    );
    thread.pending.add(batch);
    thread.worker.postMessage(request);
  }

  /** Waits for a batch that was submitted. @throws the error that preparing it has thrown */
  async take(batch: number): Promise<PreparedBatch> {
    if (!this.#outcomes.has(batch)) await this.#arrival(batch);
    const outcome = this.#outcomes.get(batch) as Outcome;
    this.#outcomes.delete(batch);
    if ('error' in outcome) throw outcome.error;
    return outcome.prepared;
  }

  /** Terminates all threads at once. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#idleTimer);
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }

  #start(workerData: WorkerData): void {
    // The parent's flags and NODE_OPTIONS are not inherited: they may preload whole programs.
    const worker = new Worker(source, {
      eval: true,
      workerData,
      execArgv: [],
      env: {},
      stdin: false,
      name: 'deepend data',
    });
    const thread: Thread = { worker, pending: new Set() };
    worker.on('message', ({ batch, prepared, error }: WorkerReply) => {
      thread.pending.delete(batch);
      this.#awaitIdle();
      this.#settle(
        batch,
        prepared
          ? { prepared }
          : { error: deserializeError(error as SerializedError, ERROR_CLASSES) },
      );
    });
    worker.on('error', (error) => {
      this.#lastError = `: ${error.message}`;
    });
    worker.on('exit', () => this.#onExit(thread));
    // An abandoned loop must not keep the process alive; waiting for a batch does (`#arrival`).
    worker.unref();
    this.#running.push(thread);
    this.#workers.push(worker);
  }

  /** When a thread ends by itself, its pending batches fail. */
  #onExit(thread: Thread): void {
    const at = this.#running.indexOf(thread);
    if (at < 0 || this.#closed) return; // it was terminated here
    this.#running.splice(at, 1);
    for (const batch of thread.pending) this.#settle(batch, { error: this.#exitError(batch) });
  }

  #exitError(batch: number): Error {
    return new Error(
      `[data] DataLoader: expected batch ${batch} from a worker thread, but the thread ended ` +
        `first${this.#lastError}; lower "workers" or "prefetch" if memory is short, or set ` +
        '"workers: 0" to see where it fails',
    );
  }

  #settle(batch: number, outcome: Outcome): void {
    this.#outcomes.set(batch, outcome);
    if (this.#waiting?.batch === batch) this.#waiting.wake();
  }

  async #arrival(batch: number): Promise<void> {
    for (const worker of this.#workers) worker.ref();
    await new Promise<void>((wake) => {
      this.#waiting = { batch, wake };
    });
    this.#waiting = undefined;
    for (const worker of this.#workers) worker.unref();
  }
}
