/**
 * A stopwatch that records laps. The book's `Timer`; unlike there, the first lap begins with
 * `start()`. In the book: d2l 12.5, zh 3.1.
 * @example
 * const timer = new Timer();
 * timer.start();
 * await train(net, trainIter, null, { numEpochs: 1, lr: 0.1 });
 * console.log(`${timer.stop().toFixed(2)} sec`);
 */
export class Timer {
  /** Seconds of each lap. */
  readonly times: number[] = [];
  #startedAt: number | undefined;

  /** Begins a lap. */
  start(): this {
    this.#startedAt = performance.now();
    return this;
  }

  /** Ends a lap. @returns its seconds. @throws Error when no lap was started */
  stop(): number {
    if (this.#startedAt === undefined)
      throw new Error('[trainer] Timer: stop() came before start(); call start() first');
    const seconds = (performance.now() - this.#startedAt) / 1000;
    this.#startedAt = undefined;
    this.times.push(seconds);
    return seconds;
  }

  /** Seconds of all laps together. */
  sum(): number {
    return this.times.reduce((total, seconds) => total + seconds, 0);
  }

  /** Mean seconds of a lap; 0 before the first. */
  avg(): number {
    return this.times.length === 0 ? 0 : this.sum() / this.times.length;
  }

  /** Running totals of the laps, in seconds. */
  cumsum(): number[] {
    let total = 0;
    return this.times.map((seconds) => {
      total += seconds;
      return total;
    });
  }
}
