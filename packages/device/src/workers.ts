/**
 * Worker threads and processes that compute on devices of their own: the cores and the environment
 * that they start with.
 */
import os from 'node:os';
import { envRule, readEnv } from '@deepend/core';
import { state } from './state';
import type { Device } from './types';

const MAX_THREADS = 8; // of one simd backend

export interface CoreShare {
  /**
   * Threads of each simd backend; undefined when there is only one, or `DEEPEND_THREADS` sets them.
   */
  readonly threads: number | undefined;
  /** Restores the number of threads of this process's simd backend. */
  restore(): void;
}

/**
 * Divides the cores evenly among the devices on the backend `simd`, each of which has its own
 * threads.
 * @param devices the first one computes in this thread
 */
export async function shareCores(devices: readonly Pick<Device, 'backend'>[]): Promise<CoreShare> {
  const count = devices.filter(({ backend }) => backend === 'simd').length;
  const threadsSet = readEnv('device', 'DEEPEND_THREADS', envRule.integer(1, MAX_THREADS));
  if (count < 2 || threadsSet !== undefined) return { threads: undefined, restore: () => {} };
  const each = (cores: number) => Math.max(1, Math.min(MAX_THREADS, Math.floor(cores / count)));
  if (devices[0]?.backend !== 'simd')
    return { threads: each(os.availableParallelism()), restore: () => {} };
  const { getThreads, setThreads } = await import('@deepend/backend-simd');
  const before = getThreads();
  const threads = each(before);
  setThreads(threads);
  return { threads, restore: () => setThreads(before) };
}

/**
 * The environment of a worker: the GPUs that this process was started with, and no `NODE_OPTIONS`,
 * which could load other programs.
 * @param threads threads of the worker's simd backend @default its own choice
 */
export function workerEnvironment(threads?: number): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _, CUDA_VISIBLE_DEVICES: now, ...env } = process.env;
  const { visible } = state(); // this process may have limited itself to one GPU since
  const gpus = visible ? visible.asStarted : now;
  return {
    ...env,
    ...(threads !== undefined && { DEEPEND_THREADS: String(threads) }),
    ...(gpus !== undefined && { CUDA_VISIBLE_DEVICES: gpus }),
  };
}
