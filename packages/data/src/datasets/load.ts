/** Loads a dataset by name: `loadFashionMnist` and its siblings share one function. */
import { checkOptions, formatValue, rule } from '@deepend/core';
import { DataLoader } from '../loading/loader';
import {
  type DataLoaderOptions,
  prefetchRule,
  resizeRule,
  transformsRule,
  workersRule,
} from '../loading/loader-options';
import type { ResizeTo } from '../transforms/resample/layout';
import type { AnyDataset, Dataset, Transform } from '../types';
import { CIFAR_10, CIFAR_100 } from './cifar/specs';
import { numSamplesOf } from './dataset';
import { type FindOptions, findDataset } from './files/find';
import { EMNIST_LETTERS, FASHION_MNIST, KMNIST, MNIST } from './idx/specs';
import { absolutePath, recordOrigin } from './origin';
import {
  type CustomDataset,
  checkSpec,
  type DatasetEntry,
  findEntry,
  isCustomDataset,
  isRegistered,
} from './registry';
import { take } from './select';
import type { DatasetSpec, Split } from './spec';

export interface LoadOptions {
  /**
   * New size of the images in pixels: the shorter side, or `[height, width]`.
   * @default the images keep their size
   * @example 96
   */
  resize?: ResizeTo;
  /**
   * Transforms, applied in this order after `resize`. Random ones apply only to the training set.
   * @default none
   * @example [transforms.randomHorizontalFlip()]
   */
  transforms?: readonly Transform[];
  /**
   * Whether random transforms apply to the test set too. @default false
   * @example true
   */
  augmentTest?: boolean;
  /**
   * The folder that contains the files, gzipped or not; no other place is tried.
   * @default `DEEPEND_DATA`, the cache, the system's folders, then mirrors
   * @example 'data/fashion-mnist'
   */
  root?: string;
  /**
   * Seeds the order of each epoch and the random transforms. @default 0
   * @example 1
   */
  seed?: number;
  /**
   * Whether to shuffle the training set in each epoch. @default true
   * @example false
   */
  shuffle?: boolean;
  /**
   * Use only the first `numTrain` training images. @default all
   * @example 10_000
   */
  numTrain?: number;
  /**
   * Use only the first `numTest` test images. @default all
   * @example 1000
   */
  numTest?: number;
  /**
   * Worker threads of each of both loaders: see `DataLoader`.
   * @default 'auto'
   * @example 2
   */
  workers?: number | 'auto';
  /**
   * Batches to prepare ahead: see `DataLoader`.
   * @default 2 for each worker
   * @example 4
   */
  prefetch?: number;
  /**
   * What to do about an image that cannot be decoded: see `DataLoader`.
   * @default 'throw'
   * @example 'skip'
   */
  onError?: 'throw' | 'skip';
  /**
   * Whether to download the files when they are not on this machine. @default true
   * @example false
   */
  download?: boolean;
  /**
   * Mirrors to use instead of the usual ones: URLs to which a file's name is added.
   * @default `DEEPEND_MIRROR`, then the data set's own
   * @example ['https://example.org/fashion-mnist']
   */
  mirrors?: readonly string[];
  /**
   * Milliseconds without data after which the next mirror is tried. @default 30000
   * @example 60_000
   */
  timeout?: number;
  /**
   * Whether to show downloads on stderr. @default true
   * @example false
   */
  progress?: boolean;
}

const BATCH_SIZE = rule.object({ batchSize: rule.positiveInteger() });
const OPTIONS = rule.object({
  resize: resizeRule(),
  transforms: transformsRule(),
  augmentTest: rule.boolean().optional(),
  root: rule.nonEmptyString('the path of a folder').optional(),
  seed: rule.seed().optional(),
  shuffle: rule.boolean().optional(),
  numTrain: rule.positiveInteger().optional(),
  numTest: rule.positiveInteger().optional(),
  workers: workersRule(),
  prefetch: prefetchRule(),
  onError: rule.oneOf(['throw', 'skip']).optional(),
  download: rule.boolean().optional(),
  mirrors: rule.list(rule.string(), 'a list of URLs').optional(),
  timeout: rule.positiveNumber().optional(),
  progress: rule.boolean().optional(),
});

/** Loaders of the training set and the test set. */
export type Loaders<T extends AnyDataset = Dataset> = [train: DataLoader<T>, test: DataLoader<T>];

/**
 * Loads Fashion-MNIST: 60,000 training and 10,000 test images of clothes, `[28, 28, 1]`, in 10
 * classes.
 *
 * The files are searched in `root`; else in the folder that `DEEPEND_DATA` names; else in deepend's
 * cache (`$XDG_CACHE_HOME/deepend/fashion-mnist` or `~/.cache/deepend/fashion-mnist`), in
 * `/usr/share/datasets/fashion-mnist` and in Keras's folder. If no folder has them, they are
 * downloaded to the cache. Every file is checked against its SHA-256.
 * The book's `load_data_fashion_mnist`: d2l 23.7, zh 3.5.
 *
 * @param batchSize samples in a batch; the last batch of an epoch may be smaller
 * @returns two loaders of batches: features float32 `[batch, height, width, 1]` in [0, 1], labels
 *   int32 `[batch]`. The first is shuffled in each epoch, the second keeps the files' order.
 * @throws TypeError or RangeError for a bad option; DataError when no place has valid files
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
 * Loads MNIST: 60,000 training and 10,000 test images of digits, `[28, 28, 1]`. Options and results
 * as for `loadFashionMnist`.
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
 * Loads EMNIST's letters: 124,800 training and 20,800 test images, upright, `[28, 28, 1]`, with
 * labels from 0 (a) to 25 (z).
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
 * Loads CIFAR-100: 50,000 training and 10,000 test photographs, `[32, 32, 3]`, in 100 classes. The
 * 20 superclasses are not loaded.
 */
export async function loadCifar100(batchSize: number, options: LoadOptions = {}): Promise<Loaders> {
  return load('[data] loadCifar100', CIFAR_100, batchSize, options);
}

/**
 * Loads any dataset. Options and results as for `loadFashionMnist`.
 * @param dataset an id from `listDatasets`, or an entry of your own
 * @throws RangeError for an unknown id; otherwise as `loadFashionMnist`
 */
export async function loadDataset(
  dataset: DatasetSpec,
  batchSize: number,
  options?: LoadOptions,
): Promise<Loaders>;
export async function loadDataset(
  dataset: string | DatasetEntry,
  batchSize: number,
  options?: LoadOptions,
): Promise<Loaders<AnyDataset>>;
export async function loadDataset(
  dataset: string | DatasetEntry,
  batchSize: number,
  options: LoadOptions = {},
): Promise<Loaders<AnyDataset>> {
  const where = '[data] loadDataset';
  const isEntry = typeof dataset === 'object' && dataset !== null;
  const entry = isEntry ? dataset : findEntry(where, dataset);
  if (!isCustomDataset(entry)) {
    checkSpec(where, entry);
    return load(where, entry, batchSize, options);
  }
  const checked = checkLoadOptions(where, batchSize, options);
  const splits = await loadCustom(where, entry, checked.find);
  return makeLoaders(where, recordOrigins(entry, splits, checked.find), checked);
}

async function load(
  where: string,
  spec: DatasetSpec,
  batchSize: number,
  options: LoadOptions,
): Promise<Loaders> {
  const checked = checkLoadOptions(where, batchSize, options);
  for (const split of ['train', 'test'] as const)
    checkCount(where, split, checked.counts[split], spec.splits[split].numSamples);
  const splits = await findDataset(spec, checked.find);
  return makeLoaders(where, recordOrigins(spec, splits, checked.find), checked);
}

/** Only a registered dataset is found again by its id. */
function recordOrigins<T extends AnyDataset>(
  entry: DatasetEntry,
  splits: Record<Split, T>,
  { root }: FindOptions,
): Record<Split, T> {
  if (!isRegistered(entry)) return splits;
  const place = { id: entry.id, ...(root !== undefined && { root: absolutePath(root) }) };
  for (const split of ['train', 'test'] as const)
    recordOrigin(splits[split], { kind: 'dataset', split, ...place });
  return splits;
}

/** Options, sorted by the functions that use them. */
interface CheckedOptions {
  batchSize: number;
  find: FindOptions;
  counts: Record<Split, number | undefined>;
  /** For both loaders. */
  both: Pick<DataLoaderOptions, 'resize' | 'seed' | 'workers' | 'prefetch' | 'onError'>;
  shuffle: boolean;
  transforms: Record<Split, readonly Transform[] | undefined>;
}

function checkLoadOptions(where: string, batchSize: number, options: LoadOptions): CheckedOptions {
  checkOptions(where, BATCH_SIZE, { batchSize });
  const checked = checkOptions(where, OPTIONS, options);
  const { numTrain, numTest, root, download, mirrors, timeout, progress, ...loading } = checked;
  const { augmentTest = false, shuffle = true, transforms, ...both } = loading;
  return {
    batchSize,
    find: dropUndefined({ root, download, mirrors, timeout, progress }),
    counts: { train: numTrain, test: numTest },
    both: dropUndefined(both),
    shuffle,
    transforms: {
      train: transforms,
      test: transforms?.filter(({ random }) => augmentTest || !random),
    },
  };
}

function makeLoaders<T extends AnyDataset>(
  where: string,
  datasets: Record<Split, T>,
  { batchSize, counts, both, shuffle, transforms }: CheckedOptions,
): Loaders<T> {
  const makeLoader = (split: Split) => {
    const dataset = datasets[split];
    const numSamples = numSamplesOf(dataset);
    const { [split]: count = numSamples } = counts;
    checkCount(where, split, count, numSamples);
    return new DataLoader<T>(count === numSamples ? dataset : take(dataset, count), {
      ...both,
      ...dropUndefined({ transforms: transforms[split] }),
      batchSize,
      shuffle: shuffle && split === 'train',
    });
  };
  return [makeLoader('train'), makeLoader('test')];
}

export async function loadCustom(
  where: string,
  entry: CustomDataset,
  options: FindOptions,
): Promise<Record<Split, AnyDataset>> {
  const splits = await entry.load(options);
  if (splits?.train && splits.test) return splits;
  throw new TypeError(
    `${where}: expected "load" of the dataset "${entry.id}" to return { train, test }, ` +
      `got ${formatValue(splits)}`,
  );
}

function checkCount(where: string, split: Split, count: number | undefined, most: number): void {
  if (count === undefined || count <= most) return;
  const option = split === 'train' ? '"numTrain" (--train)' : '"numTest" (--test)';
  throw new RangeError(
    `${where}: option ${option} must be at most ${most}, the size of the dataset, got ${count}`,
  );
}

/** Removes options that are undefined, because a rule treats them differently from absent ones. */
function dropUndefined<T extends object>(options: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const defined = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(defined) as never;
}

/**
 * Returns the class names of labels of Fashion-MNIST, like the book's `get_fashion_mnist_labels`.
 * In the book: d2l 23.7, zh 3.5.
 * @param labels class indices from 0 to 9, such as `labels.dataSync()` of a batch
 * @throws RangeError for any other label
 */
export function getFashionMnistLabels(labels: Iterable<number>): string[] {
  return Array.from(labels, (label) => {
    const name = FASHION_MNIST.classNames[label];
    if (name !== undefined) return name;
    const got = formatValue(label);
    throw new RangeError(`[data] getFashionMnistLabels: expected labels from 0 to 9, got ${got}`);
  });
}
