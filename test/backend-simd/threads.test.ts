/**
 * Threads that fail: an error within the deadline, never a hang or a wrong number, and the next
 * kernel works.
 */
import { EventEmitter } from 'node:events';
import { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Task } from '../../packages/backend-simd/assembly/task';
import type { WorkerClass } from '../../packages/backend-simd/src/pool';
import { drill, expectRight, floats, open, untilQuiet, untilReady } from './runtimes';

afterEach(() => vi.restoreAllMocks());

describe('a worker that traps', () => {
  it('makes an error that says why; threads start anew', async () => {
    const own = open({ threads: 3 });
    await untilReady(own);
    for (let i = 0; i < 3; i++) {
      expect(() => drill(own, 'TRAP')).toThrow(
        /a thread failed in kernel -1 \(RuntimeError: unreachable\): its result is lost/,
      );
      expectRight(own); // at once, on the main thread
      await untilReady(own);
      expectRight(own);
    }
    expect(own.numThreads).toBe(3);
  });

  it('does so, whoever meets the bad address', async () => {
    const own = open({ threads: 2 });
    await untilReady(own);
    const outside = own.memory.buffer.byteLength;
    const job = () => own.launch(Task.ReducePartials, [outside, outside, 1000, 1, 0, 1], 1000);
    expect(job).toThrow(/kernel ReducePartials \(RuntimeError: memory access out of bounds\)/);
    expectRight(own);
    await untilReady(own);
    expectRight(own);
  });
});

it('a trap of the only thread is an error, and the next kernel works', () => {
  const own = open();
  const outside = own.memory.buffer.byteLength;
  expect(() => own.launch(Task.ReducePartials, [outside, outside, 9, 1, 0, 1], 9)).toThrow(
    /memory access out of bounds/,
  );
  expectRight(own);
});

describe('a worker that dies without a word', () => {
  it('makes an error after the deadline', async () => {
    const own = open({ threads: 2, deadline: 200 });
    await untilReady(own);
    const at = own.alloc(4);
    expect(() => drill(own, 'HANG', at)).toThrow(/no tile ended within 0.2 s/);
    expectRight(own);
    await untilReady(own);
    expectRight(own);
  });

  it('keeps what it may still write to from the next tensors until it has ended', async () => {
    const own = open({ threads: 2, deadline: 100 });
    await untilReady(own);
    const at = own.alloc(4);
    expect(() => drill(own, 'HANG', at)).toThrow(/no tile ended/);
    own.free(at);
    expect(own.pool.isEnding).toBe(true);
    const next = own.alloc(4);
    expect(next).not.toBe(at);
    await untilQuiet(own);
    const written = floats(own, at, 1)[0];
    expect(own.alloc(4)).toBe(at);
    expect(floats(own, at, 1)[0]).toBe(written);
  });
});

it('a worker that ends while nothing runs is replaced, and nobody notices', async () => {
  const workers: Worker[] = [];
  const own = open({ threads: 3, WorkerClass: recording(workers) });
  await untilReady(own);
  await workers[0]?.terminate();
  expectRight(own);
  await untilReady(own);
  expect(workers.length).toBe(3); // two, and the one in place of the first
});

it('workers that end in the midst of many jobs are replaced', async () => {
  const workers: Worker[] = [];
  const own = open({ threads: 4, WorkerClass: recording(workers) });
  await untilReady(own);
  for (let i = 0; i < 20; i++) {
    // The event loop turns in between, or the kernel runs beside a thread that is just ending.
    const end = workers.at(-1)?.terminate();
    expectRight(own);
    if (i % 3 === 0) await end;
    expectRight(own);
    await untilReady(own);
  }
});

function recording(workers: Worker[]): WorkerClass {
  return class extends Worker {
    constructor(script: string, options: object) {
      super(script, options);
      workers.push(this);
    }
  };
}

/** Ways in which a worker does not start. */
const FAILURES: Record<string, WorkerClass> = {
  'its constructor throws': class {
    constructor() {
      throw new Error('not allowed');
    }
  } as unknown as WorkerClass,
  'it ends before it waits for jobs': class extends Worker {
    constructor(_: string, options: object) {
      super("throw new Error('not allowed')", options);
    }
  },
  'it says so later': class extends EventEmitter {
    constructor() {
      super();
      setTimeout(() => this.emit('error', new Error('not allowed')) && this.emit('exit', 1), 5);
    }
    unref() {}
    async terminate() {}
  } as unknown as WorkerClass,
};

describe.each(Object.entries(FAILURES))('where no worker starts: %s', (_, WorkerClass) => {
  it('one thread computes, which is said once', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
    const own = open({ threads: 4, WorkerClass });
    await vi.waitFor(() => expect(own.numThreads).toBe(1), 10_000);
    expectRight(own);
    own.setThreads(3);
    await vi.waitFor(() => expect(own.numThreads).toBe(1), 10_000);
    expectRight(own);
    expect(warn.mock.calls).toEqual([
      ['[backend-simd] worker threads do not start here (Error: not allowed); one thread computes'],
    ]);
  });
});
