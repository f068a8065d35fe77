// Own process: it measures the process's memory, which garbage of other tests changes.

/** Whole training steps on simd: nothing grows, and the number of threads changes no bit. */

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { setThreads, simdInfo } from '@deepend/backend-simd';
import { compile } from '@deepend/compiler';
import { book } from '@deepend/models';
import { sgdStep, softmaxCrossEntropy } from '@deepend/optim';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fillNet, goldenBatch } from '../helpers/fill';
import { isFull, rowsOf } from '../helpers/full';

const SIZE = 32;
const before = simdInfo().threads;

function training(batch: number, builder: 'resnet8' | 'lenet' | 'resnet18' | 'vgg11' = 'resnet8') {
  const small = builder === 'vgg11' ? { widthDivisor: 8, dropout: 0.5 } : {};
  const net = book[builder]({ inputShape: [SIZE, SIZE, 1], numClasses: 10, ...small });
  fillNet(net);
  const plan = compile(net);
  const data = goldenBatch([batch, SIZE, SIZE, 1], 'training');
  const step = (seed: number) => {
    const { loss, correct, gradients } = plan.forwardBackward(data.features, data.labels, {
      loss: softmaxCrossEntropy,
      seed,
    });
    sgdStep(gradients, { lr: 0.02 });
    const value = loss.dataSync()[0] as number;
    tf.dispose([loss, correct, gradients.map(({ gradient }) => gradient)]);
    return value;
  };
  return { net, step, dispose: () => tf.dispose([data.features, data.labels]) };
}

beforeAll(() => tf.setBackend('simd'));
afterAll(() => setThreads(before));

/** Bytes of this process in memory, after a collection of garbage. */
function residentMemory(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage.rss();
}

/** A thousand in a full run. */
const STEPS = isFull ? 1000 : 200;

describe(`${STEPS} steps`, () => {
  it('leave tensors, bytes and memory where fifty left them', () => {
    const { step, dispose } = training(4);
    const state = () => {
      const { numTensors, numBytes } = tf.memory();
      const { heapBytes, memoryBytes } = simdInfo();
      return { numTensors, numBytes, heapBytes, memoryBytes };
    };
    for (let i = 0; i < 50; i++) step(i);
    const early = { ...state(), rss: residentMemory() };
    for (let i = 50; i < STEPS; i++) step(i);
    expect(state()).toEqual({ ...early, rss: undefined });
    // V8 keeps pages of collected garbage: 110 MB were seen. A leak of one small tensor a step
    // would be 20 times this.
    expect(residentMemory() - early.rss).toBeLessThan(200 << 20);
    dispose();
  }, 240_000);
});

describe('five steps on any number of threads', () => {
  it.each(
    rowsOf(['resnet8', 'lenet', 'resnet18', 'vgg11'] as const, (name) =>
      ['resnet8', 'lenet'].includes(name),
    ),
  )(
    'of %s end in the same bits',
    (name) => {
      const run = (threads: number) => {
        setThreads(threads);
        const { net, step, dispose } = training(name === 'resnet18' ? 6 : 9, name);
        const losses = [1, 2, 3, 4, 5].map(step);
        dispose();
        return {
          losses,
          weights: net.weights.map((weight) => weight.read().dataSync() as Float32Array),
        };
      };
      const one = run(1);
      expect(new Set(one.losses).size).toBe(5); // it learns
      for (const threads of rowsOf([2, 3, 8], (count) => count === 3)) {
        const { losses, weights } = run(threads);
        expect(losses, `${threads} threads`).toEqual(one.losses);
        const differing = weights.filter(
          (values, i) => Buffer.compare(bytes(values), bytes(one.weights[i] as Float32Array)) !== 0,
        );
        expect(differing.length, `weights that differ on ${threads} threads`).toBe(0);
      }
    },
    240_000,
  );
});

const bytes = (values: Float32Array) =>
  Buffer.from(values.buffer, values.byteOffset, values.byteLength);
