import { arrayDataset, type Batch, DataLoader, permutation, sfc32, take } from '@deepend/data';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { use } from '../helpers/engines';

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

describe('DataLoader', () => {
  it('gives batches of float32 in [0, 1] and int32 labels, the last one smaller', async () => {
    const loader = new DataLoader(dataset, { batchSize: 4 });
    expect(loader).toMatchObject({ numSamples: 11, numBatches: 3, batchSize: 4, imageShape: [3, 2, 1], numClasses: 11 });
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
    expect(shapes).toEqual([[4, 3, 2, 1], [4, 3, 2, 1], [3, 3, 2, 1]]); // biome-ignore format: a shape a batch
  });

  it('orders each epoch anew, and the same epoch of the same seed alike', async () => {
    const options = { batchSize: 3, shuffle: true, seed: 9 };
    const [a, b] = [new DataLoader(dataset, options), new DataLoader(dataset, options)];
    const epochs = [await epoch(a), await epoch(a), await epoch(a)];
    expect([await epoch(b), await epoch(b), await epoch(b)]).toEqual(epochs);
    expect(new Set(epochs.map(String)).size).toBe(3);
    for (const each of epochs) expect(each.flat().sort((x, y) => x - y)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(await epoch(new DataLoader(dataset, { ...options, seed: 10 }))).not.toEqual(epochs[0]);
    b.epoch = 1;
    expect(await epoch(b)).toEqual(epochs[1]);
  });

  it('can leave out a last batch that is not full', async () => {
    const loader = new DataLoader(dataset, { batchSize: 4, dropLast: true });
    expect(loader).toMatchObject({ numSamples: 8, numBatches: 2 });
    expect(await epoch(loader)).toEqual([[0, 1, 2, 3], [4, 5, 6, 7]]); // biome-ignore format: a row a batch
  });

  it('resizes', async () => {
    const loader = new DataLoader(dataset, { batchSize: 11, resize: [6, 5] });
    expect(loader.imageShape).toEqual([6, 5, 1]);
    for await (const { features, labels } of loader) {
      expect(features.shape).toEqual([11, 6, 5, 1]);
      tf.dispose([features, labels]);
    }
  });

  it('leaves no tensor behind, nor when a loop ends early', async () => {
    const before = tf.memory().numTensors;
    await epoch(new DataLoader(dataset, { batchSize: 4 }));
    for await (const { features, labels } of new DataLoader(dataset, { batchSize: 4 })) {
      tf.dispose([features, labels]);
      break;
    }
    expect(tf.memory().numTensors).toBe(before);
  });

  const cases: [string, () => unknown, RegExp][] = [
    ['no batch size', () => new DataLoader(dataset, {} as never), /"batchSize" must be a whole number of at least 1, got nothing/],
    ['a batch size of 0', () => new DataLoader(dataset, { batchSize: 0 }), /"batchSize" must be a whole number of at least 1, got 0/],
    ['an unknown option', () => new DataLoader(dataset, { batchSize: 1, shufle: true } as never), /there is no option "shufle"; did you mean "shuffle"\?/],
    ['a batch larger than the set that may not be partial', () => new DataLoader(dataset, { batchSize: 12, dropLast: true }), /with "dropLast" the batch size must be at most 11, got 12/],
    ['a batch too large for a tensor', () => new DataLoader(dataset, { batchSize: 11, resize: 16384 }), /a batch of 11 images of 24576 × 16384 × 1 is too large/],
    ['labels outside the classes', () => arrayDataset({ ...dataset, classNames: ['a', 'b'] }), /expected labels from 0 to 1, got 2 for sample 2/],
    ['fewer labels than images', () => arrayDataset({ ...dataset, labels: dataset.labels.subarray(1) }), /expected a label for each of the 11 images, got 10 labels/],
    ['half an image', () => arrayDataset({ ...dataset, images: dataset.images.subarray(1) }), /expected images of 6 bytes each, got 65 bytes in all/],
    ['more samples than there are', () => take(dataset, 12), /expected a whole number from 1 to 11, got 12/],
  ]; // biome-ignore format: a row a case
  it.each(cases)('refuses %s', (_, act, message) => {
    expect(act).toThrow(message);
  });
});

describe('randomness', () => {
  it('is a permutation of whatever length', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 300 }), fc.maxSafeNat(), fc.nat(), (n, seed, stream) => {
        expect([...permutation(n, seed, stream)].sort((a, b) => a - b)).toEqual(Array.from({ length: n }, (_, i) => i));
      }),
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

  it('gives neighbouring seeds unlike numbers', () => {
    const first = new Set(Array.from({ length: 1000 }, (_, seed) => sfc32(seed)()));
    expect(first.size).toBe(1000);
  });
});
