import { compile } from '@deepend/compiler';
import {
  book,
  createModel,
  featureExtractor,
  freeze,
  replaceHead,
  unfreeze,
} from '@deepend/models';
import { sgdStep, softmaxCrossEntropy } from '@deepend/optim';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { backends, use } from '../helpers/backends';

beforeAll(() => use('cpu-js'));

const resnet = (options: object = {}) =>
  book.resnet8({ inputShape: [16, 12, 1], seed: 1, ...options });
const images = (count = 2, shape = [16, 12, 1]) =>
  tf.randomUniform([count, ...shape], 0, 1, 'float32', 3);
const values = (net: tfl.LayersModel) =>
  Object.fromEntries(
    net.weights.map((weight) => [weight.originalName, [...weight.read().dataSync()]]),
  );
const predict = (net: tfl.LayersModel, x: tf.Tensor) => [
  ...(net.predict(x) as tf.Tensor).dataSync(),
];

/** One step of SGD on two images. @returns which weights have moved */
function moved(net: tfl.LayersModel, classes: number): string[] {
  const before = values(net);
  const labels = tf.tensor1d([0, classes - 1], 'int32');
  const { loss, correct, gradients } = compile(net).forwardBackward(images(), labels, {
    loss: softmaxCrossEntropy,
  });
  sgdStep(gradients, { lr: 0.5 });
  tf.dispose([loss, correct, labels, ...gradients.map(({ gradient }) => gradient)]);
  const after = values(net);
  return Object.keys(before).filter((name) => String(before[name]) !== String(after[name]));
}

describe('featureExtractor', () => {
  it('gives what the net has at the end of a layer or a block', () => {
    const net = resnet();
    const whole = featureExtractor(net, 'head.dense');
    const x = images();
    expect(predict(whole, x)).toEqual(predict(net, x));
    const [stage, conv] = featureExtractor(net, ['stage2', 'stem.conv']).predict(x) as tf.Tensor[];
    const direct = tfl.model({
      inputs: net.inputs,
      outputs: net.getLayer('stage2.block1.relu2').output as tfl.SymbolicTensor,
    });
    expect([...(stage as tf.Tensor).dataSync()]).toEqual(predict(direct, x));
    expect(stage?.shape).toEqual([2, 2, 2, 32]);
    expect(conv?.shape).toEqual([2, 8, 6, 16]); // not its padding
    expect(featureExtractor(net, 'stage2.block1').outputs).toHaveLength(1);
  });

  it('shares the weights', () => {
    const net = resnet();
    const features = featureExtractor(net, ['stage3', 'stage1']);
    const x = images();
    const before = (features.predict(x) as tf.Tensor[]).map((y) => [...y.dataSync()]);
    moved(net, 10);
    const after = (features.predict(x) as tf.Tensor[]).map((y) => [...y.dataSync()]);
    expect(after[0]).not.toEqual(before[0]);
    expect(features.weights.length).toBeLessThan(net.weights.length);
  });

  it('takes a Sequential', () => {
    const layers = [
      tfl.layers.dense({ units: 3, inputShape: [4], name: 'a.b' }),
      tfl.layers.dense({ units: 2, name: 'c' }),
    ];
    expect(featureExtractor(tfl.sequential({ layers }), 'a').outputs[0]?.shape).toEqual([null, 3]);
  });
});

describe('freeze and unfreeze', () => {
  it('say how many parameters still learn', () => {
    const net = resnet();
    const all = 78_538;
    const stem = 7 * 7 * 16 + 16 + 2 * 16;
    expect(freeze(net, 'stem')).toBe(all - stem);
    expect(freeze(net)).toBe(0);
    expect(unfreeze(net, ['head', '*.bn2'])).toBe(650 + 2 * (16 + 32 + 64));
    expect(unfreeze(net)).toBe(all);
    expect(freeze(net, 'stage*.conv1')).toBe(
      all - (3 * 3 * (16 * 16 + 16 * 32 + 32 * 64) + 16 + 32 + 64),
    );
    expect(freeze(net, [])).toBe(unfreeze(net, []));
  });

  it('keep a block by its whole name, not by how it begins', () => {
    const net = tfl.sequential();
    for (const name of ['layer1.0', 'layer10.0', 'layer1'])
      net.add(tfl.layers.dense({ units: 2, inputShape: [2], name }));
    expect(freeze(net, 'layer1')).toBe(6);
    expect(freeze(net, 'layer1*')).toBe(0);
  });

  it('leave a constant map alone', () => {
    const layers = [
      tfl.layers.dense({ units: 2, inputShape: [2], name: 'pool_fixed', trainable: false }),
      tfl.layers.dense({ units: 3, name: 'fc' }),
    ];
    const net = tfl.sequential({ layers });
    expect([freeze(net), unfreeze(net)]).toEqual([0, 9]);
    expect(layers.map((layer) => layer.trainable)).toEqual([false, true]);
  });

  it('reach into a net in a net', () => {
    const inner = resnet();
    const image = tfl.input({ shape: [16, 12, 1] });
    const net = tfl.model({ inputs: image, outputs: inner.apply(image) as tfl.SymbolicTensor });
    freeze(net);
    expect(unfreeze(net, 'head')).toBe(650);
    expect(moved(net, 10)).toEqual(['head.dense/kernel', 'head.dense/bias']);
  });
});

describe.each(backends)('frozen layers on $title', ({ name, absent }) => {
  afterAll(() => use('cpu-js'));

  it.skipIf(absent)('stay as they are, statistics too', async () => {
    await use(name);
    const net = resnet();
    freeze(net);
    unfreeze(net, 'head');
    expect(moved(net, 10)).toEqual(['head.dense/kernel', 'head.dense/bias']);
    unfreeze(net, 'stage3');
    const names = moved(net, 10);
    expect(new Set(names.map((weight) => weight.split('.')[0]))).toEqual(
      new Set(['stage3', 'head']),
    );
    expect(names).toContain('stage3.block1.bn1/moving_mean');
    net.dispose();
  });
});

/** A row: the net, its head, and what stands before and behind it. */
const HEADS: [string, () => tfl.LayersModel, string][] = [
  ['a linear layer', resnet, 'head.dense'],
  ["LeNet's", () => book.lenet({ inputShape: [16, 16, 1] }), 'head.dense3'],
  [
    "torchvision's, behind a dropout",
    () => createModel('mobilenet_v2', { inputShape: [32, 32, 3], numClasses: 10 }),
    'classifier.1',
  ],
  [
    "a 1×1 convolution with a pool behind it, NiN's",
    () => createModel('book/nin', { inputShape: [67, 67, 1] }),
    'head.conv3',
  ],
];

describe('replaceHead', () => {
  it.each(HEADS)('%s', (_, make, head) => {
    const net = make();
    const mine = replaceHead(net, 3, { seed: 5 });
    expect([mine.name, mine.outputs[0]?.shape]).toEqual([net.name, [null, 3]]);
    const [before, after] = [values(net), values(mine)];
    expect(Object.keys(after)).toEqual(Object.keys(before));
    for (const name of Object.keys(before)) {
      if (name.startsWith(`${head}/`))
        expect(after[name]?.length, name).not.toBe(before[name]?.length);
      else
        expect(
          after[name]?.every((value, i) => value === before[name]?.[i]),
          name,
        ).toBe(true);
    }
    const x = images(1, net.inputs[0]?.shape.slice(1) as number[]);
    const logits = net.predict(x) as tf.Tensor;
    expect(logits.shape).toEqual([1, 10]); // the old net works on
    expect((mine.predict(x) as tf.Tensor).shape).toEqual([1, 3]);
    expect(compile(mine).numClasses).toBe(3);
  });

  it('begins by its seed and initializer', () => {
    const net = resnet();
    const kernel = (options: object) =>
      values(replaceHead(net, 10, options))['head.dense/kernel'] as number[];
    expect(kernel({ seed: 1 })).toEqual(kernel({ seed: 1 }));
    expect(kernel({ seed: 1 })).not.toEqual(kernel({ seed: 2 }));
    expect(kernel({})).not.toEqual(values(net)['head.dense/kernel']);
    const largest = (numbers: number[]) => Math.max(...numbers.map(Math.abs));
    expect(largest(kernel({}))).toBeLessThanOrEqual(Math.sqrt(6 / (64 + 10)));
    expect(largest(kernel({ init: 'he-normal' }))).toBeLessThanOrEqual(1 / Math.sqrt(64));
  });

  it('learns with the head alone', () => {
    const net = resnet();
    freeze(net);
    const mine = replaceHead(net, 4);
    expect(unfreeze(mine, [])).toBe(64 * 4 + 4); // the new head was not frozen
    expect(moved(mine, 4)).toEqual(['head.dense/kernel', 'head.dense/bias']);
  });

  it('keeps bias and activation, and what a constant map computes', () => {
    const image = tfl.input({ shape: [2, 2, 3], name: 'input' });
    const then = (x: tfl.SymbolicTensor, layer: tfl.layers.Layer) =>
      layer.apply(x) as tfl.SymbolicTensor;
    const logits = [
      tfl.layers.conv2d({
        filters: 5,
        kernelSize: 1,
        useBias: false,
        activation: 'tanh',
        name: 'head',
      }),
      tfl.layers.permute({ dims: [3, 1, 2], name: 'turn' }),
      tfl.layers.dense({ units: 1, useBias: false, trainable: false, name: 'mean_fixed' }),
      tfl.layers.flatten({ name: 'flatten' }),
    ].reduce(then, image);
    const net = tfl.model({ inputs: image, outputs: logits, name: 'net' });
    const mine = replaceHead(net, 3);
    expect(mine.outputs[0]?.shape).toEqual([null, 6]);
    expect(mine.getLayer('head').getConfig()).toMatchObject({
      filters: 3,
      useBias: false,
      activation: 'tanh',
    });
    expect(values(mine)['mean_fixed/kernel']).toEqual(values(net)['mean_fixed/kernel']);
    expect(mine.getLayer('mean_fixed').trainable).toBe(false);
  });

  it("has the old net's layers by their names, so that its files fit", () => {
    expect(replaceHead(resnet(), 3).layers.map(({ name }) => name)).toEqual(
      resnet().layers.map(({ name }) => name),
    );
  });
});

describe('nets that share layers', () => {
  const pairs: [string, (net: tfl.LayersModel) => tfl.LayersModel][] = [
    ['featureExtractor', (net) => featureExtractor(net, ['stage1', 'stage3'])],
    ['replaceHead', (net) => replaceHead(net, 3)],
    [
      'a third of the second',
      (net) => {
        const second = replaceHead(net, 3);
        const third = featureExtractor(second, 'stage2');
        second.dispose();
        return third;
      },
    ],
  ];
  const makes: [string, () => tfl.LayersModel][] = [
    ['a net', resnet],
    [
      'a net with a net inside',
      () => {
        const image = tfl.input({ shape: [16, 12, 1], name: 'outer' });
        const whole = resnet();
        const inner = featureExtractor(whole, 'stage2').apply(image) as tfl.SymbolicTensor;
        whole.dispose();
        const pooled = tfl.layers
          .globalAveragePooling2d({ name: 'stage3' })
          .apply(inner) as tfl.SymbolicTensor;
        const flat = tfl.layers
          .dense({ units: 7, name: 'stage1' })
          .apply(pooled) as tfl.SymbolicTensor;
        return tfl.model({ inputs: image, outputs: flat, name: 'outer' });
      },
    ],
  ];
  const cases = pairs.flatMap(([what, derive]) =>
    makes.map(([of, make]) => [`${what} of ${of}`, make, derive] as const),
  );

  it.each(cases.filter(([name]) => name !== 'a third of the second of a net with a net inside'))(
    '%s: each outlives the other',
    (_, make, derive) => {
      for (const firstDisposed of ['original', 'derived'] as const) {
        const tensors = tf.memory().numTensors;
        const net = make();
        const other = derive(net);
        const [first, second] = firstDisposed === 'original' ? [net, other] : [other, net];
        const outputs = () =>
          tf.tidy(() =>
            [second.predict(images())].flat().map((y) => [...(y as tf.Tensor).dataSync()]),
          );
        const before = outputs();
        first.dispose();
        expect(outputs()).toEqual(before);
        second.dispose();
        expect(tf.memory().numTensors).toBe(tensors);
      }
    },
  );

  it('leave no tensor behind', () => {
    const before = tf.memory().numTensors;
    const net = resnet();
    const features = featureExtractor(net, ['stage1', 'stage3']);
    const mine = replaceHead(net, 3);
    freeze(mine);
    unfreeze(mine);
    net.dispose();
    mine.dispose();
    features.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('bad input', () => {
  const cases: [string, () => unknown, RegExp][] = [
    [
      'a block that is not there',
      () => featureExtractor(resnet(), 'stagee2'),
      /\[models\] featureExtractor: the model 'book\/resnet8' has no layer or block 'stagee2'; did you mean 'stage2'\?/,
    ],
    [
      'a layer that is not there',
      () => freeze(resnet(), ['stem', 'head.dens']),
      /\[models\] freeze: .* has no layer or block 'head.dens'; did you mean 'head.dense'\?/,
    ],
    [
      'a pattern of nothing',
      () => unfreeze(resnet(), 'features.*'),
      /\[models\] unfreeze: .* has no layer or block 'features\.\*'; summary\(model\) shows its blocks/,
    ],
    ['no names', () => featureExtractor(resnet(), []), /expected at least one name, got none/],
    [
      'no classes',
      () => replaceHead(resnet(), 0),
      /\[models\] replaceHead: option "numClasses" must be an integer of at least 1, got 0/,
    ],
    [
      'an unknown initializer',
      () => replaceHead(resnet(), 3, { init: 'zeros' as never }),
      /"init" must be one of/,
    ],
    [
      'an option that does not exist',
      () => replaceHead(resnet(), 3, { sede: 1 } as object),
      /there is no option "sede"; did you mean "seed"\?/,
    ],
    [
      'a net without weights',
      () =>
        replaceHead(tfl.sequential({ layers: [tfl.layers.flatten({ inputShape: [2, 2, 1] })] }), 3),
      /expected a layer with weights, got none/,
    ],
    [
      'a head that looks around itself',
      () =>
        replaceHead(
          tfl.sequential({
            layers: [
              tfl.layers.conv2d({ filters: 2, kernelSize: 3, inputShape: [5, 5, 1], name: 'wide' }),
            ],
          }),
          3,
        ),
      /layer 'wide' \(Conv2D\): expected the last layer with weights to be linear or a 1×1 convolution; build the model with numClasses/,
    ],
  ];
  it.each(cases)('%s', (_, act, message) => {
    expect(act).toThrow(message);
  });

  it('freezes nothing when one of the names is wrong', () => {
    const net = resnet();
    expect(() => freeze(net, ['stem', 'nowhere'])).toThrow();
    expect(net.getLayer('stem.conv').trainable).toBe(true);
  });
});
