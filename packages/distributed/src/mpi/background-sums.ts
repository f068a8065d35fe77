/** Sums of arrays over all ranks, computed by a thread while this one computes something else. */
import { Worker } from 'node:worker_threads';
import { source } from '../generated/sums';
import { HERE } from '../here';
import type { SumReply, SumSettings } from './sum-program';

/** The thread that sums; it does not keep this process alive, but waiting for it does. */
export class BackgroundSums {
  readonly #worker: Worker;
  #started = 0;
  #done = 0;
  #error: Error | undefined;
  #wake: (() => void) | undefined;

  constructor(settings: SumSettings) {
    this.#worker = new Worker(`const from = ${JSON.stringify(HERE)};\n${source}`, {
      eval: true,
      execArgv: [], // no flags of this process: they may load other programs
      workerData: settings,
      name: 'deepend sums',
    });
    this.#worker.on('message', (reply: SumReply) => {
      if ('done' in reply) this.#done = reply.done;
      else this.#fail(reply.error);
      this.#wake?.();
    });
    this.#worker.on('error', (error) => {
      this.#fail(error.message);
      this.#wake?.();
    });
    this.#worker.unref();
  }

  #fail(why: string): void {
    this.#error ??= new Error(`[distributed] the thread that sums gradients failed: ${why}`);
  }

  /**
   * Begins to sum in place, behind the arrays before. All ranks give arrays of the same lengths in
   * the same order.
   * @param values in shared memory, which nobody else writes until `finish`
   */
  start(values: Float32Array): void {
    this.#started++;
    this.#worker.postMessage(values);
  }

  /** Waits for all sums so far. @throws Error when the thread has failed */
  async finish(): Promise<void> {
    this.#worker.ref();
    try {
      while (this.#done < this.#started && !this.#error) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    } finally {
      this.#worker.unref();
    }
    if (this.#error) throw this.#error;
  }
}
