/** `train` and its siblings with a compiled module: the numbers of the module itself. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { loadModule, saveModel, summary } from '@deepend/models';
import * as nn from '@deepend/nn';
import * as optim from '@deepend/optim';
import { type AnyLoader, checkpoints, evaluate, lrFind, predict, train } from '@deepend/trainer';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { use } from '../helpers/backends';

class Classifier extends nn.Module {
  readonly layers = new nn.Sequential(
    new nn.Linear(4, 16, { seed: 1 }),
    new nn.BatchNorm1d(16),
    new nn.ReLU(),
    new nn.Dropout(0.3),
    new nn.Linear(16, 3, { seed: 2 }),
  );

  override config() {
    return [];
  }

  override forward(x: tf.Tensor): tf.Tensor {
    return this.layers.forward(x);
  }
}

const COUNT = 40; // in batches of 16: the last one is smaller

const points: AnyLoader = {
  numSamples: COUNT,
  batchSize: 16,
  numBatches: 3,
  async *[Symbol.asyncIterator]() {
    const values = Array.from({ length: COUNT * 4 }, (_, i) => Math.sin(i * 12.9898) * 2);
    for (let at = 0; at < COUNT; at += 16) {
      const size = Math.min(16, COUNT - at);
      const x = tf.tensor2d(values.slice(4 * at, 4 * (at + size)), [size, 4]);
      const classes = Array.from({ length: size }, (_, i) =>
        (values[4 * (at + i)] ?? 0) > 0 ? 1 : 0,
      );
      yield { features: x, labels: tf.tensor1d(classes, 'int32') };
    }
  },
  state: () => ({}),
  restore: () => {},
};

const example = () => tf.ones([16, 4]);
const compiled = () => nn.compile(new Classifier(), example());
const valuesOf = (module: nn.Module) => module.getWeights().map((weight) => [...weight.dataSync()]);
const options = {
  numEpochs: 4,
  lr: 0.01,
  optimizer: 'adam',
  emaDecay: 0.9,
  clipNorm: 0.5,
  gradientAccumulationSteps: 2,
  progress: false,
  seed: 5,
} as const;

let dir: string;
beforeAll(async () => {
  await use('simd');
  dir = await mkdtemp(path.join(tmpdir(), 'compiled-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

describe('a compiled module', () => {
  it('trains, evaluates and predicts as the module does, bit for bit', async () => {
    const [module, net] = [new Classifier(), compiled()];
    const [expected, found] = [
      await train(module, points, points, options),
      await train(net, points, points, options),
    ];
    const losses = ({ history }: typeof found) =>
      history.map(({ loss, testAcc }) => [loss, testAcc]);
    expect(losses(found)).toEqual(losses(expected));
    expect(valuesOf(net)).toEqual(valuesOf(module));
    expect(await evaluate(net, points)).toEqual(await evaluate(module, points));
    const x = tf.randomNormal([16, 4], 0, 1, 'float32', 3);
    for (let i = 0; i < 3; i++) {
      const [given, eager] = [await predict(net, x), await predict(module, x)] as tf.Tensor[];
      expect([...(given as tf.Tensor).dataSync()]).toEqual([...(eager as tf.Tensor).dataSync()]);
    }
    expect(net.compiled.recordings.sizes.length).toBeGreaterThan(0);
  });

  it('resumes bit for bit', async () => {
    const whole = compiled();
    await train(whole, points, null, options);
    const folder = path.join(dir, 'resumed');
    const first = compiled();
    await train(first, points, null, {
      ...options,
      numEpochs: 2,
      callbacks: [checkpoints(folder)],
    });
    const second = compiled();
    await train(second, points, null, { ...options, resume: folder });
    expect(valuesOf(second)).toEqual(valuesOf(whole));
  });

  it('leaves no tensor behind but what its recordings keep', async () => {
    const net = compiled();
    await train(net, points, points, options);
    const before = tf.memory().numTensors;
    await train(net, points, points, options);
    await evaluate(net, points);
    tf.dispose((await predict(net, points)) as tf.Tensor);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('is taken by optimizers, lrFind, summary and saveModel', async () => {
    const net = compiled();
    const optimizer = optim.sgd(net, { lr: 0.1 });
    const before = valuesOf(net);
    const x = tf.ones([16, 4]);
    optimizer.step(() => tf.mean<tf.Scalar>(tf.square(net.forward(x)))).dispose();
    expect(valuesOf(net)).not.toEqual(before);
    expect((await lrFind(net, points, { steps: 10 })).lrs.length).toBeGreaterThan(3);
    expect(String(summary(net, { inputs: example() }))).toMatch(/Classifier .*\nlayers /);
    const folder = path.join(dir, 'saved');
    await saveModel(net, folder);
    const loaded = await loadModule(folder, { Classifier });
    expect(valuesOf(loaded)).toEqual(valuesOf(net));
  });
});
