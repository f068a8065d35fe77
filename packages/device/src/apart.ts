/**
 * Computing beside this thread: what other threads and processes are started with, and how the
 * cores are divided among them.
 */
import os from 'node:os';
import { state } from './state';
import type { Device } from './types';

type Engine = Pick<Device, 'backend'>;

const MOST = 8; // threads that simd takes at most

export interface CoreShare {
  /**
   * Threads of each of the simd engines; undefined where there is one alone, or `DEEPEND_THREADS`
   * says how many.
   */
  readonly threads: number | undefined;
  /** Gives this process's simd engine back the threads that it had. */
  restore(): void;
}

/**
 * Divides the cores evenly among devices on the engine `simd`, of which each has threads of its
 * own.
 * @param devices the first one computes in this thread
 */
export async function shareCores(devices: readonly Engine[]): Promise<CoreShare> {
  const count = devices.filter(({ backend: engine }) => engine === 'simd').length;
  if (count < 2 || process.env.DEEPEND_THREADS) return { threads: undefined, restore: () => {} };
  const each = (cores: number) => Math.max(1, Math.min(MOST, Math.floor(cores / count)));
  if (devices[0]?.backend !== 'simd')
    return { threads: each(os.availableParallelism()), restore: () => {} };
  const { getThreads, setThreads } = await import('@deepend/backend-simd');
  const before = getThreads();
  const threads = each(before);
  setThreads(threads);
  return { threads, restore: () => setThreads(before) };
}

/**
 * The environment variables of a thread or process that computes on a device of its own: the GPUs
 * that this process was started with, and
 * nothing that would load a person's programs.
 * @param threads of the simd engine there
 */
export function environmentApart(threads?: number): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _, CUDA_VISIBLE_DEVICES: now, ...env } = process.env;
  const { visible } = state(); // this process may have narrowed them down to its own
  const gpus = visible ? visible.asStarted : now;
  return {
    ...env,
    ...(threads !== undefined && { DEEPEND_THREADS: String(threads) }),
    ...(gpus !== undefined && { CUDA_VISIBLE_DEVICES: gpus }),
  };
}
