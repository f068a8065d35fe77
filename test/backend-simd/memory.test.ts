// Own process: it measures the one memory, which other tests would have grown.
/** The one memory: blocks, its limit, its growth, and addresses above 2 GiB. */
import '@deepend/backend-simd';
import '@tensorflow/tfjs-layers'; // registers the gradients
import { OutOfMemoryError } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { Heap } from '../../packages/backend-simd/src/heap';
import {
  createMemory,
  defaultMemoryLimit,
  HEAP_START,
} from '../../packages/backend-simd/src/memory';
import { runtime } from '../../packages/backend-simd/src/runtime';
import { simdInfo } from '../../packages/backend-simd/src/settings';
import { mix } from '../helpers/fill';
import { runsOf } from '../helpers/full';
import { expectRight, floats, MIB, open } from './runtimes';

const START = 1 << 16;

/** A heap that may end at `limit`, and where it has ended so far. */
function heapOf(limit = Number.POSITIVE_INFINITY) {
  const state = { end: START };
  const heap = new Heap(START, (end) => {
    if (end > limit) return false;
    state.end = Math.max(state.end, end);
    return true;
  });
  return { heap, state };
}

describe('the heap', () => {
  /** A size to allocate, or which of the live blocks to free. */
  const steps = fc.array(
    fc.oneof(fc.record({ alloc: fc.nat(5000) }), fc.record({ free: fc.nat(1000) })),
    { maxLength: 200 },
  );

  it('gives aligned blocks that never overlap, counts them, and has all back in the end', () => {
    fc.assert(
      fc.property(steps, (list) => {
        const { heap, state } = heapOf();
        const live = new Map<number, number>();
        for (const step of list) {
          if ('alloc' in step) live.set(heap.alloc(step.alloc), step.alloc);
          else if (live.size > 0) {
            const at = [...live.keys()][step.free % live.size] as number;
            heap.free(at);
            live.delete(at);
          }
          expectApart(live, state.end);
          const asked = [...live.values()].reduce((sum, size) => sum + size, 0);
          expect(heap.bytes - asked).toBeGreaterThanOrEqual(64 * live.size);
          expect(heap.bytes - asked).toBeLessThanOrEqual(128 * live.size);
        }
        for (const at of live.keys()) heap.free(at);
        expect(heap.bytes).toBe(0);
        const { end } = state;
        if (end > START) expect(heap.alloc(end - START - 64)).toBe(START); // one block again
        expect(state.end).toBe(end);
      }),
      { numRuns: runsOf(200) },
    );
  });

  it('takes the smallest block that is large enough', () => {
    const { heap } = heapOf();
    const [large, , small] = [heap.alloc(4096), heap.alloc(1), heap.alloc(1024), heap.alloc(1)] as [
      number,
      number,
      number,
      number,
    ];
    heap.free(large);
    heap.free(small);
    expect(heap.alloc(1000)).toBe(small);
    expect(heap.alloc(1000)).toBe(large);
  });

  it('keeps to a limit, whose last byte it can give', () => {
    const { heap } = heapOf(START + 1024);
    expect(heap.largestFree(START + 1024)).toBe(1024 - 64);
    expect(heap.alloc(1024 - 63)).toBe(0);
    expect(heap.bytes).toBe(0);
    expect(heap.alloc(1024 - 64)).toBe(START);
    expect(heap.largestFree(START + 1024)).toBe(0);
    expect(heap.alloc(0)).toBe(0);
  });

  it.each([Number.NaN, -1, Number.NEGATIVE_INFINITY])('refuses a size of %s', (bytes) => {
    expect(() => heapOf().heap.alloc(bytes)).toThrow(`expected a number of bytes, got ${bytes}`);
  });

  it('refuses an address that it never gave, or that was freed', () => {
    const { heap } = heapOf();
    const at = heap.alloc(8);
    expect(() => heap.free(at + 64)).toThrow('no block starts at');
    heap.free(at);
    expect(() => heap.free(at)).toThrow('no block starts at');
  });

  it('keeps freed blocks of a failed job apart until it has ended', () => {
    const { heap } = heapOf();
    const [a, b] = [heap.alloc(8), heap.alloc(8)];
    heap.quarantine();
    heap.free(a);
    const c = heap.alloc(8);
    heap.free(c);
    expect(heap.alloc(8)).toBe(c);
    heap.release();
    expect(heap.alloc(8)).toBe(a);
    heap.free(b);
    expect(heap.alloc(8)).toBe(b);
  });
});

function expectApart(live: ReadonlyMap<number, number>, end: number): void {
  let last = START;
  for (const [at, size] of [...live].sort(([a], [b]) => a - b)) {
    expect(at % 64).toBe(0);
    expect(at).toBeGreaterThanOrEqual(last);
    last = at + size + 64; // kernels may read so far past a tensor's end
    expect(last).toBeLessThanOrEqual(end);
  }
}

describe('the limit', () => {
  it('is an error that says what was asked for, what is in use and what there is', () => {
    const own = open({ memoryLimit: 32 * MIB });
    const [a, b] = [own.alloc(10 * MIB), own.alloc(10 * MIB)];
    const ask = () => own.alloc(20 * MIB);
    expect(ask).toThrow(OutOfMemoryError);
    expect(ask).toThrow(
      /out of memory: 20.0 MiB asked for, 20.0 MiB in use of 32.0 MiB, the largest free block has 12.0 MiB/,
    );
    try {
      ask();
    } catch (error) {
      const { asked, inUse, limit } = error as OutOfMemoryError;
      expect([asked, inUse, limit]).toEqual([20 * MIB, own.heap.bytes, 32 * MIB]);
    }
    expectRight(own);
    own.free(a);
    own.free(b);
    expect(own.alloc(20 * MIB)).toBeGreaterThan(0);
  });

  it('can be reached to the last page', () => {
    const own = open({ memoryLimit: 32 * MIB });
    expect(own.alloc(32 * MIB - 64)).toBe(HEAP_START);
    expect(own.memory.buffer.byteLength).toBe(HEAP_START + 32 * MIB);
  });

  it('comes from DEEPEND_MEMORY_MIB', () => {
    expect(defaultMemoryLimit('100')).toBe(100 * MIB);
    expect(defaultMemoryLimit('1e9')).toBe(defaultMemoryLimit(''));
    expect(() => defaultMemoryLimit('15')).toThrow(
      "DEEPEND_MEMORY_MIB: expected a number of MiB, 16 or more, got '15'",
    );
    expect(() => defaultMemoryLimit('much')).toThrow("got 'much'");
  });

  it('is what WebAssembly addresses, else', () => {
    expect(defaultMemoryLimit('') + HEAP_START).toBe(2 ** 32);
    expect(createMemory(defaultMemoryLimit('')).buffer.byteLength).toBe(HEAP_START);
  });

  it('reports a memory that cannot be', () => {
    expect(() => createMemory(2 ** 40)).toThrow(
      /expected WebAssembly's shared memory, got .*; raise the limit on address space/,
    );
  });
});

it('views stay valid when the memory grows', () => {
  const own = open();
  const at = own.alloc(64);
  const view = floats(own, at, 16).fill(7);
  const before = own.memory.buffer.byteLength;
  own.alloc(100 * MIB);
  expect(own.memory.buffer.byteLength).toBeGreaterThan(before);
  view[0] = 8;
  expect([...floats(own, at, 2)]).toEqual([8, 7]);
  expect(view[15]).toBe(7);
});

describe('tensors', () => {
  beforeAll(() => tf.setBackend('simd'));

  it('of a loop leave memory as they found it', () => {
    const [x, filter, weight] = [
      tf.ones([2, 8, 8, 8]),
      tf.ones([3, 3, 8, 8]),
      tf.ones([512, 10]),
    ] as [tf.Tensor4D, tf.Tensor4D, tf.Tensor2D];
    const step = () =>
      tf.tidy(
        () =>
          void tf
            .sum(tf.matMul(tf.reshape(tf.conv2d(x, filter, 1, 'same'), [2, 512]), weight))
            .dataSync(),
      );
    const state = () => ({
      ...simdInfo(),
      tensors: tf.memory().numTensors,
      bytes: tf.memory().numBytes,
    });
    for (let i = 0; i < 50; i++) step();
    const before = state();
    for (let i = 0; i < 1000; i++) step();
    expect(state()).toEqual(before);
    tf.dispose([x, filter, weight]);
  });

  it('too large are an error, and the backend works on', () => {
    const { memoryLimit, heapBytes } = simdInfo();
    const at = runtime().alloc(memoryLimit - heapBytes - 40 * MIB); // never touched
    const tensors = tf.memory().numTensors;
    const [a, b] = [tf.ones([2000, 10]), tf.ones([10, 8000])] as [tf.Tensor2D, tf.Tensor2D];
    expect(() => tf.tidy(() => tf.matMul(a, b))).toThrow(OutOfMemoryError);
    expect(tf.tidy(() => tf.sum(tf.matMul(tf.slice(a, 0, 2), b)).dataSync()[0])).toBe(
      2 * 8000 * 10,
    );
    runtime().free(at);
    expect(tf.tidy(() => tf.sum(tf.matMul(a, b)).dataSync()[0])).toBeCloseTo(2000 * 8000 * 10, -4);
    tf.dispose([a, b]);
    expect(tf.memory().numTensors).toBe(tensors);
  });

  it('that a failing kernel made are freed', () => {
    const [a, b] = [tf.ones([1000, 64]), tf.ones([64, 4000])] as [tf.Tensor2D, tf.Tensor2D];
    tf.dispose(tf.matMul(a, b)); // its operands lie in memory now
    const { memoryLimit, heapBytes } = simdInfo();
    const at = runtime().alloc(memoryLimit - heapBytes - 16.1 * MIB); // room for the result, not for what it takes besides
    const before = simdInfo().heapBytes;
    for (let i = 0; i < 3; i++) expect(() => tf.matMul(a, b)).toThrow(OutOfMemoryError);
    expect(simdInfo().heapBytes).toBe(before);
    runtime().free(at);
    tf.dispose([a, b]);
  });

  it('above 2 GiB and across it are like those below', async () => {
    const low = results();
    // From just below the line on, and from just above it; what is not touched costs nothing.
    for (const line of [2 ** 31 - 4096, 2 ** 31 + 4096]) {
      const at = runtime().alloc(line - HEAP_START - simdInfo().heapBytes - 64);
      const next = runtime().alloc(1);
      runtime().free(next);
      expect(Math.abs(next - line)).toBeLessThan(8192);
      expect(
        results().every((values, i) => values.every((value, j) => value === low[i]?.[j])),
      ).toBe(true);
      runtime().free(at);
    }
    expect(simdInfo().memoryBytes).toBeGreaterThan(2 ** 31);
    const simd = results();
    await tf.setBackend('cpu');
    const cpu = results();
    await tf.setBackend('simd');
    simd.forEach((values, i) => {
      const most = Math.max(...(cpu[i] as number[]).map(Math.abs));
      const errors = values.map((value, j) => Math.abs(value - (cpu[i]?.[j] as number)));
      expect(errors.reduce((a, b) => Math.max(a, b), 0)).toBeLessThanOrEqual(1e-5 * most);
    });
  });
});

/** Numbers of a convolution and its gradients, a product, a sum and a few other kernels. */
function results(): number[][] {
  return tf.tidy(() => {
    const x = tf.tensor4d(mix(2 * 16 * 16 * 16, 'x'), [2, 16, 16, 16]);
    const filter = tf.tensor4d(mix(3 * 3 * 16 * 24, 'filter'), [3, 3, 16, 24]);
    const weight = tf.tensor2d(mix(16 * 16 * 24 * 8, 'weight'), [16 * 16 * 24, 8]);
    const forward = (...[x, f, w]: tf.Tensor[]) => {
      const features = tf.add(tf.relu(tf.conv2d(x as tf.Tensor4D, f as tf.Tensor4D, 1, 'same')), 1);
      return tf.softmax(tf.matMul(tf.reshape(features, [2, -1]), w as tf.Tensor));
    };
    const gradients = tf.grads((...t) => tf.sum(tf.square(forward(...t))))([x, filter, weight]);
    const pooled = tf.transpose(
      tf.pad(tf.maxPool(x, 2, 2, 'valid'), [
        [0, 0],
        [1, 1],
        [1, 1],
        [0, 0],
      ]),
      [0, 3, 1, 2],
    );
    return [forward(x, filter, weight), ...gradients, pooled].map((t) => [...t.dataSync()]);
  });
}
