/**
 * To and from `tf.data.Dataset`, the data sets of @tensorflow/tfjs-data, which is needed here alone
 * and only to make one.
 */
import { checkOptions, formatValue, rule } from '@deepend/core';
import { cast, dispose, reshape, Tensor, tidy } from '@tensorflow/tfjs-core';
import { errorCode } from './errors';
import type { Batch, ImageShape, Loader } from './types';

/**
 * As much of a `tf.data.Dataset` as is asked of it here, so that its package need not be there for
 * its types.
 */
export interface TfDataset<T> {
  iterator(): Promise<{ next(): Promise<IteratorResult<T>> }>;
  readonly size: number;
}

interface Batchable {
  batch(batchSize: number, smallLastBatch?: boolean): TfDataset<unknown>;
}

/** A batch in the words of `LayersModel.fitDataset`. */
export interface TfBatch {
  xs: Tensor;
  ys: Tensor;
}

/**
 * A loader as a `tf.data.Dataset` of batches `{ xs, ys }`, which `LayersModel.fitDataset` takes.
 * Class indices are float32 there, since stock
 * `sparseCategoricalCrossentropy` asks for that. Each iterator is the loader's next epoch; whoever
 * takes a batch disposes it. An iterator of
 * tf.data cannot be told to stop: one that is not taken to its end keeps the loader's threads until
 * the process ends.
 * @throws Error where @tensorflow/tfjs-data is not installed
 */
export async function toTfDataset(loader: Loader): Promise<TfDataset<TfBatch>> {
  const { generator } = await tfData();
  const dataset = generator(async function* (): AsyncGenerator<TfBatch> {
    for await (const { features, labels } of loader) yield { xs: features, ys: asFloats(labels) };
  });
  return Object.assign(dataset, { size: loader.numBatches });
}

function asFloats(labels: Tensor): Tensor {
  if (labels.dtype === 'float32') return labels;
  const floats = cast(labels, 'float32');
  labels.dispose();
  return floats;
}

interface TfData {
  generator<T>(make: () => AsyncGenerator<T>): TfDataset<T>;
}

async function tfData(): Promise<TfData> {
  try {
    const module = (await import('@tensorflow/tfjs-data')) as unknown as TfData & {
      default?: TfData;
    };
    return module.default ?? module; // CommonJS: which of its names an import sees is Node's guess
  } catch (error) {
    if (!['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND'].includes(errorCode(error) ?? '')) throw error;
    throw new Error(
      '[data] toTfDataset: expected the package @tensorflow/tfjs-data, got nothing of that name; npm install @tensorflow/tfjs-data@4.22.0',
      { cause: error },
    );
  }
}

export interface FromTfOptions {
  /** Samples in a batch. */
  batchSize: number;
  /** Samples in the set: a `tf.data.Dataset` need not know. */
  numSamples: number;
  /**
   * Given: labels are class indices below it, or shares of so many classes. Without it labels stay
   * as they are.
   */
  numClasses?: number;
  /** What the class indices mean. */
  classNames?: readonly string[];
  /**
   * `[height, width, channels]`, so that a net can be checked against it before anything is
   * computed.
   */
  imageShape?: ImageShape;
}

const OPTIONS = rule.object({
  batchSize: rule.positiveInteger(),
  numSamples: rule.positiveInteger(),
  numClasses: rule.positiveInteger().optional(),
  classNames: rule
    .list(rule.string(), 'a list of strings')
    .min(1, 'a list of at least one string')
    .optional(),
  imageShape: rule.imageShape().optional(),
});

/** A loader that need not know the shape of its images. */
export type TfLoader = Omit<Loader, 'inputShape'> & Partial<Pick<Loader, 'inputShape'>>;

const WHERE = '[data] fromTfDataset';

/**
 * A loader over a `tf.data.Dataset` of single samples: `{ xs, ys }` or `{ features, labels }`, a
 * tensor float32 `[height, width, channels]` and its label.
 * It makes the batches; shuffle and map in tf.data. Each loop asks the set for a new iterator.
 * @throws TypeError or RangeError for bad options, and in the loop for elements that are no such
 *   samples or fewer than `numSamples`
 */
export function fromTfDataset(dataset: Batchable, options: FromTfOptions): TfLoader {
  const { batchSize, numSamples, numClasses, classNames, imageShape } = checkOptions(
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
    ...(imageShape && { inputShape: imageShape }),
    [Symbol.asyncIterator]: () => batchesOf(dataset, { batchSize, numSamples, classes }),
  };
}

interface Reading {
  batchSize: number;
  numSamples: number;
  classes: number | undefined;
}

async function* batchesOf(
  dataset: Batchable,
  { batchSize, numSamples, classes }: Reading,
): AsyncGenerator<Batch, void, undefined> {
  const iterator = await dataset.batch(batchSize).iterator();
  let seen = 0;
  for (;;) {
    const { value, done } = await iterator.next();
    if (done) break;
    const batch = batchFrom(value, classes);
    seen += batch.labels.shape[0] ?? 0;
    yield batch;
  }
  if (seen !== numSamples) {
    throw new RangeError(
      `${WHERE}: expected ${numSamples} samples in an epoch, got ${seen}; give their number as "numSamples"`,
    );
  }
}

/** Takes over an element of the batched set. */
function batchFrom(element: unknown, classes: number | undefined): Batch {
  const { xs, ys, features = xs, labels = ys } = (element ?? {}) as Record<string, unknown>;
  if (!(features instanceof Tensor) || !(labels instanceof Tensor)) {
    throw new TypeError(
      `${WHERE}: expected samples { xs, ys } or { features, labels }, got ${formatValue(element)}; map the set to them`,
    );
  }
  if (features.rank !== 4 || features.dtype !== 'float32') {
    const got = `[${features.shape.slice(1).join(', ')}] of ${features.dtype}`;
    dispose([features, labels]);
    throw new RangeError(
      `${WHERE}: expected samples of [height, width, channels] in float32, got ${got}; give the set before its .batch(), images as floats in [0, 1]`,
    );
  }
  return { features, labels: classes === undefined ? labels : asClasses(labels, classes) };
}

/**
 * int32 `[batch]` where each sample has one label, the same tensor where it has a share for each
 * class.
 */
function asClasses(labels: Tensor, classes: number): Tensor {
  if (labels.rank === 2 && labels.shape[1] === classes && classes > 1) return labels;
  const indices = tidy(() => cast(reshape(labels, [-1]), 'int32'));
  labels.dispose();
  return indices;
}
