/** `train` on models of layers that are not compiled: token ids, two inputs and outputs, states. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { crossEntropy, meanSquaredError } from '@deepend/optim';
import { type AnyLoader, checkpoints, evaluate, predict, train } from '@deepend/trainer';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { use } from '../helpers/backends';

const L = tfl.layers;
const quiet = { numEpochs: 2, lr: 0.1, progress: false } as const;
const symbolic = (value: unknown) => value as tfl.SymbolicTensor;

let dir: string;
beforeAll(async () => {
  await use('simd');
  dir = await mkdtemp(path.join(tmpdir(), 'on-tape-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

type Made = { features: unknown; labels: unknown };

/** Batches of four, made anew each time; continues where its state says. */
function loaderOf(make: (index: number) => Made, numBatches = 4): AnyLoader {
  let position = 0;
  return {
    batchSize: 4,
    numBatches,
    numSamples: 4 * numBatches,
    async *[Symbol.asyncIterator]() {
      for (let index = position; index < numBatches; index++) {
        position = (index + 1) % numBatches;
        yield make(index) as { features: tf.Tensor; labels: tf.Tensor };
      }
    },
    state: () => ({ position }),
    restore: (state) => {
      ({ position } = state as { position: number });
    },
  };
}

/** The next token of a sequence that counts up: `[batch, time]` of ids to as many classes. */
const counting = (index: number): Made => {
  const ids = Array.from({ length: 20 }, (_, i) => (index + (i % 5) + Math.floor(i / 5)) % 7);
  const features = tf.tensor2d(ids, [4, 5], 'int32');
  return {
    features,
    labels: tf.tidy(() => tf.mod(tf.add(features, tf.scalar(1, 'int32')), tf.scalar(7, 'int32'))),
  };
};

const tagger = () =>
  tfl.sequential({
    layers: [
      L.embedding({
        inputDim: 7,
        outputDim: 8,
        inputLength: 5,
        embeddingsInitializer: tfl.initializers.randomUniform({ seed: 1, minval: -1, maxval: 1 }),
      }),
      L.dense({ units: 7, kernelInitializer: tfl.initializers.glorotUniform({ seed: 2 }) }),
    ],
  });

describe('token ids to a class for each', () => {
  it('learns; accuracy counts positions', async () => {
    const model = tagger();
    const before = tf.memory().numTensors;
    const options = { ...quiet, numEpochs: 30, lr: 0.02, optimizer: 'adam' } as const;
    const { history } = await train(model, loaderOf(counting), loaderOf(counting), options);
    expect(history.at(-1)?.testAcc).toBe(1);
    expect(history[0]?.trainAcc).toBeLessThan(0.9);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('predicts and evaluates: the loss is the mean over positions that count', async () => {
    const model = tagger();
    const { features, labels } = counting(0) as { features: tf.Tensor; labels: tf.Tensor };
    const outputs = (await predict(model, features)) as tf.Tensor;
    expect([...outputs.dataSync()]).toEqual([...(model.predict(features) as tf.Tensor).dataSync()]);
    const mask = tf.tensor2d(
      Array.from({ length: 20 }, (_, i) => Number(i % 5 < 2)),
      [4, 5],
    );
    const masked = loaderOf(
      () => ({
        features: features.clone(),
        labels: { labels: labels.clone(), mask: mask.clone() },
      }),
      1,
    );
    const { loss } = await evaluate(model, masked, { loss: crossEntropy() });
    const rows = tf.reshape(tf.slice(outputs, [0, 0, 0], [4, 2, 7]), [8, 7]);
    const truth = tf.oneHot(tf.reshape(tf.slice(labels, [0, 0], [4, 2]), [8]) as tf.Tensor1D, 7);
    const [expected = 0] = tf.losses.softmaxCrossEntropy(truth, rows).dataSync();
    expect(loss).toBeCloseTo(expected, 4);
  });

  it('refuses a label outside the classes, with its place', async () => {
    const wrong = loaderOf((index) => {
      const { features } = counting(index);
      const labels = tf.fill([4, 5], 0, 'int32').bufferSync();
      labels.set(7, 2, 3);
      return { features, labels: labels.toTensor() };
    });
    await expect(train(tagger(), wrong, null, quiet)).rejects.toThrow(
      /labels from 0 to 6.*got 7 at \[2, 3\]/,
    );
  });

  it('refuses an id outside the vocabulary, with its place', async () => {
    const wrong = loaderOf((index) => ({
      ...counting(index),
      features: tf.fill([4, 5], 9, 'int32'),
    }));
    await expect(train(tagger(), wrong, null, quiet)).rejects.toThrow(
      /expected integer ids from 0 to 6.*got 9 at \[0, 0\]/,
    );
  });
});

describe('two inputs and two outputs', () => {
  const model = () => {
    const left = tfl.input({ shape: [3], name: 'left' });
    const right = tfl.input({ shape: [2], name: 'right' });
    const both = symbolic(L.concatenate().apply([left, right]));
    const options = {
      kernelInitializer: 'ones',
      kernelRegularizer: tfl.regularizers.l2({ l2: 0.01 }),
    } as const;
    const classes = symbolic(L.dense({ ...options, units: 2, name: 'classes' }).apply(both));
    const size = symbolic(L.dense({ ...options, units: 1, name: 'size' }).apply(both));
    return tfl.model({ name: 'two', inputs: [left, right], outputs: [classes, size] });
  };
  const batch = (index: number): Made => ({
    features: { right: tf.fill([4, 2], index - 1), left: tf.ones([4, 3]) },
    labels: { size: tf.fill([4, 1], index), classes: tf.fill([4], index % 2, 'int32') },
  });
  const loss = { size: { loss: meanSquaredError(), weight: 0.1 }, classes: crossEntropy() };

  it('train on a record of losses, and say the loss', async () => {
    const net = model();
    const before = tf.memory().numTensors;
    const { history } = await train(net, loaderOf(batch), loaderOf(batch), {
      ...quiet,
      loss,
      lr: 0.01,
      numEpochs: 5,
    });
    expect(history.at(-1)?.loss).toBeLessThan(history[0]?.loss ?? 0);
    expect(history.at(-1)?.trainAcc).toBeNaN();
    expect(tf.memory().numTensors).toBe(before);
  });

  it('refuse features without one of the inputs, and say which are there', async () => {
    const lacking = loaderOf((index) => ({ ...batch(index), features: { left: tf.ones([4, 3]) } }));
    await expect(train(model(), lacking, null, { ...quiet, loss })).rejects.toThrow(
      /inputs left, right, got left/,
    );
  });
});

describe('a stateful layer', () => {
  const net = () =>
    tfl.sequential({
      layers: [
        L.simpleRNN({
          units: 3,
          stateful: true,
          batchInputShape: [4, 5, 1],
          kernelInitializer: 'ones',
          recurrentInitializer: tfl.initializers.identity({ gain: 0.5 }),
        }),
        L.dense({ units: 2, kernelInitializer: tfl.initializers.glorotUniform({ seed: 3 }) }),
      ],
    });
  const batch = (index: number): Made => ({
    features: tf.tidy(() => tf.fill([4, 5, 1], Math.sin(index + 1))),
    labels: tf.tensor1d([0, 1, index % 2, 1], 'int32'),
  });
  const valuesOf = (model: tfl.LayersModel) => model.getWeights().map((w) => [...w.dataSync()]);

  it('resumes within an epoch with its state, bit for bit', async () => {
    const [whole, first, again] = [net(), net(), net()];
    await train(whole, loaderOf(batch), null, quiet);
    const folder = path.join(dir, 'stateful');
    const stop = {
      onStep: ({ globalStep }: { globalStep: number }) => {
        if (globalStep === 6) throw new Error('killed');
      },
    };
    const callbacks = [checkpoints(folder, { everySteps: 1 }), stop];
    await train(first, loaderOf(batch), null, { ...quiet, callbacks }).catch(() => {});
    await train(again, loaderOf(batch), null, { ...quiet, resume: folder });
    expect(valuesOf(again)).toEqual(valuesOf(whole));
  });
});
