/** What a loss reads of a model with a final activation, and how means of batches are joined. */
import {
  binaryCrossEntropy,
  crossEntropy,
  meanSquaredError,
  softmaxCrossEntropy,
} from '@deepend/optim';
import { evaluate, predict, train } from '@deepend/trainer';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, it } from 'vitest';
import { expectNumbers } from '../compiler/goldens';
import { use } from '../helpers/backends';
import { mix } from '../helpers/fill';
import { expectNoLeak } from '../helpers/leaks';

beforeAll(() => use('cpu-js'));

const FEATURES = mix(8 * 4, 'features');
const TARGETS = mix(8 * 3, 'targets').map(Math.abs);
const ONE_BIT = TARGETS.map((value) => Number(value > 0.3));
const RARE = [0, 0, 0, 1, 0, 0, 0, 0]; // one sample of class 1

function loaderOf(
  labels: (start: number, count: number) => tf.Tensor,
  batchSize = 8,
): Parameters<typeof evaluate>[1] {
  return {
    numSamples: 8,
    batchSize,
    numBatches: Math.ceil(8 / batchSize),
    async *[Symbol.asyncIterator]() {
      for (let start = 0; start < 8; start += batchSize) {
        const count = Math.min(batchSize, 8 - start);
        const values = FEATURES.slice(4 * start, 4 * (start + count));
        yield { features: tf.tensor4d(values, [count, 2, 2, 1]), labels: labels(start, count) };
      }
    },
  };
}
const targetsLoader = (values: readonly number[] | Float32Array) =>
  loaderOf((start, count) =>
    tf.tensor2d([...values].slice(3 * start, 3 * (start + count)), [count, 3]),
  );

/** A model whose last layers are `ending`. Its weights are always the same. */
function modelOf(...ending: tfl.layers.Layer[]): tfl.LayersModel {
  const net = tfl.sequential({
    layers: [tfl.layers.flatten({ inputShape: [2, 2, 1] }), ...ending],
  });
  net.setWeights(
    net.getWeights().map(({ shape, size }, i) => tf.tensor(mix(size, `weight ${i}`), shape)),
  );
  return net;
}
type Activation = 'softmax' | 'sigmoid';
const ENDINGS: Record<string, (activation: Activation) => tfl.layers.Layer[]> = {
  'in a dense layer': (activation) => [tfl.layers.dense({ units: 3, activation })],
  'as a layer': (activation) => [
    tfl.layers.dense({ units: 3 }),
    activation === 'softmax' ? tfl.layers.softmax() : tfl.layers.activation({ activation }),
  ],
};
const CASES = Object.keys(ENDINGS).flatMap((where) =>
  (['softmax', 'sigmoid'] as const).map((activation) => [activation, where] as const),
);
const build = (activation: Activation, where: string) =>
  modelOf(...(ENDINGS[where]?.(activation) ?? []));
const weightsOf = (net: tfl.LayersModel) =>
  net.getWeights().flatMap((weight) => [...weight.dataSync()]);
const settings = { numEpochs: 1, lr: 0.5, progress: false };

describe.each(CASES)('a final %s %s', (activation, where) => {
  it('is part of what predict gives', async () => {
    const net = build(activation, where);
    const features = tf.tensor4d(FEATURES, [8, 2, 2, 1]);
    const outputs = await predict(net, features);
    expectNumbers(outputs.dataSync(), [...(net.predict(features) as tf.Tensor).dataSync()]);
  });

  it('is seen by the mean squared error, in evaluation', async () => {
    const net = build(activation, where);
    const x = tf.tensor4d(FEATURES, [8, 2, 2, 1]);
    const y = tf.tensor2d([...TARGETS], [8, 3]);
    const expected = [...tf.mean(tf.squaredDifference(net.predict(x) as tf.Tensor, y)).dataSync()];
    const { loss } = await evaluate(net, targetsLoader(TARGETS), { loss: meanSquaredError() });
    expectNumbers([loss], expected);
  });

  it("is seen by the mean squared error, in a training step like stock TensorFlow.js's", async () => {
    const net = build(activation, where);
    const stock = build(activation, where);
    const x = tf.tensor4d(FEATURES, [8, 2, 2, 1]);
    const y = tf.tensor2d([...TARGETS], [8, 3]);
    const variables = stock.trainableWeights.map((weight) => weight.read() as tf.Variable);
    const compute = () =>
      tf.mean(tf.squaredDifference(stock.apply(x, { training: true }) as tf.Tensor, y));
    tf.train.sgd(0.5).applyGradients(tf.variableGrads(compute as () => tf.Scalar, variables).grads);
    await train(net, targetsLoader(TARGETS), null, { ...settings, loss: meanSquaredError() });
    expectNumbers(weightsOf(net), weightsOf(stock));
  });

  it('leaks no tensors', async () => {
    const net = build(activation, where);
    const loader = targetsLoader(TARGETS);
    await expectNoLeak(() => evaluate(net, loader, { loss: meanSquaredError() }).then(() => {}));
    await expectNoLeak(() =>
      train(net, loader, null, { ...settings, loss: meanSquaredError() }).then(() => {}),
    );
  });
});

it('cross-entropy looks through a final softmax only', async () => {
  const logits = modelOf(tfl.layers.dense({ units: 3 }));
  const labels = loaderOf((start, count) =>
    tf.tensor1d(
      Array.from({ length: count }, (_, i) => (start + i) % 3),
      'int32',
    ),
  );
  const expected = await evaluate(logits, labels);
  for (const where of Object.keys(ENDINGS))
    for (const loss of [undefined, softmaxCrossEntropy, crossEntropy()])
      expect(await evaluate(build('softmax', where), labels, { loss })).toEqual(expected);
  const other = await evaluate(build('sigmoid', 'as a layer'), labels);
  expect(Math.abs(other.loss - expected.loss)).toBeGreaterThan(0.01);
});

it('binary cross-entropy looks through a final sigmoid only', async () => {
  const loss = binaryCrossEntropy();
  const labels = targetsLoader(ONE_BIT);
  const expected = await evaluate(modelOf(tfl.layers.dense({ units: 3 })), labels, { loss });
  for (const where of Object.keys(ENDINGS))
    expect(await evaluate(build('sigmoid', where), labels, { loss })).toEqual(expected);
  const other = await evaluate(build('softmax', 'as a layer'), labels, { loss });
  expect(Math.abs(other.loss - expected.loss)).toBeGreaterThan(0.01);
});

describe('class weights', () => {
  const loss = crossEntropy({ classWeights: [1, 10] });
  const net = () => modelOf(tfl.layers.dense({ units: 2 }));
  const loader = (batchSize: number) =>
    loaderOf((start, count) => tf.tensor1d(RARE.slice(start, start + count), 'int32'), batchSize);
  const trained = async (batchSize: number, options: Partial<Parameters<typeof train>[3]>) => {
    const model = net();
    const { history } = await train(model, loader(batchSize), null, {
      ...settings,
      loss,
      ...options,
    });
    return { weights: weightsOf(model), history };
  };

  it.each([
    ['in parts', 8, { microBatch: 4 }],
    ['in uneven parts', 8, { microBatch: 3 }],
    ['accumulated', 4, { gradientAccumulationSteps: 2 }],
    ['accumulated unevenly', 3, { gradientAccumulationSteps: 3 }],
    ['accumulated, in parts', 4, { gradientAccumulationSteps: 2, microBatch: 2 }],
  ])('give the update of the whole batch %s', async (_, batchSize, options) => {
    const whole = await trained(8, {});
    const parts = await trained(batchSize, options);
    expectNumbers(parts.weights, whole.weights);
    expectNumbers([parts.history[0]?.loss ?? 0], [whole.history[0]?.loss ?? 1]);
  });

  it('give one loss however the samples are grouped into batches', async () => {
    const model = net();
    const whole = await evaluate(model, loader(8), { loss });
    for (const batchSize of [1, 3, 4])
      expectNumbers([(await evaluate(model, loader(batchSize), { loss })).loss], [whole.loss]);
  });

  it('leak no tensors', async () => {
    const model = net();
    const options = { ...settings, loss, gradientAccumulationSteps: 2, microBatch: 2 };
    await expectNoLeak(() => train(model, loader(3), null, options).then(() => {}));
    await expectNoLeak(() => evaluate(model, loader(3), { loss }).then(() => {}));
  });
});

describe('a sum', () => {
  const loader = (batchSize: number) =>
    loaderOf((start, count) => tf.tensor1d(RARE.slice(start, start + count), 'int32'), batchSize);
  const trained = async (batchSize: number, options: Partial<Parameters<typeof train>[3]>) => {
    const model = modelOf(tfl.layers.dense({ units: 2 }));
    const before = tf.memory().numTensors;
    const { history } = await train(model, loader(batchSize), null, {
      ...settings,
      lr: 0.05,
      loss: crossEntropy({ reduction: 'sum' }),
      ...options,
    });
    expect(tf.memory().numTensors).toBe(before);
    return [history[0]?.loss ?? Number.NaN, ...weightsOf(model)];
  };

  it('trains by the gradient of the sum, and reports the mean', async () => {
    expectNumbers(await trained(8, {}), await trained(8, { lr: 8 * 0.05, loss: crossEntropy() }));
  });

  it.each([
    ['in parts', 8, { microBatch: 3 }],
    ['accumulated', 4, { gradientAccumulationSteps: 2 }],
    ['accumulated unevenly, in parts', 3, { gradientAccumulationSteps: 3, microBatch: 2 }],
  ])('is that of the whole batch %s', async (_, batchSize, options) => {
    expectNumbers(await trained(batchSize, options), await trained(8, {}));
  });

  it('evaluates to the mean', async () => {
    const model = modelOf(tfl.layers.dense({ units: 2 }));
    const { loss } = await evaluate(model, loader(3), { loss: crossEntropy({ reduction: 'sum' }) });
    expectNumbers([loss], [(await evaluate(model, loader(8))).loss]);
  });
});

describe('a function to a scalar', () => {
  const half = (outputs: tf.Tensor, labels: tf.Tensor): tf.Scalar =>
    tf.tidy(() => tf.mean(tf.square(tf.sub(outputs, labels))));

  it('trains as the loss with the same gradient given by hand', async () => {
    const results: number[][] = [];
    for (const loss of [half, meanSquaredError()]) {
      const model = modelOf(tfl.layers.dense({ units: 3, kernelInitializer: 'ones' }));
      const before = tf.memory().numTensors;
      const options = { numEpochs: 2, lr: 0.1, progress: false, loss };
      const { history } = await train(model, targetsLoader(TARGETS), null, options);
      expect(tf.memory().numTensors).toBe(before);
      const last = history.at(-1)?.loss ?? Number.NaN;
      results.push([last, ...model.getWeights().flatMap((w) => [...w.dataSync()])]);
    }
    expectNumbers(results[0] as number[], results[1] as number[]);
  });

  const own: [string, () => ReturnType<typeof crossEntropy>][] = [
    ['crossEntropy', () => crossEntropy({ labelSmoothing: 0.1 })],
    ['softmaxCrossEntropy', () => softmaxCrossEntropy as ReturnType<typeof crossEntropy>],
    ['binaryCrossEntropy', () => binaryCrossEntropy()],
  ];
  it.each(own)('may compute by %s', async (_, make) => {
    const loss = make();
    const doubled = (outputs: tf.Tensor, labels: tf.Tensor): tf.Scalar =>
      tf.mul(loss(outputs, labels).loss, 2);
    const results: number[][] = [];
    for (const [given, lr] of [
      [doubled, 0.1],
      [loss, 0.2],
    ] as const) {
      const model = modelOf(tfl.layers.dense({ units: 3 }));
      const before = tf.memory().numTensors;
      const options = { numEpochs: 2, lr, progress: false, loss: given };
      const { history } = await train(model, targetsLoader(TARGETS), null, options);
      expect(tf.memory().numTensors).toBe(before);
      const last = (history.at(-1)?.loss ?? Number.NaN) * (given === loss ? 2 : 1);
      results.push([last, ...weightsOf(model)]);
    }
    expectNumbers(results[0] as number[], results[1] as number[]);
  });

  const refused: [string, unknown, RegExp][] = [
    [
      'a number for each position',
      crossEntropy({ reduction: 'none' }),
      /expected a loss that is one number, got reduction 'none'; use 'mean' or 'sum'/,
    ],
    [
      'no scalar',
      (outputs: tf.Tensor) => tf.mean(outputs, 0),
      /a loss that is a scalar, got a tensor of \[3\]/,
    ],
    [
      'no tensor',
      () => 3,
      /expected the loss to return a scalar, or \{ loss, correct, dLogits \}.*got 3/,
    ],
    [
      'nothing of the outputs',
      () => tf.scalar(1),
      /depends on the model's outputs, but its gradient is none/,
    ],
  ];
  it.each(refused)('is refused when it gives %s', async (_, loss, message) => {
    const model = modelOf(tfl.layers.dense({ units: 3 }));
    const before = tf.memory().numTensors;
    const options = { numEpochs: 1, lr: 0.1, progress: false, loss: loss as never };
    await expect(train(model, targetsLoader(TARGETS), null, options)).rejects.toThrow(message);
    expect(tf.memory().numTensors).toBe(before);
  });
});
