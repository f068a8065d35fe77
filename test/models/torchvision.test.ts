// Zero weights: names and sizes do not depend on the weights, and logits are those of golden ones.
/**
 * What the zoo's nets cost and are called, against PyTorch's (test/golden/make-counts-golden.py)
 * and published figures; torchvision's at full size.
 */
import { createHash } from 'node:crypto';
import { type AnyModelOptions, createModel, listModels, summarize } from '@deepend/models';
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { torchParameters } from '../../packages/models/src/weights/weight-layouts';
import { use } from '../helpers/backends';
import { fillNet, goldenBatch } from '../helpers/fill';
import { rowsOf } from '../helpers/full';
import { expectClose, readGolden } from './golden-runs';

interface Counts {
  readonly id: string;
  readonly options?: AnyModelOptions;
  readonly inputShape: [height: number, width: number, channels: number];
  readonly numClasses: number;
  readonly parameters: number;
  readonly macs: number;
  /** SHA-256 of the state_dict's sorted names, one a line. */
  readonly names: string;
  /** Of the modules at the top, in order. */
  readonly shapes: Readonly<Record<string, number[]>>;
}

interface TorchvisionCounts extends Counts {
  /** Each pick-th of a thousand. */
  readonly logits: number[];
}

type Figures = Readonly<Record<string, number>>;

interface Anchors {
  readonly params_trainable_gray10: Figures;
  readonly params_torchvision_1000: Figures;
  readonly params_cifar_resnet_6n2: { readonly optA: Figures; readonly optB: Figures };
  readonly macs_224_convfc: Figures;
}

const GOLDEN = readGolden<{ pick: number; own: Counts[]; torchvision: TorchvisionCounts[] }>(
  'counts.json',
);
const ANCHORS = readGolden<Anchors>('anchors.json');

const total = (net: LayersModel, key: 'parameters' | 'macs') =>
  summarize(net).reduce((sum, row) => sum + row[key], 0);

function namesHash(net: LayersModel): string {
  const names = torchParameters(net, { where: 'test' }).map(({ name }) => name);
  return createHash('sha256').update(names.sort().join('\n')).digest('hex');
}

/**
 * PyTorch's module `layer1` is every layer called `layer1` or `layer1.…`; the last of them gives
 * its output.
 */
function outputShape(net: LayersModel, module: string): number[] | undefined {
  const layer = net.layers
    .filter(({ name }) => name === module || name.startsWith(`${module}.`))
    .at(-1);
  return layer && (layer.outputShape as (number | null)[]).slice(1).map((size) => size ?? 0);
}

/**
 * A module that has no layer here must change nothing: an adaptive pool to the size that is there,
 * or PyTorch's `Identity`.
 */
function expectShapes(net: LayersModel, { shapes }: Counts): void {
  let before: number[] | undefined;
  for (const [module, shape] of Object.entries(shapes)) {
    expect(outputShape(net, module) ?? before, module).toEqual(shape);
    before = shape;
  }
}

function build({ id, options, inputShape, numClasses }: Counts): LayersModel {
  return createModel(id, { ...options, inputShape, numClasses });
}

function expectCounts(net: LayersModel, golden: Counts): void {
  expect(total(net, 'parameters')).toBe(golden.parameters);
  expect(total(net, 'macs')).toBe(golden.macs);
  expect(namesHash(net), 'names of the parameters').toBe(golden.names);
  expectShapes(net, golden);
}

// No net computes but where its logits are compared, and this backend copies no weights.
beforeAll(() => use('cpu-js'));

/** Of each kind of block the net that computes fastest; VGGs and AlexNet have large layers. */
const COMPUTED = [
  'resnet18',
  'resnext50_32x4d',
  'densenet121',
  'googlenet',
  'mobilenet_v2',
  'efficientnet_b0',
  'convnext_tiny',
];
const isComputed = ({ id }: Counts) => COMPUTED.includes(id);

describe("torchvision's nets at 224×224 pixels", () => {
  it.each(rowsOf(GOLDEN.torchvision, isComputed))(
    '$id: parameters, MACs, names and shapes',
    (golden) => {
      const net = build(golden);
      expectCounts(net, golden);
      net.dispose();
    },
  );
});

describe("torchvision's nets at 224×224 pixels, computed", () => {
  beforeAll(() => use('simd'));
  afterAll(() => use('cpu-js'));

  it.each(rowsOf(GOLDEN.torchvision, isComputed))('$id: logits', (golden) => {
    const before = tf.memory().numTensors;
    const net = build(golden);
    fillNet(net);
    const { features, labels } = goldenBatch([1, ...golden.inputShape], golden.id);
    const logits = net.predict(features) as tf.Tensor;
    const picked = logits.dataSync().filter((_, i) => i % GOLDEN.pick === 0);
    expectClose(picked, golden.logits, 'logits', 1e-4);
    tf.dispose([features, labels, logits]);
    net.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe("the book's nets and CIFAR's", () => {
  // Deeper ones of CIFAR's differ in the number of blocks.
  const isBuiltFast = ({ id }: Counts) => !/cifar\/resnet(44|110|164|1001)/.test(id);
  it.each(rowsOf(GOLDEN.own, isBuiltFast))(
    '$id, $options: parameters, MACs, names and shapes',
    (golden) => {
      const net = build(golden);
      expectCounts(net, golden);
      net.dispose();
    },
  );

  it('are all here, and so are all of torchvision', () => {
    const counted = new Set([...GOLDEN.own, ...GOLDEN.torchvision].map(({ id }) => id));
    expect([...counted].sort()).toEqual(listModels().filter((id) => !id.startsWith('golden/')));
  });
});

/** A row of counts.json, which equals the net by the tests above; no option but those asked for. */
function countsOf(id: string, options: AnyModelOptions = {}): Counts {
  const isAsked = (row: Counts) =>
    row.id === id && JSON.stringify(row.options ?? {}) === JSON.stringify(options);
  return [...GOLDEN.own, ...GOLDEN.torchvision].find(isAsked) as Counts;
}

/** By the anchors' names for them; the others are called as here, `book/…`. */
const GRAY: Record<string, [id: string, options?: AnyModelOptions]> = {
  vgg11_div4: ['book/vgg11', { widthDivisor: 4 }],
  d2l_resnet18: ['book/resnet18'],
  d2l_resnet18_small_stem: ['book/resnet18', { stem: 'cifar' }],
  densenet_4x4_g32: ['book/densenet'],
};

describe('published figures', () => {
  const torchvisions = Object.entries(ANCHORS.params_torchvision_1000);
  it.each(torchvisions)("%s of torchvision's: %i parameters", (id, parameters) => {
    expect(countsOf(id).parameters).toBe(parameters);
  });

  const [narrow, books] = [true, false].map((ours) =>
    Object.entries(ANCHORS.params_trainable_gray10).filter(
      ([name]) => name.startsWith('tv_') === ours,
    ),
  ) as [[string, number][], [string, number][]];

  it.each(books)("%s of the book's: %i parameters", (name, parameters) => {
    const [id, options] = GRAY[name] ?? [`book/${name}`];
    expect(countsOf(id, options)).toMatchObject({
      parameters,
      numClasses: 10,
      inputShape: [expect.any(Number), expect.any(Number), 1],
    });
  });

  it.each(narrow)('%s for one channel and ten classes: %i parameters', (name, parameters) => {
    const net = createModel(name.replace('tv_', ''), { inputShape: [224, 224, 1], numClasses: 10 });
    expect(total(net, 'parameters')).toBe(parameters);
    net.dispose();
  });

  const ids = listModels();
  const cifar = (['A', 'B'] as const).flatMap((shortcut) =>
    Object.entries(ANCHORS.params_cifar_resnet_6n2[`opt${shortcut}`]).map(
      ([depth, parameters]) => ({
        shortcut,
        depth,
        parameters,
      }),
    ),
  );
  // 1202 layers are published too, and no net of the zoo.
  it.each(cifar.filter(({ depth }) => ids.includes(`cifar/resnet${depth}`)))(
    "CIFAR's of $depth layers, shortcut $shortcut",
    ({ depth, shortcut, parameters }) => {
      expect(countsOf(`cifar/resnet${depth}`, { shortcut }).parameters).toBe(parameters);
    },
  );

  it.each(Object.entries(ANCHORS.macs_224_convfc))('%s: %i MACs', (name, macs) => {
    expect(
      countsOf(name.endsWith('_gray10') ? `book/${name.replace('_gray10', '')}` : name).macs,
    ).toBe(macs);
  });
});
