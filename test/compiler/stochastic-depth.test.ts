/** Dropout of whole samples, on every backend. */

import { setThreads } from '@deepend/backend-simd';
import { compile } from '@deepend/compiler';
import { softmaxCrossEntropy } from '@deepend/optim';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, it } from 'vitest';
import { allBackends } from '../helpers/all-backends';
import { use } from '../helpers/backends';

const RATE = 0.25;
const BATCH = 400;
const samples = (rate = RATE, inputShape = [2, 3, 2]) => {
  const noiseShape = [null, 1, 1, 1] as unknown as number[]; // tfjs's type knows no null, its code does
  return tfl.layers.dropout({ rate, noiseShape, inputShape });
};

/** A net whose logits are the samples' own numbers, but for those that are dropped. */
const net = (rate?: number) => tfl.sequential({ layers: [samples(rate), tfl.layers.flatten()] });

/**
 * What each number of a batch of ones has become in a training step: its loss tells, since a
 * sample's twelve logits are alike but for the
 * label's, which is one more.
 */
function lossesOf(seed: number, rate?: number): number[] {
  const plan = compile(net(rate));
  const labels = tf.zeros([1], 'int32');
  return Array.from({ length: 8 }, (_, i) => {
    const features = tf.tensor4d([2, ...new Array<number>(11).fill(1)], [1, 2, 3, 2]);
    return plan
      .forwardBackward(features, labels, { loss: softmaxCrossEntropy, seed: seed + i })
      .loss.dataSync()[0] as number;
  });
}
const lossAt = (scale: number) => Math.log(Math.exp(2 * scale) + 11 * Math.exp(scale)) - 2 * scale;

for (const { name: backend, title, absent } of allBackends) {
  describe.skipIf(absent)(`stochastic depth on ${title}`, () => {
    beforeAll(() => use(backend));

    it('keeps a sample whole, 1 / (1 − rate) as large, or drops it whole', () => {
      const [kept, dropped] = [lossAt(1 / (1 - RATE)), lossAt(0)];
      for (const loss of lossesOf(1))
        expect(Math.min(Math.abs(loss - kept), Math.abs(loss - dropped))).toBeLessThan(1e-5);
    });

    it('drops the share of samples that it is told', () => {
      const features = tf.tile(tf.tensor4d([2, ...new Array<number>(11).fill(1)], [1, 2, 3, 2]), [
        BATCH,
        1,
        1,
        1,
      ]);
      const loss = compile(net())
        .forwardBackward(features, tf.zeros([BATCH], 'int32'), {
          loss: softmaxCrossEntropy,
          seed: 5,
        })
        .loss.dataSync()[0] as number;
      const share = (loss - lossAt(1 / (1 - RATE))) / (lossAt(0) - lossAt(1 / (1 - RATE)));
      const deviation = Math.sqrt((RATE * (1 - RATE)) / BATCH);
      expect(Math.abs(share - RATE)).toBeLessThan(4 * deviation);
      expect(Math.abs(share * BATCH - Math.round(share * BATCH))).toBeLessThan(0.05);
    });

    it('draws the same for the same seed, and else for another', () => {
      expect(lossesOf(1)).toEqual(lossesOf(1));
      expect(lossesOf(1)).not.toEqual(lossesOf(100));
    });

    it('changes nothing in inference, and drops all at a rate of 1', () => {
      const features = tf.randomUniform([3, 2, 3, 2]);
      expect(compile(net()).logits(features).dataSync()).toEqual(features.dataSync());
      for (const loss of lossesOf(1, 1)) expect(loss).toBeCloseTo(Math.log(12), 5);
    });
  });
}

describe('stochastic depth on simd', () => {
  it('gives the same gradients on any number of threads', async () => {
    await use('simd');
    const image = tfl.input({ shape: [8, 8, 3] });
    const branch = tfl.layers.conv2d({ filters: 3, kernelSize: 3, padding: 'same' }).apply(image);
    const sum = tfl.layers
      .add()
      .apply([image, samples(0.5, [8, 8, 3]).apply(branch) as tfl.SymbolicTensor]);
    const logits = tfl.layers.globalAveragePooling2d({}).apply(sum) as tfl.SymbolicTensor;
    const plan = compile(tfl.model({ inputs: image, outputs: logits }));
    const features = tf.randomUniform([64, 8, 8, 3], 0, 1, 'float32', 1);
    const labels = tf.zeros([64], 'int32');
    const bytes = (threads: number) => {
      setThreads(threads);
      const { gradients } = plan.forwardBackward(features, labels, {
        loss: softmaxCrossEntropy,
        seed: 3,
      });
      return gradients.map(({ gradient }) => [...gradient.dataSync()]);
    };
    expect(bytes(2)).toEqual(bytes(1));
  });
});
