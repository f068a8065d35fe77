import { tmpdir } from 'node:os';
import path from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import {
  arrayDataset,
  CIFAR_10,
  CIFAR_100,
  type CifarDatasetSpec,
  type CustomDataset,
  cacheFolder,
  DataError,
  type DatasetSpec,
  EMNIST_LETTERS,
  FASHION_MNIST,
  getFashionMnistLabels,
  type IdxDatasetSpec,
  KMNIST,
  listDatasets,
  loadDataset,
  loadMnist,
  MNIST,
  registerDataset,
  type Transform,
} from '@deepend/data';
import * as tf from '@tensorflow/tfjs-core';
import fs from 'fs-extra';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { listFiles, unpackedBytes } from '../../packages/data/src/datasets/spec';
import { tar, zip } from '../helpers/archives';
import { use } from '../helpers/backends';
import { idx } from '../helpers/idx';
import { fileServer, serve, type TestServer } from '../helpers/server';
import { type SmallSet, smallSets } from '../helpers/small-sets';

let dir: string;
let server: TestServer | undefined;
beforeAll(() => use('cpu-js'));
beforeEach(async () => {
  dir = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
  vi.stubEnv('XDG_CACHE_HOME', path.join(dir, 'cache'));
  vi.stubEnv('DEEPEND_DATA', '');
});
afterEach(async () => {
  await server?.close();
  server = undefined;
  vi.unstubAllEnvs();
  await fs.remove(dir);
});

async function fill(folder: string, files: Iterable<[string, Uint8Array]>): Promise<string> {
  for (const [name, bytes] of files) await fs.outputFile(path.join(dir, folder, name), bytes);
  return path.join(dir, folder);
}
const load = (spec: DatasetSpec, options: object = {}) =>
  loadDataset(spec, 2, { progress: false, workers: 0, ...options });
const [mnistLike, emnistLike, cifarLike] = smallSets as unknown as [SmallSet, SmallSet, SmallSet];

const rows: readonly DatasetSpec[] = [
  FASHION_MNIST,
  MNIST,
  KMNIST,
  EMNIST_LETTERS,
  CIFAR_10,
  CIFAR_100,
];
describe.each(rows)('the entry of $title', (row) => {
  it('can be loaded by its id', () => {
    expect(listDatasets()).toContain(row.id);
  });

  it('has mirrors, sizes and hashes for all its downloads', () => {
    const sum = expect.stringMatching(/^[0-9a-f]{64}$/);
    const downloads = row.archive ? [row.archive] : listFiles(row).flatMap(({ gzip = [] }) => gzip);
    expect(downloads.length).toBeGreaterThan(0);
    for (const packing of downloads)
      expect(packing).toMatchObject({ bytes: expect.any(Number), sha256: sum });
    for (const mirror of row.mirrors) expect(mirror).toMatch(/^https?:\/\/.*\/$/);
    for (const { gzip = [], gzipSha256 = [], sha256 } of listFiles(row)) {
      expect(sha256 !== undefined || gzip.length + gzipSha256.length > 0).toBe(true);
      for (const each of [...gzipSha256, ...(sha256 ? [sha256] : [])]) expect(each).toEqual(sum);
    }
  });

  it('has distinct names, and mean and std for each channel', () => {
    expect(new Set(row.classNames).size).toBe(row.classNames.length);
    expect([row.mean.length, row.std.length]).toEqual([row.imageShape[2], row.imageShape[2]]);
    expect(new Set(listFiles(row).map(({ name }) => name)).size).toBe(listFiles(row).length);
    for (const number of [...row.mean, ...row.std]) expect(number > 0 && number < 1).toBe(true);
  });
});

it('the length of each file follows from its row', () => {
  // Published lengths: 47,040,016 for MNIST's training images, 30,730,000 for a CIFAR-10 batch.
  expect(unpackedBytes(MNIST).get('train-images-idx3-ubyte')).toBe(47_040_016);
  expect(unpackedBytes(MNIST).get('t10k-labels-idx1-ubyte')).toBe(10_008);
  expect(unpackedBytes(CIFAR_10).get('data_batch_3.bin')).toBe(30_730_000);
  for (const { spec, unpacked } of smallSets)
    for (const [name, bytes] of Object.entries(unpacked))
      expect(unpackedBytes(spec).get(name)).toBe(bytes.length);
});

describe.each(smallSets)('a set like $spec.id', ({ spec, served, unpacked, first, labels }) => {
  const check = async (options: object, source: string) => {
    const [train, test] = await load(spec, options);
    expect(train.dataset.source).toBe(source);
    expect([...train.dataset.images.subarray(0, first.length)]).toEqual(first);
    expect([...train.dataset.labels]).toEqual(labels);
    expect([train.dataset.imageShape, train.dataset.classNames]).toEqual([
      spec.imageShape,
      spec.classNames,
    ]);
    expect([train.dataset.mean, train.dataset.std]).toEqual([spec.mean, spec.std]);
    expect([train.numSamples, test.numSamples]).toEqual([
      spec.splits.train.numSamples,
      spec.splits.test.numSamples,
    ]);
  };

  it('is found unpacked, gzipped or in its archive, in root or below it, and root stays unchanged', async () => {
    const [subfolder = ''] = spec.subfolders;
    for (const files of [Object.entries(unpacked), [...served]]) {
      const folder = await fill('root', files);
      if (spec.id !== 'emnist-like' || files.length === 1) await check({ root: folder }, folder);
      expect(await fs.readdir(folder)).toEqual(files.map(([name]) => name).sort());
      await fs.remove(folder);
      const below = await fill(path.join('root', subfolder), files);
      await check({ root: path.join(dir, 'root') }, below);
      await fs.remove(folder);
    }
  });

  it('is downloaded into the cache once, its files without their archive', async () => {
    server = await serve(fileServer(served));
    await check({ mirrors: [server.url] }, cacheFolder(spec.id));
    expect(server.requests).toHaveLength(served.size);
    const names = await fs.readdir(cacheFolder(spec.id));
    expect(names.map((name) => name.replace(/\.gz$/, '')).sort()).toEqual(
      Object.keys(unpacked).sort(),
    );
    await check({ download: false }, cacheFolder(spec.id));
  });

  it('is downloaded again when a file in the cache is damaged', async () => {
    server = await serve(fileServer(served));
    await load(spec, { mirrors: [server.url] });
    const [name = ''] = await fs.readdir(cacheFolder(spec.id));
    await fs.truncate(path.join(cacheFolder(spec.id), name), 9);
    await expect(load(spec, { download: false })).rejects.toThrow(/nothing usable/);
    await check({ mirrors: [server.url] }, cacheFolder(spec.id));
  });
});

describe.each([emnistLike, cifarLike])(
  'an archive in the cache, of a set like $spec.id',
  ({ spec, served, unpacked }) => {
    const [[name, bytes] = ['', Buffer.alloc(0)]] = served;
    const names = async () =>
      (await fs.readdir(cacheFolder(spec.id))).map((file) => file.replace(/\.gz$/, '')).sort();

    it('that an earlier process left is unpacked once, without a mirror', async () => {
      await fs.outputFile(path.join(cacheFolder(spec.id), name), bytes);
      expect((await load(spec, { download: false }))[0].dataset.source).toBe(cacheFolder(spec.id));
      expect(await names()).toEqual(Object.keys(unpacked).sort());
    });

    it('that is damaged is downloaded again, or reported when downloads are off', async () => {
      await fs.outputFile(path.join(cacheFolder(spec.id), name), bytes.subarray(0, 50));
      await expect(load(spec, { download: false })).rejects.toThrow(
        /mirrors: not asked, since "download" is false/,
      );
      server = await serve(fileServer(served));
      await load(spec, { mirrors: [server.url] });
      expect([server.requests, await names()]).toEqual([
        [`/${name}`],
        Object.keys(unpacked).sort(),
      ]);
    });
  },
);

it('prefers its own subfolder, since datasets share file names', async () => {
  const other = Object.entries(mnistLike.unpacked).map(([name, bytes]): [string, Uint8Array] => [
    name,
    Uint8Array.from(bytes).fill(7, 16),
  ]);
  const root = await fill('root', other);
  await expect(load(mnistLike.spec, { root })).rejects.toThrow(/content with SHA-256/);
  await fill('root/small', [...mnistLike.served]);
  expect((await load(mnistLike.spec, { root }))[0].dataset.source).toBe(path.join(root, 'small'));
});

it('searches the folder of another library in the home folder', async () => {
  vi.stubEnv('HOME', dir);
  await fill('.keras/datasets/small', [...mnistLike.served]);
  const spec = { ...mnistLike.spec, systemFolders: ['~/.keras/datasets/small'] } as DatasetSpec;
  expect((await load(spec, { download: false }))[0].dataset.source).toBe(
    path.join(dir, '.keras/datasets/small'),
  );
});

describe('bad archives and files', () => {
  const tarball = cifarLike.served.get('set.tar.gz') as Buffer;
  const inner = gunzipSync(tarball);
  const without = gzipSync(tar({ 'set/one.bin': cifarLike.unpacked['one.bin'] as Uint8Array }));
  const changed = gzipSync(
    Buffer.from(inner).map((byte, i, all) => (i === all.indexOf(99) + 3 ? byte ^ 1 : byte)),
  );
  const cases: [string, SmallSet, string, Uint8Array, RegExp][] = [
    [
      'a tar cut off',
      cifarLike,
      'set.tar.gz',
      tarball.subarray(0, tarball.length - 30),
      /set\.tar\.gz: expected a complete \.tar\.gz archive of the dataset, got a damaged one/,
    ],
    [
      'a tar that is truncated inside',
      cifarLike,
      'set.tar.gz',
      gzipSync(inner.subarray(0, 1600)),
      /does not fit into it|one that is truncated/,
    ],
    [
      'a gzip bomb',
      cifarLike,
      'set.tar.gz',
      gzipSync(Buffer.alloc(30_000_000)),
      /one that unpacks to more than \d+ bytes/,
    ],
    ['a web page', cifarLike, 'set.tar.gz', Buffer.from('<html>'), /a damaged one/],
    [
      'a tar without a file of the set',
      cifarLike,
      'set.tar.gz',
      without,
      /an archive that contains two\.bin, got one without it/,
    ],
    [
      'a tar with another content',
      cifarLike,
      'set.tar.gz',
      changed,
      /set\.tar\.gz \(set\/one\.bin\): expected content with SHA-256/,
    ],
    [
      'a zip without a file of the set',
      emnistLike,
      'set.zip',
      zip({ 'gzip/a-images.gz': Buffer.from('x') }),
      /an archive that contains a-labels, got one without it/,
    ],
    [
      'a zip that is none',
      emnistLike,
      'set.zip',
      Buffer.alloc(2000),
      /expected a complete zip archive, got a file without a directory/,
    ],
    [
      'a zip with another packing',
      emnistLike,
      'set.zip',
      zip(
        Object.fromEntries(
          Object.entries(emnistLike.unpacked).map(([name, bytes]) => [
            `${name}.gz`,
            gzipSync(bytes, { level: 0 }),
          ]),
        ),
      ),
      /expected a gzip file with SHA-256/,
    ],
  ];
  it.each(cases)('refuses %s', async (_, { spec }, name, bytes, message) => {
    const root = await fill('root', [[name, bytes]]);
    const error = await load(spec, { root }).then(
      () => undefined,
      (caught: unknown) => caught,
    );
    expect(error).toBeInstanceOf(DataError);
    expect((error as DataError).message).toMatch(message);
  });

  it('nothing of a wrong archive enters the cache', async () => {
    const other = Buffer.from(tarball).fill(1, tarball.length - 8);
    server = await serve(fileServer(new Map([['set.tar.gz', other]])));
    await expect(load(cifarLike.spec, { mirrors: [server.url] })).rejects.toThrow(
      /other bytes: SHA-256/,
    );
    expect(await fs.readdir(cacheFolder(cifarLike.spec.id))).toEqual([]);
  });

  it.each([
    [
      'records of another length',
      'one.bin',
      (bytes: Uint8Array) => bytes.subarray(1),
      /one\.bin: expected 40 bytes, got 39/,
    ],
    [
      'a label beyond the class names',
      'one.bin',
      (bytes: Uint8Array) => Uint8Array.from(bytes).fill(2, 1, 2),
      /expected labels from 0 to 1, got 2 for sample 0/,
    ],
  ])('refuses %s', async (_, name, change, message) => {
    const spec = cifarLike.spec as CifarDatasetSpec;
    const splits = {
      train: {
        ...spec.splits.train,
        batches: ['one.bin', 'two.bin'].map((file) => ({ name: file })),
      },
      test: spec.splits.test,
    };
    const files = Object.entries(cifarLike.unpacked).map(([file, bytes]): [string, Uint8Array] => [
      file,
      file === name ? change(bytes) : bytes,
    ]);
    const root = await fill('root', files);
    await expect(load({ ...spec, splits }, { root })).rejects.toThrow(message);
  });

  it('refuses a label below the first, and counts that disagree', async () => {
    const files = { ...emnistLike.unpacked, 'a-labels': idx([3], Uint8Array.of(1, 0, 2)) };
    const root = await fill('root', Object.entries(files));
    await expect(load(emnistLike.spec, { root })).rejects.toThrow(
      /a-labels: expected labels from 0 to 1, got -1 for sample 1/,
    );
    await fill('root', [['a-labels', idx([2], Uint8Array.of(1, 2))]]);
    await expect(load(emnistLike.spec, { root })).rejects.toThrow(
      /a-labels: expected the shape \[3\], got \[2\]/,
    );
  });

  it('does not download a file whose hash is unknown', async () => {
    const { splits, ...spec } = mnistLike.spec as IdxDatasetSpec;
    const bare = { numSamples: 6, images: { name: 'x' }, labels: { name: 'y' } };
    const row: IdxDatasetSpec = { ...spec, id: 'bare', splits: { train: bare, test: splits.test } };
    await expect(load(row, { mirrors: ['http://127.0.0.1:9/'] })).rejects.toThrow(
      /mirrors: not asked, since no SHA-256 of x\.gz is known/,
    );
  });
});

/** A transform that adds `by` tenths to each pixel. */
const brighter = (by: number, random: boolean): Transform => ({
  name: 'custom',
  options: {},
  random,
  apply: (batch) => ({
    ...batch,
    images: Float32Array.from(
      batch.images,
      (pixel) => (batch.images instanceof Float32Array ? pixel : pixel / 255) + by / 10,
    ),
  }),
});
const custom: CustomDataset = {
  id: 'dark-squares',
  load: async () => ({ train: squares(4), test: squares(2) }),
};
const squares = (count: number) =>
  arrayDataset({
    images: new Uint8Array(4 * count),
    labels: new Uint8Array(count),
    imageShape: [2, 2, 1],
  });

describe('custom datasets', () => {
  it('are loaded by their id once they are registered', async () => {
    registerDataset(custom);
    expect(listDatasets()).toContain('dark-squares');
    const [train, test] = await loadDataset('dark-squares', 3, { numTrain: 3, workers: 0 });
    expect([train.numSamples, test.numSamples, train.inputShape]).toEqual([3, 2, [2, 2, 1]]);
    registerDataset({ ...mnistLike.spec, id: 'mine' });
    const root = await fill('root', [...mnistLike.served]);
    expect((await loadDataset('mine', 2, { root, workers: 0 }))[0].numSamples).toBe(6);
  });

  it('applies random transforms only to the training set by default', async () => {
    const values = async (augmentTest: boolean) => {
      const transforms = [brighter(1, false), brighter(5, true)];
      const [, test] = await loadDataset(custom, 2, { transforms, augmentTest, workers: 0 });
      let value = Number.NaN;
      for await (const { features, labels } of test) {
        value = features.dataSync()[0] as number;
        tf.dispose([features, labels]);
      }
      return value;
    };
    expect(await values(false)).toBeCloseTo(0.1, 6);
    expect(await values(true)).toBeCloseTo(0.6, 6);
  });

  const idxRow = mnistLike.spec as IdxDatasetSpec;
  const cases: [string, unknown, RegExp][] = [
    ['an id that is taken', { ...idxRow, id: 'mnist' }, /the id "mnist" is taken/],
    [
      'an id with a slash',
      { ...idxRow, id: '../x' },
      /"id" must be lower case letters, digits and hyphens, got '\.\.\/x'/,
    ],
    [
      'no class names',
      { ...idxRow, id: 'x', classNames: [] },
      /"classNames" must be a list of at least one string/,
    ],
    ['an unknown key', { ...idxRow, id: 'x', sha: 1 }, /there is no option "sha"/],
    [
      'an archive of another kind',
      { ...idxRow, id: 'x', archive: { name: 'a.rar', bytes: 1, sha256: '' } },
      /"archive" must be a \.tar\.gz or \.zip/,
    ],
    [
      'a mean too few',
      { ...idxRow, id: 'x', mean: [] },
      /"mean" and "std" must have a number for each of the 1 channels/,
    ],
    [
      'a file in a folder',
      {
        ...idxRow,
        id: 'x',
        splits: { ...idxRow.splits, test: { ...idxRow.splits.test, images: { name: '../a' } } },
      },
      /must name each file, without folders, got '\.\.\/a'/,
    ],
    [
      'half a split',
      { ...idxRow, id: 'x', splits: { train: idxRow.splits.train } },
      /"splits.test.numSamples" must be an integer of at least 1, got undefined/,
    ],
    ['a load that is none', { id: 'x', load: 3 }, /"load" must be a function, got 3/],
    [
      'nothing',
      undefined,
      /registerDataset: option "format" must be one of 'idx', 'cifar', got undefined/,
    ],
  ];
  it.each(cases)('refuses %s', (_, set, message) => {
    expect(() => registerDataset(set as DatasetSpec)).toThrow(message);
    expect(listDatasets()).not.toContain('x');
  });

  it('refuses an unknown id, a load that returns nothing, and unknown options', async () => {
    await expect(loadDataset('cifar10', 2)).rejects.toThrow(
      /there is no dataset 'cifar10'; did you mean "cifar-10"\?/,
    );
    await expect(loadDataset('nonesuch', 2)).rejects.toThrow(
      /known are fashion-mnist, mnist, .*; add others with registerDataset/,
    );
    await expect(loadDataset({ id: 'x', load: async () => ({}) as never }, 2)).rejects.toThrow(
      /to return \{ train, test \}, got \{ {2}\}/,
    );
    await expect(loadMnist(2, { workers: -1 })).rejects.toThrow(
      /loadMnist: option "workers" must be 'auto' or an integer from 0 to 64, got -1/,
    );
    await expect(loadMnist(2, { transforms: [3] as never })).rejects.toThrow(
      /"transforms.0" must be a transform, such as resize\(96\); .* got 3/,
    );
    await expect(loadDataset(custom, 2, { numTest: 3 })).rejects.toThrow(
      /"numTest" \(--test\) must be at most 2, the size of the dataset, got 3/,
    );
  });
});

it('getFashionMnistLabels names labels, and refuses others', () => {
  expect(getFashionMnistLabels(Int32Array.of(9, 0))).toEqual(['ankle boot', 't-shirt']);
  expect(() => getFashionMnistLabels([10])).toThrow(/expected labels from 0 to 9, got 10/);
});

/** The real sets, where they are on this machine; their rows' numbers were published by others. */
const real = await Promise.all(
  [MNIST, KMNIST, EMNIST_LETTERS, CIFAR_10, CIFAR_100].map(async (row) => {
    const found = await loadDataset(row, 2, { download: false, progress: false }).catch(
      (error: Error) => error.message,
    );
    const absent = typeof found === 'string';
    const title = absent
      ? `${row.title} (skipped: it is not on this machine; DEEPEND_DATA names a folder that holds it)`
      : row.title;
    return { row, title, dataset: absent ? undefined : found[0].dataset };
  }),
);
for (const { row, title, dataset } of real) {
  it.skipIf(!dataset)(title, () => {
    const { images, labels } = dataset as NonNullable<typeof dataset>;
    const channels = row.imageShape[2];
    for (let channel = 0; channel < channels; channel++) {
      let [sum, squares, count] = [0, 0, 0];
      for (let i = channel; i < images.length; i += channels, count++) {
        const pixel = (images[i] as number) / 255;
        sum += pixel;
        squares += pixel ** 2;
      }
      expect(sum / count).toBeCloseTo(row.mean[channel] as number, 3);
      expect(Math.sqrt(squares / count - (sum / count) ** 2)).toBeCloseTo(
        row.std[channel] as number,
        3,
      );
    }
    expect(new Set(labels).size).toBe(row.classNames.length);
  });
}
