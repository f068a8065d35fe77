/** `loadFashionMnist`: the book's `load_data_fashion_mnist`, and the same for any other set in IDX files. */
import { checkOptions, rule } from '@deepend/checks';
import { numSamplesOf, take } from './dataset';
import { findSet } from './find';
import { DataLoader, resizeRule } from './loader';
import type { ResizeTo } from './resize';
import { FASHION_MNIST, type IdxSetSpec } from './specs';
import type { Dataset } from './types';

export interface LoadOptions {
  /** New size of the images in pixels: the shorter side, or `[height, width]`. As they are without it. */
  resize?: ResizeTo;
  /** The folder that holds the files, packed or not; nothing else is tried then. */
  root?: string;
  /** What the order of each epoch depends on. @default 0 */
  seed?: number;
  /** Whether the training set has a new order each epoch. @default true */
  shuffle?: boolean;
  /** Only the first so many training images. All of them without it. */
  numTrain?: number;
  /** Only the first so many test images. All of them without it. */
  numTest?: number;
  /** Whether mirrors may be asked when the files are nowhere on this machine. @default true */
  download?: boolean;
  /** Mirrors to ask instead of the usual ones: addresses to which a file's name is added. */
  mirrors?: readonly string[];
  /** Milliseconds of silence after which a mirror is given up. @default 30000 */
  timeout?: number;
  /** Whether to show on stderr what is fetched: a bar on a terminal, plain lines elsewhere. @default true */
  progress?: boolean;
}

const BATCH_SIZE = rule.options({ batchSize: rule.positiveInteger() });
const OPTIONS = rule.options({
  resize: resizeRule(),
  root: rule.text().min(1, 'the path of a folder').optional(),
  seed: rule.nonNegativeInteger().optional(),
  shuffle: rule.flag().optional(),
  numTrain: rule.positiveInteger().optional(),
  numTest: rule.positiveInteger().optional(),
  download: rule.flag().optional(),
  mirrors: rule.list(rule.text(), 'a list of addresses').optional(),
  timeout: rule.positiveNumber().optional(),
  progress: rule.flag().optional(),
});

/**
 * Loads Fashion-MNIST: 60,000 training and 10,000 test images of clothes, `[28, 28, 1]`, in 10 classes.
 *
 * The files are looked for in `root`; else in the folder that `DEEPEND_DATA` names; else in deepend's cache
 * (`$XDG_CACHE_HOME/deepend/fashion-mnist`, `~/.cache/deepend/fashion-mnist`), in `/usr/share/datasets/fashion-mnist`, and on the
 * mirrors, from which they enter the cache. Each is checked against its SHA-256.
 *
 * @param batchSize samples in a batch; the last one of an epoch may be smaller
 * @returns loaders of batches: features float32 `[batch, height, width, 1]` in [0, 1], labels int32 `[batch]`. The first has a new
 * order each epoch, the second keeps the files' order.
 * @throws TypeError or RangeError for a bad option; DataError when no source has sound files
 * @example
 * const [trainIter, testIter] = await loadFashionMnist(256, { resize: 96 });
 */
export async function loadFashionMnist(batchSize: number, options: LoadOptions = {}): Promise<[DataLoader, DataLoader]> {
  return load('[data] loadFashionMnist', FASHION_MNIST, batchSize, options);
}

/**
 * Loads any set in IDX files as `loadFashionMnist` loads its own.
 * @param spec the row that says what its files are called and hold, and where they are found
 */
export async function loadIdxSet(
  spec: IdxSetSpec,
  batchSize: number,
  options: LoadOptions = {},
): Promise<[train: DataLoader, test: DataLoader]> {
  return load('[data] loadIdxSet', spec, batchSize, options);
}

async function load(where: string, spec: IdxSetSpec, batchSize: number, options: LoadOptions): Promise<[DataLoader, DataLoader]> {
  checkOptions(where, BATCH_SIZE, { batchSize });
  const { resize, seed = 0, shuffle = true, numTrain, numTest, ...find } = checkOptions(where, OPTIONS, options);
  checkCount(where, 'numTrain', numTrain, spec.splits.train.numSamples);
  checkCount(where, 'numTest', numTest, spec.splits.test.numSamples);
  const { train, test } = await findSet(spec, find);
  const sized = { batchSize, ...(resize !== undefined && { resize }) };
  return [new DataLoader(first(train, numTrain), { ...sized, shuffle, seed }), new DataLoader(first(test, numTest), sized)];
}

function checkCount(where: string, name: string, count: number | undefined, most: number): void {
  if (count !== undefined && count > most) {
    throw new RangeError(`${where}: option "${name}" must be at most ${most}, the size of the set, got ${count}`);
  }
}

function first(dataset: Dataset, count: number | undefined): Dataset {
  return count === undefined || count === numSamplesOf(dataset) ? dataset : take(dataset, count);
}
