/**
 * Loaders cut short: for trying whether everything runs, and for what a net that can learn must be
 * able to learn by heart.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { Batch, Loader, TrainOptions } from './types';

const DEV_BATCHES = 2;

interface Limited {
  readonly train: Loader;
  readonly test: Loader | null;
  readonly dispose: () => void;
}

/** The loaders as `fastDevRun` and `overfitBatches` want them. */
export function limited(
  train: Loader,
  test: Loader | null,
  { fastDevRun, overfitBatches }: TrainOptions,
): Limited {
  if (overfitBatches !== undefined) {
    const kept = new Kept(train, overfitBatches);
    return { train: kept, test, dispose: () => kept.dispose() };
  }
  const cut = (loader: Loader) => (fastDevRun ? first(loader, DEV_BATCHES) : loader);
  return { train: cut(train), test: test && cut(test), dispose: () => {} };
}

const sizes = (loader: Loader, batches: number) => {
  const numBatches = Math.min(batches, loader.numBatches);
  return { numBatches, numSamples: Math.min(numBatches * loader.batchSize, loader.numSamples) };
};

/** The first batches of each epoch. */
function first(loader: Loader, count: number): Loader {
  const { numBatches, numSamples } = sizes(loader, count);
  return {
    ...about(loader),
    numBatches,
    numSamples,
    async *[Symbol.asyncIterator]() {
      let given = 0;
      for await (const batch of loader) {
        yield batch;
        if (++given === numBatches) return;
      }
    },
  };
}

const about = ({ batchSize, inputShape: imageShape, classNames, numClasses }: Loader) => ({
  batchSize,
  ...(imageShape && { imageShape }),
  ...(classNames && { classNames }),
  ...(numClasses !== undefined && { numClasses }),
});

/** The same batches in every epoch: the first ones, kept. */
class Kept implements Loader {
  readonly numBatches: number;
  readonly numSamples: number;
  readonly batchSize: number;
  private readonly batches: Batch[] = [];

  constructor(
    private readonly loader: Loader,
    count: number,
  ) {
    const { numBatches, numSamples } = sizes(loader, count);
    this.numBatches = numBatches;
    this.numSamples = numSamples;
    this.batchSize = loader.batchSize;
    Object.assign(this, about(loader));
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Batch, void, undefined> {
    if (this.batches.length === 0) {
      for await (const batch of this.loader) {
        this.batches.push(batch);
        if (this.batches.length === this.numBatches) break;
      }
    }
    for (const { features, labels } of this.batches)
      yield { features: tf.clone(features), labels: tf.clone(labels) };
  }

  dispose(): void {
    for (const { features, labels } of this.batches) tf.dispose([features, labels]);
  }
}
