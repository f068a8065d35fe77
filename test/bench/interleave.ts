/** Rounds in turn: what else the machine does then falls on all contenders alike. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Series } from './results';
import { median } from './stats';

export interface Contender {
  readonly name: string;
  /** Measures for about so many seconds and gives the rate. */
  round(seconds: number): Promise<number>;
  dispose?(): void | Promise<void>;
}

/** Between two contenders, so that the threads of the one before have gone to sleep. */
const PAUSE = 100; // ms

export interface Rounds {
  rounds: number;
  seconds: number;
}

/** Each contender once a round. One that fails is not asked again; the fault says why. */
export async function interleave(
  contenders: readonly Contender[],
  { rounds, seconds }: Rounds,
): Promise<Series[]> {
  const measured = contenders.map((): number[] => []);
  const faults = new Map<Contender, string>();
  for (let round = 0; round < rounds; round++) {
    for (const [i, contender] of contenders.entries()) {
      if (faults.has(contender)) continue;
      await sleep(PAUSE);
      try {
        measured[i]?.push(await contender.round(seconds));
      } catch (error) {
        faults.set(contender, (error as Error).message.split('\n')[0] ?? 'it failed');
      }
    }
  }
  for (const contender of contenders) await contender.dispose?.();
  return contenders.map((contender, i) => {
    const figures = measured[i] ?? [];
    return {
      name: contender.name,
      rounds: figures,
      median: median(figures),
      fault: faults.get(contender),
    };
  });
}

/**
 * How often a second `work` is done: from the median time of its runs, at least two of them in
 * `seconds`, or one that lasts longer.
 * A run gives the numbers that it read, so that it is over when it returns.
 */
export function rate(seconds: number, work: () => void): number {
  const times: number[] = [];
  const end = performance.now() + 1000 * seconds;
  while (times.length === 0 || performance.now() < end) {
    const start = performance.now();
    work();
    times.push((performance.now() - start) / 1000);
  }
  return 1 / median(times);
}
