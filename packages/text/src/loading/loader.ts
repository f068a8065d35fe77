/** What all loaders of text have in common: position, state, and batches by epoch and number. */
import type { Tensors } from '@deepend/compiler';
import { type EpochSpec, epochLoops, type LoaderState } from '@deepend/core';
import { uniform } from '@deepend/data';
import { type Tensor, type Tensor2D, tensor2d } from '@tensorflow/tfjs-core';

/** A minibatch. The code that takes it from a loader owns its tensors and disposes them. */
export interface TextBatch<Features extends Tensors = Tensor, Labels extends Tensors = Tensor> {
  readonly features: Features;
  readonly labels: Labels;
  /**
   * Whether new sequences begin with this batch, so that a state that passes from batch to batch
   * starts again. @default false
   */
  readonly isNewSequence?: boolean;
}

/**
 * A loader of text, as `train`, `evaluate` and `predict` take it. Each `for await` over it is the
 * next epoch; its batches depend only on the seed, the epoch's number and their place in the epoch.
 */
export interface TextLoader<Features extends Tensors = Tensor, Labels extends Tensors = Tensor>
  extends AsyncIterable<TextBatch<Features, Labels>> {
  /** Samples in an epoch. */
  readonly numSamples: number;
  readonly numBatches: number;
  readonly batchSize: number;
  /** Tokens of a sample, where all have as many and each is predicted. */
  readonly tokensPerSample?: number;
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

/** What makes a loader: see `epochLoops`. */
export interface LoaderSpec<Features extends Tensors, Labels extends Tensors>
  extends EpochSpec<TextBatch<Features, Labels>> {
  readonly numSamples: number;
  readonly batchSize: number;
  readonly tokensPerSample?: number;
  /** As `EpochSpec`'s; batches of text are made at once. */
  readonly prepare: (epoch: number) => (batch: number) => TextBatch<Features, Labels>;
}

/** @param where who asks, for errors: `[text] sequenceLoader` */
export function makeLoader<Features extends Tensors, Labels extends Tensors>(
  where: string,
  { prepare, config, ...sizes }: LoaderSpec<Features, Labels>,
): TextLoader<Features, Labels> {
  return { ...sizes, ...epochLoops(where, { ...sizes, config, prepare }) };
}

/**
 * Random numbers of one place in the data. The same seed, epoch and place give the same numbers.
 * @returns `real`: in [0, 1); `below`: an integer from 0 to n − 1
 */
export function randomAt(seed: number, epoch: number, place = 0) {
  const real = uniform(seed, epoch, place);
  return { real, below: (n: number) => Math.floor(real() * n) };
}

export type Random = ReturnType<typeof randomAt>;

/** Makes an int32 tensor `[rows, width]`; rows that are shorter end with `padding`. */
export function paddedTensor(
  rows: readonly ArrayLike<number>[],
  width: number,
  padding: number,
): Tensor2D {
  const values = new Int32Array(rows.length * width).fill(padding);
  rows.forEach((row, i) => {
    for (let j = 0; j < Math.min(width, row.length); j++) values[i * width + j] = row[j] as number;
  });
  return tensor2d(values, [rows.length, width], 'int32');
}

/** Makes a float32 tensor `[lengths, width]`: 1 for each of the first `length` places, then 0. */
export function maskTensor(lengths: readonly number[], width: number): Tensor2D {
  const values = new Float32Array(lengths.length * width);
  lengths.forEach((length, i) => {
    values.fill(1, i * width, i * width + Math.min(width, length));
  });
  return tensor2d(values, [lengths.length, width], 'float32');
}
