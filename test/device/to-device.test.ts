// Own process: no backend may have been chosen before.
import { compile } from '@deepend/compiler';
import { activate, toDevice } from '@deepend/device';
import { createModel } from '@deepend/models';
import { evaluate, predict, train } from '@deepend/trainer';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { allBackends } from '../helpers/all-backends';
import { use } from '../helpers/backends';
import { fakeLoader } from '../helpers/loaders';

const net = () => createModel('book/lenet', { inputShape: [28, 28, 1], numClasses: 10, seed: 3 });
const batchesOf = () => fakeLoader(6, 3, { shape: [28, 28, 1], classes: 10 });
const image = () => tf.randomUniform<tf.Rank.R4>([2, 28, 28, 1], 0, 1, 'float32', 5);

describe.each(allBackends)('moving to $title', ({ name, absent }) => {
  it.skipIf(absent)('copies a tensor, and leaves what is current', async () => {
    await use('cpu-js');
    const before = tf.memory().numTensors;
    const here = tf.tensor2d(
      [
        [1, 2],
        [3, 4],
      ],
      [2, 2],
      'int32',
    );
    const there = await toDevice(here, { backend: name });
    expect(tf.getBackend()).toBe('cpu');
    expect([there.shape, there.dtype, [...(await there.data())]]).toEqual([
      [2, 2],
      'int32',
      [1, 2, 3, 4],
    ]);
    tf.dispose([here, there]);
    expect(tf.memory().numTensors).toBe(before);
  });

  it.skipIf(absent)('moves a net, whose logits stay', async () => {
    await use('cpu-js');
    const moved = net();
    const features = image();
    const before = await (await predict(moved, features)).data();
    const numTensors = tf.memory().numTensors;
    expect(await toDevice(moved, { backend: name })).toBe(moved);
    expect(tf.memory().numTensors).toBe(numTensors);
    await activate({ backend: name });
    const after = await (await predict(moved, await toDevice(features, { backend: name }))).data();
    after.forEach((logit, i) => {
      expect(logit).toBeCloseTo(before[i] as number, 4);
    });
  });
});

describe('a model on another backend than the current one', () => {
  it('is an error that says where it lives', async () => {
    await use('simd');
    const lenet = net();
    await use('wasm');
    const features = image();
    const message =
      /model '.*' lives on simd \(its weight .*\), and wasm computes now; move it by `await toDevice/;
    expect(() => compile(lenet).logits(features)).toThrow(message);
    await expect(predict(lenet, features)).rejects.toThrow(message);
    await expect(evaluate(lenet, batchesOf())).rejects.toThrow(message);
    features.dispose();
  });

  it('is moved automatically when it was built before a device was chosen', async () => {
    await use('cpu-js');
    const lenet = net();
    await use('simd');
    expect((await evaluate(lenet, batchesOf())).numSamples).toBeGreaterThan(0);
  });

  it('is moved by train, when that is given the device', async () => {
    await use('wasm');
    const lenet = net();
    const { device } = await train(lenet, batchesOf(), null, {
      numEpochs: 1,
      lr: 0.1,
      progress: false,
      device: { name: 'cpu', backend: 'simd', hardware: '', why: '' },
    });
    expect(device.backend).toBe('simd');
    await use('simd');
    expect((await evaluate(lenet, batchesOf())).numSamples).toBeGreaterThan(0);
  });

  it('refuses to move what is neither', async () => {
    await expect(toDevice(3 as never, { backend: 'simd' })).rejects.toThrow(
      /toDevice: expected a tensor or a model, got 3/,
    );
    await expect(toDevice(image(), { backend: 'gpu' as never })).rejects.toThrow(/got 'gpu'/);
  });
});
