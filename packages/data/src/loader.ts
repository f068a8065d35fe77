/** Minibatches of a data set, an epoch for each loop. */
import { checkOptions, formatValue } from '@deepend/core';
import { batchOf } from './batch';
import { checkDataset, isFileDataset, labelSizeOf, numClassesOf, numSamplesOf } from './dataset';
import { type Epoch, epochAhead, epochHere } from './loading/epoch';
import { jobsOf } from './loading/jobs';
import { type DataLoaderOptions, LOADER_OPTIONS } from './loading/options';
import { defaultPrefetch, defaultWorkers, shapeBehind, splitLate } from './loading/plan';
import type { Recipe, Skipped } from './loading/recipe';
import { shared, slotsFor } from './loading/shared';
import { resize as resizeTo } from './transforms';
import type { AnyDataset, Batch, Dataset, ImageShape, Loader, Transform } from './types';

export {
  type DataLoaderOptions,
  prefetchRule,
  resizeRule,
  transformsRule,
  workersRule,
} from './loading/options';

/** Where a loader stands, as plain JSON: `batch` batches of the epoch `epoch` have been given. */
export interface LoaderState {
  readonly epoch: number;
  readonly batch: number;
}

/** A typed array may not be much longer, and no engine takes a larger tensor. */
const MAX_BATCH_VALUES = 2 ** 30;
const WHERE = '[data] DataLoader';

interface Settings {
  /** What any thread may do, and what the loop's thread does behind that. */
  readonly early: readonly Transform[];
  readonly late: readonly Transform[];
  readonly shuffle: boolean;
  readonly seed: number;
  readonly skip: boolean;
  readonly prefetch: number;
  /** Values of a full batch. */
  readonly batchValues: number;
}

/**
 * Batches of any data set. Each `for await` over it is the next epoch. The order of an epoch, and
 * what random transforms do to a sample,
 * depend on `seed`, the epoch's number and the sample's place in it alone: not on the number of
 * workers.
 *
 * Images stay bytes in memory, or files on disk, until their batch is made; workers make batches
 * ahead of the loop and end with it. Whoever
 * takes a batch disposes it; a loop that is left early leaves no tensor and no thread. Workers see
 * a set in memory as it was when their first
 * loop began.
 *
 * @example
 * for await (const { features, labels } of new DataLoader(dataset, { batchSize: 256, shuffle: true
 * })) {
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
  /** Absent where labels are numbers to be learned. */
  readonly numClasses?: number;
  /** Worker threads of each loop. */
  readonly workers: number;
  readonly #settings: Settings;
  readonly #skipped = new Map<string, Skipped>();
  #next: LoaderState = { epoch: 0, batch: 0 };
  #current: LoaderState | undefined;
  #slots: SharedArrayBuffer[] = [];

  /**
   * @throws TypeError for an option that does not exist or is of another type; RangeError for a
   *   value out of range, for a set that
   * does not fit together, for files whose images the transforms leave at different sizes, and for
   * a batch too large for a tensor
   */
  constructor(dataset: D, options: DataLoaderOptions) {
    const checked = checkOptions(WHERE, LOADER_OPTIONS, options);
    const {
      batchSize,
      dropLast = false,
      shuffle = false,
      seed = 0,
      onError,
      workers = 'auto',
    } = checked;
    checkDataset(WHERE, dataset);
    const total = numSamplesOf(dataset);
    const transforms = [
      ...(checked.resize === undefined ? [] : [resizeTo(checked.resize)]),
      ...(checked.transforms ?? []),
    ];
    this.dataset = dataset;
    this.batchSize = batchSize;
    this.numBatches = dropLast ? Math.floor(total / batchSize) : Math.ceil(total / batchSize);
    this.numSamples = dropLast ? this.numBatches * batchSize : total;
    this.inputShape = shapeBehind(dataset, transforms);
    if (dataset.classNames) this.classNames = dataset.classNames;
    if (!(dataset.labels instanceof Float32Array)) this.numClasses = numClassesOf(dataset);
    if (this.numBatches === 0) {
      throw new RangeError(
        `${WHERE}: with "dropLast" the batch size must be at most ${total}, got ${batchSize}`,
      );
    }
    const batchValues = this.inputShape.reduce(
      (product, size) => product * size,
      Math.min(batchSize, total),
    );
    if (batchValues > MAX_BATCH_VALUES) {
      const image = this.inputShape.join(' × ');
      throw new RangeError(
        `${WHERE}: a batch of ${batchSize} images of ${image} is too large; lower the batch size or "resize"`,
      );
    }
    const [early, late] = splitLate(transforms);
    const wanted = workers === 'auto' ? defaultWorkers(dataset, { early, batchValues }) : workers;
    this.workers = Math.min(wanted, this.numBatches);
    const { prefetch = defaultPrefetch(this.workers, batchValues) } = checked;
    this.#settings = {
      early,
      late,
      shuffle,
      seed,
      skip: onError === 'skip',
      prefetch,
      batchValues,
    };
  }

  /** The number of the epoch that the next loop gets, from 0. Set it to begin with another. */
  get epoch(): number {
    return this.#next.epoch;
  }

  set epoch(epoch: number) {
    this.restore({ epoch, batch: 0 });
  }

  /**
   * Files that could not be decoded and were left out, and why, each once. With `onError: 'skip'`
   * alone.
   */
  get skipped(): readonly Skipped[] {
    return [...this.#skipped.values()];
  }

  /**
   * Where the latest loop stands, or where the next one begins when that has come to its end. A
   * batch counts once the loop has been given
   * it: a state that is taken after a step goes on with the next one.
   */
  state(): LoaderState {
    return { ...(this.#current ?? this.#next) };
  }

  /**
   * Has the next loop begin where `state` was taken, with the same batches as if that loop had gone
   * on.
   * @throws RangeError when this loader has no such place
   */
  restore(state: LoaderState): void {
    const { epoch, batch } = state ?? {};
    const whole = (value: unknown) => Number.isInteger(value) && (value as number) >= 0;
    if (!whole(epoch) || !whole(batch) || batch >= this.numBatches) {
      const expected = `{ epoch, batch } of integers, the batch below ${this.numBatches}`;
      throw new RangeError(
        `${WHERE}: restore: expected ${expected}, got { epoch: ${formatValue(epoch)}, batch: ${formatValue(batch)} }`,
      );
    }
    this.#next = { epoch, batch };
    this.#current = undefined;
  }

  [Symbol.asyncIterator](): AsyncGenerator<Batch, void, undefined> {
    // The epoch is taken here and not at the first batch, so that two loops at once are two epochs.
    const at = { ...this.#next };
    this.#next = { epoch: at.epoch + 1, batch: 0 };
    this.#current = at;
    return this.#batches(at);
  }

  async *#batches(at: { epoch: number; batch: number }): AsyncGenerator<Batch, void, undefined> {
    const { inputShape: imageShape, numBatches } = this;
    const slots = this.#takeSlots();
    const before = this.#skipped.size;
    let epoch: Epoch | undefined;
    try {
      epoch = this.#begin(at, slots);
      while (at.batch < numBatches) {
        const floats = await epoch.take(at.batch);
        const { made } = floats;
        for (const skipped of made.skipped) this.#skipped.set(skipped.file, skipped);
        const batch = made.count > 0 ? batchOf(floats, imageShape) : undefined;
        epoch.release(at.batch++);
        if (at.batch === numBatches && this.#current === at) this.#current = undefined;
        if (batch) yield batch;
      }
    } finally {
      await epoch?.close();
      this.#slots = slots;
      this.#report(before);
    }
  }

  #begin({ epoch, batch: first }: LoaderState, slots: readonly SharedArrayBuffer[]): Epoch {
    const { dataset, inputShape: imageShape, numBatches, workers, batchSize, numSamples } = this;
    const { early, late, shuffle, seed, skip, prefetch } = this.#settings;
    const recipe: Recipe = {
      ...(isFileDataset(dataset)
        ? { channels: dataset.channels }
        : {
            images: workers > 0 ? shared(dataset.images) : dataset.images,
            storedShape: dataset.imageShape,
          }),
      ...(late.length === 0 && { imageShape }),
      transforms: early,
      numClasses: this.numClasses ?? labelSizeOf(dataset),
      seed,
      epoch,
      skip,
    };
    const jobOf = jobsOf(dataset, { epoch, shuffle, seed, batchSize, numSamples });
    const options = { recipe, late, imageShape, jobOf, first, numBatches, slots };
    return workers === 0 ? epochHere(options) : epochAhead({ ...options, workers, prefetch });
  }

  /** The memory of an earlier loop, unless another loop has it at the moment. */
  #takeSlots(): SharedArrayBuffer[] {
    const { prefetch, batchValues, late } = this.#settings;
    if (late.length > 0) return [];
    const slots = this.#slots;
    this.#slots = [];
    return slots.length > 0 ? slots : slotsFor(this.workers === 0 ? 1 : prefetch, 4 * batchValues);
  }

  /** Says once a loop which files it was the first to leave out. */
  #report(before: number): void {
    const [first, ...others] = this.skipped.slice(before);
    if (!first) return;
    console.error(
      `[data] DataLoader: left out ${others.length + 1} of ${this.numSamples} images; the first: ${first.file}: ${first.reason}`,
    );
  }
}
