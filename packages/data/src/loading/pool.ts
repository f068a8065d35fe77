/**
 * Worker threads that make batches ahead of the loop that takes them. They live as long as the
 * loop.
 */
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { source } from '../generated/worker';
import { errorOf } from './faults';
import type { WorkerData, WorkerJob, WorkerReply } from './messages';
import type { Made, Recipe } from './recipe';

/**
 * A file of this package, whichever of its builds runs: CommonJS knows its file's name, ES modules
 * their address.
 */
const FROM = typeof __filename === 'string' ? pathToFileURL(__filename).href : import.meta.url;

type Outcome = { readonly made: Made } | { readonly error: Error };

interface Thread {
  readonly worker: Worker;
  /** Batches that it has yet to make. */
  readonly jobs: Set<number>;
}

export class Pool {
  /** Those that live. */
  private readonly threads: Thread[] = [];
  private readonly outcomes = new Map<number, Outcome>();
  private readonly all: Worker[] = [];
  private waiting: { batch: number; wake: () => void } | undefined;
  private closed = false;
  private lastWords = '';

  /** @throws Error where no worker can be started */
  constructor(count: number, recipe: Recipe) {
    const workerData: WorkerData = { recipe, from: FROM };
    try {
      for (let i = 0; i < count; i++) this.start(workerData);
    } catch (error) {
      void this.close();
      throw error;
    }
  }

  /** Has a batch made by the thread that has the fewest to make. */
  submit(work: WorkerJob): void {
    const [first, ...others] = this.threads;
    const { batch } = work.job;
    if (!first) {
      this.settle(batch, { error: this.deathOf(batch) });
      return;
    }
    const thread = others.reduce(
      (least, other) => (other.jobs.size < least.jobs.size ? other : least),
      first,
    );
    thread.jobs.add(batch);
    thread.worker.postMessage(work);
  }

  /** A batch that was submitted. @throws what went wrong when it was made */
  async take(batch: number): Promise<Made> {
    if (!this.outcomes.has(batch)) await this.arrival(batch);
    const outcome = this.outcomes.get(batch) as Outcome;
    this.outcomes.delete(batch);
    if ('error' in outcome) throw outcome.error;
    return outcome.made;
  }

  /** Ends all threads, whatever they do. */
  async close(): Promise<void> {
    this.closed = true;
    await Promise.all(this.all.map((worker) => worker.terminate()));
  }

  private start(workerData: WorkerData): void {
    // Nothing of the parent's: flags and NODE_OPTIONS may load whole programs.
    const worker = new Worker(source, {
      eval: true,
      workerData,
      execArgv: [],
      env: {},
      stdin: false,
      name: 'deepend data',
    });
    const thread: Thread = { worker, jobs: new Set() };
    worker.on('message', ({ batch, made, fault }: WorkerReply) => {
      thread.jobs.delete(batch);
      this.settle(
        batch,
        made
          ? { made }
          : { error: errorOf(fault ?? { name: 'Error', message: '', stack: undefined }) },
      );
    });
    worker.on('error', (error) => {
      this.lastWords = `: ${error.message}`;
    });
    worker.on('exit', () => this.onExit(thread));
    // A loop that is never gone on with need not keep the process; who waits for a batch does.
    worker.unref();
    this.threads.push(thread);
    this.all.push(worker);
  }

  /** A thread that ends by itself takes its batches with it. */
  private onExit(thread: Thread): void {
    this.threads.splice(this.threads.indexOf(thread), 1);
    if (this.closed) return;
    for (const batch of thread.jobs) this.settle(batch, { error: this.deathOf(batch) });
  }

  private deathOf(batch: number): Error {
    return new Error(
      `[data] DataLoader: expected batch ${batch} of a worker thread, which ended before it was made${this.lastWords}; ` +
        'take fewer "workers" or less "prefetch" if memory is short, or "workers: 0" to see where it fails',
    );
  }

  private settle(batch: number, outcome: Outcome): void {
    this.outcomes.set(batch, outcome);
    if (this.waiting?.batch === batch) this.waiting.wake();
  }

  private async arrival(batch: number): Promise<void> {
    for (const worker of this.all) worker.ref();
    await new Promise<void>((wake) => {
      this.waiting = { batch, wake };
    });
    this.waiting = undefined;
    for (const worker of this.all) worker.unref();
  }
}
