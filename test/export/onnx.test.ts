/**
 * exportOnnx: nets of many shapes, the file and what stands in it, what is refused, and the bytes
 * themselves.
 */
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { exportOnnx } from '@deepend/export';
import { book, cifar, createModel, featureExtractor, saveWeights } from '@deepend/models';
import {
  BLOCK_ORDERS,
  type BlockOrderName,
  cifarStem,
  classifier,
  residualStage,
  residualStem,
  sequential,
} from '@deepend/nn';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import fc from 'fast-check';
import fs from 'fs-extra';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { version } from '../../packages/export/package.json';
import { permuted } from '../../packages/export/src/onnx/axes';
import { writeOnnx } from '../../packages/export/src/onnx/onnx';
import * as protobuf from '../../packages/export/src/onnx/protobuf';
import { withSafetensors } from '../../packages/models/src/weights/safetensors';
import { use } from '../helpers/backends';
import { expectNoLeak } from '../helpers/leaks';
import { chain, expectSame, fillAll } from '../helpers/onnx';
import { ortAbsent } from '../helpers/onnxruntime';
import { fieldsOf, readOnnx } from '../helpers/protobuf';
import { pythonAbsent } from '../helpers/python';

let dir: string;
const at = (name: string) => path.join(dir, name);
beforeAll(async () => {
  await use('cpu-js');
  dir = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
});
afterAll(() => fs.remove(dir));

const { layers } = tfl;
type Tensor = tfl.SymbolicTensor;
const apply = (layer: tfl.layers.Layer, ...xs: Tensor[]) =>
  layer.apply(xs.length === 1 ? (xs[0] as Tensor) : xs) as Tensor;
const image = (shape = [7, 6, 4]) => tfl.input({ shape });
const conv = (options: object = {}) =>
  layers.conv2d({ filters: 4, kernelSize: 3, padding: 'same', ...options });
const read = async (net: tfl.LayersModel, options: object = {}) => {
  await exportOnnx(net, at('read.onnx'), options);
  return readOnnx(await fs.readFile(at('read.onnx')));
};

const ORDERS = Object.keys(BLOCK_ORDERS) as BlockOrderName[];
const SMALL = { inputShape: [12, 8, 3] as [number, number, number], numClasses: 3 };

describe(`residual nets in ONNX Runtime${ortAbsent && ` (skipped: ${ortAbsent})`}`, () => {
  const shortcuts = ORDERS.flatMap((blockOrder) =>
    (['A', 'B', 'C'] as const).map((shortcut) => ({ blockOrder, shortcut })),
  );
  it.skipIf(ortAbsent).each(shortcuts)('$blockOrder, shortcut $shortcut', async (options) => {
    const net = cifar.resnet20({ ...SMALL, ...options });
    fillAll(net);
    await expectSame(net);
    net.dispose();
  });

  it.skipIf(ortAbsent).each(ORDERS)(
    '%s with bottlenecks, groups, squeeze-and-excitation and stochastic depth',
    async (blockOrder) => {
      const options = {
        block: 'bottleneck',
        blockOrder,
        groups: 2,
        width: 4,
        squeezeRatio: 2,
        dropRate: 0.3,
      } as const;
      const blocks = [
        residualStem(8),
        residualStage(8, 1, { ...options, firstBlock: true }),
        residualStage(16, 2, options),
        classifier(3),
      ];
      const net = sequential(blocks, { inputShape: [24, 20, 1] });
      fillAll(net);
      await expectSame(net);
      net.dispose();
    },
  );
});

/**
 * Weights shared by two calls, whose rows lie unlike: of an image with its axes as they are, and
 * turned.
 */
const sharedDense = () => {
  const x = image();
  const [fc, flat] = [layers.dense({ units: 3 }), () => layers.flatten()];
  const straight = apply(fc, apply(flat(), apply(conv(), x)));
  const turned = apply(
    fc,
    apply(flat(), apply(layers.permute({ dims: [2, 1, 3] }), apply(conv(), x))),
  );
  return tfl.model({ inputs: x, outputs: apply(layers.add(), straight, turned) });
};
const inside = (name: string) =>
  chain(
    [7, 6, 4],
    layers.conv2d({ filters: 4, kernelSize: 3, padding: 'same', name }),
    layers.reLU(),
  );

const GRAPHS: [string, () => tfl.LayersModel][] = [
  [
    'two inputs and three outputs',
    () => {
      const [a, b] = [image(), image([5])];
      const x = apply(conv(), a);
      const y = apply(layers.dense({ units: 4 }), b);
      return tfl.model({
        inputs: [a, b],
        outputs: [
          x,
          apply(layers.multiply(), x, apply(layers.reshape({ targetShape: [1, 1, 4] }), y)),
          y,
        ],
      });
    },
  ],
  [
    'a layer called twice',
    () => {
      const [x, shared] = [image(), conv()];
      return tfl.model({
        inputs: x,
        outputs: apply(
          layers.add(),
          apply(shared, x),
          apply(shared, apply(layers.reLU(), apply(shared, x))),
        ),
      });
    },
  ],
  [
    'a convolution that two normalizations follow',
    () => {
      const [x, norm] = [image(), () => layers.batchNormalization()];
      const y = apply(conv(), x);
      return tfl.model({
        inputs: x,
        outputs: apply(layers.concatenate(), apply(norm(), y), apply(norm(), y)),
      });
    },
  ],
  [
    'a shared convolution and a normalization behind one call',
    () => {
      const [x, shared] = [image(), conv()];
      return tfl.model({
        inputs: x,
        outputs: apply(
          layers.add(),
          apply(layers.batchNormalization(), apply(shared, x)),
          apply(shared, apply(layers.reLU(), x)),
        ),
      });
    },
  ],
  [
    'a convolution that is an output and is normalized',
    () => {
      const x = image();
      const y = apply(conv(), x);
      return tfl.model({ inputs: x, outputs: [y, apply(layers.batchNormalization(), y)] });
    },
  ],
  ['one linear layer for two orders of a row', sharedDense],
  [
    'a net inside the net, twice, with a layer of the same name outside',
    () => {
      const [x, part] = [image(), inside('same')];
      const y = apply(
        layers.conv2d({ filters: 4, kernelSize: 1, name: 'same' }),
        part.apply(x) as Tensor,
      );
      return tfl.model({ inputs: x, outputs: part.apply(y) as Tensor });
    },
  ],
  [
    'a Sequential inside a Sequential',
    () =>
      tfl.sequential({
        layers: [
          tfl.sequential({
            layers: [conv({ inputShape: [7, 6, 4] }), layers.flatten()],
          }) as unknown as tfl.layers.Layer,
          layers.dense({ units: 2 }),
        ],
      }),
  ],
  [
    'an output given twice, and an input given back',
    () => {
      const x = image();
      const y = apply(conv(), x);
      return tfl.model({ inputs: x, outputs: [y, apply(layers.dropout({ rate: 0.1 }), y), x] });
    },
  ],
  [
    'a sum of rows that were images',
    () => {
      const x = image();
      const flat = () => apply(layers.flatten(), apply(conv(), x));
      return tfl.model({
        inputs: x,
        outputs: apply(layers.dense({ units: 2 }), apply(layers.average(), flat(), flat())),
      });
    },
  ],
  [
    'rows that were images, side by side',
    () => {
      const x = image();
      const flat = () => apply(layers.flatten(), apply(conv(), x));
      return tfl.model({
        inputs: x,
        outputs: apply(layers.dense({ units: 2 }), apply(layers.concatenate(), flat(), flat())),
      });
    },
  ],
  [
    'a sum of a row that was an image and one that was not',
    () => {
      const x = image();
      const y = apply(layers.flatten(), apply(conv(), x));
      return tfl.model({
        inputs: x,
        outputs: apply(layers.maximum(), y, apply(layers.dense({ units: 168 }), y)),
      });
    },
  ],
  [
    'an image and a row under it',
    () => {
      const [x, row] = [image(), image([4])];
      return tfl.model({ inputs: [x, row], outputs: apply(layers.add(), row, apply(conv(), x)) });
    },
  ],
  [
    'three images in a product, a mean and an extreme',
    () => {
      const x = image();
      const three = [1, 2, 3].map(() => apply(conv(), x)) as [Tensor, Tensor, Tensor];
      const merges = [layers.multiply(), layers.average(), layers.minimum(), layers.maximum()].map(
        (merge) => apply(merge, ...three),
      );
      return tfl.model({ inputs: x, outputs: apply(layers.concatenate({ axis: 1 }), ...merges) });
    },
  ],
  [
    'the ends of some blocks',
    () => featureExtractor(cifar.resnet20(SMALL), ['layer1', 'layer2.0', 'avgpool']),
  ],
  [
    'pixels that are flattened and made an image again',
    () => {
      const x = image([1, 1, 6]);
      return tfl.model({
        inputs: x,
        outputs: apply(
          conv(),
          apply(
            layers.reshape({ targetShape: [3, 2, 1] }),
            apply(layers.flatten(), apply(conv({ filters: 6 }), x)),
          ),
        ),
      });
    },
  ],
];

/** What a random net is made of; each takes any image and gives one. */
const PARTS: ((x: Tensor) => Tensor)[] = [
  (x) => apply(conv(), x),
  (x) => apply(conv({ strides: 2, activation: 'relu' }), x),
  (x) => apply(layers.depthwiseConv2d({ kernelSize: 2, padding: 'same', strides: 2 }), x),
  (x) => apply(layers.batchNormalization(), x),
  (x) => apply(layers.reLU(), x),
  (x) => apply(layers.activation({ activation: 'softmax' }), x),
  (x) =>
    apply(
      layers.zeroPadding2d({
        padding: [
          [1, 0],
          [0, 2],
        ],
      }),
      x,
    ),
  (x) =>
    apply(
      layers.zeroPadding2d({
        padding: [
          [0, 1],
          [1, 2],
        ],
        dataFormat: 'channelsFirst',
      }),
      x,
    ),
  (x) => apply(layers.maxPooling2d({ poolSize: 2, strides: 1, padding: 'same' }), x),
  (x) => apply(layers.averagePooling2d({ poolSize: 3, strides: 2, padding: 'same' }), x),
  (x) => (smallest(x) > 2 ? apply(layers.maxPooling2d({ poolSize: 3, strides: 2 }), x) : x),
  (x) => (smallest(x) > 2 ? apply(layers.averagePooling2d({ poolSize: 2, strides: 1 }), x) : x),
  (x) =>
    smallest(x) > 2
      ? apply(
          layers.cropping2D({
            cropping: [
              [1, 0],
              [0, 1],
            ],
          }),
          x,
        )
      : x,
  (x) => apply(layers.permute({ dims: [2, 1, 3] }), x),
  (x) => apply(layers.permute({ dims: [3, 1, 2] }), x),
  (x) => apply(layers.upSampling2d({ size: [1, 2] }), x),
  (x) => apply(layers.add(), x, apply(conv({ filters: x.shape[3] }), x)),
  (x) => apply(layers.concatenate(), apply(layers.reLU(), x), x),
  (x) => apply(layers.concatenate({ axis: 2 }), x, apply(layers.reLU(), x)),
  (x) =>
    apply(
      layers.multiply(),
      apply(
        layers.reshape({ targetShape: [1, 1, x.shape[3] ?? 1] }),
        apply(layers.globalAveragePooling2d({}), x),
      ),
      x,
    ),
  (x) => apply(layers.dense({ units: 3 }), x),
  (x) => apply(layers.layerNormalization(), x),
  (x) => apply(layers.prelu({ sharedAxes: [1, 2] }), x),
  (x) =>
    apply(
      layers.reshape({ targetShape: x.shape.slice(1) }),
      apply(layers.batchNormalization(), apply(layers.flatten(), x)),
    ),
];

const smallest = ({ shape }: Tensor) => Math.min(...shape.slice(1, 3).map((size) => size ?? 1));

describe(`graphs in ONNX Runtime${ortAbsent && ` (skipped: ${ortAbsent})`}`, () => {
  it.skipIf(ortAbsent).each(GRAPHS)('%s', async (_, make) => {
    const net = make();
    fillAll(net);
    await expectSame(net);
  });

  it.skipIf(ortAbsent)('of any parts, one after the other', async () => {
    const parts = fc.array(fc.nat(PARTS.length - 1), { minLength: 1, maxLength: 7 });
    const heads = fc.constantFrom('image', 'flatten', 'pool');
    await fc.assert(
      fc.asyncProperty(parts, heads, async (chosen, head) => {
        const x = image([6, 5, 3]);
        const y = chosen.reduce((so, part) => (PARTS[part] as (typeof PARTS)[number])(so), x);
        const ends = {
          image: () => y,
          flatten: () => apply(layers.flatten(), y),
          pool: () => apply(layers.globalMaxPooling2d({}), y),
        };
        const end = ends[head as keyof typeof ends]();
        const net = tfl.model({
          inputs: x,
          outputs: head === 'image' ? end : apply(layers.dense({ units: 2 }), end),
        });
        fillAll(net);
        await expectSame(net, { alive: false }); // a ReLU behind a ReLU may let nothing through
        net.dispose();
      }),
      { numRuns: runsOf(60) },
    );
  });
});

describe('the file', () => {
  const NAMED = [
    ['mobilenet_v2', [32, 32, 3]],
    ['vgg11_bn', [64, 32, 3]],
    ['book/alexnet', [67, 83, 1]],
    ['resnext50_32x4d', [32, 32, 3]],
  ] as const;
  it.each(rowsOf(NAMED, ([id]) => id === 'mobilenet_v2'))(
    "has the weights of %s by PyTorch's names, as saveWeights writes them",
    async (id, inputShape) => {
      const options = {
        inputShape: [...inputShape] as [number, number, number],
        numClasses: 5,
        init: 'xavier-uniform' as const,
      };
      const net = createModel(id, /vgg/.test(id) ? { ...options, widthDivisor: 16 } : options);
      const { tensors } = await read(net);
      const ours = new Map(tensors.map((tensor) => [tensor.name, tensor]));
      await saveWeights(net, at('weights'));
      const others = new Set(ours.keys());
      await withSafetensors(at('weights'), { where: '' }, async ({ header, readFloats }) => {
        for (const tensor of header.tensors) {
          const own = ours.get(tensor.name) as (typeof tensors)[number];
          const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array) =>
            Buffer.from(buffer, byteOffset, byteLength);
          expect(own.shape, tensor.name).toEqual(tensor.shape);
          expect(
            bytesOf(own.values as Float32Array).equals(bytesOf(await readFloats(tensor as never))),
          ).toBe(true);
          others.delete(tensor.name);
        }
      });
      expect([...others].filter((name) => !/^(constant|integers)_|_fixed\./.test(name))).toEqual(
        [],
      );
      net.dispose();
    },
  );

  it('says what it is', async () => {
    const classNames = ['猫', 'dog', 'bird'];
    const net = cifar.resnet20(SMALL);
    const { irVersion, opsets, producer, metadata, name, inputs, outputs, nodes } = await read(
      net,
      {
        layout: 'nchw',
        classNames,
      },
    );
    expect({ irVersion, opsets, producer, name }).toEqual({
      irVersion: 8,
      opsets: [['', 17]],
      producer: ['deepend', version],
      name: 'cifar/resnet20',
    });
    expect(metadata).toEqual({
      model: 'cifar/resnet20',
      layout: 'nchw',
      classNames: JSON.stringify(classNames),
    });
    expect([...inputs, ...outputs]).toEqual([
      ['input', 'batch', 3, 12, 8],
      ['fc', 'batch', 3],
    ]);
    const { nodes: own, inputs: ownInputs, metadata: ownMetadata } = await read(net);
    expect(ownInputs).toEqual([['input', 'batch', 12, 8, 3]]);
    expect(ownMetadata).toEqual({ model: 'cifar/resnet20', layout: 'nhwc' });
    expect(own.map(({ op }) => op)).toEqual(['Transpose', ...nodes.map(({ op }) => op)]);
    expect(nodes.map((node) => node.name).slice(0, 4)).toEqual([
      'conv1',
      'bn1',
      'relu',
      'layer1.0.conv1',
    ]);
  });

  it('names open sizes', async () => {
    const net = chain([null, null, 4], layers.conv2d({ filters: 2, kernelSize: 3, name: 'conv' }));
    const { inputs, outputs } = await read(net);
    expect(outputs).toEqual([['conv', 'batch', 'conv.axis1', 'conv.axis2', 2]]);
    expect(inputs[0]?.slice(1)).toEqual([
      'batch',
      `${inputs[0]?.[0]}.axis1`,
      `${inputs[0]?.[0]}.axis2`,
      4,
    ]);
  });

  it('has no batch normalization left where it was asked to fold it, and the same bytes each time', async () => {
    const net = createModel('resnet18', {
      inputShape: [32, 32, 3],
      numClasses: 2,
      init: 'xavier-uniform',
    });
    const ops = (nodes: { op: string }[]) =>
      nodes.filter(({ op }) => op === 'BatchNormalization').length;
    const [plain, folded] = [await read(net), await read(net, { fuse: true })];
    expect([ops(plain.nodes), ops(folded.nodes)]).toEqual([20, 0]);
    expect(
      folded.tensors
        .map(({ name }) => name)
        .filter((name) => !name.startsWith('integers_'))
        .sort(),
    ).toEqual(
      plain.tensors
        .map(({ name }) => name)
        .filter((name) => /conv|downsample.0|^fc/.test(name))
        .flatMap((name) => (name.startsWith('fc') ? name : [name, name.replace('weight', 'bias')]))
        .sort(),
    );
    const first = await fs.readFile(at('read.onnx'));
    await exportOnnx(net, at('again.onnx'), { fuse: true });
    expect(first.equals(await fs.readFile(at('again.onnx')))).toBe(true);
    net.dispose();
  });

  it('appears in a new folder, replaces an older one, and leaves no tensor behind', async () => {
    const net = book.lenet();
    await expectNoLeak(() => exportOnnx(net, at('new/folder/net.onnx'), { fuse: true }));
    expect(await fs.readdir(at('new/folder'))).toEqual(['net.onnx']);
    const before = net.weights.map((weight) => [...weight.read().dataSync()]);
    await exportOnnx(net, at('new/folder/net.onnx'), { fuse: true });
    expect(net.weights.map((weight) => [...weight.read().dataSync()])).toEqual(before);
    await fs.writeFile(at('plain'), '');
    await expect(exportOnnx(net, at('plain/net.onnx'))).rejects.toThrow(
      /\[export\] exportOnnx: cannot write .*net\.onnx: .*; choose another place/,
    );
    expect((await fs.readdir(dir)).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  it('is refused at 2 GiB, by the shapes alone', async () => {
    const values = async () => {
      throw new Error('no number is to be read');
    };
    const tensors = [1, 2].map((i) => ({
      name: `w${i}`,
      type: 'float32' as const,
      shape: [2 ** 14, 2 ** 14],
      values,
    }));
    const model = { name: 'large', nodes: [], tensors, inputs: [], outputs: [], metadata: {} };
    await expect(writeOnnx(at('large.onnx'), model)).rejects.toThrow(
      /model 'large': expected a file of less than 2 GiB, the most that protobuf holds, got 21474\d+ bytes; keep it with saveModel/,
    );
    expect(await fs.pathExists(at('large.onnx'))).toBe(false);
  });
});

/** Any class that is registered may be a net's activation. */
class Mine extends tf.serialization.Serializable {
  static className = 'mine';
  getConfig() {
    return {};
  }
  apply(x: tf.Tensor) {
    return x;
  }
}
tf.serialization.registerClass(Mine);

const REFUSED: [string, () => tfl.LayersModel, RegExp][] = [
  [
    'an LSTM',
    () => chain([5, 4], layers.lstm({ units: 2, name: 'memory', recurrentInitializer: 'zeros' })),
    /\[export\] exportOnnx: layer 'memory' \(LSTM\): expected a layer of Activation, .*, got LSTM; build the model without it, or keep it with saveModel/,
  ],
  [
    'a layer inside a net inside the net',
    () =>
      chain(
        [5, 4],
        chain(
          [5, 4],
          layers.gru({ units: 2, name: 'deep', recurrentInitializer: 'zeros' }),
        ) as unknown as tfl.layers.Layer,
      ),
    /layer 'deep' \(GRU\)/,
  ],
  [
    'a Dot',
    () => {
      const x = image([4]);
      return tfl.model({ inputs: x, outputs: apply(layers.dot({ axes: 1, name: 'dot' }), x, x) });
    },
    /layer 'dot' \(Dot\)/,
  ],
  [
    'an Embedding, whose input is no float',
    () => chain([4], layers.embedding({ inputDim: 3, outputDim: 2, name: 'words' })),
    /layer 'words' \(Embedding\)/,
  ],
  [
    'an input of integers',
    () => {
      const x = tfl.input({ shape: [4], dtype: 'int32', name: 'numbers' });
      return tfl.model({
        inputs: x,
        outputs: apply(layers.flatten(), apply(layers.reshape({ targetShape: [4, 1] }), x)),
      });
    },
    /input 'numbers': expected float32, got int32; build the model with an input of numbers/,
  ],
  [
    'a dilated depthwise convolution',
    () => chain([7, 6, 4], layers.depthwiseConv2d({ kernelSize: 2, dilationRate: 2, name: 'dw' })),
    /layer 'dw' \(DepthwiseConv2D\): expected no dilation, got dilationRate \[2,2\]/,
  ],
  [
    'an activation of the user',
    () => chain([4], layers.activation({ activation: 'mine' as never, name: 'act' })),
    /layer 'act' \(Activation\): expected an activation of linear, .*, got 'mine'/,
  ],
  [
    'a softmax along two axes',
    () => chain([7, 6, 4], layers.softmax({ axis: [1, 2], name: 'soft' } as never)),
    /layer 'soft' \(Softmax\): expected a softmax along one axis, got the axes \[1, 2\]/,
  ],
];

describe('refusals', () => {
  it.each(REFUSED)('%s, before anything is written', async (_, make, message) => {
    await fs.writeFile(at('refused.onnx'), 'older');
    await expect(exportOnnx(make(), at('refused.onnx'))).rejects.toThrow(message);
    expect(await fs.readFile(at('refused.onnx'), 'utf8')).toBe('older');
    expect((await fs.readdir(dir)).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  it.each<[object, RegExp]>([
    [
      { layot: 'nchw' },
      /\[export\] exportOnnx: there is no option "layot"; did you mean "layout"\?/,
    ],
    [{ layout: 'NCHW' }, /option "layout" must be one of 'nhwc', 'nchw', got 'NCHW'/],
    [{ fuse: 1 }, /option "fuse" must be true or false, got 1/],
    [
      { classNames: ['a', 'b'] },
      /option "classNames" must be a list of 10, as many as the model 'book\/lenet' has outputs, got 2/,
    ],
  ])('options %o', async (options, message) => {
    await expect(exportOnnx(book.lenet(), at('options.onnx'), options)).rejects.toThrow(message);
    expect(await fs.pathExists(at('options.onnx'))).toBe(false);
  });
});

describe('protocol buffers', () => {
  const bytes = async (encoded: protobuf.Encoded) => {
    const parts: Uint8Array[] = [];
    for await (const piece of protobuf.pieces(encoded)) parts.push(piece);
    return Buffer.concat(parts);
  };
  const number = fc.integer({ min: 1, max: 2 ** 29 - 1 });
  const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });

  it('are read back: integers, floats, texts, lists, messages within messages, late bytes', async () => {
    const leaf = fc.oneof(
      fc.tuple(number, int64).map(([field, value]) => ({
        encoded: protobuf.integer(field, value),
        fields: [[field, BigInt.asUintN(64, value)]],
      })),
      fc.tuple(number, fc.float()).map(([field, value]) => ({
        encoded: protobuf.float(field, value),
        fields: [[field, new Uint8Array(Float32Array.of(value).buffer)]],
      })),
      fc.tuple(number, fc.string({ unit: 'grapheme' })).map(([field, value]) => ({
        encoded: protobuf.text(field, value),
        fields: [[field, new TextEncoder().encode(value)]],
      })),
      fc.tuple(number, fc.array(fc.maxSafeInteger())).map(([field, values]) => ({
        encoded: protobuf.integers(field, values),
        fields: values.map((value) => [field, BigInt.asUintN(64, BigInt(value))]),
      })),
      fc.tuple(number, fc.uint8Array({ maxLength: 300 })).map(([field, value]) => ({
        encoded: protobuf.message(field, [{ byteLength: value.length, read: async () => value }]),
        fields: [[field, value]],
      })),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(leaf, { maxLength: 8 }), number, async (leaves, field) => {
        const outer = protobuf.message(field, ...leaves.map(({ encoded }) => encoded));
        const written = await bytes(outer);
        expect(written.length).toBe(protobuf.byteLength(outer));
        const [[got, content] = [0, 0n]] = fieldsOf(written);
        expect(got).toBe(field);
        const inner = fieldsOf(content as Uint8Array);
        const plain = (list: readonly (readonly unknown[])[]) =>
          list.map(([one, value]) => [
            one,
            typeof value === 'bigint' ? value : Buffer.from(value as Uint8Array),
          ]);
        expect(plain(inner)).toEqual(plain(leaves.flatMap(({ fields }) => fields as unknown[][])));
      }),
    );
  });

  it("have the bytes of the specification's examples", async () => {
    expect([...(await bytes(protobuf.integer(1, 150)))]).toEqual([0x08, 0x96, 0x01]);
    expect([...(await bytes(protobuf.text(2, 'testing')))]).toEqual([
      0x12,
      0x07,
      ...Buffer.from('testing'),
    ]);
    expect([...(await bytes(protobuf.integer(1, -2)))]).toEqual([
      0x08,
      0xfe,
      ...Array(8).fill(0xff),
      0x01,
    ]);
  });

  it('refuse late bytes that are more or fewer than was said', async () => {
    const wrong = protobuf.message(1, [{ byteLength: 3, read: async () => new Uint8Array(4) }]);
    await expect(bytes(wrong)).rejects.toThrow(/expected 3 bytes, got 4/);
  });
});

describe('numbers whose axes stand in another order', () => {
  it('are what a transposition gives', () => {
    const shapes = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(
        shapes.chain((shape) =>
          fc.tuple(
            fc.constant(shape),
            fc.shuffledSubarray(
              shape.map((_, i) => i),
              { minLength: shape.length },
            ),
          ),
        ),
        ([shape, order]) => {
          const values = Float32Array.from({ length: tf.util.sizeFromShape(shape) }, (_, i) => i);
          const wanted = tf.tidy(() => tf.transpose(tf.tensor(values, shape), order).dataSync());
          const got = permuted(values, shape, order);
          expect(got).toEqual(wanted);
          expect(got.buffer).not.toBe(values.buffer);
        },
      ),
    );
  });
});

/** Why Python cannot be asked here. */
const absent = pythonAbsent(['onnx']);

const CHECK = `
import sys, onnx
for file in sys.argv[1:]:
    onnx.checker.check_model(file, full_check=True)
    model = onnx.load(file)
    inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    assert inferred.graph.output == model.graph.output, file
print(len(sys.argv) - 1)
`;

import { rowsOf, runsOf } from '../helpers/full';

describe(`Python's onnx${absent ? ` (skipped: ${absent})` : ''}`, () => {
  it.skipIf(absent)('checks files in full, and infers the shapes that they declare', async () => {
    const nets: tfl.LayersModel[] = [
      ...['book/lenet', 'mobilenet_v2', 'densenet121', 'googlenet'].map((id) =>
        createModel(id, { inputShape: [48, 48, 3], numClasses: 3, init: 'xavier-uniform' }),
      ),
      cifar.resnet20({
        ...SMALL,
        blockOrder: 'full-pre-activation',
        shortcut: 'A',
        squeezeRatio: 4,
      }),
      sequential([cifarStem(4), classifier(2)], { inputShape: [8, 8, 1] }),
      ...GRAPHS.map(([, make]) => make()),
      chain(
        [null, null, 4],
        conv({ strides: 2 }),
        layers.maxPooling2d({ poolSize: 2 }),
        layers.globalAveragePooling2d({}),
      ),
      chain(
        [7, 6, 4],
        layers.layerNormalization(),
        layers.upSampling2d({}),
        layers.conv2dTranspose({ filters: 2, kernelSize: 2, strides: 3 }),
        layers.separableConv2d({ filters: 2, kernelSize: 2 }),
        layers.prelu(),
        layers.cropping2D({
          cropping: [
            [1, 0],
            [0, 2],
          ],
        }),
      ),
    ];
    const files: string[] = [];
    for (const [i, net] of nets.entries()) {
      for (const [layout, fuse] of [
        ['nhwc', false],
        ['nchw', true],
      ] as const) {
        files.push(at(`check-${i}-${layout}.onnx`));
        await exportOnnx(net, files.at(-1) as string, { layout, fuse });
      }
    }
    expect(execFileSync('python3', ['-c', CHECK, ...files], { encoding: 'utf8' }).trim()).toBe(
      `${files.length}`,
    );
  });
});
