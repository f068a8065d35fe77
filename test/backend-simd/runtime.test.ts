// Own process: it starts the runtime with other settings.
/**
 * The runtime: jobs on any number of threads, and the defaults of threads and build.
 */
import '@deepend/backend-simd';
import '@tensorflow/tfjs-layers'; // registers the gradients
import { OutOfMemoryError } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Task, UnaryOp } from '../../packages/backend-simd/assembly/ops';
import { chooseBuild } from '../../packages/backend-simd/src/build';
import { THREADS } from '../../packages/backend-simd/src/generated/bindings';
import { runtime } from '../../packages/backend-simd/src/runtime';
import { getThreads, setThreads, simdInfo } from '../../packages/backend-simd/src/settings';
import {
  defaultThreads,
  physicalCores,
  ranksSharing,
} from '../../packages/backend-simd/src/thread-count';
import { mix } from '../helpers/fill';
import { expectRight, open, untilReady } from './runtimes';

afterEach(() => vi.unstubAllEnvs());

describe('a job', () => {
  it.each([1, 2, 3, 8])('is done whole by %d threads, again and again', async (threads) => {
    const own = open({ threads });
    await untilReady(own);
    for (let i = 0; i < 300; i++) expectRight(own, { count: 1 + i * 7, block: 1 + (i % 13) });
  });

  it('may have more tiles than twenty bits count', async () => {
    const own = open({ threads: 2 });
    await untilReady(own);
    const count = (1 << 20) + 5;
    expectRight(own, { count, block: 1 });
  });

  it('finds its threads changed between any two', async () => {
    const own = open({ threads: 8 });
    await untilReady(own);
    for (let i = 0; i < 100; i++) {
      own.setThreads(1 + ((i * 5) % 8));
      expectRight(own);
    }
    expect(own.pool.ready).toBe(7);
  });

  it('of no tile does nothing', () => {
    const args = { source: 0, out: 0, count: 0, partials: 0, stride: 0, block: 0 };
    open().launch(Task.ReducePartials, args, 0);
  });

  it('reads arguments beyond 2 GiB and floats as 32-bit words', () => {
    const own = open();
    const args = { x: 3_000_000_000, out: 0, count: 0, block: 1, op: UnaryOp.Step };
    own.launch(Task.Unary, { ...args, alpha: -1.5, beta: 0 }, 0);
    const { ARGS_START } = THREADS;
    expect(new Uint32Array(own.memory.buffer, ARGS_START, 1)[0]).toBe(3_000_000_000);
    expect(new Float32Array(own.memory.buffer, ARGS_START + 5 * 4, 1)[0]).toBe(-1.5);
  });
});

describe('the number of threads', () => {
  it.each([0, 9, 1.5, Number.NaN, '2' as unknown as number])('is not %s', (count) => {
    expect(() => open().setThreads(count)).toThrow(
      /setThreads: expected an integer from 1 to 8, got/,
    );
  });

  it('changes no bit of a training step', async () => {
    await tf.setBackend('simd');
    const before = getThreads();
    const results = [1, 2, 3, 8].map((threads) => {
      setThreads(threads);
      expect(getThreads()).toBe(threads);
      return gradients();
    });
    setThreads(before);
    for (const result of results.slice(1)) expect(result).toEqual(results[0]);
  });

  it.each(['0', '9', 'two', '1.5'])('is refused as DEEPEND_THREADS=%s', (asked) => {
    expect(() => defaultThreads(asked)).toThrow(
      `DEEPEND_THREADS: expected an integer from 1 to 8, got '${asked}'`,
    );
  });

  it('is what DEEPEND_THREADS says, else from 1 to 8', () => {
    expect(defaultThreads('3')).toBe(3);
    expect(defaultThreads('')).toBeGreaterThanOrEqual(1);
    expect(defaultThreads('')).toBeLessThanOrEqual(8);
  });

  it.each([
    ['one process', { ranks: 1, allowed: 8, all: 8 }, 1],
    ['ranks that are not bound', { ranks: 4, allowed: 8, all: 8 }, 4],
    ['ranks bound to a core each', { ranks: 4, allowed: 1, all: 8 }, 1],
    ['ranks bound to one of two sockets', { ranks: 8, allowed: 8, all: 16 }, 4],
  ])('divides the cores of %s', (_, on, expected) => {
    expect(ranksSharing(on)).toBe(expected);
  });
});

/** Bits of a loss's gradients through a convolution and a matrix product. */
function gradients(): number[][] {
  return tf.tidy(() => {
    const x = tf.tensor4d(mix(4 * 12 * 12 * 9, 'x'), [4, 12, 12, 9]);
    const filter = tf.tensor4d(mix(3 * 3 * 9 * 20, 'filter'), [3, 3, 9, 20]);
    const weight = tf.tensor2d(mix(12 * 12 * 20 * 30, 'weight'), [12 * 12 * 20, 30]);
    const loss = (...[f, w]: tf.Tensor[]): tf.Scalar => {
      const features = tf.relu(tf.conv2d(x, f as tf.Tensor4D, 1, 'same'));
      return tf.mean(tf.square(tf.matMul(tf.reshape(features, [4, -1]), w as tf.Tensor)));
    };
    return tf
      .grads(loss)([filter, weight])
      .map((gradient) => [...new Int32Array((gradient.dataSync() as Float32Array).buffer)]);
  });
}

describe('physical cores', () => {
  const siblings = (pairs: string[]) =>
    Object.fromEntries(
      pairs.map((list, cpu) => [
        `/sys/devices/system/cpu/cpu${cpu}/topology/thread_siblings_list`,
        `${list}\n`,
      ]),
    );
  const cpuinfo = (cores: [physical: number, core: number][]) =>
    cores
      .map(
        ([physical, core], i) =>
          `processor\t: ${i}\nphysical id\t: ${physical}\ncore id\t\t: ${core}\nflags\t: fpu`,
      )
      .join('\n\n');
  const allowed = (list: string) => ({
    '/proc/self/status': `Name:\tnode\nCpus_allowed:\tff\nCpus_allowed_list:\t${list}\n`,
  });

  it.each<[string, Record<string, string>, number | undefined]>([
    ['a system that is not Linux', {}, undefined],
    ['two threads a core', { ...allowed('0-3'), ...siblings(['0,2', '1,3', '0,2', '1,3']) }, 2],
    [
      'a container that has both threads of one core',
      { ...allowed('0,2'), ...siblings(['0,2', '1,3', '0,2', '1,3']) },
      1,
    ],
    [
      'cores alike in number on two sockets, /sys hidden',
      {
        ...allowed('0-3'),
        '/proc/cpuinfo': cpuinfo([
          [0, 0],
          [0, 1],
          [1, 0],
          [1, 1],
        ]),
      },
      4,
    ],
    [
      'two threads a core, /sys hidden',
      {
        ...allowed('0-3'),
        '/proc/cpuinfo': cpuinfo([
          [0, 0],
          [0, 1],
          [0, 0],
          [0, 1],
        ]),
      },
      2,
    ],
    ['processors that nothing describes', allowed('4-6,9'), 4],
    [
      'a quota of 1.5 processors',
      { ...allowed('0-7'), '/sys/fs/cgroup/cpu.max': '150000 100000\n' },
      1,
    ],
    [
      'a quota of 3 processors, version 1',
      {
        ...allowed('0-7'),
        '/sys/fs/cgroup/cpu/cpu.cfs_quota_us': '300000\n',
        '/sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000\n',
      },
      3,
    ],
    ['no quota', { ...allowed('0-1'), '/sys/fs/cgroup/cpu.max': 'max 100000\n' }, 2],
    [
      'no quota, version 1',
      {
        ...allowed('0-1'),
        '/sys/fs/cgroup/cpu/cpu.cfs_quota_us': '-1\n',
        '/sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000\n',
      },
      2,
    ],
  ])('of %s', (_, files, expected) => expect(physicalCores((path) => files[path])).toBe(expected));
});

describe('the build', () => {
  it('is plain when asked, relaxed where Node has it', () => {
    expect(chooseBuild('plain').name).toBe('plain');
    expect(chooseBuild('').name).toBe('relaxed');
  });

  it('is no other', () =>
    expect(() => chooseBuild('fast')).toThrow(
      "DEEPEND_WASM: expected 'plain' or 'relaxed', got 'fast'",
    ));
});

it('tells what it is and holds', async () => {
  await tf.setBackend('simd');
  const { build, threads, heapBytes, memoryBytes, memoryLimit } = simdInfo();
  expect([build, threads, heapBytes]).toEqual([
    runtime().build,
    getThreads(),
    runtime().heap.bytes,
  ]);
  expect(memoryBytes).toBe(runtime().memory.buffer.byteLength);
  expect(memoryLimit).toBeLessThan(2 ** 32);
});

it('knows an out-of-memory error of another copy of the package', () => {
  const other = Object.assign(new Error('no room'), { name: 'OutOfMemoryError', asked: 1 });
  expect(other).toBeInstanceOf(OutOfMemoryError);
  expect(new Error('no room')).not.toBeInstanceOf(OutOfMemoryError);
});
