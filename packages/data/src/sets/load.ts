/**
 * From the name of a set to its loaders: `loadFashionMnist` and its kin are one function over rows.
 */
import { checkOptions, formatValue, rule } from '@deepend/core';
import { numSamplesOf } from '../dataset';
import { type FindOptions, findSet } from '../find';
import {
  DataLoader,
  type DataLoaderOptions,
  prefetchRule,
  resizeRule,
  transformsRule,
  workersRule,
} from '../loader';
import type { ResizeTo } from '../resize';
import { take } from '../select';
import type { SetSpec } from '../specs';
import type { AnyDataset, Dataset, Transform } from '../types';
import { CIFAR_10, CIFAR_100 } from './cifar-sets';
import { EMNIST_LETTERS, FASHION_MNIST, KMNIST, MNIST } from './idx-sets';
import { type AnySet, type CustomSet, checkRow, isCustom, setNamed } from './registry';

export interface LoadOptions {
  /**
   * New size of the images in pixels: the shorter side, or `[height, width]`. As they are without
   * it.
   */
  resize?: ResizeTo;
  /**
   * What is done to each image, in this order, after `resize`. Those that draw random numbers are
   * for the training set alone.
   */
  transforms?: readonly Transform[];
  /** Whether random transforms are done to the test set too. @default false */
  augmentTest?: boolean;
  /** The folder that holds the files, packed or not; nothing else is tried then. */
  root?: string;
  /** What the order of each epoch and the random transforms depend on. @default 0 */
  seed?: number;
  /** Whether the training set has a new order each epoch. @default true */
  shuffle?: boolean;
  /** Only the first so many training images. All of them without it. */
  numTrain?: number;
  /** Only the first so many test images. All of them without it. */
  numTest?: number;
  /** Threads that prepare batches, for each of both loaders: see `DataLoader`. */
  workers?: number | 'auto';
  /** Batches to prepare ahead: see `DataLoader`. */
  prefetch?: number;
  /** What to do about an image that cannot be decoded: see `DataLoader`. */
  onError?: 'throw' | 'skip';
  /** Whether mirrors may be asked when the files are nowhere on this machine. @default true */
  download?: boolean;
  /** Mirrors to ask instead of the usual ones: addresses to which a file's name is added. */
  mirrors?: readonly string[];
  /** Milliseconds of silence after which a mirror is given up. @default 30000 */
  timeout?: number;
  /**
   * Whether to show on stderr what is fetched: a bar on a terminal, plain lines elsewhere. @default
   * true
   */
  progress?: boolean;
}

const BATCH_SIZE = rule.object({ batchSize: rule.positiveInteger() });
const OPTIONS = rule.object({
  resize: resizeRule(),
  transforms: transformsRule(),
  augmentTest: rule.boolean().optional(),
  root: rule.string().min(1, 'the path of a folder').optional(),
  seed: rule.nonNegativeInteger().optional(),
  shuffle: rule.boolean().optional(),
  numTrain: rule.positiveInteger().optional(),
  numTest: rule.positiveInteger().optional(),
  workers: workersRule(),
  prefetch: prefetchRule(),
  onError: rule.oneOf(['throw', 'skip']).optional(),
  download: rule.boolean().optional(),
  mirrors: rule.list(rule.string(), 'a list of addresses').optional(),
  timeout: rule.positiveNumber().optional(),
  progress: rule.boolean().optional(),
});

/** Loaders of the training set and of the test set. */
export type Loaders<T extends AnyDataset = Dataset> = [train: DataLoader<T>, test: DataLoader<T>];

/**
 * Loads Fashion-MNIST: 60,000 training and 10,000 test images of clothes, `[28, 28, 1]`, in 10
 * classes.
 *
 * The files are looked for in `root`; else in the folder that `DEEPEND_DATA` names; else in
 * deepend's cache
 * (`$XDG_CACHE_HOME/deepend/fashion-mnist`, `~/.cache/deepend/fashion-mnist`), in
 * `/usr/share/datasets/fashion-mnist`, in Keras's
 * folder, and on the mirrors, from which they enter the cache. Each is checked against its SHA-256.
 *
 * @param batchSize samples in a batch; the last one of an epoch may be smaller
 * @returns loaders of batches: features float32 `[batch, height, width, 1]` in [0, 1], labels int32
 *   `[batch]`. The first has a new
 * order each epoch, the second keeps the files' order.
 * @throws TypeError or RangeError for a bad option; DataError when no source has sound files
 * @example
 * const [trainIter, testIter] = await loadFashionMnist(256, { resize: 96 });
 */
export async function loadFashionMnist(
  batchSize: number,
  options: LoadOptions = {},
): Promise<Loaders> {
  return load('[data] loadFashionMnist', FASHION_MNIST, batchSize, options);
}

/**
 * Loads MNIST: 60,000 training and 10,000 test images of digits, `[28, 28, 1]`, as
 * `loadFashionMnist` loads its own.
 */
export async function loadMnist(batchSize: number, options: LoadOptions = {}): Promise<Loaders> {
  return load('[data] loadMnist', MNIST, batchSize, options);
}

/**
 * Loads KMNIST: 60,000 training and 10,000 test images of Japanese characters, `[28, 28, 1]`, in 10
 * classes.
 */
export async function loadKmnist(batchSize: number, options: LoadOptions = {}): Promise<Loaders> {
  return load('[data] loadKmnist', KMNIST, batchSize, options);
}

/**
 * Loads EMNIST's letters: 124,800 training and 20,800 test images, upright, `[28, 28, 1]`, labels
 * from 0 (a) to 25 (z).
 */
export async function loadEmnistLetters(
  batchSize: number,
  options: LoadOptions = {},
): Promise<Loaders> {
  return load('[data] loadEmnistLetters', EMNIST_LETTERS, batchSize, options);
}

/** Loads CIFAR-10: 50,000 training and 10,000 test photographs, `[32, 32, 3]`, in 10 classes. */
export async function loadCifar10(batchSize: number, options: LoadOptions = {}): Promise<Loaders> {
  return load('[data] loadCifar10', CIFAR_10, batchSize, options);
}

/**
 * Loads CIFAR-100: 50,000 training and 10,000 test photographs, `[32, 32, 3]`, in its 100 classes;
 * its 20 superclasses are left out.
 */
export async function loadCifar100(batchSize: number, options: LoadOptions = {}): Promise<Loaders> {
  return load('[data] loadCifar100', CIFAR_100, batchSize, options);
}

/**
 * Loads any set, as `loadFashionMnist` loads its own.
 * @param set the id of a set that `listDatasets` names, or a row of one's own
 * @throws RangeError for an id that is not known; else as `loadFashionMnist`
 */
export async function loadDataset(
  set: SetSpec,
  batchSize: number,
  options?: LoadOptions,
): Promise<Loaders>;
export async function loadDataset(
  set: string | AnySet,
  batchSize: number,
  options?: LoadOptions,
): Promise<Loaders<AnyDataset>>;
export async function loadDataset(
  set: string | AnySet,
  batchSize: number,
  options: LoadOptions = {},
): Promise<Loaders<AnyDataset>> {
  const where = '[data] loadDataset';
  const found = typeof set === 'object' && set !== null ? set : setNamed(where, set);
  if (!isCustom(found)) {
    checkRow(where, found);
    return load(where, found, batchSize, options);
  }
  const checked = check(where, batchSize, options);
  return loaders(where, await made(where, found, checked.find), checked);
}

async function load(
  where: string,
  spec: SetSpec,
  batchSize: number,
  options: LoadOptions,
): Promise<Loaders> {
  const checked = check(where, batchSize, options);
  for (const half of ['train', 'test'] as const)
    checkCount(where, half, checked.counts[half], spec.splits[half].numSamples);
  return loaders(where, await findSet(spec, checked.find), checked);
}

/** Options, sorted by whom they are for. */
interface Checked {
  batchSize: number;
  find: FindOptions;
  counts: Record<Half, number | undefined>;
  /** For both loaders. */
  both: Pick<DataLoaderOptions, 'resize' | 'seed' | 'workers' | 'prefetch' | 'onError'>;
  shuffle: boolean;
  transforms: Record<Half, readonly Transform[] | undefined>;
}

type Half = 'train' | 'test';

function check(where: string, batchSize: number, options: LoadOptions): Checked {
  checkOptions(where, BATCH_SIZE, { batchSize });
  const checked = checkOptions(where, OPTIONS, options);
  const { numTrain, numTest, root, download, mirrors, timeout, progress, ...loading } = checked;
  const { augmentTest = false, shuffle = true, transforms, ...both } = loading;
  return {
    batchSize,
    find: defined({ root, download, mirrors, timeout, progress }),
    counts: { train: numTrain, test: numTest },
    both: defined(both),
    shuffle,
    transforms: {
      train: transforms,
      test: transforms?.filter(({ random }) => augmentTest || !random),
    },
  };
}

function loaders<T extends AnyDataset>(
  where: string,
  halves: Record<Half, T>,
  checked: Checked,
): Loaders<T> {
  const { batchSize, counts, both, shuffle, transforms } = checked;
  const of = (half: Half) => {
    const options = {
      ...both,
      ...defined({ transforms: transforms[half] }),
      batchSize,
      shuffle: shuffle && half === 'train',
    };
    return new DataLoader<T>(first(where, half, halves[half], counts[half]), options);
  };
  return [of('train'), of('test')];
}

async function made(
  where: string,
  set: CustomSet,
  find: FindOptions,
): Promise<Record<Half, AnyDataset>> {
  const halves = await set.load(find);
  if (halves?.train && halves.test) return halves;
  throw new TypeError(
    `${where}: expected "load" of the set "${set.id}" to give { train, test }, got ${formatValue(halves)}`,
  );
}

function first<T extends AnyDataset>(
  where: string,
  half: Half,
  dataset: T,
  count: number | undefined,
): T {
  checkCount(where, half, count, numSamplesOf(dataset));
  return count === undefined || count === numSamplesOf(dataset) ? dataset : take(dataset, count);
}

function checkCount(where: string, half: Half, count: number | undefined, most: number): void {
  if (count === undefined || count <= most) return;
  const name = half === 'train' ? 'numTrain' : 'numTest';
  throw new RangeError(
    `${where}: option "${name}" must be at most ${most}, the size of the set, got ${count}`,
  );
}

/** The options that were given: one that is absent is not the same as one that is undefined. */
function defined<T extends object>(options: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined),
  ) as never;
}

/**
 * The class names of labels of Fashion-MNIST, the book's `get_fashion_mnist_labels`.
 * @param labels class indices from 0 to 9, such as `labels.dataSync()` of a batch
 * @throws RangeError for any other label
 */
export function getFashionMnistLabels(labels: Iterable<number>): string[] {
  return Array.from(labels, (label) => {
    const name = FASHION_MNIST.classNames[label];
    if (name === undefined)
      throw new RangeError(
        `[data] getFashionMnistLabels: expected labels from 0 to 9, got ${formatValue(label)}`,
      );
    return name;
  });
}
