/** Minibatches of a data set, an epoch for each loop. */
import { checkOptions, rule } from '@deepend/checks';
import { batchMaker } from './batch';
import { datasetFault, numSamplesOf } from './dataset';
import { permutation } from './random';
import { isResize, type ResizeTo, resizedShape } from './resize';
import type { Batch, Dataset, ImageShape, Loader } from './types';

export interface DataLoaderOptions {
  /** Samples in a batch. */
  batchSize: number;
  /** Whether each epoch has an order of its own. @default false */
  shuffle?: boolean;
  /** Whether to leave out a last batch that is not full. @default false */
  dropLast?: boolean;
  /** What the orders depend on. @default 0 */
  seed?: number;
  /** New size of the images, in pixels: the shorter side, or `[height, width]`. As they are without it. */
  resize?: ResizeTo;
}

/** The rule for `resize`, for whoever passes it on to a loader. */
export const resizeRule = () =>
  rule.that<ResizeTo>(isResize, 'a whole number from 1 to 16384 or [height, width] of such numbers').optional();

const OPTIONS = rule.options({
  batchSize: rule.positiveInteger(),
  shuffle: rule.flag().optional(),
  dropLast: rule.flag().optional(),
  seed: rule.nonNegativeInteger().optional(),
  resize: resizeRule(),
});

/** A typed array may not be much longer, and no engine takes a larger tensor. */
const MAX_BATCH_VALUES = 2 ** 30;

/**
 * Batches of any data set. Each `for await` over it is the next epoch; the order of an epoch depends on `seed` and on the epoch's
 * number alone. Images stay bytes until their batch is made. Whoever takes a batch disposes it; a loop that is left early leaves none.
 *
 * @example
 * for await (const { features, labels } of new DataLoader(dataset, { batchSize: 256, shuffle: true })) {
 *   // features: float32 [256, height, width, channels] in [0, 1]; labels: int32 [256]
 *   features.dispose();
 *   labels.dispose();
 * }
 */
export class DataLoader implements Loader {
  readonly dataset: Dataset;
  readonly numSamples: number;
  readonly numBatches: number;
  readonly batchSize: number;
  readonly imageShape: ImageShape;
  readonly classNames?: readonly string[];
  readonly numClasses: number;
  /** The number of the epoch that the next loop gets, from 0. Set it to go on where an earlier run stopped. */
  epoch = 0;
  readonly #options: DataLoaderOptions;

  /**
   * @throws TypeError for an option that does not exist or is of another type; RangeError for a value out of range, for a set that
   * does not fit together, and for a batch too large for a tensor
   */
  constructor(dataset: Dataset, options: DataLoaderOptions) {
    const where = '[data] DataLoader';
    const { batchSize, resize, dropLast = false } = checkOptions(where, OPTIONS, options);
    const fault = datasetFault(dataset);
    if (fault) throw new RangeError(`${where}: expected ${fault.expected}, got ${fault.got}`);
    const numSamples = numSamplesOf(dataset);
    this.dataset = dataset;
    this.batchSize = batchSize;
    this.numBatches = dropLast ? Math.floor(numSamples / batchSize) : Math.ceil(numSamples / batchSize);
    this.numSamples = dropLast ? this.numBatches * batchSize : numSamples;
    this.imageShape = resize === undefined ? dataset.imageShape : resizedShape(dataset.imageShape, resize);
    if (dataset.classNames) this.classNames = dataset.classNames;
    this.numClasses = dataset.classNames?.length ?? largest(dataset.labels) + 1;
    this.#options = { ...options };
    if (this.numBatches === 0) {
      throw new RangeError(`${where}: with "dropLast" the batch size must be at most ${numSamples}, got ${batchSize}`);
    }
    const values = this.imageShape.reduce((product, size) => product * size, Math.min(batchSize, numSamples));
    if (values > MAX_BATCH_VALUES) {
      const image = this.imageShape.join(' × ');
      throw new RangeError(`${where}: a batch of ${batchSize} images of ${image} is too large; lower the batch size or "resize"`);
    }
  }

  [Symbol.asyncIterator](): AsyncGenerator<Batch, void, undefined> {
    // The epoch is taken here and not at the first batch, so that two loops at once are two epochs.
    return this.#batches(this.epoch++);
  }

  async *#batches(epoch: number): AsyncGenerator<Batch, void, undefined> {
    const { shuffle = false, seed = 0, resize } = this.#options;
    const total = numSamplesOf(this.dataset);
    const order = shuffle ? permutation(total, seed, epoch) : Uint32Array.from({ length: total }, (_, i) => i);
    const makeBatch = batchMaker(this.dataset, resize);
    for (let start = 0; start < this.numSamples; start += this.batchSize) {
      yield makeBatch(order.subarray(start, Math.min(start + this.batchSize, this.numSamples)));
    }
  }
}

function largest(labels: ArrayLike<number>): number {
  let most = 0;
  for (let i = 0; i < labels.length; i++) most = Math.max(most, labels[i] as number);
  return most;
}
