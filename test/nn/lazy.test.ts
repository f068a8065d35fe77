/** Modules that learn their number of inputs from the first inputs. */

import * as tf from '@tensorflow/tfjs-core';
import { evaluate, loadArray, nn, train } from 'deepend';
import { beforeAll, describe, expect, it } from 'vitest';
import { use } from '../helpers/backends';
import { expectNoLeak } from '../helpers/leaks';

beforeAll(() => use('cpu-js'));

const values = (net: nn.Module) =>
  net.namedParameters().map(([name, variable]) => [name, variable.shape, [...variable.dataSync()]]);

const images = () => tf.zeros([2, 6, 5, 3]);
const rows = () => tf.zeros([2, 3]);
const series = () => tf.zeros([2, 5, 3]);
/** A lazy module, the ordinary one, and an input with three features. */
const KINDS: [string, () => nn.Module, () => nn.Module, () => tf.Tensor][] = [
  [
    'Linear',
    () => new nn.LazyLinear(4, { bias: false }),
    () => new nn.Linear(3, 4, { bias: false }),
    rows,
  ],
  ['Conv1d', () => new nn.LazyConv1d(4, 2), () => new nn.Conv1d(3, 4, 2), series],
  [
    'Conv2d',
    () => new nn.LazyConv2d(6, [2, 3], { groups: 3, stride: 2 }),
    () => new nn.Conv2d(3, 6, [2, 3], { groups: 3, stride: 2 }),
    images,
  ],
  [
    'ConvTranspose2d',
    () => new nn.LazyConvTranspose2d(4, 2),
    () => new nn.ConvTranspose2d(3, 4, 2),
    images,
  ],
  [
    'BatchNorm1d',
    () => new nn.LazyBatchNorm1d({ epsilon: 0.1 }),
    () => new nn.BatchNorm1d(3, { epsilon: 0.1 }),
    rows,
  ],
  ['BatchNorm2d', () => new nn.LazyBatchNorm2d(), () => new nn.BatchNorm2d(3), images],
];

describe.each(KINDS)('%s', (name, lazy, ordinary, input) => {
  it('becomes the ordinary module, with its first values', () => {
    nn.manualSeed(3);
    const expected = ordinary();
    nn.manualSeed(3);
    const net = lazy();
    expect(net.name).toBe(`Lazy${name}`);
    net.eval();
    const y = net.forward(input()) as tf.Tensor;
    expect(y.dataSync()).toEqual((expected.eval().forward(input()) as tf.Tensor).dataSync());
    expect(values(net)).toEqual(values(expected));
    expect(net.training).toBe(false);
    expect(net.config()).toEqual(expected.config());
    expect([net.name, net.constructor]).toEqual([name, expected.constructor]);
    expect(net).toBeInstanceOf(nn[name as 'Linear']);
  });

  it('has no parameters before', () => {
    const message = `[nn] Lazy${name}: it has no parameters before its first inputs`;
    const net = lazy();
    for (const ask of [
      () => net.parameters(),
      () => net.stateDict(),
      () => net.loadStateDict({}),
      () => net.weights,
    ])
      expect(ask).toThrow(message);
    expect(net.train().modules()).toEqual([net]); // modes need no parameters
  });

  it('leaves no tensor behind', () =>
    expectNoLeak(() => {
      const net = lazy();
      tf.dispose(tf.tidy(() => net.forward(input()) as tf.Tensor));
      net.dispose();
      lazy().dispose();
    }));
});

it.each<[string, () => unknown, string]>([
  ['sizes', () => new nn.LazyLinear(0), 'outFeatures'],
  ['options', () => new nn.LazyConv2d(4, 3, { strid: 2 } as object), 'there is no option "strid"'],
  ['kernels', () => new nn.LazyConv2d(4, -3), 'kernelSize'],
  ['groups', () => new nn.LazyConv2d(4, 3, { groups: 3 }), 'must divide'],
])('refuses wrong %s at once', (_, make, message) => {
  expect(make).toThrow(message);
});

it('gives a function of initial values the true shape', () => {
  const shapes: number[][] = [];
  const init = (shape: readonly number[]) => {
    shapes.push([...shape]);
    return tf.zeros([...shape]);
  };
  new nn.LazyConvTranspose2d(4, 2, { init }).forward(images());
  expect(shapes).toEqual([[3, 4, 2, 2]]);
});

it('draws the numbers of an option "seed"', () => {
  const net = new nn.LazyLinear(4, { seed: 5 });
  net.forward(rows());
  expect(values(net)).toEqual(values(new nn.Linear(3, 4, { seed: 5 })));
});

const perceptron = () =>
  new nn.Sequential(
    new nn.LazyLinear(8, { seed: 1 }),
    new nn.ReLU(),
    new nn.LazyLinear(2, { seed: 2 }),
  );
const data = () =>
  loadArray(
    [
      tf.tensor2d([
        [0, 1],
        [1, 0],
        [0, 2],
        [2, 0],
      ]),
      tf.tensor1d([0, 1, 0, 1], 'int32'),
    ],
    2,
    { seed: 1 },
  );

it('trains after an example, and is refused by name before', async () => {
  const net = perceptron();
  await expect(
    train(net, data(), null, { numEpochs: 1, lr: 0.5, progress: false }),
  ).rejects.toThrow(
    '"0", a LazyLinear, has no parameters before its first inputs; call forward once with an ' +
      'example, such as the features of one batch',
  );
  net.forward(tf.zeros([1, 2]));
  await train(net, data(), null, { numEpochs: 30, lr: 0.5, progress: false });
  expect((await evaluate(net, data())).accuracy).toBe(1);
});
