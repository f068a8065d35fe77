/** Fashion-MNIST over the network: IDX files that a site serves. */
import { checkOptions, rule } from '@deepend/core';
import { DataLoader, type Dataset, FASHION_MNIST, parseIdx, type Transform } from '@deepend/data';
import { scope } from './output';

export interface LoadOptions {
  /**
   * The address of the folder of the four IDX files, gzipped or not, relative to the page or the
   * worker. `train-images-idx3-ubyte.gz` and so on.
   * @default './fashion-mnist/'
   */
  from?: string;
  /** Use only the first `numTrain` training images. @default all that the files have */
  numTrain?: number;
  /** Use only the first `numTest` test images. @default all that the files have */
  numTest?: number;
  /** Seeds the order of each epoch and the random transforms. @default 0 */
  seed?: number;
  /** Whether to shuffle the training set in each epoch. @default true */
  shuffle?: boolean;
  /** Transforms of the training set. @default none */
  transforms?: readonly Transform[];
}

const WHERE = '[deepend] loadFashionMnist';
const OPTIONS = rule.object({
  batchSize: rule.positiveInteger(),
  from: rule.nonEmptyString('an address').optional(),
  numTrain: rule.positiveInteger().optional(),
  numTest: rule.positiveInteger().optional(),
  seed: rule.seed().optional(),
  shuffle: rule.boolean().optional(),
});

/**
 * Loads Fashion-MNIST, or the part of it that a site serves: 28×28 images of clothes in 10 classes.
 * The browser keeps the files in its cache.
 * @param batchSize samples in a batch; the last batch of an epoch may be smaller
 * @returns loaders of the training set and the test set: features float32 `[batch, 28, 28, 1]` in
 *   [0, 1], labels int32 `[batch]`
 * @throws RangeError for a bad option; Error when a file cannot be loaded or is no IDX file
 * @example
 * const [trainIter, testIter] = await loadFashionMnist(256);
 */
export async function loadFashionMnist(
  batchSize: number,
  options: LoadOptions = {},
): Promise<[train: DataLoader<Dataset>, test: DataLoader<Dataset>]> {
  const { transforms = [], ...rest } = options;
  const checked = checkOptions(WHERE, OPTIONS, { ...rest, batchSize });
  const { from = './fashion-mnist/', numTrain, numTest, seed, shuffle = true } = checked;
  const folder = new URL(from.endsWith('/') ? from : `${from}/`, scope.location.href);
  const [training, test] = await Promise.all([
    load(folder, { split: 'train', count: numTrain }),
    load(folder, { split: 't10k', count: numTest }),
  ]);
  const shared = { batchSize, workers: 0, ...(seed !== undefined && { seed }) };
  return [
    new DataLoader(training, { ...shared, shuffle, transforms }),
    new DataLoader(test, shared),
  ];
}

interface Part {
  readonly split: 'train' | 't10k';
  readonly count: number | undefined;
}

async function load(folder: URL, { split, count }: Part): Promise<Dataset> {
  const [images, labels] = await Promise.all([
    fetchIdx(new URL(`${split}-images-idx3-ubyte.gz`, folder)),
    fetchIdx(new URL(`${split}-labels-idx1-ubyte.gz`, folder)),
  ]);
  const [total = 0, height = 0, width = 0] = images.shape;
  if (total !== labels.shape[0])
    throw new Error(
      `${WHERE}: expected a label for each of ${total} images, got ${labels.shape[0]}`,
    );
  const samples = Math.min(count ?? total, total);
  return {
    images: images.values.subarray(0, samples * height * width),
    labels: labels.values.subarray(0, samples),
    imageShape: [height, width, 1],
    classNames: FASHION_MNIST.classNames,
  };
}

async function fetchIdx(address: URL) {
  const next = 'check the address that "from" gives';
  const response = await fetch(address).catch((cause: unknown) => {
    throw new Error(`${WHERE}: cannot load ${address}: ${cause}; ${next}`, { cause });
  });
  if (!response.ok)
    throw new Error(`${WHERE}: cannot load ${address}: ${response.status}; ${next}`);
  const bytes = new Uint8Array(await response.arrayBuffer());
  return parseIdx(await unpack(bytes), address.href, next);
}

/** A server may have unpacked the file already. */
async function unpack(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  const unpacked = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
  return new Uint8Array(await new Response(unpacked).arrayBuffer());
}
