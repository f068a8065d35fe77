import { availableParallelism } from 'node:os';
import {
  type AnyDataset,
  arrayDataset,
  type Batch,
  centerCrop,
  custom,
  DataLoader,
  type DataLoaderOptions,
  permutation,
  randomCrop,
  randomHorizontalFlip,
  resize,
  sfc32,
  type Transform,
  take,
} from '@deepend/data';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { use } from '../helpers/backends';

beforeAll(() => use('cpu-js'));

const numSamples = 11;
const dataset = arrayDataset({
  images: Uint8Array.from({ length: numSamples * 6 }, (_, i) => Math.floor(i / 6) * 20),
  labels: Uint8Array.from({ length: numSamples }, (_, i) => i),
  imageShape: [3, 2, 1],
});

/** Labels of each batch of an epoch; disposes the batches. */
async function epoch(loader: AsyncIterable<Batch>): Promise<number[][]> {
  const labels: number[][] = [];
  for await (const batch of loader) {
    labels.push([...batch.labels.dataSync()]);
    tf.dispose([batch.features, batch.labels]);
  }
  return labels;
}

/** Pixels of each batch of an epoch; disposes the batches. */
async function pixels(loader: AsyncIterable<Batch>): Promise<number[][]> {
  const values: number[][] = [];
  for await (const { features, labels } of loader) {
    values.push([...features.dataSync()]);
    tf.dispose([features, labels]);
  }
  return values;
}

describe('DataLoader', () => {
  it('gives batches of float32 in [0, 1] and int32 labels, the last one smaller', async () => {
    const loader = new DataLoader(dataset, { batchSize: 4 });
    expect(loader).toMatchObject({
      numSamples: 11,
      numBatches: 3,
      batchSize: 4,
      inputShape: [3, 2, 1],
      numClasses: 11,
    });
    const shapes: number[][] = [];
    let seen = 0;
    for await (const { features, labels } of loader) {
      expect([features.dtype, labels.dtype]).toEqual(['float32', 'int32']);
      shapes.push(features.shape);
      const values = features.dataSync();
      labels.dataSync().forEach((label, i) => {
        expect(label).toBe(seen++);
        expect(values[6 * i]).toBe(Math.fround((20 * label) / 255));
      });
      tf.dispose([features, labels]);
    }
    expect(shapes).toEqual([
      [4, 3, 2, 1],
      [4, 3, 2, 1],
      [3, 3, 2, 1],
    ]);
  });

  it('shuffles each epoch differently, and the same epoch of the same seed equally', async () => {
    const options = { batchSize: 3, shuffle: true, seed: 9 };
    const [a, b] = [new DataLoader(dataset, options), new DataLoader(dataset, options)];
    const epochs = [await epoch(a), await epoch(a), await epoch(a)];
    expect([await epoch(b), await epoch(b), await epoch(b)]).toEqual(epochs);
    expect(new Set(epochs.map(String)).size).toBe(3);
    for (const each of epochs)
      expect(each.flat().sort((x, y) => x - y)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(await epoch(new DataLoader(dataset, { ...options, seed: 10 }))).not.toEqual(epochs[0]);
    b.epoch = 2;
    expect(await epoch(b)).toEqual(epochs[1]);
  });

  it('can leave out a last batch that is not full', async () => {
    const loader = new DataLoader(dataset, { batchSize: 4, dropLast: true });
    expect(loader).toMatchObject({ numSamples: 8, numBatches: 2 });
    expect(await epoch(loader)).toEqual([
      [0, 1, 2, 3],
      [4, 5, 6, 7],
    ]);
  });

  it('resizes', async () => {
    const loader = new DataLoader(dataset, { batchSize: 11, resize: [6, 5] });
    expect(loader.inputShape).toEqual([6, 5, 1]);
    for await (const { features, labels } of loader) {
      expect(features.shape).toEqual([11, 6, 5, 1]);
      tf.dispose([features, labels]);
    }
  });

  it('resumes in the middle of an epoch with the same batches', async () => {
    const options = {
      batchSize: 3,
      shuffle: true,
      seed: 4,
      transforms: [randomCrop([3, 2], { padding: 1 })],
    };
    for (const workers of [0, 2]) {
      const whole = new DataLoader(dataset, { ...options, workers });
      const batches = [await pixels(whole), await pixels(whole)].flat();
      for (let stop = 1; stop <= 7; stop++) {
        const stopped = new DataLoader(dataset, { ...options, workers });
        let given = 0;
        let state = stopped.state();
        while (given < stop) {
          for await (const { features, labels } of stopped) {
            tf.dispose([features, labels]);
            state = JSON.parse(JSON.stringify(stopped.state()));
            if (++given === stop) break;
          }
        }
        expect(state).toEqual({ epoch: 1 + Math.floor(stop / 4), batch: stop % 4 });
        const resumed = new DataLoader(dataset, { ...options, workers });
        resumed.restore(state);
        expect(resumed.state()).toEqual(state);
        const rest = await pixels(resumed);
        expect(rest).toEqual(batches.slice(stop, stop < 4 ? 4 : 8));
        expect(resumed.state()).toEqual({ epoch: 2 + Math.floor(stop / 4), batch: 0 });
        if (stop < 4) expect(await pixels(resumed)).toEqual(batches.slice(4));
      }
    }
  });

  it('returns and restores its state', async () => {
    const loader = new DataLoader(dataset, { batchSize: 6 });
    expect(loader.state()).toEqual({ epoch: 1, batch: 0 });
    const states: object[] = [];
    for await (const { features, labels } of loader) {
      tf.dispose([features, labels]);
      states.push(loader.state());
    }
    expect(states).toEqual([
      { epoch: 1, batch: 1 },
      { epoch: 2, batch: 0 },
    ]);
    expect(loader.epoch).toBe(2);
    loader.epoch = 7;
    expect(loader.state()).toEqual({ epoch: 7, batch: 0 });
    for (const state of [
      { epoch: 0, batch: 0 },
      { epoch: 1, batch: 2 },
      { epoch: 1.5, batch: 0 },
      {},
      undefined,
    ]) {
      expect(() => loader.restore(state as never)).toThrow(
        /restore: expected \{ epoch, batch \} of integers, epoch from 1, batch from 0 to 1, got/,
      );
    }
    expect(loader.state()).toEqual({ epoch: 7, batch: 0 });
  });

  it('uses worker threads for expensive batches', () => {
    const clothes = {
      images: new Uint8Array(784 * 2000),
      labels: new Uint8Array(2000),
      imageShape: [28, 28, 1] as const,
    };
    const files = { files: ['a', 'b', 'c'], labels: Int32Array.of(0, 1, 1), channels: 3 as const };
    const most = Math.min(4, Math.max(1, availableParallelism() - 1));
    const workersOf = (set: AnyDataset, options: Partial<DataLoaderOptions>) =>
      new DataLoader(set, { batchSize: 256, ...options }).workers;
    expect(workersOf(clothes, {})).toBe(0);
    expect(workersOf(clothes, { transforms: [randomHorizontalFlip()] })).toBe(0);
    expect(workersOf(clothes, { resize: 96 })).toBe(most);
    expect(workersOf(clothes, { transforms: [custom((batch) => batch), resize(96)] })).toBe(0);
    expect(workersOf(clothes, { workers: 3 })).toBe(3);
    expect(workersOf(files, { resize: [8, 8] })).toBe(1); // no more than there are batches
  });

  it('knows the size of images that come from files', () => {
    const files = { files: ['a', 'b', 'c'], labels: Int32Array.of(0, 1, 1), channels: 3 as const };
    const shapeBehind = (transforms: Transform[]) =>
      new DataLoader(files, { batchSize: 2, transforms }).inputShape;
    expect(shapeBehind([resize(256), centerCrop(224)])).toEqual([224, 224, 3]);
    expect(shapeBehind([resize([20, 30])])).toEqual([20, 30, 3]);
    expect(shapeBehind([custom((batch) => batch, { outputShape: [5, 6, 1] })])).toEqual([5, 6, 1]);
    expect(() => shapeBehind([])).toThrow(
      /expected transforms that bring images of any size to one size.*add resize/,
    );
    expect(() => shapeBehind([resize(224)])).toThrow(/to one size/);
  });

  it('leaks no tensor, also when a loop ends early', async () => {
    const before = tf.memory().numTensors;
    await epoch(new DataLoader(dataset, { batchSize: 4 }));
    for await (const { features, labels } of new DataLoader(dataset, { batchSize: 4 })) {
      tf.dispose([features, labels]);
      break;
    }
    expect(tf.memory().numTensors).toBe(before);
  });

  const cases: [string, () => unknown, RegExp][] = [
    [
      'no batch size',
      () => new DataLoader(dataset, {} as never),
      /"batchSize" must be an integer of at least 1, got undefined/,
    ],
    [
      'a batch size of 0',
      () => new DataLoader(dataset, { batchSize: 0 }),
      /"batchSize" must be an integer of at least 1, got 0/,
    ],
    [
      'an unknown option',
      () => new DataLoader(dataset, { batchSize: 1, shufle: true } as never),
      /there is no option "shufle"; did you mean "shuffle"\?/,
    ],
    [
      'a batch larger than the set that may not be partial',
      () => new DataLoader(dataset, { batchSize: 12, dropLast: true }),
      /with "dropLast" the batch size must be at most 11, got 12/,
    ],
    [
      'a function where a transform should be',
      () => new DataLoader(dataset, { batchSize: 1, transforms: [(() => 1) as never] }),
      /"transforms\.0" must be a transform, such as resize\(96\)/,
    ],
    [
      'a transform that does not exist',
      () =>
        new DataLoader(dataset, {
          batchSize: 1,
          transforms: [{ name: 'blurr', options: {}, random: false }],
        }),
      /there is no transform 'blurr'/,
    ],
    [
      'half a worker',
      () => new DataLoader(dataset, { batchSize: 1, workers: 0.5 }),
      /"workers" must be 'auto' or an integer from 0 to 64, got 0.5/,
    ],
    [
      'nothing ahead',
      () => new DataLoader(dataset, { batchSize: 1, prefetch: 0 }),
      /"prefetch" must be an integer of at least 1, got 0/,
    ],
    [
      'another way to take errors',
      () => new DataLoader(dataset, { batchSize: 1, onError: 'ignore' as never }),
      /"onError" must be one of 'throw', 'skip', got 'ignore'/,
    ],
    [
      'a batch too large for a tensor',
      () => new DataLoader(dataset, { batchSize: 11, resize: 16384 }),
      /a batch of 11 images of 24576 × 16384 × 1 is too large/,
    ],
    [
      'labels outside the classes',
      () => arrayDataset({ ...dataset, classNames: ['a', 'b'] }),
      /expected labels from 0 to 1, got 2 for sample 2/,
    ],
    [
      'fewer labels than images',
      () => arrayDataset({ ...dataset, labels: dataset.labels.subarray(1) }),
      /expected a label for each of the 11 images, got 10 labels/,
    ],
    [
      'half an image',
      () => arrayDataset({ ...dataset, images: dataset.images.subarray(1) }),
      /expected images of 6 bytes each, got 65 bytes in all/,
    ],
    [
      'more samples than there are',
      () => take(dataset, 12),
      /expected an integer from 1 to 11, got 12/,
    ],
  ];
  it.each(cases)('refuses %s', (_, act, message) => {
    expect(act).toThrow(message);
  });
});

describe('randomness', () => {
  it('is a permutation of any length', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 300 }),
        fc.maxSafeNat(),
        fc.nat(),
        (n, seed, stream) => {
          expect([...permutation(n, seed, stream)].sort((a, b) => a - b)).toEqual(
            Array.from({ length: n }, (_, i) => i),
          );
        },
      ),
    );
  });

  it('puts every number in every place equally often', () => {
    const [n, runs] = [6, 6000];
    const counts = Array.from({ length: n }, () => new Array<number>(n).fill(0));
    for (let seed = 0; seed < runs; seed++)
      permutation(n, seed).forEach((value, place) => {
        (counts[value] as number[])[place] = ((counts[value] as number[])[place] ?? 0) + 1;
      });
    // Chi-squared with 25 degrees of freedom: above 60 once in 10,000.
    const chi = counts.flat().reduce((sum, count) => sum + (count - runs / n) ** 2 / (runs / n), 0);
    expect(chi).toBeLessThan(60);
  });

  it('gives adjacent lanes different numbers', () => {
    const lanes = Array.from({ length: 1000 }, (_, lane) => sfc32(3, 1, lane));
    const [first, second] = [
      lanes.map((next) => next() / 2 ** 32),
      lanes.map((next) => next() / 2 ** 32),
    ];
    expect(new Set(first).size).toBe(1000);
    // Means of 1000 uniform numbers, and of products of neighbours: 5 standard deviations.
    const mean = (values: number[]) =>
      values.reduce((sum, value) => sum + value, 0) / values.length;
    expect(Math.abs(mean(first) - 0.5)).toBeLessThan(5 * Math.sqrt(1 / 12 / 1000));
    const together = first.map((value, i) => (value - 0.5) * ((first[i + 1] ?? 0.5) - 0.5));
    expect(Math.abs(mean(together))).toBeLessThan(5 * (1 / 12 / Math.sqrt(1000)));
    const inside = first.map((value, i) => (value - 0.5) * ((second[i] ?? 0.5) - 0.5));
    expect(Math.abs(mean(inside))).toBeLessThan(5 * (1 / 12 / Math.sqrt(1000)));
    // The next lane is not this one a step later.
    expect(first.slice(1).some((value, i) => value === second[i])).toBe(false);
  });

  it('gives adjacent seeds different numbers', () => {
    const first = new Set(Array.from({ length: 1000 }, (_, seed) => sfc32(seed)()));
    expect(first.size).toBe(1000);
  });
});
