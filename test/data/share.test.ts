/** Parts of batches for several processes: together they are the batches of one. */
import { DataLoader, mixUp, randomCrop, randomHorizontalFlip } from '@deepend/data';
import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';

beforeAll(() => tf.setBackend('cpu'));

const images = Uint8Array.from({ length: 50 * 5 * 5 }, (_, i) => (i * 37) % 251);
const dataset = {
  images,
  labels: Int32Array.from({ length: 50 }, (_, i) => i % 7),
  imageShape: [5, 5, 1] as const,
};
const loaderOf = (options: object = {}) =>
  new DataLoader(dataset, {
    batchSize: 16,
    shuffle: true,
    seed: 4,
    transforms: [randomHorizontalFlip(), randomCrop(5, { padding: 1 })],
    ...options,
  });

/** Features and labels of each batch; the tensors are disposed. */
async function read(loader: AsyncIterable<{ features: Tensor; labels: Tensor }>) {
  const batches: { shape: number[]; features: number[]; labels: number[] }[] = [];
  for await (const { features, labels } of loader) {
    batches.push({
      shape: features.shape,
      features: [...features.dataSync()],
      labels: [...labels.dataSync()],
    });
    tf.dispose([features, labels]);
  }
  return batches;
}

describe.each([0, 2])('DataLoader.share with %i workers', (workers) => {
  it.each([1, 2, 3])('gives %i parts that make each batch', async (of) => {
    const whole = await read(loaderOf({ workers }));
    const parts: Awaited<ReturnType<typeof read>>[] = [];
    for (let index = 0; index < of; index++) {
      const part = loaderOf({ workers }).share({ index, of }) as DataLoader;
      expect([part.numSamples, part.numBatches, part.batchSize]).toEqual([50, 4, 16]);
      parts.push(await read(part));
    }
    expect(parts.map((batches) => batches.length)).toEqual(Array(of).fill(4));
    whole.forEach(({ features, labels, shape }, i) => {
      expect(parts.flatMap((batches) => batches[i]?.features)).toEqual(features);
      expect(parts.flatMap((batches) => batches[i]?.labels)).toEqual(labels);
      for (const batches of parts) expect(batches[i]?.shape.slice(1)).toEqual(shape.slice(1));
    });
    if (of === 3) expect(parts[2]?.[3]?.shape).toEqual([0, 5, 5, 1]); // two samples for three
  });
});

describe('DataLoader.share', () => {
  it('is at the position of the loader, which moves with it', async () => {
    const loader = loaderOf();
    loader.restore({ epoch: 2, batch: 3 });
    const part = loader.share({ index: 0, of: 2 }) as DataLoader;
    expect(await read(part)).toHaveLength(1);
    expect(loader.state()).toEqual({ epoch: 3, batch: 0 });
  });

  it('is refused where a transform mixes the samples of a batch', () => {
    expect(loaderOf({ transforms: [mixUp()] }).share({ index: 0, of: 2 })).toBeUndefined();
  });
});
