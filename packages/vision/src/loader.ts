/**
 * What all loaders of this package have in common: position, state, batches by epoch and number.
 */
import type { Tensors } from '@deepend/compiler';
import { epochLoops, type ImageShape, type LoaderState } from '@deepend/core';
import type { Tensor, Tensor4D } from '@tensorflow/tfjs-core';

/** A minibatch. The code that takes it from a loader owns its tensors and disposes them. */
export interface VisionBatch<Labels extends Tensors = Tensor> {
  /** float32 `[batch, height, width, channels]` in [0, 1]. */
  readonly features: Tensor4D;
  readonly labels: Labels;
}

/**
 * A loader of images with boxes or masks, as `train`, `evaluate` and `predict` take it. Each
 * `for await` over it is the next epoch; its batches depend only on the seed, the epoch's number
 * and their place in the epoch.
 */
export interface VisionLoader<Labels extends Tensors = Tensor>
  extends AsyncIterable<VisionBatch<Labels>> {
  /** Images in an epoch. */
  readonly numSamples: number;
  readonly numBatches: number;
  readonly batchSize: number;
  /** `[height, width, channels]`. */
  readonly inputShape: ImageShape;
  /** Names of the classes, in the order of the labels. */
  readonly classNames: readonly string[];
  readonly numClasses: number;
  /** The position in the data, with which a run resumes. */
  state(): LoaderState;
  /**
   * Makes the next loop start where `state` was taken.
   * @throws RangeError when this loader has no such position
   */
  restore(state: LoaderState): void;
  /** What decides the batches besides the data: a run is resumed only with the same. */
  config(): Readonly<Record<string, unknown>>;
}

export interface LoaderSpec<Labels extends Tensors> {
  readonly numSamples: number;
  readonly batchSize: number;
  readonly inputShape: ImageShape;
  readonly classNames: readonly string[];
  readonly config: Readonly<Record<string, unknown>>;
  /**
   * Prepares an epoch.
   * @param epoch its number, from 1
   * @returns the order of its samples, and what makes a batch of some of them
   */
  readonly prepare: (epoch: number) => {
    readonly order: Uint32Array;
    readonly batchOf: (samples: Uint32Array) => VisionBatch<Labels> | Promise<VisionBatch<Labels>>;
  };
}

/** @param where who asks, for errors: `[vision] fashionScenes` */
export function makeLoader<Labels extends Tensors>(
  where: string,
  { prepare, config, ...about }: LoaderSpec<Labels>,
): VisionLoader<Labels> {
  const { numSamples, batchSize, classNames } = about;
  const numBatches = Math.ceil(numSamples / batchSize);
  const loops = epochLoops(where, {
    ...{ numBatches, config },
    prepare: (epoch) => {
      const { order, batchOf } = prepare(epoch);
      return (batch) => batchOf(order.subarray(batch * batchSize, (batch + 1) * batchSize));
    },
  });
  return { ...about, numBatches, numClasses: classNames.length, ...loops };
}
