/**
 * Seeds for random numbers that are drawn while a model computes, such as dropout's. A training
 * step opens a scope with its own seed, so that the same step draws the same numbers again.
 */
import { mixSeed } from '@deepend/core';
import { activeRecorder } from './recording/hooks';

/**
 * The seed of the scope, and how many seeds it has given. Outside every scope the process has one,
 * which `manualSeed` sets. Shared by all copies of this package in a process, hence on globalThis.
 */
export interface SeedState {
  seed: number;
  given: number;
}

const KEY = Symbol.for('deepend.random-seeds');
const holder = globalThis as unknown as Record<symbol, SeedState | undefined>;

function current(): SeedState {
  holder[KEY] ??= { seed: 0, given: 0 };
  return holder[KEY];
}

/**
 * Runs `work` with seeds that depend only on `seed` and on how many were drawn in it before;
 * without a seed, with those of the scope around.
 */
export function withSeed<T>(seed: number | undefined, work: () => T): T {
  if (seed === undefined) return work();
  const outer = current();
  holder[KEY] = { seed, given: 0 };
  try {
    return work();
  } finally {
    holder[KEY] = outer;
  }
}

/** The next seed of the current scope. */
export function nextSeed(): number {
  const state = current();
  const seed = mixSeed(state.seed, state.given++);
  activeRecorder()?.seedGiven(seed);
  return seed;
}

/** The state of the current scope, from which the next seeds follow. */
export const seedState = (): SeedState => ({ ...current() });

/**
 * Seeds what is drawn outside training steps: initial weights of modules without a seed of their
 * own, and dropout in a `forward` that you call. PyTorch's `torch.manual_seed`.
 * @param seed any safe integer
 * @throws RangeError when it is not a safe integer
 */
export function manualSeed(seed: number): void {
  mixSeed(seed);
  holder[KEY] = { seed, given: 0 };
}
