/** DataLoader: minibatches of a dataset. Each loop over it is one epoch. */
import {
  backendTraits,
  checkOptions,
  isFloat32Array,
  isInt32Array,
  isSharedBuffer,
  type LoaderState,
  type LoopPosition,
  Position,
  type Share,
} from '@deepend/core';
import { getBackend, type Tensor, tensor, tensor4d } from '@tensorflow/tfjs-core';
import {
  checkDataset,
  isFileDataset,
  labelSize,
  numClassesOf,
  numSamplesOf,
} from '../datasets/dataset';
import { givenOptions } from '../datasets/origin';
import { resize } from '../transforms/resize';
import type { AnyDataset, Batch, Dataset, ImageShape, Loader, Transform } from '../types';
import { describeLoader, type LoaderDescription, type NotDescribed } from './describe';
import {
  allocateBuffers,
  type BatchBuffer,
  type Epoch,
  inlineBatches,
  orderEpoch,
  prefetchedBatches,
  toSharedMemory,
} from './epoch';
import {
  type DataLoaderOptions,
  defaultPrefetch,
  defaultWorkers,
  LOADER_OPTIONS,
  loaderOutputShape,
  splitTransforms,
} from './loader-options';
import type { EpochSpec, PreparedBatch, SkippedFile } from './prepare';
import { describePreprocessing, type Preprocessing } from './preprocessing';
import { splitBatchwise } from './transform-images';

/**
 * Closes the epoch of a loop that was neither finished nor returned, once its iterator has been
 * collected: `const { value } = await loader[Symbol.asyncIterator]().next()`.
 */
const abandoned = new FinalizationRegistry<{ epoch?: Epoch }>(({ epoch }) => {
  void epoch?.close();
});

/** Typed arrays may not be much longer, and no backend takes a larger tensor. */
const MAX_BATCH_VALUES = 2 ** 30;
const WHERE = '[data] DataLoader';

interface Settings {
  readonly workerTransforms: readonly Transform[];
  readonly mainThreadTransforms: readonly Transform[];
  readonly shuffle: boolean;
  readonly seed: number;
  readonly skip: boolean;
  readonly prefetch: number;
  /** Pixel values in a full batch. */
  readonly batchValues: number;
}

/**
 * Loads batches of any dataset; each `for await` over it is the next epoch. The order of an epoch
 * and the random transforms of a sample depend only on `seed`, the epoch's number and the sample's
 * position in the epoch, and not on the number of workers.
 *
 * Images stay bytes in memory, or files on disk, until their batch is prepared. Worker threads
 * prepare batches ahead of the loop and end with it, also when the loop is left early. The caller
 * owns the tensors of each batch and disposes them. Workers see a dataset in memory as it was when
 * the first loop began.
 *
 * @example
 * const loader = new DataLoader(dataset, { batchSize: 256, shuffle: true });
 * for await (const { features, labels } of loader) {
 *   // features: float32 [256, height, width, channels] in [0, 1]; labels: int32 [256]
 *   features.dispose();
 *   labels.dispose();
 * }
 */
export class DataLoader<D extends AnyDataset = Dataset> implements Loader {
  readonly dataset: D;
  readonly numSamples: number;
  readonly numBatches: number;
  readonly batchSize: number;
  readonly inputShape: ImageShape;
  readonly classNames?: readonly string[];
  /** Absent when labels are continuous values. */
  readonly numClasses?: number;
  /** Number of worker threads of each loop. */
  readonly workers: number;
  readonly #settings: Settings;
  readonly #given: DataLoaderOptions;
  readonly #skipped = new Map<string, SkippedFile>();
  #position: Position;
  #share: Share | undefined;
  #buffers: SharedArrayBuffer[] = [];

  /**
   * @throws TypeError for an option that does not exist or has the wrong type
   * @throws RangeError for a value out of range, for an inconsistent dataset, for files whose
   *   images keep different sizes after the transforms, and for a batch too large for a tensor
   */
  constructor(dataset: D, options: DataLoaderOptions) {
    const checked = checkOptions(WHERE, LOADER_OPTIONS, options);
    const { batchSize, dropLast = false, shuffle = false, seed = 0, onError } = checked;
    checkDataset(WHERE, dataset);
    const total = numSamplesOf(dataset);
    const transforms = [
      ...(checked.resize === undefined ? [] : [resize(checked.resize)]),
      ...(checked.transforms ?? []),
    ];
    const { workers: _, prefetch: __, resize: ___, ...given } = checked;
    this.#given = givenOptions({ ...given, ...(transforms.length > 0 && { transforms }) });
    this.dataset = dataset;
    this.batchSize = batchSize;
    this.numBatches = dropLast ? Math.floor(total / batchSize) : Math.ceil(total / batchSize);
    this.numSamples = dropLast ? this.numBatches * batchSize : total;
    this.inputShape = loaderOutputShape(dataset, transforms);
    if (dataset.classNames) this.classNames = dataset.classNames;
    if (!isFloat32Array(dataset.labels)) this.numClasses = numClassesOf(dataset);
    if (this.numBatches === 0) {
      throw new RangeError(
        `${WHERE}: with "dropLast" the batch size must be at most ${total}, got ${batchSize}`,
      );
    }
    this.#position = new Position(WHERE, this.numBatches);
    const batchValues = countBatchValues(this.inputShape, batchSize, total);
    const { workerTransforms, mainThreadTransforms } = splitTransforms(transforms);
    const { workers = 'auto' } = checked;
    const wanted =
      workers === 'auto' ? defaultWorkers(dataset, { workerTransforms, batchValues }) : workers;
    this.workers = Math.min(wanted, this.numBatches);
    const { prefetch = defaultPrefetch(this.workers, batchValues) } = checked;
    this.#settings = {
      workerTransforms,
      mainThreadTransforms,
      shuffle,
      seed,
      skip: onError === 'skip',
      prefetch,
      batchValues,
    };
  }

  /** Number of the epoch that the next loop gets, from 1. Set it to start with another epoch. */
  get epoch(): number {
    return this.#position.nextEpoch;
  }

  set epoch(epoch: number) {
    this.restore({ epoch, batch: 0 });
  }

  /** Files that could not be decoded, each once, with the reason. Only with `onError: 'skip'`. */
  get skipped(): readonly SkippedFile[] {
    return [...this.#skipped.values()];
  }

  /**
   * Returns the position of the latest loop, or the start of the next one when that loop has ended.
   * A batch counts once the loop has received it: the state after a training step leads to the next
   * batch.
   */
  state(): LoaderState {
    return this.#position.state();
  }

  /** What decides the batches besides the data: a run is resumed only with the same. */
  config(): { seed: number; shuffle: boolean; transforms: unknown } {
    const { seed, shuffle, workerTransforms, mainThreadTransforms } = this.#settings;
    const transforms = [...workerTransforms, ...mainThreadTransforms];
    return { seed, shuffle, transforms: JSON.parse(JSON.stringify(transforms)) };
  }

  /**
   * Describes what this loader does to each image, without its random transforms, as plain JSON
   * (except for your own functions). With it, `predictImages` prepares a photo as this loader
   * would. It reads up to 16 files of a dataset of files to find out whether they are dark at the
   * edges.
   */
  preprocessing(): Promise<Preprocessing> {
    const { workerTransforms, mainThreadTransforms } = this.#settings;
    const transforms = [...workerTransforms, ...mainThreadTransforms];
    return describePreprocessing({
      dataset: this.dataset,
      inputShape: this.inputShape,
      transforms,
    });
  }

  /**
   * How `loaderFrom` makes this loader again in another process, as plain JSON, or the reason why
   * it cannot: arrays and functions of a script are not described.
   */
  describe(): LoaderDescription | NotDescribed {
    return describeLoader(this.dataset, this.#given, this);
  }

  /**
   * Makes the next loop start where `state` was taken. It gets the same batches as the loop that
   * was interrupted.
   * @throws RangeError when this loader has no such position
   */
  restore(state: LoaderState): void {
    this.#position.restore(state);
  }

  /**
   * A loader of one part of each batch of this loader, at the same position: what one of several
   * processes computes. It gives as many batches, of which some may have no samples. Its numbers
   * (`batchSize`, `numSamples`) and its `state` are those of whole batches.
   * @returns undefined when a transform needs whole batches: `mixUp`, `cutMix`, your own function
   */
  share(share: Share): DataLoader<D> | undefined {
    const { workerTransforms, mainThreadTransforms, prefetch } = this.#settings;
    const { batchwise } = splitBatchwise(workerTransforms);
    if (batchwise.length > 0 || mainThreadTransforms.length > 0) return undefined;
    const { workers } = this;
    // Not by its name: the bundler would rename a class that refers to itself.
    const Loader = this.constructor as typeof DataLoader<D>;
    const part = new Loader(this.dataset, { ...this.#given, workers, prefetch });
    part.#share = share;
    part.#position = this.#position;
    return part;
  }

  [Symbol.asyncIterator](): AsyncGenerator<Batch, void, undefined> {
    const at = this.#position.begin();
    const opened: { epoch?: Epoch } = {};
    const batches = this.#batches(at, opened);
    abandoned.register(batches, opened);
    return batches;
  }

  /** @param opened receives the epoch, to be closed should the generator be abandoned */
  async *#batches(
    at: LoopPosition,
    opened: { epoch?: Epoch },
  ): AsyncGenerator<Batch, void, undefined> {
    const { inputShape, numBatches } = this;
    const buffers = this.#takeBuffers();
    const skippedBefore = this.#skipped.size;
    let epoch: Epoch | undefined;
    try {
      epoch = this.#startEpoch(at, buffers);
      opened.epoch = epoch;
      while (at.batch < numBatches) {
        const buffer = await epoch.take(at.batch);
        for (const skipped of buffer.prepared.skipped) this.#skipped.set(skipped.file, skipped);
        const isGiven = buffer.prepared.count > 0 || this.#share !== undefined;
        const batch = isGiven ? toTensors(buffer, inputShape) : undefined;
        epoch.release(at.batch);
        this.#position.advance(at);
        if (batch) yield batch;
      }
    } finally {
      await epoch?.close();
      this.#buffers = buffers;
      this.#reportSkipped(skippedBefore);
    }
  }

  #startEpoch({ epoch, batch }: LoaderState, buffers: readonly SharedArrayBuffer[]): Epoch {
    const { dataset, inputShape, numBatches, workers, batchSize, numSamples } = this;
    const { workerTransforms, mainThreadTransforms, shuffle, seed, skip } = this.#settings;
    const stream = epoch - 1;
    const spec: EpochSpec = {
      ...(isFileDataset(dataset)
        ? { channels: dataset.channels }
        : {
            images: workers > 0 ? toSharedMemory(dataset.images) : dataset.images,
            storedShape: dataset.imageShape,
          }),
      ...(mainThreadTransforms.length === 0 && { outputShape: inputShape }),
      transforms: workerTransforms,
      numClasses: this.numClasses ?? labelSize(dataset),
      seed,
      stream,
      skip,
    };
    const order = { stream, shuffle, seed, batchSize, numSamples, share: this.#share };
    const options = {
      spec,
      mainThreadTransforms,
      outputShape: inputShape,
      requestBatch: orderEpoch(dataset, order),
      firstBatch: batch,
      numBatches,
      buffers,
    };
    if (workers === 0) return inlineBatches(options);
    return prefetchedBatches({ ...options, workers, prefetch: this.#settings.prefetch });
  }

  /** Returns the memory of an earlier loop, or new memory while another loop uses it. */
  #takeBuffers(): SharedArrayBuffer[] {
    const { prefetch, batchValues, mainThreadTransforms } = this.#settings;
    if (mainThreadTransforms.length > 0) return [];
    const buffers = this.#buffers;
    this.#buffers = [];
    if (buffers.length > 0) return buffers;
    return allocateBuffers(this.workers === 0 ? 1 : prefetch, 4 * batchValues);
  }

  /** Reports once for each loop which files it was the first to leave out. */
  #reportSkipped(before: number): void {
    const [first, ...others] = this.skipped.slice(before);
    if (!first) return;
    console.error(
      `[data] DataLoader: left out ${others.length + 1} of ${this.numSamples} images; ` +
        `the first: ${first.file}: ${first.reason}`,
    );
  }
}

/** @throws RangeError when a batch is too large for a tensor */
function countBatchValues(shape: ImageShape, batchSize: number, numSamples: number): number {
  const values = shape.reduce((product, size) => product * size, Math.min(batchSize, numSamples));
  if (values <= MAX_BATCH_VALUES) return values;
  throw new RangeError(
    `${WHERE}: a batch of ${batchSize} images of ${shape.join(' × ')} is too large; ` +
      'lower the batch size or "resize"',
  );
}

/** Makes the tensors of a batch. Values in shared memory are overwritten by the next batch. */
function toTensors({ values, prepared }: BatchBuffer, inputShape: ImageShape): Batch {
  const reused = isSharedBuffer(values.buffer);
  const isCopied = !reused || backendTraits(getBackend()).copiesOnUpload;
  const kept = isCopied ? values : values.slice();
  const features = tensor4d(kept, [prepared.count, ...inputShape]);
  return { features, labels: labelTensor(prepared) };
}

/**
 * Class indices become int32 `[count]`; soft labels, and continuous ones with several values for
 * each image, float32 `[count, size]`; other continuous labels float32 `[count]`.
 */
function labelTensor({ labels, count }: PreparedBatch): Tensor {
  if (isInt32Array(labels)) return tensor(labels, [count], 'int32');
  const size = count === 0 ? 1 : labels.length / count;
  return tensor(labels, size === 1 ? [count] : [count, size], 'float32');
}
