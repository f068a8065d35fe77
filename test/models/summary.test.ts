// Zero weights: names and sizes do not depend on the weights.
import { book, createModel, type SummaryRow, summarize, summary } from '@deepend/models';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import * as fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { groupedConv2d } from '../../packages/nn/src/grouped-conv';
import { use } from '../helpers/backends';
import { runsOf } from '../helpers/full';

beforeAll(() => use('cpu-js'));

type Tensor = tfl.SymbolicTensor;
const apply = (layer: tfl.layers.Layer, x: Tensor | Tensor[]) => layer.apply(x) as Tensor;
const netOf = (shape: number[], make: (x: Tensor) => Tensor) => {
  const image = tfl.input({ shape, name: 'input' });
  return tfl.model({ inputs: image, outputs: make(image) });
};
const rowOf = (net: tfl.LayersModel, name: string, options: object = {}) =>
  summarize(net, { rows: 'layers', ...options }).find((row) => row.name === name) as SummaryRow;
const explained = (net: tfl.LayersModel, name: string) =>
  Object.fromEntries(
    (rowOf(net, name, { explain: true }).arithmetic ?? []).map(({ of, text, value }) => [
      of,
      [text, value],
    ]),
  );

/** What a reader with a calculator gets. */
function evaluate(text: string): number {
  const code = text
    .replaceAll(',', '')
    .replaceAll('−', '-')
    .replaceAll('·', '*')
    .replaceAll('⌊', 'Math.floor(')
    .replaceAll('⌈', 'Math.ceil(')
    .replace(/[⌋⌉]/g, ')');
  expect(code).toMatch(/^([\d\s+\-*/()]|Math\.(floor|ceil))+$/);
  return new Function(`return ${code}`)() as number;
}

const IMAGE_AXES = {
  height: [1],
  width: [2],
  channels: [3],
  'height and width': [1, 2],
  numbers: [1],
} as Record<string, number[]>;

/** Every printed formula gives what it says, and that is what the layer has. */
function expectRight({ name, arithmetic = [], ...row }: SummaryRow, layer: tfl.layers.Layer): void {
  const value = (of: string) => arithmetic.find((line) => line.of === of)?.value ?? 0;
  for (const line of arithmetic) {
    expect(evaluate(line.text), `${name}: ${line.text}`).toBe(line.value);
    for (const axis of IMAGE_AXES[line.of] ?? [])
      expect(row.outputShape[axis], `${name}: ${line.of}`).toBe(line.value);
  }
  expect(value('parameters') + value('moving statistics'), name).toBe(
    name.endsWith('_fixed') ? 0 : layer.countParams(),
  );
  expect([value('parameters'), value('MACs')], name).toEqual([row.parameters, row.macs]);
}

function expectAllRight(net: tfl.LayersModel): void {
  const rows = summarize(net, { explain: true });
  for (const row of rows) expectRight(row, net.getLayer(row.name));
  const printed = summary(net, { explain: true })
    .split('\n')
    .filter((line) => line.includes(' = '));
  expect(printed).toHaveLength(rows.flatMap(({ arithmetic }) => arithmetic ?? []).length);
  for (const line of printed) {
    const [text = '', value = ''] = line.slice(line.indexOf(': ') + 2).split(' = ');
    expect(evaluate(text), line).toBe(evaluate(value));
  }
}

const conv = (config: object) =>
  tfl.layers.conv2d({ filters: 4, kernelSize: 3, ...config } as never);

describe('the arithmetic of layers', () => {
  /**
   * A row: the layers from an image of [height, width, channels], the name of one, and what is
   * printed of it.
   */
  const ROWS: [string, number[], (x: Tensor) => Tensor, Record<string, [string, number]>][] = [
    [
      "the stem of ResNet, which the book's readers ask about",
      [224, 224, 3],
      (x) =>
        apply(
          conv({ name: 'it', filters: 64, kernelSize: 7, strides: 2 }),
          apply(tfl.layers.zeroPadding2d({ padding: 3, name: 'it_pad' }), x),
        ),
      {
        'height and width': ['⌊(224 − 7 + 2·3)/2⌋ + 1', 112],
        parameters: ['7·7·3·64 + 64', 9472],
        MACs: ['7·7·3·64·112·112', 118_013_952],
      },
    ],
    [
      'uneven padding, height and width apart',
      [9, 7, 2],
      (x) =>
        apply(
          conv({ name: 'it', strides: 2 }),
          apply(
            tfl.layers.zeroPadding2d({
              padding: [
                [2, 1],
                [0, 3],
              ],
              name: 'it_pad',
            }),
            x,
          ),
        ),
      {
        height: ['⌊(9 − 3 + 2 + 1)/2⌋ + 1', 5],
        width: ['⌊(7 − 3 + 0 + 3)/2⌋ + 1', 4],
        parameters: ['3·3·2·4 + 4', 76],
        MACs: ['3·3·2·4·5·4', 1440],
      },
    ],
    [
      'same',
      [9, 9, 2],
      (x) => apply(conv({ name: 'it', strides: 2, padding: 'same', useBias: false }), x),
      {
        'height and width': ['⌈9/2⌉', 5],
        parameters: ['3·3·2·4', 72],
        MACs: ['3·3·2·4·5·5', 1800],
      },
    ],
    [
      'a dilated kernel',
      [9, 9, 2],
      (x) => apply(conv({ name: 'it', dilationRate: 2, useBias: false }), x),
      {
        'height and width': ['9 − ((3 − 1)·2 + 1) + 1', 5],
        parameters: ['3·3·2·4', 72],
        MACs: ['3·3·2·4·5·5', 1800],
      },
    ],
    [
      'grouped',
      [8, 8, 64],
      (x) => apply(groupedConv2d({ name: 'it', kernelSize: 3, filters: 128, groups: 32 }), x),
      {
        'height and width': ['8 − 3 + 1', 6],
        parameters: ['3·3·(64/32)·128 + 128', 2432],
        MACs: ['3·3·(64/32)·128·6·6', 82_944],
      },
    ],
    [
      'depthwise',
      [8, 8, 6],
      (x) =>
        apply(tfl.layers.depthwiseConv2d({ name: 'it', kernelSize: 3, depthMultiplier: 2 }), x),
      {
        'height and width': ['8 − 3 + 1', 6],
        parameters: ['3·3·6·2 + 12', 120],
        MACs: ['3·3·6·2·6·6', 3888],
      },
    ],
    [
      'separable',
      [8, 8, 6],
      (x) => apply(tfl.layers.separableConv2d({ name: 'it', kernelSize: 3, filters: 5 }), x),
      {
        'height and width': ['8 − 3 + 1', 6],
        parameters: ['3·3·6·1 + 1·1·6·5 + 5', 89],
        MACs: ['3·3·6·1·6·6 + 1·1·6·5·6·6', 3024],
      },
    ],
    [
      'max-pool, padded',
      [112, 112, 64],
      (x) =>
        apply(
          tfl.layers.maxPooling2d({ name: 'it', poolSize: 3, strides: 2 }),
          apply(tfl.layers.zeroPadding2d({ padding: 1, name: 'it_pad' }), x),
        ),
      { 'height and width': ['⌊(112 − 3 + 2·1)/2⌋ + 1', 56] },
    ],
    [
      'flatten',
      [7, 7, 512],
      (x) => apply(tfl.layers.flatten({ name: 'it' }), x),
      { numbers: ['7·7·512', 25_088] },
    ],
    [
      'linear',
      [25_088],
      (x) => apply(tfl.layers.dense({ name: 'it', units: 10 }), x),
      { parameters: ['25,088·10 + 10', 250_890], MACs: ['25,088·10', 250_880] },
    ],
    [
      'linear at each pixel',
      [5, 4, 6],
      (x) => apply(tfl.layers.dense({ name: 'it', units: 3 }), x),
      { parameters: ['6·3 + 3', 21], MACs: ['6·3·5·4', 360] },
    ],
    [
      'batch norm',
      [8, 8, 64],
      (x) => apply(tfl.layers.batchNormalization({ name: 'it' }), x),
      { parameters: ['2·64', 128], 'moving statistics': ['2·64', 128] },
    ],
    [
      'concatenation',
      [8, 8, 3],
      (x) =>
        apply(
          tfl.layers.concatenate({ name: 'it' }),
          [64, 128, 32, 32].map((filters) => apply(conv({ filters }), x)),
        ),
      { channels: ['64 + 128 + 32 + 32', 256] },
    ],
    [
      'global average pool',
      [7, 5, 8],
      (x) => apply(tfl.layers.globalAveragePooling2d({ name: 'it' }), x),
      { 'pixels in each mean': ['7·5', 35] },
    ],
    [
      'zeros for nobody',
      [7, 5, 8],
      (x) =>
        apply(
          tfl.layers.zeroPadding2d({
            name: 'it',
            padding: [
              [1, 1],
              [0, 2],
            ],
          }),
          x,
        ),
      { height: ['7 + 2·1', 9], width: ['5 + 0 + 2', 7] },
    ],
    [
      'zeros behind the channels',
      [7, 5, 8],
      (x) =>
        apply(
          tfl.layers.zeroPadding2d({
            name: 'it',
            padding: [
              [0, 0],
              [2, 3],
            ],
            dataFormat: 'channelsFirst',
          }),
          x,
        ),
      { channels: ['8 + 2 + 3', 13] },
    ],
    ['an activation', [7, 5, 8], (x) => apply(tfl.layers.reLU({ name: 'it' }), x), {}],
  ];
  it.each(ROWS)('%s', (_, shape, make, expected) => {
    const net = netOf(shape, make);
    expect(explained(net, 'it')).toEqual(expected);
    expectRight(rowOf(net, 'it', { explain: true }), net.getLayer('it'));
    net.dispose();
  });

  const NETS: [string, () => tfl.LayersModel][] = [
    ['book/lenet', () => book.lenet()],
    ['book/vgg11', () => book.vgg11({ inputShape: [37, 65, 3], widthDivisor: 8 })],
    ['book/resnet18', () => book.resnet18({ inputShape: [45, 96, 1] })],
    ['book/resnet8', () => book.resnet8({ inputShape: [28, 28, 1] })],
    ['book/nin', () => createModel('book/nin', { inputShape: [67, 99, 1] })],
    ['book/googlenet', () => createModel('book/googlenet', { inputShape: [96, 64, 1] })],
    ['book/densenet', () => createModel('book/densenet', { inputShape: [64, 33, 1] })],
    ['book/regnetx32, grouped', () => createModel('book/regnetx32', { inputShape: [32, 32, 1] })],
    ['cifar/resnet20, zeros for channels', () => createModel('cifar/resnet20', { shortcut: 'A' })],
    [
      'alexnet, average pool of any size',
      () => createModel('alexnet', { inputShape: [80, 91, 3], numClasses: 2 }),
    ],
    ['densenet121', () => createModel('densenet121', { inputShape: [40, 32, 3] })],
    [
      'googlenet',
      () => createModel('googlenet', { inputShape: [65, 64, 3], transformInput: true }),
    ],
    ['mobilenet_v2', () => createModel('mobilenet_v2', { inputShape: [49, 64, 3] })],
    ['convnext_tiny', () => createModel('convnext_tiny', { inputShape: [49, 64, 3] })],
    ['efficientnet_b0', () => createModel('efficientnet_b0', { inputShape: [49, 64, 3] })],
    ['resnext50_32x4d', () => createModel('resnext50_32x4d', { inputShape: [33, 33, 3] })],
  ];
  it.each(NETS)('every formula of %s', (_, make) => {
    const net = make();
    expectAllRight(net);
    net.dispose();
  });
});

/** Sizes from 1 on, so that a window may just fit. */
const window = fc.record({
  height: fc.integer({ min: 8, max: 14 }),
  width: fc.integer({ min: 8, max: 14 }),
  channels: fc.integer({ min: 1, max: 3 }),
  filters: fc.integer({ min: 1, max: 3 }),
  kernel: fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 })),
  stride: fc.integer({ min: 1, max: 3 }),
  dilation: fc.integer({ min: 1, max: 2 }),
  pads: fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 4, maxLength: 4 }),
  padding: fc.constantFrom('valid', 'same'),
  useBias: fc.boolean(),
});

describe('random windows', () => {
  const padded = (x: Tensor, [top = 0, bottom = 0, left = 0, right = 0]: number[]) =>
    apply(
      tfl.layers.zeroPadding2d({
        padding: [
          [top, bottom],
          [left, right],
        ],
        name: 'it_pad',
      }),
      x,
    );

  it('have the shape, the parameters and the MACs that are printed', () => {
    fc.assert(
      fc.property(
        window,
        ({
          height,
          width,
          channels,
          filters,
          kernel,
          stride,
          dilation,
          pads,
          padding,
          useBias,
        }) => {
          fc.pre(stride === 1 || dilation === 1); // tfjs has no other
          const config = {
            filters,
            kernelSize: kernel,
            strides: stride,
            dilationRate: dilation,
            padding,
            useBias,
          };
          const net = netOf([height, width, channels], (x) =>
            apply(conv({ ...config, name: 'it' }), padded(x, pads)),
          );
          expectAllRight(net);
          net.dispose();
        },
      ),
    );
  });

  it('have as many MACs as ones times ones add up to', () => {
    fc.assert(
      fc.property(window, fc.constantFrom('conv', 'grouped', 'depthwise', 'dense'), (w, kind) => {
        const config = {
          kernelSize: w.kernel,
          strides: w.stride,
          name: 'it',
          useBias: false,
        } as const;
        const groups = w.channels * w.filters;
        const layers = {
          grouped: () =>
            groupedConv2d({
              ...config,
              filters: 2 * groups,
              groups: w.channels,
              kernelInitializer: 'ones',
            }),
          conv: () =>
            tfl.layers.conv2d({ ...config, filters: w.filters, kernelInitializer: 'ones' }),
          depthwise: () =>
            tfl.layers.depthwiseConv2d({
              ...config,
              depthMultiplier: w.filters,
              depthwiseInitializer: 'ones',
            }),
          dense: () =>
            tfl.layers.dense({ name: 'it', units: w.filters, kernelInitializer: 'ones' }),
        };
        const shape = [w.height, w.width, w.channels];
        const net = netOf(shape, (x) => apply(layers[kind](), x));
        const total = tf.tidy(
          () => tf.sum(net.predict(tf.ones([1, ...shape])) as tf.Tensor).dataSync()[0],
        );
        expect(rowOf(net, 'it').macs).toBe(total);
        net.dispose();
      }),
      { numRuns: runsOf(40) },
    );
  });
});

describe('summary', () => {
  it('aligns its columns, sums them up and says what learns', () => {
    const net = book.resnet8({ inputShape: [28, 28, 1] });
    const lines = summary(net, { batchSize: 4 }).split('\n');
    const [last, total] = [lines.pop(), lines.at(-1)];
    expect(new Set(lines.map(({ length }) => length)).size).toBe(1);
    expect(lines[0]).toMatch(/^block +output shape +parameters +MACs +activations$/);
    expect(total).toMatch(/^total +78,538 +838,848 +\d+\.\d [KM]iB$/);
    expect(last).toBe('trainable 78,538 of 79,018 (480 moving statistics)');
    expect(lines.join('\n')).toContain('[4, 7, 7, 16]');
    net.dispose();
  });

  it('says what is frozen, and nothing where all numbers learn', () => {
    const net = book.lenet();
    expect(summary(net)).toMatch(/total .*$/);
    net.getLayer('stage1.conv').trainable = false;
    expect(summary(net)).toMatch(/total +61,706 .*\ntrainable 61,550 of 61,706 \(156 frozen\)$/);
    net.dispose();
  });

  it('has a row for each layer when asked; padding belongs to the layer behind it', () => {
    const net = book.resnet8({ inputShape: [28, 28, 1] });
    const names = summarize(net, { rows: 'layers' }).map(({ name }) => name);
    expect(names.toSorted()).toEqual(
      net.layers
        .map(({ name }) => name)
        .filter((name) => !name.endsWith('_pad'))
        .toSorted(),
    );
    expect(summarize(net, { explain: true }).map(({ name }) => name)).toEqual(names);
    net.dispose();
  });

  it('counts the outputs of the batch for activations', () => {
    const net = book.lenet();
    const rows = summarize(net, { batchSize: 3 });
    expect(rows[1]?.activationBytes).toBe(4 * 3 * (2 * 28 * 28 * 6 + 14 * 14 * 6)); // convolution, sigmoid, pool
    expect(summary(net, { batchSize: 1024 })).toContain(' MiB');
    net.dispose();
  });

  it("has PyTorch's blocks", () => {
    const names = [
      'conv1_pad',
      'conv1',
      'layer1.0.conv1_pad',
      'layer1.0.conv1',
      'layer1.1.conv1',
      'features.conv0',
      'features.denseblock1.denselayer1.conv1',
      'features.denseblock1.denselayer2.conv1',
      'classifier.1',
    ];
    const net = netOf([32, 32, 3], (image) =>
      names.reduce((x, name) => {
        const layer = name.endsWith('_pad') ? tfl.layers.zeroPadding2d({ name }) : conv({ name });
        return apply(layer, x);
      }, image),
    );
    const blocks = summarize(net).map(({ name }) => name);
    expect(blocks).toEqual([
      'input',
      'conv1',
      'layer1',
      'features.conv0',
      'features.denseblock1',
      'classifier.1',
    ]);
    net.dispose();
  });

  it('leaves a constant map out of parameters and MACs', () => {
    const net = netOf([7, 5, 3], (x) =>
      apply(tfl.layers.dense({ units: 2, name: 'pool_fixed', trainable: false }), x),
    );
    expect(rowOf(net, 'pool_fixed')).toMatchObject({ parameters: 0, macs: 0 });
    expect(summary(net).split('\n').at(-1)).toMatch(/^total/);
    net.dispose();
  });

  it('counts a layer that is used twice once, its MACs each time; and looks into a net in a net', () => {
    const shared = conv({ name: 'shared', padding: 'same', useBias: false, filters: 3 });
    const inside = netOf([8, 8, 3], (x) =>
      apply(tfl.layers.batchNormalization({ name: 'inner.bn' }), x),
    );
    const net = netOf([8, 8, 3], (x) => apply(inside, apply(shared, apply(shared, x))));
    expect(rowOf(net, 'shared')).toMatchObject({ parameters: 81, macs: 2 * 81 * 64 });
    expect(rowOf(net, 'inner.bn')).toMatchObject({ parameters: 6 });
    net.dispose();
  });

  const REFUSED: [string, () => unknown, RegExp][] = [
    [
      'rows that do not exist',
      () => summarize(book.lenet(), { rows: 'cells' as never }),
      /\[models\] summary: option "rows" must be one of 'blocks', 'layers', 'tree', got 'cells'/,
    ],
    [
      'blocks explained',
      () => summary(book.lenet(), { rows: 'blocks', explain: true }),
      /option "rows" must be 'layers' where layers are explained/,
    ],
    [
      'no batch',
      () => summary(book.lenet(), { batchSize: 0 }),
      /"batchSize" must be an integer of at least 1, got 0/,
    ],
    [
      'images of any size',
      () =>
        summary(netOf([null as never, null as never, 3], (x) => apply(conv({ name: 'it' }), x))),
      /layer 'input': expected an output of a fixed size, got \[\?, \?, \?, 3\]; build the model for one image size/,
    ],
  ];
  it.each(REFUSED)('refuses %s', (_, act, message) => {
    expect(act).toThrow(message);
  });

  it('makes no tensor', () => {
    const net = book.resnet8({ inputShape: [28, 28, 1] });
    const before = tf.memory().numTensors;
    summary(net, { explain: true });
    expect(tf.memory().numTensors).toBe(before);
    net.dispose();
  });
});
