/**
 * Converts loaders to `tf.data.Dataset` and back. Only `toTfDataset` needs the package
 * @tensorflow/tfjs-data.
 */
import { checkOptions, formatValue, rule } from '@deepend/core';
import { cast, dispose, reshape, Tensor, tidy } from '@tensorflow/tfjs-core';
import { errorCode } from '../errors';
import type { Batch, ImageShape, Loader } from '../types';

/** The part of a `tf.data.Dataset` that is used here, so that its package is not needed. */
export interface TfDataset<T> {
  iterator(): Promise<{ next(): Promise<IteratorResult<T>> }>;
  readonly size: number;
}

interface Batchable {
  batch(batchSize: number, smallLastBatch?: boolean): TfDataset<unknown>;
}

/** A batch as `LayersModel.fitDataset` names it. */
export interface TfBatch {
  xs: Tensor;
  ys: Tensor;
}

/**
 * Converts a loader to a `tf.data.Dataset` of batches `{ xs, ys }`, for `LayersModel.fitDataset`.
 * Class indices become float32, because stock `sparseCategoricalCrossentropy` needs that. Each
 * iterator is the loader's next epoch; the caller disposes each batch. An iterator of tf.data
 * cannot be stopped: if it is not read to its end, the loader's threads stay until the process
 * ends.
 * @throws Error when @tensorflow/tfjs-data is not installed
 */
export async function toTfDataset(loader: Loader): Promise<TfDataset<TfBatch>> {
  const { generator } = await importTfData();
  const dataset = generator(async function* (): AsyncGenerator<TfBatch> {
    for await (const { features, labels } of loader)
      yield { xs: features, ys: castToFloat(labels) };
  });
  return Object.assign(dataset, { size: loader.numBatches });
}

function castToFloat(labels: Tensor): Tensor {
  if (labels.dtype === 'float32') return labels;
  const floats = cast(labels, 'float32');
  labels.dispose();
  return floats;
}

interface TfData {
  generator<T>(make: () => AsyncGenerator<T>): TfDataset<T>;
}

async function importTfData(): Promise<TfData> {
  try {
    const module = (await import('@tensorflow/tfjs-data')) as unknown as TfData & {
      default?: TfData;
    };
    return module.default ?? module; // Node may not see all names of a CommonJS module
  } catch (error) {
    if (!['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND'].includes(errorCode(error) ?? '')) throw error;
    throw new Error(
      '[data] toTfDataset: expected the package @tensorflow/tfjs-data, but it is not installed; ' +
        'npm install @tensorflow/tfjs-data@4.22.0',
      { cause: error },
    );
  }
}

export interface FromTfOptions {
  /**
   * Samples in a batch.
   * @example 256
   */
  batchSize: number;
  /**
   * Samples in the dataset, which a `tf.data.Dataset` may not know.
   * @example 60_000
   */
  numSamples: number;
  /**
   * Number of classes: labels are class indices, or soft labels with one value for each class.
   * @default labels stay as they are
   */
  numClasses?: number;
  /** Names of the classes. @default none */
  classNames?: readonly string[];
  /**
   * `[height, width, channels]`, so that a model can be checked before training.
   * @default not checked before training
   */
  inputShape?: ImageShape;
}

const OPTIONS = rule.object({
  batchSize: rule.positiveInteger(),
  numSamples: rule.positiveInteger(),
  numClasses: rule.positiveInteger().optional(),
  classNames: rule.list(rule.string(), 'a list of at least one string', { min: 1 }).optional(),
  inputShape: rule.imageShape().optional(),
});

/** A loader that may not know the shape of its images. */
export type TfLoader = Omit<Loader, 'inputShape'> & Partial<Pick<Loader, 'inputShape'>>;

const WHERE = '[data] fromTfDataset';

/**
 * Makes a loader of a `tf.data.Dataset` of single samples, `{ xs, ys }` or `{ features, labels }`:
 * a float32 tensor `[height, width, channels]` and its label. The loader makes the batches; shuffle
 * and map in tf.data. Each loop asks the dataset for a new iterator.
 * @throws TypeError or RangeError for bad options; in the loop, for elements that are not such
 *   samples, or fewer than `numSamples`
 */
export function fromTfDataset(dataset: Batchable, options: FromTfOptions): TfLoader {
  const { batchSize, numSamples, numClasses, classNames, inputShape } = checkOptions(
    WHERE,
    OPTIONS,
    options,
  );
  if (typeof dataset?.batch !== 'function')
    throw new TypeError(`${WHERE}: expected a tf.data.Dataset, got ${formatValue(dataset)}`);
  const classes = numClasses ?? classNames?.length;
  return {
    numSamples,
    batchSize,
    numBatches: Math.ceil(numSamples / batchSize),
    ...(classes !== undefined && { numClasses: classes }),
    ...(classNames && { classNames }),
    ...(inputShape && { inputShape }),
    [Symbol.asyncIterator]: () => readBatches(dataset, { batchSize, numSamples, classes }),
  };
}

interface ReadOptions {
  batchSize: number;
  numSamples: number;
  classes: number | undefined;
}

async function* readBatches(
  dataset: Batchable,
  { batchSize, numSamples, classes }: ReadOptions,
): AsyncGenerator<Batch, void, undefined> {
  const iterator = await dataset.batch(batchSize).iterator();
  let seen = 0;
  for (;;) {
    const { value, done } = await iterator.next();
    if (done) break;
    const batch = toBatch(value, classes);
    seen += batch.labels.shape[0] ?? 0;
    yield batch;
  }
  if (seen !== numSamples) {
    throw new RangeError(
      `${WHERE}: expected ${numSamples} samples in an epoch, got ${seen}; correct "numSamples"`,
    );
  }
}

/** Converts an element of the batched dataset, and takes ownership of its tensors. */
function toBatch(element: unknown, classes: number | undefined): Batch {
  const { xs, ys, features = xs, labels = ys } = (element ?? {}) as Record<string, unknown>;
  if (!(features instanceof Tensor) || !(labels instanceof Tensor)) {
    throw new TypeError(
      `${WHERE}: expected samples { xs, ys } or { features, labels }, ` +
        `got ${formatValue(element)}; map the dataset to such objects`,
    );
  }
  if (features.rank !== 4 || features.dtype !== 'float32') {
    const got = `[${features.shape.slice(1).join(', ')}] of ${features.dtype}`;
    dispose([features, labels]);
    throw new RangeError(
      `${WHERE}: expected samples of [height, width, channels] in float32, got ${got}; ` +
        'pass the dataset without .batch(), with images as floats in [0, 1]',
    );
  }
  return { features, labels: classes === undefined ? labels : toClassIndices(labels, classes) };
}

/** Converts labels to int32 `[batch]`; soft labels `[batch, classes]` stay as they are. */
function toClassIndices(labels: Tensor, classes: number): Tensor {
  if (labels.rank === 2 && labels.shape[1] === classes && classes > 1) return labels;
  const indices = tidy(() => cast(reshape(labels, [-1]), 'int32'));
  labels.dispose();
  return indices;
}
