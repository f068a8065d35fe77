/** Runtimes that belong to one test and stop after it, and a simple job: sums of pairs. */
import { expect, onTestFinished, vi } from 'vitest';
import { Task } from '../../packages/backend-simd/assembly/ops';
import { Runtime, type RuntimeOptions } from '../../packages/backend-simd/src/runtime';

export const MIB = 1 << 20;

/** A runtime that computes in WebAssembly, or else with the native build that is asked for. */
export function open(options: RuntimeOptions = {}): Runtime {
  const native = { reason: 'this test is about WebAssembly' };
  const runtime = new Runtime({ threads: 1, native, ...options });
  onTestFinished(() => runtime.pool.stop());
  return runtime;
}

export const floats = (runtime: Runtime, at: number, count: number) =>
  new Float32Array(runtime.memory.buffer, at, count);

/** Resolves when all workers wait for jobs. */
export const untilReady = (runtime: Runtime) =>
  vi.waitFor(() => expect(runtime.pool.ready).toBe(runtime.numThreads - 1), {
    timeout: 30_000,
    interval: 10,
  });

/** Resolves when the workers of a failed job have exited. */
export const untilAllExited = (runtime: Runtime) =>
  vi.waitFor(() => expect(runtime.pool.isTerminating).toBe(false), {
    timeout: 30_000,
    interval: 10,
  });

/** Computes i + 2i for `count` numbers, `block` of them in a tile, and checks the results. */
export function expectRight(runtime: Runtime, { count = 5000, block = 10 } = {}): void {
  const [source, out] = [runtime.alloc(count * 8), runtime.alloc(count * 4)];
  const pairs = floats(runtime, source, count * 2);
  for (let i = 0; i < count; i++) [pairs[i], pairs[count + i]] = [i, 2 * i];
  floats(runtime, out, count).fill(Number.NaN);
  runtime.launch(
    Task.ReducePartials,
    { source, out, count, partials: 2, stride: count, block },
    Math.ceil(count / block),
  );
  expect(floats(runtime, out, count).findIndex((sum, i) => sum !== Math.fround(3 * i))).toBe(-1);
  runtime.free(source);
  runtime.free(out);
}
