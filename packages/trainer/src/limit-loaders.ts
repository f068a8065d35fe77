/** Truncated loaders for `fastDevRun` (smoke test) and `overfitBatches` (overfit a few batches). */

import { mapTensors, type Tensors } from '@deepend/compiler';
import { type AnyBatch, type AnyLoader, disposeBatch } from './loader';
import type { TrainOptions } from './options';

const FAST_DEV_BATCHES = 2;

export interface LimitedLoaders {
  readonly trainLoader: AnyLoader;
  readonly testLoader: AnyLoader | null;
  /** Frees the batches that `overfitBatches` keeps. */
  readonly dispose: () => void;
}

/** The loaders as `fastDevRun` and `overfitBatches` ask for; unchanged without these options. */
export function limitLoaders(
  trainIter: AnyLoader,
  testIter: AnyLoader | null,
  { fastDevRun, overfitBatches }: TrainOptions,
): LimitedLoaders {
  if (overfitBatches !== undefined) {
    const kept = new KeptBatches(trainIter, overfitBatches);
    return { trainLoader: kept, testLoader: testIter, dispose: () => kept.dispose() };
  }
  const limit = (loader: AnyLoader) =>
    fastDevRun ? firstBatches(loader, FAST_DEV_BATCHES) : loader;
  return {
    trainLoader: limit(trainIter),
    testLoader: testIter && limit(testIter),
    dispose: () => {},
  };
}

function limitedSize(loader: AnyLoader, count: number) {
  const numBatches = Math.min(count, loader.numBatches);
  return { numBatches, numSamples: Math.min(numBatches * loader.batchSize, loader.numSamples) };
}

const describeLoader = (loader: AnyLoader) => {
  const { batchSize, inputShape, classNames, numClasses } = loader;
  return {
    batchSize,
    ...(inputShape && { inputShape }),
    ...(classNames && { classNames }),
    ...(numClasses !== undefined && { numClasses }),
    ...(loader.config && { config: loader.config.bind(loader) }),
  };
};

/** The first batches of each epoch. */
function firstBatches(loader: AnyLoader, count: number): AnyLoader {
  const { numBatches, numSamples } = limitedSize(loader, count);
  return {
    ...describeLoader(loader),
    numBatches,
    numSamples,
    async *[Symbol.asyncIterator]() {
      let yielded = 0;
      for await (const batch of loader) {
        yield batch;
        if (++yielded === numBatches) return;
      }
    },
  };
}

/** The first batches of the first epoch, kept and repeated in every epoch. */
class KeptBatches implements AnyLoader {
  readonly numBatches: number;
  readonly numSamples: number;
  readonly batchSize: number;
  readonly #loader: AnyLoader;
  readonly #batches: AnyBatch[] = [];

  constructor(loader: AnyLoader, count: number) {
    const { numBatches, numSamples } = limitedSize(loader, count);
    this.#loader = loader;
    this.numBatches = numBatches;
    this.numSamples = numSamples;
    this.batchSize = loader.batchSize;
    Object.assign(this, describeLoader(loader));
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<AnyBatch, void, undefined> {
    if (this.#batches.length === 0) {
      for await (const batch of this.#loader) {
        this.#batches.push(batch);
        if (this.#batches.length === this.numBatches) break;
      }
    }
    for (const { features, labels, ...rest } of this.#batches)
      yield { ...rest, features: cloneTensors(features), labels: cloneTensors(labels) };
  }

  dispose(): void {
    for (const batch of this.#batches) disposeBatch(batch);
  }
}

const cloneTensors = (tensors: Tensors): Tensors => mapTensors(tensors, (tensor) => tensor.clone());
