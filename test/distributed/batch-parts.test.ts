/** The parts of data-parallel training: batch splits, cores, open steps. */

import { getThreads, setThreads } from '@deepend/backend-simd';
import { compile } from '@deepend/compiler';
import { splitBatch } from '@deepend/core';
import { type Device, device, shareCores, workerEnvironment } from '@deepend/device';
import { book } from '@deepend/models';
import { softmaxCrossEntropy } from '@deepend/optim';
import { train } from '@deepend/trainer';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { goldenBatch } from '../helpers/fill';
import { expectNoLeak } from '../helpers/leaks';
import { fakeLoader, linearNet } from '../helpers/loaders';

let simd: Device;
beforeAll(async () => {
  simd = await device('simd');
});
afterEach(() => vi.unstubAllEnvs());

describe('splitBatch', () => {
  it('gives the larger parts first', () => {
    const lengths = (count: number, parts: number) =>
      splitBatch(count, parts).map(({ length }) => length);
    expect(lengths(10, 4)).toEqual([3, 3, 2, 2]);
    expect(lengths(2, 3)).toEqual([1, 1, 0]);
    expect(lengths(9, 3)).toEqual([3, 3, 3]);
  });

  it('covers the batch in parts that differ by one at most', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5000 }),
        fc.integer({ min: 1, max: 40 }),
        (count, parts) => {
          const split = splitBatch(count, parts);
          let at = 0;
          for (const { start, length } of split) {
            expect(start).toBe(at);
            at += length;
          }
          expect(at).toBe(count);
          expect((split[0]?.length ?? 0) - (split.at(-1)?.length ?? 0)).toBeLessThanOrEqual(1);
        },
      ),
    );
  });
});

describe('the cores', () => {
  beforeEach(() => vi.stubEnv('DEEPEND_THREADS', '')); // the test runner sets it

  it('are divided among simd devices that train together, and restored', async () => {
    const before = getThreads();
    setThreads(4);
    try {
      const seen: number[] = [];
      const callbacks = [{ onStep: () => void seen.push(getThreads()) }];
      const options = { numEpochs: 1, lr: 0.1, progress: false, callbacks };
      await train(linearNet(), fakeLoader(6, 6), null, { ...options, devices: [simd, simd] });
      await train(linearNet(), fakeLoader(6, 6), null, {
        ...options,
        devices: [simd, { ...simd, backend: 'cpu-js' }],
      });
      expect(seen).toEqual([2, 4]);
      expect(getThreads()).toBe(4);
    } finally {
      setThreads(before);
    }
  });

  it('are at least one each, or as many as DEEPEND_THREADS says', async () => {
    const before = getThreads();
    const many = await shareCores(new Array<Device>(20).fill(simd));
    expect([many.threads, getThreads()]).toEqual([1, 1]);
    many.restore();
    vi.stubEnv('DEEPEND_THREADS', '3');
    const told = await shareCores([simd, simd]);
    expect([told.threads, getThreads()]).toEqual([undefined, before]);
    told.restore();
    expect(getThreads()).toBe(before);
  });
});

it('a worker has the variables of this process, its threads, and none of its programs', () => {
  vi.stubEnv('NODE_OPTIONS', '--max-old-space-size=4096');
  vi.stubEnv('DEEPEND_MEMORY_MIB', '64');
  expect(workerEnvironment(3)).toMatchObject({
    DEEPEND_MEMORY_MIB: '64',
    DEEPEND_THREADS: '3',
    PATH: process.env.PATH,
  });
  expect(workerEnvironment(3)).not.toHaveProperty('NODE_OPTIONS');
});

describe('an open step', () => {
  const setting = () => {
    const { features, labels } = goldenBatch([4, 12, 12, 1], 'open step');
    return { plan: compile(book.resnet8({ inputShape: [12, 12, 1], seed: 1 })), features, labels };
  };

  it('gives the gradients of a step', async () => {
    const [{ plan, features, labels }, other] = [setting(), setting()];
    await expectNoLeak(() => {
      const { loss, correct, gradients } = plan.forwardBackward(features, labels, {
        loss: softmaxCrossEntropy,
      });
      const open = other.plan.forward(features);
      const logits = [...open.logits.dataSync()];
      const dLogits = tf.tidy(() => {
        const probabilities = tf.softmax(open.logits);
        return tf.div(
          tf.sub(probabilities, tf.oneHot(tf.cast(labels, 'int32'), 10)),
          4,
        ) as tf.Tensor2D;
      });
      const own = open.backward(dLogits);
      expect(logits).toHaveLength(40);
      own.forEach(({ gradient }, i) => {
        const [got, expected] = [
          gradient.dataSync(),
          (gradients[i] as { gradient: tf.Tensor }).gradient.dataSync(),
        ];
        expect(
          Math.max(...got.map((value, j) => Math.abs(value - (expected[j] as number)))),
        ).toBeLessThan(1e-5);
      });
      tf.dispose([
        loss,
        correct,
        open.logits,
        ...[...gradients, ...own].map(({ gradient }) => gradient),
      ]);
    });
    tf.dispose([features, labels, other.features, other.labels]);
  });

  it('is freed where there is no way back', async () => {
    const { plan, features, labels } = setting();
    await expectNoLeak(() => {
      const open = plan.forward(features);
      open.logits.dispose();
      open.dispose();
    });
    tf.dispose([features, labels]);
  });
});
