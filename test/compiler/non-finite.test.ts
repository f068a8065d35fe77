/** Finding the first number that is not finite. */
import { compile, type Loss } from '@deepend/compiler';
import { meanSquaredError, softmaxCrossEntropy } from '@deepend/optim';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, it } from 'vitest';
import { allBackends } from '../helpers/all-backends';
import { use } from '../helpers/backends';
import { fillNet, goldenBatch } from '../helpers/fill';
import { expectNoLeak } from '../helpers/leaks';

function makeCase() {
  const layers = [
    tfl.layers.conv2d({ filters: 4, kernelSize: 3, inputShape: [8, 8, 1], name: 'conv' }),
    tfl.layers.batchNormalization({ name: 'norm', momentum: 0.9 }),
    tfl.layers.reLU({ name: 'relu' }),
    tfl.layers.conv2d({ filters: 4, kernelSize: 3, name: 'second' }),
    tfl.layers.flatten({ name: 'flat' }),
    tfl.layers.dropout({ rate: 0.5, name: 'drop' }),
    tfl.layers.dense({ units: 3, name: 'head' }),
  ];
  const net = tfl.sequential({ layers });
  fillNet(net);
  return { net, plan: compile(net), ...goldenBatch([5, 8, 8, 1], 'finite', { numClasses: 3 }) };
}

/** One number of a layer's weight in another's place. */
function poison(net: tfl.LayersModel, name: string, value: number): void {
  const weight = net.weights.find(({ originalName }) => originalName === name);
  const values = weight?.read().dataSync() as Float32Array;
  weight?.write(tf.tensor(values.with(values.length - 1, value), weight.shape as number[]));
}

for (const { name: backend, title, absent } of allBackends) {
  describe.skipIf(absent)(`the first number that is not finite, on ${title}`, () => {
    beforeAll(() => use(backend));

    it('is nowhere in a sound step; statistics, weights and tensors stay as they were', async () => {
      const { net, plan, features, labels } = makeCase();
      const values = () => net.weights.map((weight) => [...weight.read().dataSync()]);
      const before = values();
      await expectNoLeak(() =>
        expect(
          plan.firstNonFinite(features, labels, { loss: softmaxCrossEntropy, seed: 3 }),
        ).toBeUndefined(),
      );
      expect(values()).toEqual(before);
      const { loss, correct, gradients } = plan.forwardBackward(features, labels, {
        loss: softmaxCrossEntropy,
      }); // which moves them
      tf.dispose([loss, correct, gradients.map(({ gradient }) => gradient)]);
      expect(values()).not.toEqual(before);
    });

    it.each([
      ['norm/gamma', Number.NaN, ['norm', 'relu']],
      ['second/bias', Number.POSITIVE_INFINITY, ['second']],
      ['norm/moving_variance', Number.NEGATIVE_INFINITY, ['norm', 'relu']],
    ])('is in the weight %s = %d', async (name, value, layers) => {
      const { net, plan, features, labels } = makeCase();
      poison(net, name, value);
      poison(net, 'head/kernel', Number.NaN); // comes later
      await expectNoLeak(() =>
        expect(plan.firstNonFinite(features, labels, { loss: softmaxCrossEntropy })).toEqual({
          what: 'weight',
          layers,
        }),
      );
    });

    it('is in the features: the input layer is named', async () => {
      const { plan, features, labels } = makeCase();
      const bad = tf.tensor4d(
        (features.dataSync() as Float32Array).with(7, Number.NaN),
        features.shape,
      );
      await expectNoLeak(() =>
        expect(plan.firstNonFinite(bad, labels, { loss: softmaxCrossEntropy })).toEqual({
          what: 'output',
          layers: ['conv_input'],
        }),
      );
    });

    it('is in the output of the layer that overflows', async () => {
      const { net, plan, features, labels } = makeCase();
      poison(net, 'second/kernel', 3e38); // finite, but what it meets is a normalized number above 1.2 somewhere
      const found = () =>
        plan.firstNonFinite(features, labels, { loss: softmaxCrossEntropy, seed: 1 });
      await expectNoLeak(() => expect(found()).toEqual({ what: 'output', layers: ['second'] }));
    });

    it('is in the loss of finite outputs', async () => {
      const { plan, features } = makeCase();
      const labels = tf.fill([5, 3], 1e30);
      await expectNoLeak(() =>
        expect(plan.firstNonFinite(features, labels, { loss: meanSquaredError() })).toEqual({
          what: 'loss',
          layers: [],
        }),
      );
    });

    it("is in the loss's own gradient, or in that of the first layer from the end", async () => {
      const { plan, features, labels } = makeCase();
      const withGradient =
        (value: number): Loss =>
        (outputs, truth) => {
          const { loss, correct, dLogits } = softmaxCrossEntropy(outputs, truth);
          dLogits.dispose();
          return { loss, correct, dLogits: tf.fill(outputs.shape, value) as tf.Tensor2D };
        };
      const found = (value: number) =>
        plan.firstNonFinite(features, labels, { loss: withGradient(value) });
      await expectNoLeak(() =>
        expect(found(Number.POSITIVE_INFINITY)).toEqual({ what: 'gradient', layers: [] }),
      );
      // The sum over the batch, which is the bias's, is past float32.
      await expectNoLeak(() => expect(found(3e38)).toEqual({ what: 'gradient', layers: ['head'] }));
      expect(found(1e25)).toBeUndefined();
    });
  });
}
