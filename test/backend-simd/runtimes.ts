/** Runtimes of a test's own, ended after it, and the simplest job: sums of pairs. */
import { expect, onTestFinished, vi } from 'vitest';
import { Task } from '../../packages/backend-simd/assembly/task';
import { DRILL } from '../../packages/backend-simd/src/control';
import { Runtime, type RuntimeOptions } from '../../packages/backend-simd/src/runtime';

export const MIB = 1 << 20;

export function open(options: RuntimeOptions = {}): Runtime {
  const runtime = new Runtime({ threads: 1, ...options });
  onTestFinished(() => runtime.pool.stop());
  return runtime;
}

export const floats = (runtime: Runtime, at: number, count: number) =>
  new Float32Array(runtime.memory.buffer, at, count);

/** Resolves when every worker that there should be waits for jobs. */
export const untilReady = (runtime: Runtime) =>
  vi.waitFor(() => expect(runtime.pool.ready).toBe(runtime.numThreads - 1), {
    timeout: 30_000,
    interval: 10,
  });

/** Resolves when the workers of a failed job have ended. */
export const untilQuiet = (runtime: Runtime) =>
  vi.waitFor(() => expect(runtime.pool.isEnding).toBe(false), { timeout: 30_000, interval: 10 });

/** Computes i + 2i for `count` numbers, `block` of them a tile, and expects it to be right. */
export function expectRight(runtime: Runtime, { count = 5000, block = 10 } = {}): void {
  const [source, out] = [runtime.alloc(count * 8), runtime.alloc(count * 4)];
  const pairs = floats(runtime, source, count * 2);
  for (let i = 0; i < count; i++) [pairs[i], pairs[count + i]] = [i, 2 * i];
  floats(runtime, out, count).fill(Number.NaN);
  runtime.launch(
    Task.ReducePartials,
    [source, out, count, 2, count, block],
    Math.ceil(count / block),
  );
  expect(floats(runtime, out, count).findIndex((sum, i) => sum !== Math.fround(3 * i))).toBe(-1);
  runtime.free(source);
  runtime.free(out);
}

/** A job that fails as asked; every one of its tiles has `at` for its argument. */
export const drill = (runtime: Runtime, name: keyof typeof DRILL, at = 0) =>
  runtime.launch(DRILL[name] as unknown as Task, [at], 100);
