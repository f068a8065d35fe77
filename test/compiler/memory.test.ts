/** What a step holds, and what happens when it is more than there is. */
import { compile, sgd } from '@deepend/compiler';
import { book } from '@deepend/models';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';

process.env.DEEPEND_MEMORY_MIB = '160'; // read when the engine starts, which is below

const net = () => book.resnet8({ inputShape: [64, 64, 1], numClasses: 10 });
const batchOf = (count: number) => ({
  features: tf.randomUniform([count, 64, 64, 1], 0, 1, 'float32', 1),
  labels: tf.tensor1d(Int32Array.from({ length: count }, (_, i) => i % 10), 'int32'), // biome-ignore format: one call
});

describe('memory of a step on simd', () => {
  beforeAll(async () => {
    await import('@deepend/backend-simd');
    await tf.setBackend('simd');
  });

  it('is what the lifetimes say, to a quarter', async () => {
    const { runtime } = await import('../../packages/backend-simd/src/runtime');
    const { heap } = runtime();
    const plan = compile(net());
    for (const [batch, training] of [
      [128, true],
      [256, true],
      [256, false],
    ] as const) {
      // biome-ignore format: a row a case
      // biome-ignore format: a row a case
      const { features, labels } = batchOf(batch);
      const before = heap.bytes;
      let most = 0;
      const { alloc } = heap;
      heap.alloc = (bytes) => {
        const at = alloc.call(heap, bytes);
        most = Math.max(most, heap.bytes);
        return at;
      };
      if (training) {
        const { loss, correct, gradients } = plan.step(features, labels);
        tf.dispose([loss, correct, gradients.map(({ gradient }) => gradient)]);
      } else plan.logits(features).dispose();
      heap.alloc = alloc;
      const expected = plan.peakBytes(batch, { training });
      expect((most - before) / expected, `batch ${batch}, training ${training}`).toBeGreaterThan(0.75);
      expect((most - before) / expected, `batch ${batch}, training ${training}`).toBeLessThan(1.25);
      tf.dispose([features, labels]);
    }
  });

  it('says which batch would fit, frees what it held, and trains that batch', () => {
    const plan = compile(net());
    const large = batchOf(1024);
    const before = tf.memory();
    let advice = '';
    try {
      plan.step(large.features, large.labels);
    } catch (error) {
      advice = (error as Error).message;
    }
    expect(advice).toMatch(/out of memory: .* MiB asked for, .* MiB in use.* A batch of 1024 does not fit; one of \d+ would$/);
    expect(tf.memory()).toMatchObject({ numTensors: before.numTensors, numBytes: before.numBytes });
    tf.dispose([large.features, large.labels]);

    const count = Number(/one of (\d+) would/.exec(advice)?.[1]);
    expect(count).toBeGreaterThan(16);
    const fitting = batchOf(count);
    const { loss, correct, gradients } = plan.step(fitting.features, fitting.labels);
    sgd(gradients, { lr: 0.1 });
    expect(Number.isFinite(loss.dataSync()[0])).toBe(true);
    tf.dispose([loss, correct, gradients.map(({ gradient }) => gradient)]);
  });
});
