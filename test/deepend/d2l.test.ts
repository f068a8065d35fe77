import { compile } from '@deepend/compiler';
import { currentDevice } from '@deepend/device';
import { softmaxCrossEntropy } from '@deepend/optim';
import { evaluate, train } from '@deepend/trainer';
import * as tf from '@tensorflow/tfjs-core';
import type * as tfl from '@tensorflow/tfjs-layers';
import { d2l } from 'deepend';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { use } from '../helpers/backends';
import { expectNoLeak } from '../helpers/leaks';
import { fakeLoader, linearNet } from '../helpers/loaders';

beforeAll(async () => {
  await use('cpu-js');
  vi.spyOn(console, 'log').mockImplementation(() => {});
});
afterAll(() => vi.restoreAllMocks());

const weights = (net: tfl.LayersModel) => net.getWeights().map((weight) => [...weight.dataSync()]);

/** Gradients of a batch, which the caller disposes. */
function gradientsOf(net: tfl.LayersModel) {
  const [features, labels] = [tf.ones([2, 4, 4, 1]), tf.tensor1d([0, 1], 'int32')];
  const { loss, correct, gradients } = compile(net).forwardBackward(features, labels, {
    loss: softmaxCrossEntropy,
  });
  tf.dispose([features, labels, loss, correct]);
  return gradients;
}

describe("the book's training functions", () => {
  it('train as train does', async () => {
    const [own, ch3, ch6] = [linearNet(), linearNet(), linearNet()];
    const testIter = fakeLoader(6, 3);
    await train(own, fakeLoader(12, 3), testIter, { numEpochs: 2, lr: 0.3, progress: false });
    const { history } = await d2l.trainCh6(
      ch6,
      fakeLoader(12, 3),
      testIter,
      2,
      0.3,
      currentDevice(),
    );
    await d2l.trainCh3(ch3, fakeLoader(12, 3), testIter, softmaxCrossEntropy, 2, { lr: 0.3 });
    expect(history).toHaveLength(2);
    expect(weights(ch6)).toEqual(weights(own));
    expect(weights(ch3)).toEqual(weights(own));
  });

  it('evaluate as evaluate does', async () => {
    const net = linearNet();
    const { loss, accuracy } = await evaluate(net, fakeLoader(7, 3));
    expect(await d2l.evaluateAccuracy(net, fakeLoader(7, 3))).toBe(accuracy);
    expect(await d2l.evaluateAccuracyGpu(net, fakeLoader(7, 3), currentDevice())).toBe(accuracy);
    expect(await d2l.evaluateLoss(net, fakeLoader(7, 3), softmaxCrossEntropy)).toBe(loss);
  });
});

describe("the book's small tools", () => {
  it('corr2d refuses a kernel that is larger than the image', () => {
    const wide = () => d2l.corr2d(tf.ones([3, 3]), tf.ones([2, 4]));
    expect(() => tf.tidy(wide)).toThrow('a kernel of at most [3, 3], got [2, 4]; pad x');
  });

  it('squaredLoss is half the squared difference, of the shape of what was predicted', async () => {
    const loss = d2l.squaredLoss(tf.tensor2d([[1], [4]]), tf.tensor1d([3, 4]));
    expect(loss.shape).toEqual([2, 1]);
    expect([...loss.dataSync()]).toEqual([2, 0]);
  });

  it("corr2d gives the book's example", async () => {
    // Section 6.2: a 3×3 image of 0 … 8 and a 2×2 kernel of 0 … 3.
    const image = tf.tensor2d([
      [0, 1, 2],
      [3, 4, 5],
      [6, 7, 8],
    ]);
    expect(
      await d2l
        .corr2d(
          image,
          tf.tensor2d([
            [0, 1],
            [2, 3],
          ]),
        )
        .array(),
    ).toEqual([
      [19, 25],
      [37, 43],
    ]);
    expect(d2l.corr2d(image, tf.tensor2d([[1, 1, 1]])).shape).toEqual([3, 1]);
  });

  it('sgd goes against the gradient, by its share of the batch', () => {
    const net = linearNet();
    const before = weights(net)[1] as number[];
    const gradients = gradientsOf(net);
    const slope = [
      ...(gradients.find(({ parameter }) => parameter.shape.length === 1)?.gradient.dataSync() ??
        []),
    ];
    d2l.sgd(gradients, 0.5, 2);
    const after = weights(net)[1] as number[];
    expect(slope.some((value) => value !== 0)).toBe(true);
    after.forEach((value, i) => {
      expect(value).toBeCloseTo((before[i] as number) - 0.25 * (slope[i] as number), 6);
    });
    tf.dispose(gradients.map(({ gradient }) => gradient));
  });

  it('gradClipping leaves a norm of at most theta', () => {
    const gradients = gradientsOf(linearNet());
    const norm = () => Math.hypot(...gradients.flatMap(({ gradient }) => [...gradient.dataSync()]));
    const before = norm();
    d2l.gradClipping(gradients, before / 2);
    expect(norm() / before).toBeCloseTo(0.5, 4);
    d2l.gradClipping(gradients, before);
    expect(norm() / before).toBeCloseTo(0.5, 4);
    tf.dispose(gradients.map(({ gradient }) => gradient));
  });

  it('leave no tensor behind', async () => {
    const net = linearNet();
    await expectNoLeak(async () => {
      const gradients = gradientsOf(net);
      d2l.gradClipping(gradients, 0.1);
      d2l.sgd(gradients, 0.1);
      tf.dispose(gradients.map(({ gradient }) => gradient));
      await d2l.trainCh6(net, fakeLoader(4, 2), fakeLoader(4, 2), 1, 0.1);
      const [x, k] = [tf.ones([3, 3]) as tf.Tensor2D, tf.ones([2, 2]) as tf.Tensor2D];
      tf.dispose([x, k, d2l.corr2d(x, k), d2l.squaredLoss(x, x)]);
    });
  });
});
