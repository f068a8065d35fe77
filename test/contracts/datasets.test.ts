/**
 * What holds for every data set, whatever it was made from: sizes, labels, names, the laws of its
 * parts, and loaders over it.
 */
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  type AnyDataset,
  arrayDataset,
  classCounts,
  concat,
  csvDataset,
  DataLoader,
  type Dataset,
  imageFolder,
  isFileDataset,
  loadDataset,
  loadFashionMnist,
  numSamplesOf,
  readIdxDataset,
  split,
  subset,
  take,
} from '@deepend/data';
import * as tf from '@tensorflow/tfjs-core';
import fs from 'fs-extra';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import golden from '../golden/data-files.json';
import { use } from '../helpers/backends';
import { idx } from '../helpers/idx';
import { expectNoLeak } from '../helpers/leaks';
import { smallSets } from '../helpers/small-sets';

interface Made {
  readonly name: string;
  readonly make: () => Promise<AnyDataset>;
  /** What it must have: samples, classes, the loader's image shape. */
  readonly numSamples: number;
  readonly classes: number;
  readonly shape: readonly number[];
}

const dir = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
afterAll(() => fs.remove(dir));
beforeAll(() => use('cpu-js'));

const write = async (name: string, content: string | Uint8Array) => {
  await fs.outputFile(path.join(dir, name), content);
  return path.join(dir, name);
};

/** File formats of the golden images; each is a class. */
const numFormats = new Set(golden.images.map(({ name }) => path.extname(name))).size;

/** A class of photographs of one size for each file format that Pillow wrote. */
async function folder(channels: 1 | 3): Promise<AnyDataset> {
  for (const { name, file } of golden.images)
    await write(`photos/${path.extname(name).slice(1)}/${name}`, Buffer.from(file, 'base64'));
  return imageFolder(path.join(dir, 'photos'), { channels });
}

const registered = smallSets.map(({ spec, served }): Made => {
  const make = async () => {
    for (const [name, bytes] of served) await write(`${spec.id}/${name}`, bytes);
    return (await loadDataset(spec, 2, { root: path.join(dir, spec.id), workers: 0 }))[0].dataset;
  };
  const { numSamples } = spec.splits.train;
  return {
    name: `row ${spec.id}`,
    make,
    numSamples,
    classes: spec.classNames.length,
    shape: spec.imageShape,
  };
});

const pixels = Uint8Array.from({ length: 30 }, (_, i) => 8 * i);
const labels = [0, 1, 2, 1, 0];
const sets: readonly Made[] = [
  ...registered,
  {
    name: 'imageFolder in colour',
    make: () => folder(3),
    numSamples: golden.images.length,
    classes: numFormats,
    shape: [10, 13, 3],
  },
  {
    name: 'imageFolder in gray',
    make: () => folder(1),
    numSamples: golden.images.length,
    classes: numFormats,
    shape: [10, 13, 1],
  },
  {
    name: 'csvDataset',
    make: async () =>
      csvDataset(
        await write(
          'x.csv',
          labels.map((label, i) => [label, ...pixels.subarray(6 * i, 6 * i + 6)].join()).join('\n'),
        ),
        { imageShape: [2, 3, 1] },
      ),
    numSamples: 5,
    classes: 3,
    shape: [2, 3, 1],
  },
  {
    name: 'readIdxDataset',
    make: async () =>
      readIdxDataset({
        images: await write('images', idx([5, 2, 3], pixels)),
        labels: await write('labels', idx([5], Uint8Array.from(labels))),
        classNames: ['a', 'b', 'c'],
      }),
    numSamples: 5,
    classes: 3,
    shape: [2, 3, 1],
  },
  {
    name: 'arrayDataset of bytes',
    make: async () =>
      arrayDataset({ images: pixels, labels: Int32Array.from(labels), imageShape: [1, 2, 3] }),
    numSamples: 5,
    classes: 3,
    shape: [1, 2, 3],
  },
  {
    name: 'arrayDataset of floats',
    make: async () =>
      arrayDataset({
        images: Float32Array.from(pixels, (pixel) => pixel / 255),
        labels: Uint8Array.from(labels),
        imageShape: [3, 2, 1],
      }),
    numSamples: 5,
    classes: 3,
    shape: [3, 2, 1],
  },
];

/** What tells a sample: its file, or its pixels; and its label. */
function samplesOf(dataset: AnyDataset): string[] {
  const size = isFileDataset(dataset) ? 0 : dataset.images.length / numSamplesOf(dataset);
  return Array.from({ length: numSamplesOf(dataset) }, (_, i) => {
    const image = isFileDataset(dataset)
      ? dataset.files[i]
      : dataset.images.subarray(i * size, (i + 1) * size).join();
    return `${image}:${dataset.labels[i]}`;
  });
}

describe.each(sets)('$name', ({ make, numSamples, classes, shape }) => {
  let dataset: AnyDataset;
  beforeAll(async () => {
    dataset = await make();
  });

  it('has as many labels as samples, each below the number of classes', () => {
    expect([numSamplesOf(dataset), dataset.labels.length]).toEqual([numSamples, numSamples]);
    for (const label of dataset.labels)
      expect(Number.isInteger(label) && label >= 0 && label < classes).toBe(true);
    if (dataset.classNames) expect(dataset.classNames).toHaveLength(classes);
    expect(classCounts(dataset)).toHaveLength(classes);
    expect(classCounts(dataset).reduce((a, b) => a + b, 0)).toBe(numSamples);
  });

  it('is made the same twice', async () => {
    expect(samplesOf(await make())).toEqual(samplesOf(dataset));
  });

  it('take, subset, split and concat are consistent, and keep what is known of the set', () => {
    const all = samplesOf(dataset);
    const back = all.map((_, i) => i).reverse();
    expect(samplesOf(subset(dataset, back))).toEqual([...all].reverse());
    expect(samplesOf(take(dataset, 2))).toEqual(all.slice(0, 2));
    const parts = split(dataset, [0.5, 0.5], { seed: 5 });
    expect(samplesOf(concat(...parts)).sort()).toEqual([...all].sort());
    for (const part of [...parts, take(dataset, 1), subset(dataset, [0]), concat(...parts)]) {
      const { classNames, mean, std, source } = part;
      expect({ classNames, mean, std, source }).toEqual({
        classNames: dataset.classNames,
        mean: dataset.mean,
        std: dataset.std,
        source: dataset.source,
      });
      expect(part.labels.constructor).toBe(dataset.labels.constructor);
    }
  });

  it('gives batches: float32 in [0, 1], int32 labels in order, all samples once; and leaves no tensor', async () => {
    await expectNoLeak(async () => {
      const seen: number[] = [];
      const loader = new DataLoader(dataset, {
        batchSize: 2,
        workers: 0,
        ...sized(dataset, shape),
      });
      expect(loader).toMatchObject({
        numSamples,
        numBatches: Math.ceil(numSamples / 2),
        numClasses: classes,
      });
      for await (const batch of loader) {
        expect([batch.features.dtype, batch.labels.dtype]).toEqual(['float32', 'int32']);
        expect(batch.features.shape).toEqual([batch.labels.shape[0], ...shape]);
        const values = batch.features.dataSync();
        expect(values.every((value) => value >= 0 && value <= 1)).toBe(true);
        seen.push(...batch.labels.dataSync());
        tf.dispose([batch.features, batch.labels]);
      }
      expect(seen).toEqual([...dataset.labels]);
    });
  });

  it('gives its own pixels', async () => {
    if (isFileDataset(dataset))
      return expect(await firstPixels(dataset, shape)).toEqual(
        await goldenPixels(dataset.files[0] as string, shape[2] as number),
      );
    const size = shape.reduce((a, b) => a * b, 1);
    const scale = dataset.images instanceof Uint8Array ? 255 : 1;
    expect(await firstPixels(dataset, shape)).toEqual(
      Array.from(dataset.images.subarray(0, size), (pixel) => Math.fround(pixel / scale)),
    );
  });
});

/** Files may be of any size, so that a loader wants to be told one. */
const sized = (
  dataset: AnyDataset,
  [height = 0, width = 0]: readonly number[],
): { resize?: [number, number] } => (isFileDataset(dataset) ? { resize: [height, width] } : {});

async function firstPixels(dataset: AnyDataset, shape: readonly number[]): Promise<number[]> {
  const values: number[] = [];
  for await (const { features, labels } of new DataLoader(take(dataset, 1), {
    batchSize: 1,
    workers: 0,
    ...sized(dataset, shape),
  })) {
    values.push(...features.dataSync());
    tf.dispose([features, labels]);
  }
  return values;
}

async function goldenPixels(file: string, channels: number): Promise<number[]> {
  const image = golden.images.find(({ name }) => name === path.basename(file));
  return [...Buffer.from((channels === 3 ? image?.RGB : image?.L) ?? '', 'base64')].map((byte) =>
    Math.fround(byte / 255),
  );
}

const real = await loadFashionMnist(256, { progress: false, download: false }).catch(
  (error: Error) => error.message,
);
const reason =
  typeof real === 'string'
    ? ' (skipped: it is not on this machine; apt-get install dataset-fashion-mnist)'
    : '';
it.skipIf(typeof real === 'string')(`Fashion-MNIST itself keeps the laws of parts${reason}`, () => {
  const { dataset } = (real as [DataLoader<Dataset>, DataLoader<Dataset>])[0];
  const [train, valid] = split(dataset, [0.9, 0.1], { seed: 1, stratified: true }) as [
    Dataset,
    Dataset,
  ];
  expect([classCounts(train), classCounts(valid)]).toEqual([
    new Array(10).fill(5400),
    new Array(10).fill(600),
  ]);
  expect(valid.images).toHaveLength(6000 * 784);
});
