// Own process: names are numbered from the first layer of a process.
/** Blocks without names: their layers are numbered in their scope, and the model works like any. */
import os from 'node:os';
import path from 'node:path';
import { compile } from '@deepend/compiler';
import { loadModel, saveModel } from '@deepend/models';
import {
  add,
  averagePool,
  batchNorm,
  concatenate,
  conv,
  dense,
  depthwiseConv,
  dropout,
  flatten,
  globalAveragePool,
  maxPool,
  multiply,
  relu,
  relu6,
  residual,
  sequential,
  sigmoid,
} from '@deepend/nn';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import fs from 'fs-extra';
import { describe, expect, it } from 'vitest';

const build = () =>
  sequential(
    [
      conv(4, { kernel: 3, padding: 1 }),
      batchNorm(),
      relu(),
      (x) => add()(x, relu6()(x)),
      (x) => concatenate()(x, multiply()(x, sigmoid()(x))),
      residual(8),
      depthwiseConv({ kernel: 3 }),
      maxPool({ size: 2 }),
      conv(8, { kernel: 1 }),
      relu(),
      averagePool({ size: 3 }),
      flatten(),
      dropout(0.1),
      dense(6),
      relu(),
      dense(3),
    ],
    { inputShape: [8, 8, 1], seed: 1 },
  );

describe('blocks without names', () => {
  it('number their layers by kind, in their scope', () => {
    const names = build().layers.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(names).toEqual(
      expect.arrayContaining(
        ['conv1', 'conv1_pad', 'bn1', 'relu1', 'relu2', 'add1', 'concat1', 'multiply1'].concat(
          ['sigmoid1', 'block1.conv1', 'conv2', 'conv3', 'relu3', 'relu4', 'pool1', 'pool2'],
          ['flatten1', 'dropout1', 'dense1', 'dense2'],
        ),
      ),
    );
  });

  it('keep a name that is given, and count the others', () => {
    const model = sequential([relu('first'), relu(), globalAveragePool('pool'), dense(2)], {
      inputShape: [2, 2, 1],
    });
    expect(model.layers.map(({ name }) => name)).toEqual([
      'input',
      'first',
      'relu1',
      'pool',
      'dense1',
    ]);
  });

  it('refuse options in the place of a name', () => {
    const options = { activation: 'relu' } as unknown as string;
    const blocks = [globalAveragePool(), dense(2, options)];
    expect(() => sequential(blocks, { inputShape: [2, 2, 1] })).toThrow(
      /\[nn\] dense: expected the layer's name as a string, got .*; an activation is a block/,
    );
  });

  it('make a model that trains, saves and loads', async () => {
    const model = build();
    const image = tf.randomUniform([2, 8, 8, 1], 0, 1, 'float32', 1);
    const pass = compile(model).forward(image, { seed: 1 });
    const gradients = pass.backward(tf.onesLike(pass.logits));
    expect(gradients.length).toBe(model.trainableWeights.length);
    const dir = await fs.mkdtemp(path.join(os.tmpdir(), 'deepend-names-'));
    try {
      await saveModel(model, dir);
      const loaded = await loadModel(dir);
      expect(loaded.layers.map(({ name }) => name)).toEqual(model.layers.map(({ name }) => name));
      const before = await (model.predict(image) as tf.Tensor).data();
      expect(await (loaded.predict(image) as tf.Tensor).data()).toEqual(before);
    } finally {
      await fs.remove(dir);
    }
  });
});
