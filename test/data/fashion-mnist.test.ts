/**
 * The real set. `.ci/run` and the quickstart install it; without a source each test says how to get
 * it.
 */
import { createHash } from 'node:crypto';
import {
  classCounts,
  FASHION_MNIST,
  getFashionMnistLabels,
  loadFashionMnist,
  take,
} from '@deepend/data';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { use } from '../helpers/backends';

const found = await loadFashionMnist(256, { progress: false }).catch(
  (error: Error) => error.message,
);
const why =
  typeof found === 'string'
    ? `skipped: ${found.split('\n')[0]} apt-get install dataset-fashion-mnist`
    : 'real data';

beforeAll(() => use('cpu-js'));

describe.skipIf(typeof found === 'string')(`Fashion-MNIST (${why})`, () => {
  const [train, test] = typeof found === 'string' ? [] : found;

  it('has 60,000 and 10,000 images, 6,000 and 1,000 of each class', () => {
    for (const [loader, each] of [
      [train, 6000],
      [test, 1000],
    ] as const) {
      expect(loader && classCounts(loader.dataset)).toEqual(new Array(10).fill(each));
      expect(loader?.inputShape).toEqual([28, 28, 1]);
      expect(loader?.classNames?.[9]).toBe('ankle boot');
    }
    expect([train?.numBatches, test?.numBatches]).toEqual([235, 40]);
  });

  it('begins with the images that everybody knows', () => {
    // The first test image is an ankle boot; hashes of torchvision's copy of the arrays.
    expect([...(test?.dataset.labels.subarray(0, 10) ?? [])]).toEqual([
      9, 2, 1, 1, 6, 1, 4, 6, 5, 7,
    ]);
    expect([...(train?.dataset.labels.subarray(0, 10) ?? [])]).toEqual([
      9, 0, 0, 3, 0, 2, 7, 2, 5, 5,
    ]);
    expect(getFashionMnistLabels(test?.dataset.labels.subarray(0, 3) ?? [])).toEqual([
      'ankle boot',
      'pullover',
      'trouser',
    ]);
  });

  it('has the mean and deviation of its row', () => {
    const pixels = train?.dataset.images as Uint8Array;
    const counts = new Float64Array(256);
    pixels.forEach((pixel) => {
      counts[pixel] = (counts[pixel] as number) + 1;
    });
    const moment = (power: number) =>
      counts.reduce((sum, count, pixel) => sum + count * (pixel / 255) ** power, 0) / pixels.length;
    const { mean, std } = FASHION_MNIST;
    expect(moment(1)).toBeCloseTo(mean[0] as number, 12);
    expect(Math.sqrt(moment(2) - moment(1) ** 2)).toBeCloseTo(std[0] as number, 12);
    expect([train?.dataset.mean, train?.dataset.std]).toEqual([mean, std]);
  });

  it('comes out as a batch of the size asked for', async () => {
    const [small] = await loadFashionMnist(32, { resize: 64, numTrain: 64, progress: false });
    expect(small.numBatches).toBe(2);
    for await (const { features, labels } of small) {
      expect(features.shape).toEqual([32, 64, 64, 1]);
      const [low, high] = [
        tf.min(features).dataSync()[0] ?? -1,
        tf.max(features).dataSync()[0] ?? 2,
      ];
      expect([low >= 0, high <= 1, high > 0.9]).toEqual([true, true, true]);
      tf.dispose([features, labels]);
    }
    const bytes = take((train as NonNullable<typeof train>).dataset, 64).images;
    expect(createHash('sha256').update(small.dataset.images).digest('hex')).toBe(
      createHash('sha256').update(bytes).digest('hex'),
    );
  });
});
