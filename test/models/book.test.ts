import { createHash } from 'node:crypto';
import {
  BOOK_LENETS,
  BOOK_RESNETS,
  BOOK_VGGS,
  type BookNetOptions,
  book,
  createModel,
  listModels,
  sequential,
  summarize,
} from '@deepend/models';
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, it } from 'vitest';
import { use } from '../helpers/engines';

beforeAll(() => use('cpu-js'));

const total = (net: LayersModel, key: 'parameters' | 'macs') => summarize(net).reduce((sum, row) => sum + row[key], 0);
const kernels = (net: LayersModel) => net.weights.filter(({ originalName }) => originalName.endsWith('kernel'));

/** Published figures: the book's chapters 7.6, 8.2 and 8.6, and the counts that PyTorch gives for its own definition of the nets. */
const ANCHORS: { id: string; options: BookNetOptions; parameters: number; macs?: number }[] = [
  { id: 'book/lenet', options: { inputShape: [28, 28, 1] }, parameters: 61_706 },
  { id: 'book/vgg11', options: { inputShape: [224, 224, 1] }, parameters: 128_806_154, macs: 7_547_232_256 },
  { id: 'book/vgg11', options: { inputShape: [224, 224, 1], widthDivisor: 4 }, parameters: 43_093_322 },
  { id: 'book/resnet18', options: { inputShape: [224, 224, 1] }, parameters: 11_178_378, macs: 1_734_890_496 },
  { id: 'book/resnet18', options: { inputShape: [96, 96, 1] }, parameters: 11_178_378 },
  { id: 'book/resnet18', options: { inputShape: [28, 28, 1], stem: 'cifar' }, parameters: 11_175_818 },
  { id: 'book/resnet8', options: { inputShape: [28, 28, 1] }, parameters: 78_538, macs: 838_848 },
];

const BLOCKS_OF_RESNET = ['stem', 'stage1', 'stage2', 'stage3', 'stage4', 'head'];
const BLOCKS_OF_VGG = ['stage1', 'stage2', 'stage3', 'stage4', 'stage5', 'head'];

/** What the book prints behind each block, without the batch. */
const SHAPES: [string, () => LayersModel, string[], number[][]][] = [
  ['ResNet-18 at 224', () => book.resnet18(), BLOCKS_OF_RESNET,
    [[56, 56, 64], [56, 56, 64], [28, 28, 128], [14, 14, 256], [7, 7, 512], [10]]],
  ['ResNet-18 at 96', () => book.resnet18({ inputShape: [96, 96, 1] }), BLOCKS_OF_RESNET,
    [[24, 24, 64], [24, 24, 64], [12, 12, 128], [6, 6, 256], [3, 3, 512], [10]]],
  ['ResNet-18 for small images', () => book.resnet18({ inputShape: [28, 28, 1], stem: 'cifar' }), BLOCKS_OF_RESNET,
    [[28, 28, 64], [28, 28, 64], [14, 14, 128], [7, 7, 256], [4, 4, 512], [10]]],
  ['VGG-11', () => book.vgg11(), BLOCKS_OF_VGG,
    [[112, 112, 64], [56, 56, 128], [28, 28, 256], [14, 14, 512], [7, 7, 512], [10]]],
  ["VGG-11's layers", () => book.vgg11(), ['head.flatten', 'head.dense1', 'head.dropout2'],
    [[25_088], [4096], [4096]]],
  ["LeNet's layers", () => book.lenet(), ['stage1.conv', 'stage1.pool', 'stage2.conv', 'stage2.pool', 'head.flatten', 'head.dense1', 'head.dense2', 'head.dense3'],
    [[28, 28, 6], [14, 14, 6], [10, 10, 16], [5, 5, 16], [400], [120], [84], [10]]],
]; // biome-ignore format: a row a net

describe('anchors', () => {
  it.each(ANCHORS)('$id of $options', ({ id, options, parameters, macs }) => {
    const net = createModel(id, { ...options, numClasses: 10 });
    expect(net.name).toBe(id);
    expect(total(net, 'parameters')).toBe(parameters);
    if (macs) expect(total(net, 'macs')).toBe(macs);
    net.dispose();
  });

  it.each(SHAPES)("the book's shapes: %s", (_, build, names, expected) => {
    const net = build();
    const rows = summarize(net, { rows: names[0]?.includes('.') ? 'layers' : 'blocks' });
    if (!names[0]?.includes('.')) expect(rows.map(({ name }) => name)).toEqual(['input', ...names]);
    expect(names.map((name) => rows.find((row) => row.name === name)?.outputShape.slice(1))).toEqual(expected);
    net.dispose();
  });
});

const hash = (values: Float32Array) =>
  createHash('sha256')
    .update(Buffer.from(values.buffer, values.byteOffset, values.byteLength))
    .digest('hex');

/** What every net of the zoo keeps. */
describe.each(listModels())('%s', (id) => {
  it('gives logits for each class, from any seed the same twice', () => {
    const make = (seed: number) => createModel(id, { inputShape: [32, 32, 3], numClasses: 7, seed });
    const [a, b, c] = [make(1), make(1), make(2)];
    expect(a.outputs[0]?.shape).toEqual([null, 7]);
    const values = (net: LayersModel) => kernels(net).map((weight) => hash(weight.read().dataSync() as Float32Array));
    expect(values(a)).toEqual(values(b));
    values(a).forEach((kernel, i) => {
      expect(kernel, kernels(a)[i]?.name).not.toEqual(values(c)[i]);
    });
  });

  it('names each layer by its place', () => {
    const names = createModel(id, { inputShape: [32, 32, 1] }).layers.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) expect(name).toMatch(/^(input|stem|head|stage\d+)(\.[a-z]+\d*(_pad)?)*$/);
  });

  it("begins within Xavier's bounds, unlike from layer to layer", () => {
    const weights = kernels(createModel(id, { inputShape: [32, 32, 1] }));
    const first = weights.map((weight) => {
      const [fanIn, fanOut] = fans(weight.shape.map((size) => size ?? 1));
      const bound = Math.sqrt(6 / (fanIn + fanOut));
      const values = weight.read().dataSync() as Float32Array;
      const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      const rms = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
      expect(largest, weight.name).toBeLessThanOrEqual(bound * 1.0001);
      expect(rms / (bound / Math.sqrt(3)), weight.name).toBeCloseTo(1, 0.8);
      return (values[0] ?? 0) / bound;
    });
    expect(new Set(first).size).toBe(first.length);
  });

  it('leaves no tensor behind when it is disposed', () => {
    const before = tf.memory().numTensors;
    createModel(id, { inputShape: [32, 32, 1] }).dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
});

/** Kernel height × width × channels, and × filters: Glorot & Bengio's fans. */
function fans(shape: number[]): [number, number] {
  const area = shape.slice(0, -2).reduce((a, b) => a * b, 1);
  return [area * (shape.at(-2) ?? 1), area * (shape.at(-1) ?? 1)];
}

describe('he-normal', () => {
  it("has the deviation of torchvision's ResNets, √(2 / fan-out)", () => {
    const net = book.resnet8({ inputShape: [32, 32, 1], init: 'he-normal' });
    const kernel = kernels(net).find(({ name }) => name.startsWith('stage3.block1.conv2'));
    const values = kernel?.read().dataSync() as Float32Array;
    const rms = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
    expect(rms / Math.sqrt(2 / (9 * 64))).toBeCloseTo(1, 1);
  });
});

describe('bad input', () => {
  const cases: [string, () => unknown, RegExp][] = [
    ['a net that does not exist', () => createModel('book/resnet9'), /there is no net 'book\/resnet9'; did you mean 'book\/resnet8'\?/],
    ['an option that does not exist', () => book.resnet8({ inputshape: [28, 28, 1] } as object), /there is no option "inputshape"; did you mean "inputShape"\?/],
    ['a shape of two numbers', () => book.resnet8({ inputShape: [28, 28] as never }), /"inputShape" must be \[height, width, channels\]/],
    ['no classes', () => book.resnet8({ numClasses: 0 }), /"numClasses" must be a whole number of at least 1, got 0/],
    ['an unknown initializer', () => book.resnet8({ init: 'zeros' as never }), /"init" must be one of 'xavier-uniform', 'he-normal', got 'zeros'/],
    ['a divisor that leaves part of a filter', () => book.vgg11({ widthDivisor: 3 }), /"widthDivisor" must be a whole number that divides 64, got 3/],
    ['a divisor of half', () => book.vgg11({ widthDivisor: 0.5 }), /"widthDivisor" must be a whole number of at least 1, got 0.5/],
    ['a dropout of everything', () => book.vgg11({ dropout: 1 }), /"dropout" must be a number below 1, got 1/],
    ['a VGG for images too small', () => book.vgg11({ inputShape: [28, 28, 1], widthDivisor: 8 }), /block 5 would give \[0, 0, 64\]/],
    ['a stem that does not exist', () => book.resnet18({ stem: 'imagenet' as never }), /"stem" must be one of 'book', 'cifar', got 'imagenet'/],
    ["another net's option", () => createModel('book/lenet', { stem: 'cifar' }), /\[models\] book.lenet: there is no option "stem"/],
    ["another net's divisor", () => createModel('book/resnet18', { widthDivisor: 4 }), /there is no option "widthDivisor"/],
    ['no blocks', () => sequential([], { inputShape: [8, 8, 1] }), /expected at least one block/],
    ['a summary by the wrong rows', () => summarize(book.resnet8({ inputShape: [28, 28, 1] }), { rows: 'cells' as never }), /"rows" must be one of/],
  ]; // biome-ignore format: a row a case
  it.each(cases)('%s', (_, act, message) => {
    expect(act).toThrow(message);
  });

  it('takes the smallest image', () => {
    expect(book.resnet18({ inputShape: [1, 1, 1] }).outputs[0]?.shape).toEqual([null, 10]);
  });

  it('has a row for each builder', () => {
    expect(Object.keys(book)).toEqual(Object.keys({ ...BOOK_LENETS, ...BOOK_VGGS, ...BOOK_RESNETS }));
  });
});
