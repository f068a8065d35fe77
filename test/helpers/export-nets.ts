/**
 * Nets that between them have all that exporters must write: each family of the zoo, each block
 * order, and stock layers that a user composes.
 */

import { book, cifar, createModel } from '@deepend/models';
import { BLOCK_ORDERS, type BlockOrderName } from '@deepend/nn';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { expect } from 'vitest';
import { fillNet, goldenBatch } from './fill';
import { rowsOf } from './full';

type Shape = [height: number, width: number, channels: number];
const small = { numClasses: 5 };
const zoo = (
  id: string,
  inputShape: Shape,
  options: object = {},
): [string, () => tfl.LayersModel] => [
  id,
  () => createModel(id, { inputShape, ...small, ...options }),
];

const FAMILIES: [string, () => tfl.LayersModel][] = [
  zoo('book/softmax_regression', [28, 28, 1]),
  zoo('book/lenet', [28, 28, 1]),
  zoo('book/bn_lenet', [28, 28, 1]),
  zoo('book/alexnet', [67, 67, 1]),
  zoo('book/nin', [67, 67, 1]),
  zoo('book/googlenet', [48, 48, 3]),
  zoo('book/resnext18', [32, 32, 3]),
  zoo('book/densenet', [48, 48, 3]),
  zoo('vgg11_bn', [40, 32, 3], { widthDivisor: 16 }), // a pool by matrix products, over an image that is not square
  zoo('googlenet', [40, 40, 3], { transformInput: true }),
  zoo('mobilenet_v2', [32, 32, 3], { widthMultiplier: 0.25 }),
  zoo('efficientnet_b0', [32, 32, 3]),
  zoo('convnext_tiny', [32, 32, 3]),
];

const resnet8 = (options: Parameters<typeof book.resnet8>[0] = {}) =>
  book.resnet8({ inputShape: [28, 28, 1], ...small, ...options });
const ORDERS = Object.keys(BLOCK_ORDERS).map((blockOrder): [string, () => tfl.LayersModel] => [
  `resnet8, ${blockOrder}`,
  () => resnet8({ blockOrder: blockOrder as BlockOrderName }),
]);

const VARIANTS: [string, () => tfl.LayersModel][] = [
  ['shortcut A', () => cifar.resnet20({ inputShape: [16, 16, 3], ...small })],
  ['squeeze-and-excitation', () => resnet8({ squeezeRatio: 4 })],
  ['stochastic depth', () => resnet8({ stochasticDepth: 0.5 })],
];

const input = (name: string, shape: number[] = [12, 10, 4]) => tfl.input({ shape, name });
const apply = (layer: tfl.layers.Layer, ...x: tfl.SymbolicTensor[]) =>
  layer.apply(x.length === 1 ? (x[0] as tfl.SymbolicTensor) : x) as tfl.SymbolicTensor;
const end = (x: tfl.SymbolicTensor) =>
  apply(tfl.layers.dense({ units: 5, name: 'end' }), apply(tfl.layers.flatten(), x));

/** Stock layers with settings that the zoo has not. */
function stock(): tfl.LayersModel {
  const image = input('image');
  let x = apply(
    tfl.layers.conv2d({
      filters: 6,
      kernelSize: [3, 2],
      strides: 2,
      padding: 'same',
      activation: 'relu6',
    }),
    image,
  ); // 6×5
  x = apply(tfl.layers.upSampling2d({ size: [2, 3] }), x); // 12×15
  x = apply(
    tfl.layers.cropping2D({
      cropping: [
        [1, 2],
        [0, 3],
      ],
    }),
    x,
  ); // 9×12 biome-ignore format: pairs
  x = apply(
    tfl.layers.separableConv2d({
      filters: 5,
      kernelSize: 3,
      depthMultiplier: 2,
      padding: 'same',
      activation: 'elu',
    }),
    x,
  );
  x = apply(tfl.layers.conv2d({ filters: 5, kernelSize: 3, dilationRate: 2, padding: 'same' }), x);
  x = apply(tfl.layers.leakyReLU({ alpha: 0.2 }), x);
  x = apply(tfl.layers.batchNormalization({ scale: false }), x);
  x = apply(tfl.layers.depthwiseConv2d({ kernelSize: 3, depthMultiplier: 2, useBias: false }), x); // 7×10×10
  x = apply(tfl.layers.prelu({ alphaInitializer: 'randomUniform', sharedAxes: [1, 2] }), x);
  x = apply(tfl.layers.averagePooling2d({ poolSize: 3, strides: 2, padding: 'same' }), x); // 4×5
  x = apply(tfl.layers.permute({ dims: [3, 1, 2] }), x);
  x = apply(tfl.layers.reshape({ targetShape: [4, 10, 5] }), x);
  const [a, b] = ['swish', 'tanh'].map((activation) =>
    apply(tfl.layers.activation({ activation: activation as 'tanh' }), x),
  ) as [tfl.SymbolicTensor, tfl.SymbolicTensor];
  x = apply(
    tfl.layers.concatenate({ axis: 2 }),
    apply(tfl.layers.average(), a, b),
    apply(tfl.layers.maximum(), a, b),
    x,
  );
  return tfl.model({ inputs: image, outputs: end(x), name: 'stock/layers' });
}

/** A net that calls one layer three times, at two depths, and a net that is in it twice. */
function shared(): tfl.LayersModel {
  const inner = tfl.sequential({
    name: 'inner',
    layers: [
      tfl.layers.conv2d({
        filters: 4,
        kernelSize: 3,
        padding: 'same',
        inputShape: [12, 10, 4],
        name: 'inner.conv',
      }),
      tfl.layers.reLU(),
    ],
  });
  const conv = tfl.layers.conv2d({ filters: 4, kernelSize: 1, name: 'conv' });
  const image = input('image');
  const once = apply(inner, apply(conv, image));
  const twice = apply(inner, apply(conv, once));
  return tfl.model({
    inputs: image,
    outputs: end(apply(tfl.layers.multiply(), twice, apply(conv, image))),
    name: 'shared',
  });
}

/** A layer that is called twice, and the same net twice inside: what TensorFlow.js loads again. */
function twice(): tfl.LayersModel {
  const conv = tfl.layers.conv2d({ filters: 4, kernelSize: 1, name: 'twice.conv' });
  const start = input('start');
  const inner = tfl.model({
    inputs: start,
    outputs: apply(tfl.layers.conv2d({ filters: 4, kernelSize: 3, name: 'cut' }), start),
    name: 'inner',
  });
  const image = input('image');
  const [a, b] = [apply(inner, image), apply(inner, apply(conv, image))] as const;
  return tfl.model({
    inputs: image,
    outputs: end(apply(tfl.layers.add(), apply(conv, a), b)),
    name: 'twice',
  });
}

const sequential = () =>
  tfl.sequential({
    layers: [
      tfl.layers.conv2d({ filters: 3, kernelSize: 3, inputShape: [12, 10, 4] }),
      tfl.layers.globalMaxPooling2d({}),
      tfl.layers.dense({ units: 5, activation: 'softmax' }),
    ],
  });

const COMPOSED: [string, () => tfl.LayersModel][] = [
  ['stock layers', stock],
  ['shared layers', shared],
  ['layers called twice', twice],
  ['a Sequential', sequential],
];

export interface ExportNet {
  readonly name: string;
  /** With golden weights, statistics of batch normalization too. */
  readonly make: () => tfl.LayersModel;
}

/** Of 10 to 50 million weights, and but for a pool of layers that others have too. */
const LARGE = ['book/alexnet', 'book/googlenet', 'vgg11_bn'];

/** A row a net, as a test runs over it. */
export const EXPORT_NETS: readonly ExportNet[] = rowsOf(
  [...FAMILIES, ...ORDERS, ...VARIANTS, ...COMPOSED],
  ([name]) => !LARGE.includes(name),
).map(([name, build]) => ({
  name,
  make: () => {
    const net = build();
    fillNet(net);
    return net;
  },
}));

export interface Expected {
  /** `[batch, height, width, channels]`. */
  readonly shape: number[];
  readonly images: Float32Array;
  readonly logits: readonly number[];
}

/** Two images for a net, and what it makes of them. */
export async function expectedOf(net: tfl.LayersModel, name: string): Promise<Expected> {
  const [height, width, channels] = (net.inputs[0] as tfl.SymbolicTensor).shape.slice(1) as Shape;
  const { features, labels } = goldenBatch([2, height, width, channels], name);
  const logits = net.predict(features) as tf.Tensor;
  try {
    return {
      shape: features.shape,
      images: (await features.data()) as Float32Array,
      logits: [...(await logits.data())],
    };
  } finally {
    tf.dispose([features, labels, logits]);
  }
}

/** The same logits within 1e-4 of the largest, and not all alike. */
export function expectLogits(got: ArrayLike<number>, expected: readonly number[]): void {
  expect(got).toHaveLength(expected.length);
  const largest = Math.max(...expected.map(Math.abs));
  expected.forEach((value, i) => {
    expect(Math.abs((got[i] as number) - value) / largest, `logit ${i}`).toBeLessThan(1e-4);
  });
  expect(
    new Set(expected.map((value) => value.toFixed(6))).size,
    'logits that differ',
  ).toBeGreaterThan(2);
}
