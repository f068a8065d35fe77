/**
 * Small sets in each form that rows can have, with the files that a mirror would serve: images of
 * bytes that tell sample and pixel.
 */
import { gunzipSync, gzipSync } from 'node:zlib';
import type { CifarDatasetSpec, DatasetSpec, IdxDatasetSpec } from '@deepend/data';
import { type Members, tar, zip } from './archives';
import { idx, sha256, smallSet } from './idx';

export interface SmallSet {
  readonly spec: DatasetSpec;
  /** What mirrors serve, by name. */
  readonly served: ReadonlyMap<string, Buffer>;
  /** The files as they lie unpacked in a folder. */
  readonly unpacked: Members;
  /** What the first training image must be, and the labels of the training set. */
  readonly first: readonly number[];
  readonly labels: readonly number[];
}

/**
 * Two images of 2 × 3 and 3 channels in a training batch each, two in the test batch; two label
 * bytes.
 */
function cifarLike(): SmallSet {
  const record = (sample: number) => [
    99,
    sample % 2,
    ...Array.from({ length: 18 }, (_, i) => 20 * sample + i),
  ];
  const batch = (from: number) => Uint8Array.from([...record(from), ...record(from + 1)]);
  const unpacked = { 'one.bin': batch(0), 'two.bin': batch(2), 'test.bin': batch(4) };
  const archive = gzipSync(
    tar({ 'set/readme.html': Buffer.from('<html>'), ...prefixed('set/', unpacked) }),
  );
  const [one, two, test] = Object.entries(unpacked).map(([name, bytes]) => ({
    name,
    sha256: sha256(bytes),
  }));
  const spec: CifarDatasetSpec = {
    ...about('cifar-like'),
    format: 'cifar',
    archive: { name: 'set.tar.gz', bytes: archive.length, sha256: sha256(archive) },
    imageShape: [2, 3, 3],
    classNames: ['even', 'odd'],
    mean: [0, 0, 0],
    std: [1, 1, 1],
    labelBytes: 2,
    splits: {
      train: { numSamples: 4, batches: [one, two] as never },
      test: { numSamples: 2, batches: [test] as never },
    },
  };
  const first = [0, 6, 12, 1, 7, 13, 2, 8, 14, 3, 9, 15, 4, 10, 16, 5, 11, 17]; // planes of six become pixels of three
  return {
    spec,
    served: new Map([['set.tar.gz', archive]]),
    unpacked,
    first,
    labels: [0, 1, 0, 1],
  };
}

/**
 * Three and two images of 2 × 2, stored transposed, labels from 1, in a zip archive of gzipped
 * files.
 */
function emnistLike(): SmallSet {
  const images = (count: number) =>
    idx(
      [count, 2, 2],
      Uint8Array.from({ length: 4 * count }, (_, i) => i),
    );
  const labels = (count: number) =>
    idx(
      [count],
      Uint8Array.from({ length: count }, (_, i) => 1 + (i % 2)),
    );
  const unpacked = {
    'a-images': images(3),
    'a-labels': labels(3),
    'b-images': images(2),
    'b-labels': labels(2),
  };
  const packed = Object.fromEntries(
    Object.entries(unpacked).map(([name, bytes]) => [`${name}.gz`, gzipSync(bytes)]),
  );
  const archive = zip({ 'other.txt': Buffer.alloc(3000), ...prefixed('gzip/', packed) });
  const file = (name: keyof typeof unpacked) => ({
    name,
    gzipSha256: [sha256(packed[`${name}.gz`] as Buffer)],
  });
  const spec: IdxDatasetSpec = {
    ...about('emnist-like'),
    format: 'idx',
    archive: { name: 'set.zip', bytes: archive.length, sha256: sha256(archive) },
    imageShape: [2, 2, 1],
    classNames: ['a', 'b'],
    mean: [0],
    std: [1],
    firstLabel: 1,
    transposed: true,
    splits: {
      train: { numSamples: 3, images: file('a-images'), labels: file('a-labels') },
      test: { numSamples: 2, images: file('b-images'), labels: file('b-labels') },
    },
  };
  return {
    spec,
    served: new Map([['set.zip', archive]]),
    unpacked,
    first: [0, 2, 1, 3],
    labels: [0, 1, 0],
  };
}

function mnistLike(): SmallSet {
  const { spec, files } = smallSet();
  const unpacked = Object.fromEntries(
    [...files].map(([name, bytes]) => [name.replace(/\.gz$/, ''), gunzipSync(bytes)]),
  );
  return {
    spec,
    served: files,
    unpacked,
    first: [0, 37, 74, 111, 148, 185],
    labels: [0, 1, 2, 0, 1, 2],
  };
}

const about = (id: string) => ({
  title: id,
  id,
  subfolders: [`${id}/raw`],
  systemFolders: [],
  mirrors: [],
});
const prefixed = (prefix: string, members: Members): Members =>
  Object.fromEntries(Object.entries(members).map(([name, bytes]) => [prefix + name, bytes]));

export const smallSets: readonly SmallSet[] = [mnistLike(), emnistLike(), cifarLike()];
