/**
 * Threads that fail: an error before the watchdog times out, never a hang or a wrong number, and
 * the next kernel works.
 */
import { EventEmitter } from 'node:events';
import { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Task } from '../../packages/backend-simd/assembly/ops';
import type { Runtime } from '../../packages/backend-simd/src/runtime';
import type { WorkerClass } from '../../packages/backend-simd/src/worker-pool';
import { expectRight, floats, open, untilAllExited, untilReady } from './runtimes';

afterEach(() => vi.restoreAllMocks());

describe('a worker that traps', () => {
  it('is an error that says why, and the threads restart', async () => {
    const own = open({ threads: 3 });
    await untilReady(own);
    for (let i = 0; i < 3; i++) {
      expect(() => own.injectFault('trap')).toThrow(
        /a thread failed in kernel -1 \(RuntimeError: unreachable\): the result is lost/,
      );
      expectRight(own); // at once, on the main thread
      await untilReady(own);
      expectRight(own);
    }
    expect(own.numThreads).toBe(3);
  });

  it('is an error, whichever thread reads the bad address', async () => {
    const own = open({ threads: 2 });
    await untilReady(own);
    const bad = outsideMemory(own);
    const job = () => own.launch(Task.ReducePartials, { ...bad, count: 1000 }, 1000);
    expect(job).toThrow(/kernel ReducePartials \(RuntimeError: memory access out of bounds\)/);
    expectRight(own);
    await untilReady(own);
    expectRight(own);
  });
});

it('a trap of the only thread is an error, and the next kernel works', () => {
  const own = open();
  const bad = outsideMemory(own);
  expect(() => own.launch(Task.ReducePartials, { ...bad, count: 9 }, 9)).toThrow(
    /memory access out of bounds/,
  );
  expectRight(own);
});

describe('a worker that dies silently', () => {
  it('is an error when the watchdog times out', async () => {
    const own = open({ threads: 2, watchdogTimeout: 200 });
    await untilReady(own);
    const at = own.alloc(4);
    expect(() => own.injectFault('hang', at)).toThrow(/no tile finished within 0.2 s/);
    expectRight(own);
    await untilReady(own);
    expectRight(own);
  });

  it('keeps its memory from the next tensors until it has exited', async () => {
    const own = open({ threads: 2, watchdogTimeout: 100 });
    await untilReady(own);
    const at = own.alloc(4);
    expect(() => own.injectFault('hang', at)).toThrow(/no tile finished/);
    own.free(at);
    expect(own.pool.isTerminating).toBe(true);
    const next = own.alloc(4);
    expect(next).not.toBe(at);
    await untilAllExited(own);
    const written = floats(own, at, 1)[0];
    expect(own.alloc(4)).toBe(at);
    expect(floats(own, at, 1)[0]).toBe(written);
  });
});

it('a worker that exits while nothing runs is replaced silently', async () => {
  const workers: Worker[] = [];
  const own = open({ threads: 3, WorkerClass: recording(workers) });
  await untilReady(own);
  await workers[0]?.terminate();
  expectRight(own);
  await untilReady(own);
  expect(workers.length).toBe(3); // two, and the one in place of the first
});

it('workers that exit between jobs are replaced', async () => {
  const workers: Worker[] = [];
  const own = open({ threads: 4, WorkerClass: recording(workers) });
  await untilReady(own);
  for (let i = 0; i < 20; i++) {
    // The worker may exit before the next kernel or while it runs.
    const end = workers.at(-1)?.terminate();
    expectRight(own);
    if (i % 3 === 0) await end;
    expectRight(own);
    await untilReady(own);
  }
});

/** Arguments of `ReducePartials` that read and write beyond the memory. */
function outsideMemory(own: Runtime) {
  const outside = own.memory.buffer.byteLength;
  return { source: outside, out: outside, count: 1, partials: 1, stride: 0, block: 1 };
}

function recording(workers: Worker[]): WorkerClass {
  return class extends Worker {
    constructor(script: string, options: object) {
      super(script, options);
      workers.push(this);
    }
  };
}

/** Worker classes whose workers do not start, each in another way. */
const FAILURES: Record<string, WorkerClass> = {
  'its constructor throws': class {
    constructor() {
      throw new Error('not allowed');
    }
  } as unknown as WorkerClass,
  'it exits before it waits for jobs': class extends Worker {
    constructor(_: string, options: object) {
      super("throw new Error('not allowed')", options);
    }
  },
  'it reports an error later': class extends EventEmitter {
    constructor() {
      super();
      setTimeout(() => this.emit('error', new Error('not allowed')) && this.emit('exit', 1), 5);
    }
    unref() {}
    async terminate() {}
  } as unknown as WorkerClass,
};

describe.each(Object.entries(FAILURES))('where no worker starts: %s', (_, WorkerClass) => {
  it('one thread computes, with one warning', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
    const own = open({ threads: 4, WorkerClass });
    await vi.waitFor(() => expect(own.numThreads).toBe(1), 10_000);
    expectRight(own);
    own.setThreads(3);
    await vi.waitFor(() => expect(own.numThreads).toBe(1), 10_000);
    expectRight(own);
    expect(warn.mock.calls).toEqual([
      [
        '[backend-simd] worker threads do not start here (Error: not allowed); computing on one thread',
      ],
    ]);
  });
});
