import { arrayDataset, DataLoader, fromTfDataset, toTfDataset } from '@deepend/data';
import * as tf from '@tensorflow/tfjs-core';
import * as tfd from '@tensorflow/tfjs-data';
import * as tfl from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { use } from '../helpers/backends';
import { expectNoLeak } from '../helpers/leaks';

beforeAll(() => use('cpu-js'));

const dataset = arrayDataset({
  images: Uint8Array.from({ length: 10 * 6 }, (_, i) => i * 4),
  labels: Uint8Array.from({ length: 10 }, (_, i) => i % 3),
  imageShape: [3, 2, 1],
});
const loader = () => new DataLoader(dataset, { batchSize: 4, shuffle: true });

async function contents(batches: AsyncIterable<{ features: tf.Tensor; labels: tf.Tensor }>) {
  const all: unknown[] = [];
  for await (const { features, labels } of batches) {
    all.push([
      features.shape,
      [...features.dataSync()],
      labels.dtype,
      labels.shape,
      [...labels.dataSync()],
    ]);
    tf.dispose([features, labels]);
  }
  return all;
}

describe('toTfDataset', () => {
  it('gives the same batches, each iterator an epoch', async () => {
    const set = await toTfDataset(loader());
    expect(set.size).toBe(3);
    const own = loader();
    const asFloats = (batches: unknown[]) =>
      (batches as [unknown, unknown, string, ...unknown[]][]).map((batch) =>
        batch.with(2, 'float32'),
      );
    for (let epoch = 0; epoch < 2; epoch++) {
      const iterator = await set.iterator();
      const batches = {
        async *[Symbol.asyncIterator]() {
          for (let next = await iterator.next(); !next.done; next = await iterator.next()) {
            yield { features: next.value.xs, labels: next.value.ys };
          }
        },
      };
      expect(await contents(batches)).toEqual(asFloats(await contents(own)));
    }
  });

  it('is what fitDataset takes', async () => {
    const net = tfl.sequential({
      layers: [
        tfl.layers.flatten({ inputShape: [3, 2, 1] }),
        tfl.layers.dense({ units: 3, activation: 'softmax' }),
      ],
    });
    net.compile({ optimizer: tf.train.sgd(0.1), loss: 'sparseCategoricalCrossentropy' });
    const set = await toTfDataset(loader());
    const { history } = await net.fitDataset(
      set as unknown as Parameters<typeof net.fitDataset>[0],
      { epochs: 2, verbose: 0 },
    );
    expect(history.loss?.length).toBe(2);
    net.dispose();
  });
});

describe('fromTfDataset', () => {
  const samples = (count = 10, label: (i: number) => unknown = (i) => i % 3) =>
    tfd.generator(function* () {
      for (let i = 0; i < count; i++)
        yield { xs: tf.fill([3, 2, 1], i / 10), ys: label(i) } as never;
    } as never);

  it('makes batches of samples', async () => {
    const iter = fromTfDataset(samples(), {
      batchSize: 4,
      numSamples: 10,
      numClasses: 3,
      inputShape: [3, 2, 1],
    });
    expect(iter).toMatchObject({
      numSamples: 10,
      numBatches: 3,
      batchSize: 4,
      numClasses: 3,
      inputShape: [3, 2, 1],
    });
    const batches = await contents(iter);
    expect(batches.map((batch) => (batch as unknown[])[0])).toEqual([
      [4, 3, 2, 1],
      [4, 3, 2, 1],
      [2, 3, 2, 1],
    ]);
    expect(batches.map((batch) => (batch as unknown[]).slice(2))).toEqual([
      ['int32', [4], [0, 1, 2, 0]],
      ['int32', [4], [1, 2, 0, 1]],
      ['int32', [2], [2, 0]],
    ]);
    expect(await contents(iter)).toEqual(batches);
    await expectNoLeak(() => contents(iter));
  });

  it('leaves labels that are numbers, or shares of classes, as they are', async () => {
    const numbers = fromTfDataset(
      samples(2, (i) => i / 2),
      { batchSize: 2, numSamples: 2 },
    );
    expect(await contents(numbers)).toMatchObject([[[2, 3, 2, 1], {}, 'float32', [2], [0, 0.5]]]);
    const soft = () => tf.tensor1d([0.25, 0.75]);
    const shares = fromTfDataset(samples(2, soft), { batchSize: 2, numSamples: 2, numClasses: 2 });
    expect(await contents(shares)).toMatchObject([
      [[2, 3, 2, 1], {}, 'float32', [2, 2], [0.25, 0.75, 0.25, 0.75]],
    ]);
  });

  it.each([
    [
      'batches where samples should be',
      () => samples().batch(2),
      /expected samples of \[height, width, channels\] in float32, got \[2, 3, 2, 1\] of float32; pass the dataset without \.batch\(\)/,
    ],
    [
      'samples that are none',
      () => tfd.array([1, 2, 3]),
      /expected samples \{ xs, ys \} or \{ features, labels \}, got a Tensor/,
    ],
    ['fewer samples than promised', () => samples(9), /expected 10 samples in an epoch, got 9/],
  ])('refuses %s', async (_, set, message) => {
    await expect(
      contents(fromTfDataset(set() as never, { batchSize: 4, numSamples: 10 })),
    ).rejects.toThrow(message);
  });

  it('refuses anything but a dataset, and missing options', () => {
    expect(() => fromTfDataset([] as never, { batchSize: 1, numSamples: 1 })).toThrow(
      /expected a tf\.data\.Dataset, got \[\]/,
    );
    expect(() => fromTfDataset(samples() as never, { batchSize: 1 } as never)).toThrow(
      /"numSamples" must be an integer/,
    );
  });
});

it('says what to install where tf.data is missing', async () => {
  vi.doMock('@tensorflow/tfjs-data', () => {
    throw Object.assign(new Error("Cannot find package '@tensorflow/tfjs-data'"), {
      code: 'ERR_MODULE_NOT_FOUND',
    });
  });
  await expect(toTfDataset(loader())).rejects.toThrow(
    /npm install @tensorflow\/tfjs-data@4\.22\.0/,
  );
  vi.doUnmock('@tensorflow/tfjs-data');
});
