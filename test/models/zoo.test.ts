// Zero weights: names and sizes do not depend on the weights.
/** How nets are asked for, and what their blocks are made of. */
import {
  book,
  cifar,
  createModel,
  denseBlock,
  inception,
  invertedResidual,
  listModels,
  ninBlock,
  registerModel,
  resnet18,
  resnet50,
  summarize,
  transitionBlock,
  vgg11,
  vggBlock,
} from '@deepend/models';
import {
  add,
  BLOCK_ORDERS,
  type BlockOrderName,
  chain,
  cifarStem,
  classifier,
  conv,
  relu,
  residual,
  residualEnd,
  residualStage,
  residualStem,
  sequential,
  squeezeExcitation,
} from '@deepend/nn';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, it } from 'vitest';
import { use } from '../helpers/backends';
import { isFull } from '../helpers/full';

beforeAll(() => use('cpu-js'));

const parameters = (net: tfl.LayersModel) =>
  summarize(net).reduce((sum, row) => sum + row.parameters, 0);
const layers = (net: tfl.LayersModel) => net.layers.map(({ name }) => name);

describe('the registry', () => {
  it('has every id once, sorted, and finds them by pattern', () => {
    const ids = listModels();
    expect(ids).toEqual([...new Set(ids)].sort());
    expect(listModels('*resnet18')).toEqual(['book/resnet18', 'resnet18']);
    expect(listModels('vgg1?')).toEqual([]); // only * is special
    expect(listModels('cifar/*')).toHaveLength(7);
  });

  it("takes a user's own", () => {
    const recipe = { lr: 0.1, batchSize: 8, size: 8, numEpochs: 1 };
    registerModel(
      'mine/tiny',
      ({ inputShape = [8, 8, 1], numClasses = 2 } = {}) =>
        sequential([cifarStem(4), classifier(numClasses)], { inputShape }),
      { recipe },
    );
    expect(createModel('mine/tiny', { numClasses: 3 }).outputs[0]?.shape).toEqual([null, 3]);
    expect(listModels('mine/*')).toEqual(['mine/tiny']);
    expect(() => registerModel('mine/tiny', () => book.lenet())).toThrow(
      /there is a model 'mine\/tiny' already/,
    );
    expect(() => registerModel('resnet18', () => book.lenet())).toThrow(
      /there is a model 'resnet18' already/,
    );
    expect(() => registerModel('not an id', () => book.lenet())).toThrow(
      /expected an id of letters/,
    );
    expect(() => registerModel('mine/none', undefined as never)).toThrow(/must be a function/);
  });

  it('names its builders by their ids', () => {
    expect(resnet50({ inputShape: [32, 32, 3] }).name).toBe('resnet50');
    expect(cifar.resnet20().name).toBe('cifar/resnet20');
  });
});

describe('blocks', () => {
  it("compose as the book's script does", () => {
    const blocks = [
      residualStem(64),
      residualStage(64, 2, { firstBlock: true }),
      residualStage(128, 2),
      residualStage(256, 2),
      residualStage(512, 2),
      classifier(10),
    ];
    const net = sequential(blocks, { inputShape: [96, 96, 1] });
    expect(parameters(net)).toBe(11_178_378);
    expect(layers(net)).toEqual(layers(book.resnet18({ inputShape: [96, 96, 1] })));
  });

  const SHAPES: [
    string,
    tfl.SymbolicTensor['shape'],
    () => (x: tfl.SymbolicTensor) => tfl.SymbolicTensor,
    number[],
  ][] = [
    ['inception', [9, 7, 192], () => inception([64, [96, 128], [16, 32], 32]), [9, 7, 256]],
    ['vggBlock', [9, 7, 3], () => vggBlock(16, 2), [4, 3, 16]],
    ['ninBlock', [9, 7, 3], () => ninBlock(16, { kernel: 3, stride: 2 }), [4, 3, 16]],
    ['denseBlock', [9, 7, 5], () => denseBlock(3, 4), [9, 7, 17]],
    ['transitionBlock', [9, 7, 10], () => transitionBlock(), [4, 3, 5]],
    ['invertedResidual', [9, 7, 8], () => invertedResidual(8), [9, 7, 8]],
    ['squeezeExcitation', [9, 7, 32], () => squeezeExcitation(16), [9, 7, 32]],
    ['residual', [9, 7, 8], () => residual(16, { projection: true, stride: 2 }), [5, 4, 16]],
    [
      'a bottleneck of groups',
      [9, 7, 8],
      () => residual(32, { block: 'bottleneck', width: 16, groups: 4, projection: true }),
      [9, 7, 32],
    ],
  ];
  it.each(SHAPES)('%s: on a tensor of its own, outside a build', (_, shape, make, expected) => {
    const x = tfl.input({ shape: shape as number[] });
    const net = tfl.model({ inputs: x, outputs: make()(x) });
    expect(net.outputs[0]?.shape).toEqual([null, ...expected]);
    net.dispose();
  });

  it("mix with layers of the user's own", () => {
    const squared = (x: tfl.SymbolicTensor) =>
      tfl.layers.multiply().apply([x, x]) as tfl.SymbolicTensor;
    const net = sequential([conv(4, { kernel: 3, name: 'conv' }), squared, classifier(3)], {
      inputShape: [8, 8, 1],
    });
    expect(net.outputs[0]?.shape).toEqual([null, 3]);
    const merged = (x: tfl.SymbolicTensor) =>
      add('sum')(chain(conv(1, { kernel: 1, name: 'c' }), relu('r'))(x), x);
    expect(
      sequential([merged, classifier(3)], { inputShape: [8, 8, 1] }).outputs[0]?.shape,
    ).toEqual([null, 3]);
  });
});

const ORDERS = Object.keys(BLOCK_ORDERS) as BlockOrderName[];

describe('block orders', () => {
  const shape = { inputShape: [32, 32, 3] as [number, number, number], numClasses: 10 };
  const count = (blockOrder: BlockOrderName) =>
    parameters(cifar.resnet20({ ...shape, blockOrder }));
  const kinds = (blockOrder: BlockOrderName, block: string) =>
    layers(cifar.resnet20({ ...shape, blockOrder }))
      .filter((name) => name.startsWith(`${block}.`) && !name.endsWith('_pad'))
      .map((name) => name.slice(block.length + 1).replace(/\d+$/, ''));

  it('have equal parameters where nothing is projected', () => {
    expect(new Set(ORDERS.map(count))).toEqual(new Set([269_722]));
  });

  it("lose the projections' normalizations where the sum, or the next block, normalizes", () => {
    const [original = 0, after, before, reluOnly, full] = ORDERS.map((blockOrder) =>
      parameters(resnet18({ inputShape: [32, 32, 3], blockOrder })),
    );
    expect([before, reluOnly]).toEqual([original, original]);
    const projections = 2 * (128 + 256 + 512);
    expect([after, full]).toEqual([original - projections, original - projections]);
  });

  // Figure 4 of He et al. 2016, the second block of a stage
  const FIGURE: Record<BlockOrderName, string[]> = {
    original: ['conv', 'bn', 'relu', 'conv', 'bn', 'add', 'relu'],
    'bn-after-addition': ['conv', 'bn', 'relu', 'conv', 'add', 'bn', 'relu'],
    'relu-before-addition': ['conv', 'bn', 'relu', 'conv', 'bn', 'relu', 'add'],
    'relu-only-pre-activation': ['relu', 'conv', 'bn', 'relu', 'conv', 'bn', 'add'],
    'full-pre-activation': ['bn', 'relu', 'conv', 'bn', 'relu', 'conv', 'add'],
  };
  it.each(ORDERS)('%s: the layers of a block', (order) => {
    expect(kinds(order, 'layer1.1')).toEqual(FIGURE[order]);
  });

  it('end a net of pre-activations as the next block would have begun', () => {
    const ends = ORDERS.map((order) =>
      layers(resnet18({ inputShape: [32, 32, 3], blockOrder: order })).slice(-4, -2),
    );
    expect(ends.at(-1)).toEqual(['bn', 'relu_end']);
    expect(ends.at(-2)?.[1]).toBe('relu_end');
    for (const end of ends.slice(0, 3)) expect(end.join()).not.toMatch(/relu_end/);
  });

  // Every stem and shortcut with one order and every order with one stem, or all combinations.
  it('go with bottlenecks, stems and shortcuts', () => {
    for (const blockOrder of ORDERS) {
      for (const stem of ['imagenet', 'cifar', 'book'] as const) {
        for (const shortcut of ['A', 'B', 'C'] as const) {
          const isAxis = blockOrder === 'original' || (stem === 'cifar' && shortcut === 'B');
          if (!isFull && !isAxis) continue;
          const net = resnet50({
            inputShape: [32, 32, 3],
            numClasses: 3,
            blockOrder,
            stem,
            shortcut,
            init: 'xavier-uniform',
          });
          expect(net.outputs[0]?.shape).toEqual([null, 3]);
          net.dispose();
        }
      }
    }
  }, 120_000);

  it('are blocks to compose with, too', () => {
    const options = { blockOrder: 'full-pre-activation', bias: false } as const;
    const blocks = [
      cifarStem(8),
      residualStage(8, 2, { firstBlock: true, ...options }),
      residualEnd('full-pre-activation'),
      classifier(3),
    ];
    expect(sequential(blocks, { inputShape: [8, 8, 1] }).outputs[0]?.shape).toEqual([null, 3]);
  });
});

describe('options of the ResNet family', () => {
  const small = { inputShape: [32, 32, 3] as [number, number, number] };

  it('zeroInitResidual: every block begins as the identity', async () => {
    const net = resnet18({ ...small, zeroInitResidual: true });
    const gammas = net.weights.filter(({ originalName }) =>
      /layer\d\.\d\.bn2\/gamma/.test(originalName),
    );
    expect(gammas).toHaveLength(8);
    for (const gamma of gammas)
      expect([...gamma.read().dataSync()].every((value) => value === 0)).toBe(true);
    const others = net.weights.filter(({ originalName }) => /bn1\/gamma/.test(originalName));
    for (const gamma of others)
      expect([...gamma.read().dataSync()].every((value) => value === 1)).toBe(true);
  });

  it('zeroInitResidual finds the last normalization of a pre-activated branch', () => {
    const net = cifar.resnet20({ zeroInitResidual: true, blockOrder: 'full-pre-activation' });
    const gammas = net.weights.filter(({ originalName }) => originalName.endsWith('/gamma'));
    const names = gammas
      .filter((gamma) => gamma.read().dataSync()[0] === 0)
      .map(({ originalName }) => originalName);
    expect(names).toHaveLength(9);
    expect(names).toContain('layer1.1.bn2/gamma');
  });

  it('stochastic depth drops later blocks more often', () => {
    const net = resnet18({ ...small, stochasticDepth: 0.4 });
    const rates = net.layers
      .filter(({ name }) => name.endsWith('.drop'))
      .map((layer) => layer.getConfig().rate as number);
    expect(rates).toHaveLength(8);
    rates.forEach((rate, i) => {
      expect(rate).toBeCloseTo((0.4 * (i + 1)) / 8, 6);
    });
  });

  // torchvision's: block i of n is dropped with i / n of the probability, of n − 1 in ConvNeXt.
  it.each([
    ['efficientnet_b0', [2, 4, 6, 7, 9, 10, 12, 13, 14].map((i) => (0.2 * i) / 16)],
    ['convnext_tiny', Array.from({ length: 17 }, (_, i) => (0.1 * (i + 1)) / 17)],
  ])("stochastic depth of %s is torchvision's", (id, expected) => {
    const net = createModel(id, { inputShape: [32, 32, 3] });
    const rates = net.layers
      .filter(({ name }) => name.endsWith('.stochastic_depth'))
      .map((layer) => layer.getConfig().rate as number);
    expect(rates).toHaveLength(expected.length);
    rates.forEach((rate, i) => {
      expect(rate).toBeCloseTo(expected[i] as number, 6);
    });
    net.dispose();
  });

  it('squeeze-and-excitation adds its two 1×1 convolutions to each block', () => {
    const extra =
      parameters(resnet18({ ...small, squeezeRatio: 16 })) - parameters(resnet18(small));
    const each = [64, 128, 256, 512].map((c) => c * (c / 16) + c / 16 + (c / 16) * c + c);
    expect(extra).toBe(2 * each.reduce((a, b) => a + b));
  });

  it("keeps the book's net with the stem for small images at its parameters", () => {
    expect(parameters(book.resnet18({ inputShape: [28, 28, 1], stem: 'cifar' }))).toBe(11_175_818);
  });
});

describe('bad input', () => {
  const cases: [string, () => unknown, RegExp][] = [
    [
      'a net that does not exist',
      () => createModel('book/resnet9'),
      /there is no model 'book\/resnet9'; did you mean 'book\/resnet8'\?/,
    ],
    [
      'an option that does not exist',
      () => book.resnet8({ inputshape: [28, 28, 1] } as object),
      /there is no option "inputshape"; did you mean "inputShape"\?/,
    ],
    [
      'a shape of two numbers',
      () => book.resnet8({ inputShape: [28, 28] as never }),
      /"inputShape" must be \[height, width, channels\]/,
    ],
    [
      'no classes',
      () => book.resnet8({ numClasses: 0 }),
      /"numClasses" must be an integer of at least 1, got 0/,
    ],
    [
      'an unknown initializer',
      () => book.resnet8({ init: 'zeros' as never }),
      /"init" must be one of 'xavier-uniform', 'he-normal', got 'zeros'/,
    ],
    [
      'a divisor that leaves part of a filter',
      () => book.vgg11({ widthDivisor: 3 }),
      /"widthDivisor" must be an integer that divides 64, got 3/,
    ],
    [
      'a divisor of half',
      () => book.vgg11({ widthDivisor: 0.5 }),
      /"widthDivisor" must be an integer of at least 1, got 0.5/,
    ],
    [
      'a dropout of everything',
      () => book.vgg11({ dropout: 1 }),
      /"dropout" must be a number of at least 0 and below 1, got 1/,
    ],
    [
      'a VGG for images too small',
      () => book.vgg11({ inputShape: [28, 28, 1] }),
      /book\/vgg11: layer 'stage5.pool' \(MaxPooling2D\) would give \[0, 0, 512\] from \[1, 1, 512\]; the smallest image that works is 32×32/,
    ],
    [
      "torchvision's VGG for images too small",
      () => vgg11({ inputShape: [31, 31, 3] }),
      /vgg11: layer 'features.20' .* the smallest image that works is 32×32/,
    ],
    [
      'an AlexNet for images too small',
      () => createModel('alexnet', { inputShape: [32, 32, 3] }),
      /layer 'features.12' .* the smallest image that works is 63×63/,
    ],
    [
      'a stem that does not exist',
      () => book.resnet18({ stem: 'imagenett' as never }),
      /"stem" must be one of 'imagenet', 'cifar', 'book', got 'imagenett'/,
    ],
    [
      'an order that does not exist',
      () => resnet18({ blockOrder: 'pre' as never }),
      /"blockOrder" must be one of 'original', 'bn-after-addition'/,
    ],
    [
      'an order that a zero would silence',
      () => resnet18({ zeroInitResidual: true, blockOrder: 'bn-after-addition' }),
      /would silence the shortcut/,
    ],
    [
      'a certain drop',
      () => resnet18({ stochasticDepth: 1 }),
      /"stochasticDepth" must be a number of at least 0 and below 1, got 1/,
    ],
    [
      "another net's option",
      () => createModel('book/lenet', { stem: 'cifar' }),
      /\[models\] book.lenet: there is no option "stem"/,
    ],
    [
      "another net's divisor",
      () => createModel('book/resnet18', { widthDivisor: 4 }),
      /there is no option "widthDivisor"/,
    ],
    [
      'an input transform for gray images',
      () => createModel('googlenet', { inputShape: [64, 64, 1], transformInput: true }),
      /transformInput is for images of 3 channels, got 1/,
    ],
    [
      'groups that do not divide',
      () =>
        sequential([residual(32, { block: 'bottleneck', width: 10, groups: 4 })], {
          inputShape: [8, 8, 32],
        }),
      /expected filters that 4 groups divide, got 10/,
    ],
    ['no blocks', () => sequential([], { inputShape: [8, 8, 1] }), /expected at least one block/],
    [
      'a chain that no image is large enough for',
      () =>
        sequential(
          Array.from({ length: 12 }, () => vggBlock(1, 1)),
          { inputShape: [64, 64, 1] },
        ),
      /no image up to 1024×1024 is large enough/,
    ],
  ];
  it.each(cases)('%s', (_, act, message) => {
    const before = tf.memory().numTensors;
    expect(act).toThrow(message);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('takes the smallest image', () => {
    for (const [id, size] of [
      ['book/resnet18', 1],
      ['vgg11', 32],
      ['alexnet', 63],
    ] as const) {
      const net = createModel(id, {
        inputShape: [size, size, 1],
        numClasses: 10,
        init: 'xavier-uniform',
      });
      expect(net.outputs[0]?.shape).toEqual([null, 10]);
      net.dispose();
    }
  });
});
