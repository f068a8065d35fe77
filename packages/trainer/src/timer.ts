/** A stopwatch that remembers its laps. The book's `Timer`. */
export class Timer {
  /** Seconds of each lap. */
  readonly times: number[] = [];
  private started: number | undefined;

  start(): this {
    this.started = performance.now();
    return this;
  }

  /** Ends a lap. @returns its seconds. @throws Error when no lap was started */
  stop(): number {
    if (this.started === undefined)
      throw new Error('[trainer] Timer: stop() came before start(); call start() first');
    const seconds = (performance.now() - this.started) / 1000;
    this.started = undefined;
    this.times.push(seconds);
    return seconds;
  }

  /** Seconds of all laps. */
  sum(): number {
    return this.times.reduce((total, seconds) => total + seconds, 0);
  }

  /** Mean seconds of a lap; 0 before the first. */
  avg(): number {
    return this.times.length === 0 ? 0 : this.sum() / this.times.length;
  }

  /** Running totals of the laps. */
  cumsum(): number[] {
    let total = 0;
    return this.times.map((seconds) => {
      total += seconds;
      return total;
    });
  }
}
