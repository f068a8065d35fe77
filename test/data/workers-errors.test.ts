import path from 'node:path';
import {
  arrayDataset,
  custom,
  DataLoader,
  type FileDataset,
  randomCrop,
  resize,
} from '@deepend/data';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { batchPreparer } from '../../packages/data/src/loading/prepare';
import { use } from '../helpers/backends';
import { epoch, valuesOf, watchThreads } from '../helpers/batches';
import { forgetPhotos, photos } from '../helpers/photos';

const dataset = arrayDataset({
  images: Uint8Array.from({ length: 50 * 48 }, (_, i) => (i * 37) % 256),
  labels: Uint8Array.from({ length: 50 }, (_, i) => i % 7),
  imageShape: [4, 4, 3],
});
let files: FileDataset;
let broken: FileDataset;
const { started, running, forget, stop } = watchThreads();
afterAll(() => {
  stop();
  for (const set of [files, broken]) forgetPhotos(set);
});

beforeAll(async () => {
  files = await photos(22);
  broken = await photos(22, { corrupt: [3, 4, 17] });
});
beforeEach(async () => {
  await use('cpu-js');
  forget();
});

describe('errors', () => {
  it.each([0, 1, 2])(
    'about a file that is no image name it, after the batches before it: %i workers',
    async (workers) => {
      const loader = new DataLoader(broken, {
        batchSize: 2,
        transforms: [resize([8, 8])],
        workers,
      });
      let seen = 0;
      const loop = async () => {
        for await (const batch of loader) {
          valuesOf(batch);
          seen++;
        }
      };
      await expect(loop()).rejects.toMatchObject({
        name: 'DataError',
        file: broken.files[3],
        message: expect.stringContaining('003.png'),
      });
      expect([seen, running()]).toEqual([1, 0]);
    },
  );

  it.each([0, 2])(
    'about an image that a transform cannot take name its file: %i workers',
    async (workers) => {
      const loader = new DataLoader(files, { batchSize: 8, transforms: [randomCrop(21)], workers });
      await expect(epoch(loader)).rejects.toThrow(/\[data\] DataLoader: .*000\.png: /);
      expect(running()).toBe(0);
    },
  );

  it.each([0, 2])('of a custom function name the batch: %i workers', async (workers) => {
    let calls = 0;
    const failing = custom((batch) => {
      if (++calls === 3) throw new Error('boom');
      return batch;
    });
    const loader = new DataLoader(dataset, {
      batchSize: 8,
      transforms: [resize(6), failing],
      workers,
    });
    await expect(epoch(loader)).rejects.toThrow('[data] DataLoader: batch 2: boom');
    expect(running()).toBe(0);
  });

  it.each([0, 1, 2])('can be skipped: %i workers', async (workers) => {
    const said = vi.spyOn(console, 'error').mockImplementation(() => {});
    try {
      const transforms = [resize([8, 8])];
      const loader = new DataLoader(broken, { batchSize: 4, transforms, workers, onError: 'skip' });
      const kept = await epoch(loader);
      expect(kept.map(({ shape: [count] }) => count)).toEqual([3, 3, 4, 4, 3, 2]);
      expect(loader.skipped.map(({ file }) => path.basename(file))).toEqual([
        '003.png',
        '004.png',
        '017.png',
      ]);
      expect(said.mock.calls).toEqual([
        [
          expect.stringMatching(
            /left out 3 of 22 images; the first: .*003\.png: expected a complete image/,
          ),
        ],
      ]);
      await epoch(loader);
      expect(said).toHaveBeenCalledTimes(1);
      const sound = (
        await epoch(new DataLoader(files, { batchSize: 1, transforms, workers: 0 }))
      ).filter((_, i) => ![3, 4, 17].includes(i));
      expect(kept.flatMap(({ features }) => features)).toEqual(
        sound.flatMap(({ features }) => features),
      );
    } finally {
      said.mockRestore();
    }
  });

  it('skip a batch without any images left', async () => {
    const said = vi.spyOn(console, 'error').mockImplementation(() => {});
    const loader = new DataLoader(broken, {
      batchSize: 1,
      transforms: [resize([8, 8])],
      workers: 1,
      onError: 'skip',
    });
    expect((await epoch(loader)).length).toBe(19);
    said.mockRestore();
  });

  it('about memory for too many batches come before any thread', async () => {
    vi.stubGlobal(
      'SharedArrayBuffer',
      class extends SharedArrayBuffer {
        constructor(bytes: number) {
          super(bytes);
          throw new RangeError('Array buffer allocation failed');
        }
      },
    );
    try {
      const loader = new DataLoader(dataset, {
        batchSize: 50,
        resize: 200,
        workers: 1,
        prefetch: 6,
      });
      await expect(epoch(loader)).rejects.toThrow(
        /expected memory for 6 batches of 23 MiB, got RangeError: .*; lower "prefetch"/,
      );
    } finally {
      vi.unstubAllGlobals();
    }
    expect(started.length).toBe(0);
  });

  it('report a thread that was terminated from outside', async () => {
    const loader = new DataLoader(dataset, { batchSize: 4, resize: 64, workers: 2, prefetch: 8 });
    const loop = async () => {
      for await (const batch of loader) {
        valuesOf(batch);
        await Promise.all(started.map((worker) => worker.terminate()));
      }
    };
    await expect(loop()).rejects.toThrow(
      /\[data\] DataLoader: expected batch \d+ from a worker thread, but the thread ended first/,
    );
    expect(running()).toBe(0);
    expect((await epoch(loader)).length).toBe(loader.numBatches);
  });

  it('of an image in memory name it', async () => {
    const prepareBatch = batchPreparer({
      images: new Uint8Array(40),
      storedShape: [2, 2, 1],
      transforms: [{ name: 'custom', options: {}, random: false }],
      outputShape: [2, 2, 1],
      numClasses: 2,
      seed: 0,
      stream: 0,
      skip: false,
    });
    const samples = Uint32Array.of(7, 3);
    const labels = Int32Array.of(0, 1);
    const into = new Float32Array(8);
    await expect(prepareBatch({ batch: 1, start: 2, samples, labels, into })).rejects.toThrow(
      /^\[data\] DataLoader: sample 7: .*cannot be sent to a worker thread/,
    );
  });
});
