/** What a step holds, and what happens when it is more than there is. */
import { compile, sgd } from '@deepend/compiler';
import { book } from '@deepend/models';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { batchOf, heldBytes, peakOf } from '../helpers/heap';

process.env.DEEPEND_MEMORY_MIB = '160'; // read when the engine starts, which is below

const net = () => book.resnet8({ inputShape: [64, 64, 1], numClasses: 10 });
const batch = (count: number) => batchOf(count, [64, 64, 1]);

describe('memory of a step on simd', () => {
  beforeAll(async () => {
    await import('@deepend/backend-simd');
    await tf.setBackend('simd');
  });

  it.each([
    [128, true],
    [256, true],
    [256, false],
  ])('is what the lifetimes say, to a quarter: batch %i, training %s', async (count, training) => {
    const plan = compile(net());
    const image = tf.zeros([1, 64, 64, 1]);
    tf.dispose([image, plan.logits(image)]); // by now the engine has all weights
    const { features, labels } = batch(count);
    const before = heldBytes();
    const peak = peakOf(() => {
      if (training) {
        const { loss, correct, gradients } = plan.step(features, labels);
        tf.dispose([loss, correct, ...gradients.map(({ gradient }) => gradient)]);
      } else plan.logits(features).dispose();
    });
    const ratio = (peak - before) / plan.peakBytes(count, { training });
    expect(ratio).toBeGreaterThan(0.75);
    expect(ratio).toBeLessThan(1.25);
    tf.dispose([features, labels]);
  });

  it('says which batch would fit, frees what it held, and trains that batch', () => {
    const plan = compile(net());
    const large = batch(1024);
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
    const fitting = batch(count);
    const { loss, correct, gradients } = plan.step(fitting.features, fitting.labels);
    sgd(gradients, { lr: 0.1 });
    expect(Number.isFinite(loss.dataSync()[0])).toBe(true);
    tf.dispose([loss, correct, gradients.map(({ gradient }) => gradient)]);
  });
});
