/** Models for semantic segmentation. */
import { createModel, fcn, featureExtractor, freeze } from '@deepend/models';
import * as nn from '@deepend/nn';
import { crossEntropy, metrics } from '@deepend/optim';
import { evaluate, predict, train } from '@deepend/trainer';
import { maskLoader, UNet } from '@deepend/vision';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import golden from '../golden/segmentation.json';
import { use } from '../helpers/backends';
import { expectNoLeak } from '../helpers/leaks';

beforeAll(() => use('simd'));

const tensorOf = ({ shape, values }: { shape: number[]; values: number[] }) =>
  tf.tensor(values, shape);

const difference = (a: tf.Tensor, b: tf.Tensor) =>
  tf.tidy(() => tf.max(tf.abs(tf.sub(a, b))).dataSync()[0] as number);

describe('bilinear weights', () => {
  it.each(golden.enlarged)("enlarge as the book's kernel of $size pixels", (row) => {
    tf.tidy(() => {
      const { size, stride, padding } = row;
      const options = { stride, padding, bias: false, init: nn.init.bilinear() };
      const layer = new nn.ConvTranspose2d(2, 2, size, options);
      expect(difference(layer.stateDict().weight as tf.Tensor, tensorOf(row.weight))).toBe(0);
      expect(difference(layer.forward(tensorOf(row.x)), tensorOf(row.y))).toBeLessThan(1e-5);
      layer.dispose();
    });
  });

  it('are also there by name, and only from a channel to itself', () => {
    const layer = new nn.ConvTranspose2d(1, 1, 4, { stride: 2, init: 'bilinear' });
    expect([...layer.weight.dataSync().slice(0, 4)]).toEqual([0.0625, 0.1875, 0.1875, 0.0625]);
    layer.dispose();
    expect(() => new nn.ConvTranspose2d(2, 3, 4, { init: 'bilinear' })).toThrow(
      /as many input as output channels, got \[2, 3, 4, 4\]/,
    );
  });
});

describe('fcn', () => {
  it('gives each pixel its classes, at first by bilinear interpolation', async () => {
    const trunk = createModel('resnet18', { inputShape: [64, 96, 1], numClasses: 3 });
    const net = fcn(trunk, 'layer2', { numClasses: 3 });
    expect(net.outputs[0]?.shape).toEqual([null, 64, 96, 3]);
    const x = tf.randomUniform([2, 64, 96, 1], 0, 1, 'float32', 1);
    const logits = (await predict(net, x)) as unknown as tf.Tensor4D;
    const stock = net.predict(x) as tf.Tensor;
    expect(difference(logits, stock)).toBeLessThan(1e-4);
    // Away from the border the scores are interpolated.
    const scores = featureExtractor(net, 'final_conv').predict(x) as tf.Tensor4D;
    const smooth = tf.image.resizeBilinear(scores, [64, 96], false, true);
    const stride = 64 / (scores.shape[1] as number);
    const inner = (t: tf.Tensor4D) =>
      tf.slice(t, [0, stride, stride, 0], [2, 64 - 2 * stride, 96 - 2 * stride, 3]);
    expect(difference(inner(logits), inner(smooth))).toBeLessThan(1e-3);
  });

  it('shares the trunk, which can be frozen', () => {
    const trunk = createModel('book/lenet', { inputShape: [28, 28, 1], numClasses: 10 });
    expect(() => fcn(trunk, 'nowhere', { numClasses: 2 })).toThrow(
      /has no layer or block 'nowhere'/,
    );
    expect(() => fcn(trunk, trunk.layers.at(-1)?.name ?? '', { numClasses: 2 })).toThrow(
      /\[models\] fcn: expected features \[batch, height \/ s, width \/ s, channels\]/,
    );
    expect(() => fcn(trunk, 'stage1', { numClasses: 1 })).toThrow(/"numClasses" must be/);
    freeze(trunk);
    expect(trunk.trainableWeights).toHaveLength(0);
  });
});

/** Two colours on a gray image: what a pixel shows is its class. */
function stripes(count: number) {
  const [height, width] = [16, 16];
  const colors = [
    [40, 40, 40],
    [220, 30, 30],
    [30, 30, 220],
  ] as const;
  const samples = Array.from({ length: count }, (_, i) => {
    const edge = 3 + (i % 9);
    const mask = Uint8Array.from({ length: height * width }, (__, at) => {
      const [row, column] = [Math.floor(at / width), at % width];
      if (row < 4) return 0;
      return column < edge ? 1 : 2;
    });
    const data = Uint8Array.from({ length: 3 * mask.length }, (__, j) => {
      const color = colors[mask[Math.floor(j / 3)] as number] as readonly number[];
      return (color[j % 3] as number) + ((j * 7 + i) % 11);
    });
    return { image: { data, shape: [height, width, 3] as const }, mask };
  });
  const classNames = ['background', 'red', 'blue'];
  return maskLoader(samples, { batchSize: 8, classNames, seed: 1 });
}

describe('UNet', () => {
  const small = { numClasses: 3, channels: [8, 16], seed: 1 };

  it('keeps height and width, and leaves no tensors', async () => {
    await expectNoLeak(() => {
      const net = new UNet({ ...small, channels: [4, 6, 8], inChannels: 2 });
      const x = tf.zeros([2, 8, 12, 2]);
      const logits = net.forward(x);
      expect(logits.shape).toEqual([2, 8, 12, 3]);
      const names = net.namedParameters().map(([name]) => name);
      expect(names).toContain('down.0.0.weight');
      expect(names).toContain('up.1.weight');
      expect(names).toContain('merge.0.4.bias');
      expect(names.at(-1)).toBe('head.bias');
      tf.dispose([x, logits]);
      net.dispose();
    });
  });

  it('learns the class of each pixel', async () => {
    const net = new UNet(small);
    const iter = stripes(64);
    await train(net, iter, null, {
      ...{ numEpochs: 6, lr: 0.01, optimizer: 'adam', seed: 1, progress: false },
      loss: crossEntropy(),
    });
    const { metrics: found } = await evaluate(net, iter, { metrics: [metrics.meanIou()] });
    expect(found?.meanIou).toBeGreaterThan(0.95);
  });

  it('is the same for the same seed, and again from its own description', () => {
    const [one, two] = [new UNet(small), new UNet(...(new UNet(small).config() as [typeof small]))];
    const values = (net: UNet) => net.parameters().map((variable) => [...variable.dataSync()]);
    expect(values(one)).toEqual(values(two));
    expect(values(new UNet({ ...small, seed: 2 }))).not.toEqual(values(one));
  });

  it('refuses images that its stages do not divide, and wrong options', () => {
    const net = new UNet(small);
    expect(() => net.forward(tf.zeros([1, 7, 8, 3]))).toThrow(
      /expected images \[batch, height, width, 3\] whose height and width are multiples of 2, got/,
    );
    expect(() => net.forward(tf.zeros([1, 8, 8, 1]))).toThrow(/got \[1, 8, 8, 1\]/);
    expect(() => new UNet({ ...small, numClasses: 1 })).toThrow(/"numClasses" must be an integer/);
    expect(() => new UNet({ ...small, width: 3 } as never)).toThrow(/there is no option "width"/);
  });
});
