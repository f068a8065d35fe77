// Zero weights: names and sizes do not depend on the weights.
/** The book's nets as the book prints them. */
import { book, createModel, listModels, RECIPES, recipeOf, summarize } from '@deepend/models';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, it } from 'vitest';
import { use } from '../helpers/backends';

beforeAll(() => use('cpu-js'));

const RESNET = ['stem', 'stage1', 'stage2', 'stage3', 'stage4', 'head'];
const VGG = ['stage1', 'stage2', 'stage3', 'stage4', 'stage5', 'head'];

/** What the book prints behind each block or layer, without the batch. */
const SHAPES: [string, () => LayersModel, string[], number[][]][] = [
  [
    'ResNet-18 at 224',
    () => book.resnet18(),
    RESNET,
    [[56, 56, 64], [56, 56, 64], [28, 28, 128], [14, 14, 256], [7, 7, 512], [10]],
  ],
  [
    'ResNet-18 at 96',
    () => book.resnet18({ inputShape: [96, 96, 1] }),
    RESNET,
    [[24, 24, 64], [24, 24, 64], [12, 12, 128], [6, 6, 256], [3, 3, 512], [10]],
  ],
  [
    'ResNet-18 for small images',
    () => book.resnet18({ inputShape: [28, 28, 1], stem: 'cifar' }),
    RESNET,
    [[28, 28, 64], [28, 28, 64], [14, 14, 128], [7, 7, 256], [4, 4, 512], [10]],
  ],
  [
    'ResNeXt at 96',
    () => book.resnext18({ inputShape: [96, 96, 1] }),
    RESNET,
    [[24, 24, 64], [24, 24, 64], [12, 12, 128], [6, 6, 256], [3, 3, 512], [10]],
  ],
  [
    'VGG-11',
    () => book.vgg11({ widthDivisor: 4 }),
    VGG,
    [[112, 112, 16], [56, 56, 32], [28, 28, 64], [14, 14, 128], [7, 7, 128], [10]],
  ],
  [
    "VGG-11's layers",
    () => book.vgg11({ widthDivisor: 4 }),
    ['head.flatten', 'head.dense1', 'head.dropout2'],
    [[6272], [4096], [4096]],
  ],
  [
    'AlexNet',
    () => book.alexnet(),
    [
      'stage1.conv',
      'stage1.pool',
      'stage2.conv',
      'stage2.pool',
      'stage3.conv1',
      'stage3.conv2',
      'stage3.conv3',
      'stage3.pool',
      'head.flatten',
      'head.dense1',
      'head.dense2',
      'head.dense3',
    ],
    [
      [54, 54, 96],
      [26, 26, 96],
      [26, 26, 256],
      [12, 12, 256],
      [12, 12, 384],
      [12, 12, 384],
      [12, 12, 256],
      [5, 5, 256],
      [6400],
      [4096],
      [4096],
      [10],
    ],
  ],
  [
    'NiN',
    () => book.nin(),
    [
      'stage1.conv1',
      'stage1.pool',
      'stage2.conv1',
      'stage2.pool',
      'stage3.conv1',
      'stage3.pool',
      'head.conv3',
      'head.pool',
    ],
    [
      [54, 54, 96],
      [26, 26, 96],
      [26, 26, 256],
      [12, 12, 256],
      [12, 12, 384],
      [5, 5, 384],
      [5, 5, 10],
      [10],
    ],
  ],
  [
    'GoogLeNet',
    () => book.googlenet(),
    ['stage1', 'stage2', 'stage3', 'stage4', 'stage5', 'head'],
    [[24, 24, 64], [12, 12, 192], [6, 6, 480], [3, 3, 832], [3, 3, 1024], [10]],
  ],
  [
    'DenseNet',
    () => book.densenet(),
    RESNET,
    [[24, 24, 64], [12, 12, 96], [6, 6, 112], [3, 3, 120], [3, 3, 248], [10]],
  ],
  [
    'RegNetX-32',
    () => book.regnetx32(),
    ['stem', 'stage1', 'stage2', 'head'],
    [[48, 48, 32], [24, 24, 32], [12, 12, 80], [10]],
  ],
  [
    "LeNet's layers",
    () => book.lenet(),
    [
      'stage1.conv',
      'stage1.pool',
      'stage2.conv',
      'stage2.pool',
      'head.flatten',
      'head.dense1',
      'head.dense2',
      'head.dense3',
    ],
    [[28, 28, 6], [14, 14, 6], [10, 10, 16], [5, 5, 16], [400], [120], [84], [10]],
  ],
  [
    "BN-LeNet's layers",
    () => book.bn_lenet(),
    [
      'stage1.conv',
      'stage1.bn',
      'stage1.pool',
      'stage2.conv',
      'stage2.pool',
      'head.flatten',
      'head.bn1',
      'head.dense3',
    ],
    [[24, 24, 6], [24, 24, 6], [12, 12, 6], [8, 8, 16], [4, 4, 16], [256], [120], [10]],
  ],
];

it.each(SHAPES)("the book's shapes: %s", (_, build, names, expected) => {
  const net = build();
  const inner = names[0]?.includes('.');
  const rows = summarize(net, { rows: inner ? 'layers' : 'blocks' });
  if (!inner) expect(rows.map(({ name }) => name)).toEqual(['input', ...names]);
  expect(names.map((name) => rows.find((row) => row.name === name)?.outputShape.slice(1))).toEqual(
    expected,
  );
  net.dispose();
});

describe('names', () => {
  it.each(listModels('book/*'))('%s: each layer by its place', (id) => {
    const net = createModel(id, {
      inputShape: [67, 67, 1],
      ...(id.includes('vgg') && { widthDivisor: 16 }),
    });
    expect(net.name).toBe(id);
    for (const { name } of net.layers) expect(name).toMatch(/^[a-z_]+\d*(\.[a-z_]*\d*)*(_pad)?$/);
    net.dispose();
  });
});

describe('recipes', () => {
  const ids = Object.keys(RECIPES) as (keyof typeof RECIPES)[];

  it.each(ids)('%s: a net that its settings fit', (id) => {
    const { size, options, lr, batchSize, numEpochs } = recipeOf(id);
    const width = id === 'book/alexnet' ? {} : options; // full AlexNet stands in SHAPES
    const net = createModel(id, { inputShape: [size, size, 1], numClasses: 10, ...width });
    expect(net.inputs[0]?.shape).toEqual([null, size, size, 1]);
    for (const number of [lr, batchSize, numEpochs]) expect(number).toBeGreaterThan(0);
    net.dispose();
  });

  it('is undefined for a net without one', () => {
    expect(recipeOf('resnet50')).toBeUndefined();
  });
});
