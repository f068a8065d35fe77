/** Neural style transfer: the losses of PyTorch, and a small trunk with random weights. */
import { tmpdir } from 'node:os';
import path from 'node:path';
import { loadWeights, saveWeights } from '@deepend/models';
import * as nn from '@deepend/nn';
import {
  contentLoss,
  extractFeatures,
  gram,
  type StyleRecord,
  styleLoss,
  styleTransfer,
  tvLoss,
} from '@deepend/vision';
import * as tf from '@tensorflow/tfjs-core';
import fs from 'fs-extra';
import { beforeAll, describe, expect, it } from 'vitest';
import golden from '../golden/segmentation.json';
import { use } from '../helpers/backends';
import { expectNoLeak } from '../helpers/leaks';

beforeAll(() => use('simd'));

const tensorOf = ({ shape, values }: { shape: number[]; values: number[] }) =>
  tf.tensor(values, shape);
const numberOf = (scalar: tf.Tensor) => scalar.dataSync()[0] as number;
const difference = (a: tf.Tensor, b: tf.Tensor) => numberOf(tf.max(tf.abs(tf.sub(a, b))));

const LAYERS = {
  contentLayers: ['features.5'],
  styleLayers: ['features.0', 'features.3'],
};

/** Two stages of a narrow VGG. */
function trunkOf(seed: number, inputShape = [24, 32, 3] as const) {
  const features = nn.modules('features', [
    ...[8, 16].flatMap((filters) => [
      nn.namedLayer('conv', (name) => nn.conv(filters, { kernel: 3, padding: 1, name })),
      nn.namedLayer('relu', nn.relu),
      nn.namedLayer('pool', (name) => nn.maxPool({ size: 2, name })),
    ]),
  ]);
  return nn.sequential([features], { name: 'trunk', inputShape, init: 'he-normal', seed });
}

/** Waves along one axis, in one color. */
function waves([height, width]: readonly [number, number], across: boolean, color: number[]) {
  const data = Uint8Array.from({ length: height * width * 3 }, (_, i) => {
    const at = Math.floor(i / 3);
    const place = across ? at % width : Math.floor(at / width);
    return Math.round((color[i % 3] as number) * (0.6 + 0.4 * Math.sin(place)));
  });
  return { data, shape: [height, width, 3] as const };
}

const content = waves([24, 32], true, [200, 40, 40]);
const style = waves([30, 20], false, [30, 60, 220]);

describe('the losses of style transfer', () => {
  it("are the book's, with PyTorch's gradient", async () => {
    await expectNoLeak(() =>
      tf.tidy(() => {
        const [yHat, y, other] = [golden.style.yHat, golden.style.y, golden.style.style].map(
          tensorOf,
        ) as [tf.Tensor, tf.Tensor, tf.Tensor];
        expect(difference(gram(yHat), tensorOf(golden.style.gram))).toBeLessThan(1e-6);
        const gramY = gram(other);
        expect(numberOf(contentLoss(yHat, y))).toBeCloseTo(golden.style.contentLoss, 5);
        expect(numberOf(styleLoss(yHat, gramY))).toBeCloseTo(golden.style.styleLoss, 6);
        expect(numberOf(tvLoss(yHat))).toBeCloseTo(golden.style.tvLoss, 5);
        const gradient = tf.grad((x: tf.Tensor) =>
          tf.addN([
            contentLoss(x, y),
            tf.mul(styleLoss(x, gramY), 1e4),
            tf.mul(tvLoss(x), 10),
          ] as tf.Scalar[]),
        )(yHat);
        const expected = tensorOf(golden.style.gradient);
        const largest = numberOf(tf.max(tf.abs(expected)));
        expect(difference(gradient, expected) / largest).toBeLessThan(1e-5);
      }),
    );
  });
});

describe('styleTransfer', () => {
  it('lowers the loss, and takes on the colors of the style', async () => {
    const trunk = trunkOf(1);
    const seen: StyleRecord[] = [];
    const options = { trunk, ...LAYERS, numSteps: 60, lr: 0.1, lrDecaySteps: 30 };
    const { image, history } = await styleTransfer(content, style, {
      ...options,
      onStep: (record) => void seen.push(record),
    });
    expect(seen).toEqual(history);
    expect(history).toHaveLength(60);
    const [first, last] = [history[0] as StyleRecord, history.at(-1) as StyleRecord];
    expect(first.content).toBe(0); // it begins with the content image
    expect(last.style).toBeLessThan(0.2 * first.style);
    expect(last.loss).toBeLessThan(0.3 * first.loss);
    expect(image.shape).toEqual([24, 32, 3]);
    const meanOf = ({ data }: { data: Uint8Array }, channel: number) =>
      data.reduce((sum, value, i) => sum + (i % 3 === channel ? value : 0), 0) / (data.length / 3);
    expect(meanOf(image, 2)).toBeGreaterThan(meanOf(content, 2) + 20); // more blue
  });

  it('depends on the weights, which come from a safetensors file', async () => {
    const dir = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
    const file = path.join(dir, 'trunk.safetensors');
    const [one, two] = [trunkOf(1), trunkOf(2)];
    const run = async (trunk: typeof one) =>
      (await styleTransfer(content, style, { trunk, ...LAYERS, numSteps: 3 })).history.at(-1)?.loss;
    const loss = await run(one);
    expect(await run(two)).not.toBeCloseTo(loss as number, 3);
    await saveWeights(one, file);
    await loadWeights(two, file);
    expect(await run(two)).toBeCloseTo(loss as number, 4);
    await fs.remove(dir);
  });

  it('leaves no tensors, and the trunk as it was', async () => {
    const trunk = trunkOf(1);
    const before = trunk.getWeights().map((weight) => [...weight.dataSync()]);
    await expectNoLeak(() => styleTransfer(content, style, { trunk, ...LAYERS, numSteps: 2 }));
    expect(trunk.getWeights().map((weight) => [...weight.dataSync()])).toEqual(before);
    await expectNoLeak(() => {
      const x = tf.ones([1, 24, 32, 3]);
      const { contents, styles } = extractFeatures(x, { trunk, ...LAYERS });
      expect(contents.map(({ shape }) => shape)).toEqual([[1, 6, 8, 16]]);
      expect(styles.map(({ shape }) => shape)).toEqual([
        [1, 24, 32, 8],
        [1, 12, 16, 16],
      ]);
      tf.dispose([x, ...contents, ...styles]);
    });
  });

  const trunk = () => ({ trunk: trunkOf(1), ...LAYERS });
  const REFUSED: [string, () => Promise<unknown>, RegExp][] = [
    [
      'a layer that the trunk does not have',
      () => styleTransfer(content, style, { ...trunk(), contentLayers: ['features.7'] }),
      /has no layer or block 'features\.7'; did you mean/,
    ],
    [
      'a gray image',
      () => styleTransfer({ data: new Uint8Array(4), shape: [2, 2, 1] }, style, { ...trunk() }),
      /content: expected an image of 3 channels, got \[2, 2, 1\]/,
    ],
    [
      'an unknown option',
      () => styleTransfer(content, style, { ...trunk(), steps: 3 } as never),
      /there is no option "steps"; did you mean "numSteps"\?/,
    ],
    [
      'a trunk of gray images',
      () => styleTransfer(content, style, { ...LAYERS, trunk: trunkOf(1, [24, 32, 1] as never) }),
      /expected a trunk of images \[height, width, 3\], got one of \[null, 24, 32, 1\]/,
    ],
  ];
  it.each(REFUSED)('refuses %s', async (_, work, message) => {
    await expect(work()).rejects.toThrow(message);
  });
});
