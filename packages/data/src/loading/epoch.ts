/**
 * The batches of one epoch: their order, the memory they are written to, and who prepares them:
 * worker threads ahead of the loop, or the main thread when the loop asks.
 */
import { isFloat32Array, isSharedBuffer, isUint8Array, partOf, type Share } from '@deepend/core';
import { isFileDataset, labelSize, numSamplesOf } from '../datasets/dataset';
import { batchRng, permutation } from '../random';
import type { AnyDataset, ImageShape, Transform } from '../types';
import { type BatchRequest, batchPreparer, type EpochSpec, type PreparedBatch } from './prepare';
import { transformInto, transformParts, withContext } from './transform-images';
import { WorkerPool } from './worker-pool';

/**
 * A prepared batch and its values, float32 `[count, height, width, channels]`. Values in shared
 * memory are overwritten after the batch is released.
 */
export interface BatchBuffer {
  readonly prepared: PreparedBatch;
  readonly values: Float32Array;
}

export interface EpochOptions {
  readonly spec: EpochSpec;
  /** The transforms from the first custom function on, which only the main thread can run. */
  readonly mainThreadTransforms: readonly Transform[];
  /** Shape of an image after all transforms. */
  readonly outputShape: ImageShape;
  readonly requestBatch: (batch: number) => BatchRequest;
  readonly firstBatch: number;
  readonly numBatches: number;
  /** Memory of the batches that are ready at the same time; none with main-thread transforms. */
  readonly buffers: readonly SharedArrayBuffer[];
}

export interface PrefetchOptions extends EpochOptions {
  readonly workers: number;
  /** Number of batches to prepare ahead of the loop. */
  readonly prefetch: number;
}

/** Batches are taken in order, and each is released before the next is taken. */
export interface Epoch {
  take(batch: number): Promise<BatchBuffer>;
  /** Declares that the batch's values are no longer needed. */
  release(batch: number): void;
  close(): Promise<void>;
}

/** The main thread prepares each batch when the loop asks for it. */
export function inlineBatches(options: EpochOptions): Epoch {
  const prepareBatch = batchPreparer(options.spec);
  return {
    async take(batch) {
      const request = withMemory(options, batch);
      return finishBatch(options, request, await prepareBatch(request));
    },
    release() {},
    async close() {},
  };
}

/** Worker threads prepare batches ahead of the loop. */
export function prefetchedBatches(options: PrefetchOptions): Epoch {
  const { spec, firstBatch, numBatches, workers, prefetch } = options;
  const pool = new WorkerPool(workers, spec);
  const requests = new Map<number, BatchRequest>();
  const submit = (batch: number) => {
    if (batch >= numBatches) return;
    const request = withMemory(options, batch);
    requests.set(batch, request);
    pool.submit(request);
  };
  for (let batch = firstBatch; batch < firstBatch + prefetch; batch++) submit(batch);
  return {
    async take(batch) {
      const prepared = await pool.take(batch);
      const request = requests.get(batch) as BatchRequest;
      requests.delete(batch);
      return finishBatch(options, request, prepared);
    },
    release: (batch) => submit(batch + prefetch),
    close: () => pool.close(),
  };
}

/**
 * Adds the memory for a batch to its request. Batches are taken in order, so the batch that used
 * this memory before has been released.
 */
function withMemory(options: EpochOptions, batch: number): BatchRequest {
  const { buffers, outputShape, requestBatch } = options;
  const request = requestBatch(batch);
  const buffer = buffers[batch % buffers.length];
  if (!buffer) return request;
  const length = request.samples.length * imageLength(outputShape);
  return { ...request, into: new Float32Array(buffer, 0, length) };
}

/** Runs the main-thread transforms where there are any. */
function finishBatch(
  { spec, mainThreadTransforms, outputShape, buffers }: EpochOptions,
  request: BatchRequest,
  prepared: PreparedBatch,
): BatchBuffer {
  const { parts = [], positions, count } = prepared;
  const length = count * imageLength(outputShape);
  const buffer = buffers[request.batch % buffers.length];
  if (buffer) return { prepared, values: new Float32Array(buffer, 0, length) };
  if (count === 0) return { prepared, values: new Float32Array(0) };
  const values = new Float32Array(length);
  const rng = batchRng({ ...spec, ...request, stage: 'main', positions });
  const nameAt = (i: number) => String(request.samples[(positions[i] as number) - request.start]);
  const name = `batch ${request.batch}`;
  const options = { rng, into: values, expected: outputShape, name };
  const single = parts.length === 1 ? parts[0] : undefined;
  const transforms = single ? mainThreadTransforms : [];
  const batch = single ?? transformParts(mainThreadTransforms, parts, { rng, nameAt });
  const { labels } = withContext(name, () => transformInto(transforms, batch, options));
  return { prepared: { ...prepared, labels }, values };
}

const imageLength = ([height, width, channels]: ImageShape) => height * width * channels;

export interface OrderOptions {
  /** The epoch's number, counted from 0. */
  readonly stream: number;
  readonly shuffle: boolean;
  readonly seed: number;
  readonly batchSize: number;
  /** Samples in an epoch; with `dropLast` the last ones of the order are left out. */
  readonly numSamples: number;
  /** The part of each batch to request. */
  readonly share?: Share | undefined;
}

/** Orders the samples of an epoch and returns the function that requests a batch by its number. */
export function orderEpoch(
  dataset: AnyDataset,
  { stream, shuffle, seed, batchSize, numSamples, share = { index: 0, of: 1 } }: OrderOptions,
): (batch: number) => BatchRequest {
  const total = numSamplesOf(dataset);
  const order = shuffle
    ? permutation(total, seed, stream)
    : Uint32Array.from({ length: total }, (_, i) => i);
  return (batch) => {
    const part = partOf(Math.min(batchSize, numSamples - batch * batchSize), share);
    const start = batch * batchSize + part.start;
    // A copy: posting a view to a worker would copy the whole order.
    const indices = order.slice(start, start + part.length);
    const samples = isFileDataset(dataset)
      ? Array.from(indices, (index) => dataset.files[index] as string)
      : indices;
    return { batch, start, samples, labels: gatherLabels(dataset, indices) };
  };
}

function gatherLabels(dataset: AnyDataset, indices: Uint32Array): BatchRequest['labels'] {
  const { labels } = dataset;
  if (!isFloat32Array(labels)) return Int32Array.from(indices, (index) => labels[index] as number);
  const size = labelSize(dataset);
  const gathered = new Float32Array(indices.length * size);
  indices.forEach((index, i) => {
    gathered.set(labels.subarray(index * size, (index + 1) * size), i * size);
  });
  return gathered;
}

type Values = Uint8Array | Float32Array;

/** A dataset's images are copied once, for all its loaders. */
const sharedCopies = new WeakMap<Values, Values>();

/** Copies values to shared memory, once. Later writes to `values` do not reach the copy. */
export function toSharedMemory(values: Values): Values {
  if (isSharedBuffer(values.buffer)) return values;
  let copy = sharedCopies.get(values);
  if (!copy) {
    const memory = sharedBuffer(values.byteLength);
    copy = isUint8Array(values) ? new Uint8Array(memory) : new Float32Array(memory);
    copy.set(values);
    sharedCopies.set(values, copy);
  }
  return copy;
}

/**
 * Memory that worker threads see too. A page that may not share memory has no workers either, so
 * that ordinary memory does.
 */
const sharedBuffer = (bytes: number): SharedArrayBuffer =>
  typeof SharedArrayBuffer === 'undefined'
    ? (new ArrayBuffer(bytes) as unknown as SharedArrayBuffer)
    : new SharedArrayBuffer(bytes);

/**
 * Allocates memory for `count` batches.
 * @throws RangeError when there is not enough memory
 */
export function allocateBuffers(count: number, bytes: number): SharedArrayBuffer[] {
  try {
    return Array.from({ length: count }, () => sharedBuffer(bytes));
  } catch (cause) {
    const mib = Math.ceil(bytes / 2 ** 20);
    throw new RangeError(
      `[data] DataLoader: expected memory for ${count} batches of ${mib} MiB, got ${cause}; ` +
        'lower "prefetch", "workers" or the batch size',
      { cause },
    );
  }
}
