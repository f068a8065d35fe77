/**
 * What every model of the zoo keeps, on every backend that this machine has. By default one model
 * of each family runs.
 */

import { tmpdir } from 'node:os';
import path from 'node:path';
import { compile, type Plan, type StepResult } from '@deepend/compiler';
import { createModel, listModels, loadModel, saveModel, summarize } from '@deepend/models';
import { sgdStep, softmaxCrossEntropy } from '@deepend/optim';
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import fs from 'fs-extra';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { backends, use } from '../helpers/backends';
import { isFull } from '../helpers/full';

// One test builds its model on each backend; random weights are drawn for the first and kept.
const drawn = new Map<string, Float32Array>();
vi.mock('../../packages/nn/src/random', async (importOriginal) => {
  type Random = typeof import('../../packages/nn/src/random');
  const original = await importOriginal<Random>();
  const uniform: Random['uniform'] = (...args) => {
    const values = drawn.get(args.join()) ?? original.uniform(...args);
    drawn.set(args.join(), values);
    return values.slice();
  };
  return { ...original, uniform };
});
afterEach(() => drawn.clear());

const NUM_CLASSES = 7;

/**
 * The image of each net where 32×32×3 is too small, or not what it is for; the first row that fits.
 */
const IMAGES: [RegExp, [number, number, number]][] = [
  [/^book\/(lenet|bn_lenet|mlp|softmax_regression|resnet8)$/, [28, 28, 1]],
  [/alexnet|nin$/, [67, 67, 1]],
  [/^googlenet|^book\/googlenet|densenet/, [48, 48, 3]],
];
const imageOf = (id: string) => IMAGES.find(([pattern]) => pattern.test(id))?.[1] ?? [32, 32, 3];

/** VGGs at a sixteenth of their width; no dropout, so that the loss of two steps compares. */
const optionsOf = (id: string) => ({
  ...(/vgg/.test(id) && { widthDivisor: 16 }),
  ...(/vgg|alexnet|nin$|^googlenet|mobilenet|efficientnet/.test(id) && { dropout: 0 }),
  ...(/efficientnet|convnext/.test(id) && { stochasticDepth: 0 }),
});

// Uniform numbers are drawn faster than normal ones: some nets have a hundred million.
const make = (id: string, seed = 1): LayersModel =>
  createModel(id, {
    inputShape: imageOf(id),
    numClasses: NUM_CLASSES,
    init: 'xavier-uniform',
    seed,
    ...optionsOf(id),
  });

const batchOf = (id: string, count: number) => ({
  features: tf.randomUniform([count, ...imageOf(id)], 0, 1, 'float32', 5),
  labels: tf.tensor1d(
    Int32Array.from({ length: count }, (_, i) => (3 * i + 1) % NUM_CLASSES),
    'int32',
  ),
});

const STOCK = [
  ...[
    'Activation',
    'Add',
    'AveragePooling2D',
    'BatchNormalization',
    'Concatenate',
    'Conv2D',
    'Dense',
    'DepthwiseConv2D',
    'Dropout',
  ],
  ...[
    'Flatten',
    'GlobalAveragePooling2D',
    'InputLayer',
    'LayerNormalization',
    'MaxPooling2D',
    'Multiply',
    'Permute',
    'ReLU',
    'Reshape',
    'ZeroPadding2D',
  ],
];
const GROUPED = /resnext|regnet/;

const read = (tensor: tf.Tensor): number[] => {
  const values = [...tensor.dataSync()];
  tensor.dispose();
  return values;
};

function stepOf(
  plan: Plan,
  batch: { features: tf.Tensor; labels: tf.Tensor },
): { loss: number; gradients: StepResult['gradients'] } {
  const { loss, correct, gradients } = plan.forwardBackward(batch.features, batch.labels, {
    loss: softmaxCrossEntropy,
    seed: 9,
  });
  correct.dispose();
  return { loss: read(loss)[0] as number, gradients };
}

const free = (gradients: StepResult['gradients']) =>
  tf.dispose(gradients.map(({ gradient }) => gradient));

/** Σ g², what a step of length lr takes off the loss for each unit of lr, in the limit. */
const squaredNorm = (gradients: StepResult['gradients']) =>
  tf
    .tidy(() =>
      gradients.map(({ gradient }) => tf.sum(tf.square(gradient)).dataSync()[0] as number),
    )
    .reduce((a, b) => a + b, 0);

const distance = (a: readonly number[], b: readonly number[]) =>
  Math.max(...a.map((value, i) => Math.abs(value - (b[i] as number)))) /
  Math.max(...a.map(Math.abs));

let dir: string;
beforeAll(async () => {
  dir = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
});
afterAll(() => fs.remove(dir));

const others = backends
  .filter(({ name, absent }) => name !== 'simd' && !absent)
  .map(({ name }) => name);

/**
 * One model of each family and form, the smallest; every model when all rows run. AlexNets, NiN
 * and VGGs have many weights, and only layers that others have.
 */
const REPRESENTATIVE = [
  ...['book/bn_lenet', 'book/densenet', 'book/googlenet', 'book/mlp'],
  'book/regnetx32',
  ...['cifar/resnet20', 'mobilenet_v2'],
];
const skippedHere = (id: string) => !isFull && !REPRESENTATIVE.includes(id);
const titled = (id: string) => (skippedHere(id) ? `${id}: npm run test:full` : id);

describe.each(listModels().map((id) => ({ id, title: titled(id) })))('$title', ({ id }) => {
  it.skipIf(skippedHere(id))(
    'builds, computes alike on every backend, learns, saves, loads, and leaves nothing',
    async () => {
      await use('simd');
      const before = tf.memory().numTensors;
      const net = make(id);
      expect(net.inputs[0]?.shape).toEqual([null, ...imageOf(id)]);
      expect(net.outputs[0]?.shape).toEqual([null, NUM_CLASSES]);
      const names = net.layers.map(({ name }) => name);
      expect(new Set(names).size).toBe(names.length);
      const trainable = net.trainableWeights.reduce(
        (sum, weight) => sum + tf.util.sizeFromShape(weight.shape as number[]),
        0,
      );
      expect(summarize(net).reduce((sum, row) => sum + row.parameters, 0)).toBe(trainable);

      const plan = compile(net);
      const batch = batchOf(id, 4);
      const logits = read(plan.logits(batch.features));
      expect(logits.every(Number.isFinite)).toBe(true);

      const first = stepOf(plan, batch);
      // The linear part of a thousand layers' loss is short.
      const fraction = id === 'cifar/resnet1001' ? 0.005 : 0.02;
      const lr = (fraction * first.loss) / squaredNorm(first.gradients);
      sgdStep(first.gradients, { lr });
      free(first.gradients);
      const second = stepOf(plan, batch);
      free(second.gradients);
      expect(second.loss).toBeLessThan(first.loss);

      const trained = read(plan.logits(batch.features));
      const folder = path.join(dir, id.replace('/', '-'));
      await saveModel(net, folder);
      const { modelTopology, userDefinedMetadata } = await fs.readJson(
        path.join(folder, 'model.json'),
      );
      const foreign = modelTopology.config.layers
        .map(({ class_name: name }: { class_name: string }) => name)
        .filter((name: string) => !STOCK.includes(name));
      expect([...new Set(foreign)]).toEqual(GROUPED.test(id) ? ['deepend>GroupedConv2D'] : []);
      expect(JSON.stringify(userDefinedMetadata ?? {}).includes('@deepend/models')).toBe(
        GROUPED.test(id),
      );
      const loaded = await loadModel(folder);
      await fs.remove(folder);
      expect(read(compile(loaded).logits(batch.features))).toEqual(trained);
      loaded.dispose();

      const features = batch.features.arraySync() as number[][][][];
      tf.dispose([batch.features, batch.labels]);
      net.dispose();
      expect(tf.memory().numTensors).toBe(before);

      for (const backend of others) {
        await use(backend);
        const start = tf.memory().numTensors;
        const again = make(id);
        const images = tf.tensor4d(features.slice(0, 1));
        const values = read(compile(again).logits(images));
        expect(distance(logits.slice(0, NUM_CLASSES), values), backend).toBeLessThan(1e-4);
        tf.dispose(images);
        again.dispose();
        expect(tf.memory().numTensors).toBe(start);
      }
    },
    300_000,
  );
});
