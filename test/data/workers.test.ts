import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import {
  type AnyDataset,
  arrayDataset,
  type Batch,
  centerCrop,
  custom,
  DataLoader,
  type DataLoaderOptions,
  type FileDataset,
  mixUp,
  normalize,
  randomCrop,
  randomHorizontalFlip,
  randomResizedCrop,
  resize,
} from '@deepend/data';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { backends, use } from '../helpers/backends';
import { epoch, valuesOf, watchThreads } from '../helpers/batches';
import { isFull, rowsOf, runsOf } from '../helpers/full';
import { expectNoLeak } from '../helpers/leaks';
import { forgetPhotos, photos } from '../helpers/photos';

const dataset = arrayDataset({
  images: Uint8Array.from({ length: 50 * 48 }, (_, i) => (i * 37 + (i >> 6)) % 256),
  labels: Uint8Array.from({ length: 50 }, (_, i) => i % 7),
  imageShape: [4, 4, 3],
});
let files: FileDataset;

const { started, running, forget, stop } = watchThreads();
afterAll(() => {
  stop();
  forgetPhotos(files);
});

beforeAll(async () => {
  files = await photos(22);
});
beforeEach(async () => {
  await use('cpu-js');
  forget();
});

/** Bytes of array buffers, shared ones too, that something still refers to. */
async function heldBytes(): Promise<number> {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  // Array buffers are freed behind a collection: the next one waits for that.
  for (let i = 0; i < 3; i++) {
    gc();
    await setImmediate();
  }
  return process.memoryUsage().arrayBuffers;
}

const halve = custom((batch) => ({ ...batch, images: batch.images.map((value) => value / 2) }));
const jitter = custom(
  (batch, rng) => ({
    ...batch,
    images: Float32Array.from(
      batch.images,
      (value, i) => value + rng.image(Math.floor(i / (batch.images.length / batch.count)))(),
    ),
  }),
  { random: true },
);

const chains: [string, () => AnyDataset, DataLoaderOptions['transforms']][] = [
  ['images in memory', () => dataset, []],
  [
    'resized and turned',
    () => dataset,
    [resize(9), randomHorizontalFlip(), normalize({ mean: [0.5, 0.5, 0.5], std: [1, 2, 3] })],
  ],
  ['mixed', () => dataset, [randomCrop(4, { padding: 1 }), mixUp()]],
  [
    'a function of one’s own in between',
    () => dataset,
    [randomHorizontalFlip(), halve, jitter, randomHorizontalFlip()],
  ],
  ['a function of one’s own before all', () => dataset, [jitter, resize(5)]],
  [
    'floats',
    () => ({ ...dataset, images: Float32Array.from(dataset.images, (value) => value / 100) }),
    [randomHorizontalFlip()],
  ],
  [
    'labels that are numbers',
    () => ({
      ...dataset,
      labels: Float32Array.from({ length: 150 }, (_, i) => i / 3),
      labelSize: 3,
    }),
    [],
  ],
  ['files', () => files, [resize(12), centerCrop(10)]],
  ['files, cropped anywhere', () => files, [randomResizedCrop(8), randomHorizontalFlip()]],
  ['files, mixed', () => files, [randomCrop(10), mixUp()]],
  ['files and a function of one’s own', () => files, [randomCrop(10), jitter, resize(7)]],
  [
    'files and a function of one’s own on images of several sizes',
    () => files,
    [jitterOfBytes(), resize([6, 7]), mixUp()],
  ],
];

function jitterOfBytes() {
  return custom(
    (batch, rng) => ({
      ...batch,
      images: batch.images.map((value) => (value + 256 * rng.image(0)()) % 256),
    }),
    {
      random: true,
    },
  );
}

const COUNTS = rowsOf([1, 2, 3], (workers) => workers === 2);

describe('workers', () => {
  it.each(chains)('give the same batches as the main thread: %s', async (_, set, transforms) => {
    const options = { batchSize: 8, shuffle: true, seed: 5, ...(transforms && { transforms }) };
    const here = new DataLoader(set(), { ...options, workers: 0 });
    const [first, second] = [await epoch(here), await epoch(here)];
    expect(first).not.toEqual(second);
    for (const workers of COUNTS) {
      const loader = new DataLoader(set(), { ...options, workers, prefetch: 4 });
      expect(await epoch(loader)).toEqual(first);
      expect(await epoch(loader)).toEqual(second);
      expect(running()).toBe(0);
    }
    expect(started.length).toBe(2 * COUNTS.reduce((a, b) => a + b)); // two epochs each
  });

  it('give them for any batch size, prefetch, seed and start', async () => {
    const ways = fc.record({
      batchSize: fc.integer({ min: 1, max: 60 }),
      workers: fc.integer({ min: 1, max: 3 }),
      prefetch: fc.integer({ min: 1, max: 9 }),
      seed: fc.nat(),
      shuffle: fc.boolean(),
      start: fc.nat(5),
    });
    await fc.assert(
      fc.asyncProperty(ways, async ({ workers, start, ...options }) => {
        const [here, ahead] = [0, workers].map(
          (count) =>
            new DataLoader(dataset, { ...options, workers: count, transforms: [randomCrop(3)] }),
        );
        const state = { epoch: 1 + start, batch: start % (here?.numBatches ?? 1) };
        for (const loader of [here, ahead]) loader?.restore(state);
        expect(await epoch(ahead as DataLoader)).toEqual(await epoch(here as DataLoader));
      }),
      { numRuns: runsOf(12) },
    );
  });

  it('transform a sample by its position in the epoch, for any batch size', async () => {
    const images = async (batchSize: number, workers: number) => {
      const options = {
        batchSize,
        workers,
        shuffle: true,
        transforms: [randomResizedCrop(6), randomHorizontalFlip(), jitter],
      };
      return (await epoch(new DataLoader(dataset, options))).flatMap(({ features }) => features);
    };
    expect(await images(8, 2)).toEqual(await images(50, 0));
    expect(await images(7, 1)).toEqual(await images(50, 0));
  });

  describe.each(backends)('on $title', ({ name, absent }) => {
    it.skipIf(absent)('do not change earlier batches', async () => {
      await use(name);
      const expected = await epoch(
        new DataLoader(dataset, { batchSize: 4, resize: 5, workers: 0 }),
      );
      const held: Batch[] = [];
      for await (const batch of new DataLoader(dataset, { batchSize: 4, resize: 5, workers: 2 }))
        held.push(batch);
      expect(held.map(valuesOf)).toEqual(expected);
    });
  });

  it('leak no tensor, and a second loop reuses their memory', async () => {
    const loader = new DataLoader(dataset, { batchSize: 4, resize: 96, workers: 2 });
    const loop = async () => {
      for await (const { features, labels } of loader) tf.dispose([features, labels]);
    };
    await expectNoLeak(loop);
    const before = await heldBytes();
    for (let i = 0; i < (isFull ? 20 : 6); i++) await loop();
    expect((await heldBytes()) - before).toBeLessThan(4 * 4 * 96 * 96 * 3); // not as much as one batch more
    expect(running()).toBe(0);
  });
});

describe('a loop that ends early', () => {
  const loaderOf = (set: AnyDataset) =>
    new DataLoader(set, { batchSize: 4, transforms: [resize([9, 9])], workers: 2, prefetch: 3 });

  it.each([
    ['in the first batch', 1],
    ['in the third', 3],
  ])('by break %s leaves no thread and no tensor', async (_, count) => {
    for (const set of [dataset, files]) {
      const before = tf.memory().numTensors;
      let seen = 0;
      for await (const batch of loaderOf(set)) {
        valuesOf(batch);
        if (++seen === count) break;
      }
      expect(running()).toBe(0);
      expect(tf.memory().numTensors).toBe(before);
    }
    expect(started.length).toBe(4);
  });

  it('by an error of its own leaves none either', async () => {
    const loop = async () => {
      for await (const batch of loaderOf(dataset)) {
        valuesOf(batch);
        throw new Error('enough');
      }
    };
    await expect(loop()).rejects.toThrow('enough');
    expect([started.length, running()]).toEqual([2, 0]);
  });

  it('before it begins starts no thread', async () => {
    const iterator = loaderOf(dataset)[Symbol.asyncIterator]();
    await iterator.return();
    expect(started.length).toBe(0);
  });
});

describe('loops at once', () => {
  it('of one loader are two epochs', async () => {
    const loader = new DataLoader(dataset, { batchSize: 8, shuffle: true, resize: 6, workers: 2 });
    const [a, b] = await Promise.all([epoch(loader), epoch(loader)]);
    const alone = new DataLoader(dataset, { batchSize: 8, shuffle: true, resize: 6, workers: 0 });
    expect([a, b]).toEqual([await epoch(alone), await epoch(alone)]);
    expect([started.length, running()]).toEqual([4, 0]);
  });

  it('of two loaders are independent', async () => {
    const options = { batchSize: 8, shuffle: true, resize: 6 };
    const [a, b] = [1, 2].map((seed) => new DataLoader(dataset, { ...options, seed, workers: 2 }));
    const [c, d] = [1, 2].map((seed) => new DataLoader(dataset, { ...options, seed, workers: 0 }));
    const both = await Promise.all([a, b].map((loader) => epoch(loader as DataLoader)));
    expect(both).toEqual([await epoch(c as DataLoader), await epoch(d as DataLoader)]);
  });
});
