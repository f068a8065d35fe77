// Own process: it fills the one memory with pieces of its own.
/** Joining free memory when what is left lies in pieces. */
import '@deepend/backend-simd';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Heap } from '../../packages/backend-simd/src/heap';
import { runtime } from '../../packages/backend-simd/src/runtime';
import { fragmentHeap, MIB_FLOATS } from '../helpers/fragments';

process.env.DEEPEND_MEMORY_MIB = '32'; // read when the backend starts, which is below

describe('compact', () => {
  const sizes = fc.array(
    fc.record({ bytes: fc.nat(4000), keep: fc.boolean(), movable: fc.boolean() }),
    {
      minLength: 1,
      maxLength: 60,
    },
  );

  it('moves what may move, keeps the order, and leaves one free piece behind the last block that stays', () => {
    fc.assert(
      fc.property(sizes, (rows) => {
        const heap = new Heap(64, () => true);
        const places = rows.map(({ bytes }) => heap.alloc(bytes));
        rows.forEach(({ keep }, i) => {
          if (!keep) heap.free(places[i] as number);
        });
        const kept = places.filter((_, i) => rows[i]?.keep);
        const movable = new Set(places.filter((_, i) => rows[i]?.keep && rows[i]?.movable));
        const now = new Map(kept.map((at) => [at, at]));
        const before = heap.bytes;
        expect(heap.compact(movable, (from, to) => now.set(from, to))).toBe(true);
        expect(heap.bytes).toBe(before);
        expect([...now.values()]).toEqual([...now.values()].sort((a, b) => a - b));
        for (const [from, to] of now) {
          if (movable.has(from)) expect(to).toBeLessThanOrEqual(from);
          else expect(to).toBe(from);
        }
        // Every block is still known, none twice, and all of it comes back.
        for (const at of now.values()) heap.free(at);
        expect(heap.bytes).toBe(0);
      }),
    );
  });

  it('gives a kernel room that was only there in pieces, and no tensor changes', async () => {
    await tf.setBackend('simd');
    const count = 28; // of 1 MiB each: what they leave of 32 MiB is less than what is asked for below
    const kept = fragmentHeap(count);
    const { heap, memoryLimit } = runtime();
    expect(heap.largestFree(memoryLimit)).toBeLessThan(8 << 20);
    const large = tf.tidy(() => tf.fill([8 * MIB_FLOATS], 7)); // 8 MiB
    const again = tf.tidy(() => tf.add(large, 1));
    expect(again.dataSync().at(-1)).toBe(8);
    for (const [i, tensor] of kept.entries()) {
      const values = tensor.dataSync();
      expect(
        values.every((value) => value === 2 * i + 0.5),
        `tensor ${i}`,
      ).toBe(true);
    }
    tf.dispose([kept, large, again]);
    expect(heap.bytes).toBe(0);
  });
});
