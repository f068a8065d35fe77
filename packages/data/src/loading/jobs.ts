/** Which samples each batch of an epoch has. */
import { isFileDataset, labelSizeOf, numSamplesOf } from '../dataset';
import { permutation } from '../random';
import type { AnyDataset } from '../types';
import type { Job } from './recipe';

export interface JobsOptions {
  readonly epoch: number;
  readonly shuffle: boolean;
  readonly seed: number;
  readonly batchSize: number;
  /** Samples of an epoch: those behind them in its order are left out. */
  readonly numSamples: number;
}

/** A function that gives a batch's job by its number in the epoch. */
export function jobsOf(
  dataset: AnyDataset,
  { epoch, shuffle, seed, batchSize, numSamples }: JobsOptions,
): (batch: number) => Job {
  const total = numSamplesOf(dataset);
  const order = shuffle
    ? permutation(total, seed, epoch)
    : Uint32Array.from({ length: total }, (_, i) => i);
  return (batch) => {
    const start = batch * batchSize;
    const indices = order.slice(start, Math.min(start + batchSize, numSamples)); // a copy: to send a view would send the whole order
    const samples = isFileDataset(dataset)
      ? Array.from(indices, (index) => dataset.files[index] as string)
      : indices;
    return { batch, start, samples, labels: labelsOf(dataset, indices) };
  };
}

function labelsOf(dataset: AnyDataset, indices: Uint32Array): Job['labels'] {
  const { labels } = dataset;
  if (!(labels instanceof Float32Array))
    return Int32Array.from(indices, (index) => labels[index] as number);
  const size = labelSizeOf(dataset);
  const chosen = new Float32Array(indices.length * size);
  indices.forEach((index, i) => {
    chosen.set(labels.subarray(index * size, (index + 1) * size), i * size);
  });
  return chosen;
}
