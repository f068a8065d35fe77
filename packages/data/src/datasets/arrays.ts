/** Loads batches of arrays of any shape: the book's `load_array`. */
import {
  checkOptions,
  epochLoops,
  formatValue,
  isFloat32Array,
  isInt32Array,
  isUint8Array,
  type LoaderState,
  rule,
} from '@deepend/core';
import { Tensor, tensor } from '@tensorflow/tfjs-core';
import { permutation } from '../random';
import type { Batch, ImageShape } from '../types';
import { MAX_CLASSES } from './dataset';

/** Numbers with a shape, in row-major order. */
export interface ShapedArray {
  readonly values: Float32Array | Int32Array | Uint8Array;
  readonly shape: readonly number[];
}

type Nested = readonly number[] | readonly Nested[];

/**
 * An array in any form. A plain typed array has the shape `[length]`. A tensor is read; the caller
 * still owns it.
 */
export type ArrayData = Nested | Float32Array | Int32Array | Uint8Array | ShapedArray | Tensor;

export interface LoadArrayOptions {
  /** Whether to shuffle the samples in each epoch. @default true */
  shuffle?: boolean;
  /** Seeds the order of each epoch. @default 0 */
  seed?: number;
}

/** A loader of arrays; each `for await` over it is one epoch. The caller disposes each batch. */
export interface ArrayLoader extends AsyncIterable<Batch> {
  readonly numSamples: number;
  readonly numBatches: number;
  readonly batchSize: number;
  /** Only if features are `[numSamples, height, width, channels]`. */
  readonly inputShape?: ImageShape;
  /** Only if labels are class indices: one more than the largest. */
  readonly numClasses?: number;
  /** The position in the data, with which a run resumes. */
  state(): LoaderState;
  /**
   * Makes the next loop start where `state` was taken.
   * @throws RangeError when this loader has no such position
   */
  restore(state: LoaderState): void;
  /** What decides the batches besides the data: a run is resumed only with the same. */
  config(): { seed: number; shuffle: boolean };
}

const OPTIONS = rule.object({
  batchSize: rule.positiveInteger(),
  shuffle: rule.boolean().optional(),
  seed: rule.seed().optional(),
});

/**
 * Makes a loader of two arrays. Features in an Int32Array or an int32 tensor, such as tokens, are
 * int32; all others become float32 and are not scaled. Labels in an Int32Array, a Uint8Array or an
 * int32 tensor are class indices and become int32; all other labels are continuous values and
 * become float32. The book's `load_array`: d2l 23.7, zh 3.3.
 *
 * @param arrays features `[numSamples, ...]` and labels `[numSamples]` or `[numSamples, ...]`
 * @param batchSize samples in a batch; the last batch of an epoch may be smaller
 * @throws TypeError or RangeError for arrays that are ragged, differ in length or contain anything
 *   but finite numbers
 * @example
 * const [features, labels] = syntheticData([2, -3.4], 4.2, 1000);
 * for await (const batch of loadArray([features, labels], 10)) {
 *   // features [10, 2], labels [10, 1]
 * }
 */
export function loadArray(
  arrays: readonly [features: ArrayData, labels: ArrayData],
  batchSize: number,
  options: LoadArrayOptions = {},
): ArrayLoader {
  const where = '[data] loadArray';
  const { shuffle = true, seed = 0 } = checkOptions(where, OPTIONS, { ...options, batchSize });
  if (!Array.isArray(arrays) || arrays.length !== 2)
    throw new TypeError(`${where}: expected [features, labels], got ${formatValue(arrays)}`);
  const features = asFeatures(toShapedArray(where, 'features', arrays[0]));
  const labels = asLabels(toShapedArray(where, 'labels', arrays[1]));
  const numSamples = features.shape[0] ?? 0;
  if (numSamples !== labels.shape[0]) {
    throw new RangeError(
      `${where}: expected a label for each of the ${numSamples} samples, ` +
        `got ${labels.shape[0]} labels`,
    );
  }
  const numClasses = countClasses(where, labels);
  const numBatches = Math.ceil(numSamples / batchSize);
  const loops = epochLoops(where, {
    ...{ numBatches, config: { seed, shuffle } },
    prepare: (epoch) => {
      const order = shuffle
        ? permutation(numSamples, seed, epoch - 1)
        : Uint32Array.from({ length: numSamples }, (_, i) => i);
      return (batch): Batch => {
        const rows = order.subarray(batch * batchSize, (batch + 1) * batchSize);
        return { features: takeRows(features, rows), labels: takeRows(labels, rows) };
      };
    },
  });
  const [, ...shape] = features.shape;
  return {
    numSamples,
    batchSize,
    numBatches,
    ...(shape.length === 3 && { inputShape: shape as unknown as ImageShape }),
    ...(numClasses !== undefined && { numClasses }),
    ...loops,
  };
}

/** Makes a tensor of the rows at `indices`. */
function takeRows({ values, shape: [, ...rest] }: ShapedArray, indices: Uint32Array): Tensor {
  const size = rest.reduce((product, length) => product * length, 1);
  // Backends may keep the array, so each batch gets a new one.
  const Values = isInt32Array(values) ? Int32Array : Float32Array;
  const rows = new Values(indices.length * size);
  indices.forEach((index, i) => {
    rows.set(values.subarray(index * size, (index + 1) * size), i * size);
  });
  return tensor(rows, [indices.length, ...rest], isInt32Array(rows) ? 'int32' : 'float32');
}

/** Converts features to the type of the batches: int32 for integers, float32 otherwise. */
const asFeatures = ({ values, shape }: ShapedArray): ShapedArray => ({
  values: isInt32Array(values) ? values : Float32Array.from(values),
  shape,
});

/** Converts labels to the type of the batches: int32 for class indices, float32 otherwise. */
function asLabels({ values, shape }: ShapedArray): ShapedArray {
  return isFloat32Array(values) ? { values, shape } : { values: Int32Array.from(values), shape };
}

/** @returns one more than the largest class index, or undefined for continuous labels */
function countClasses(where: string, { values }: ShapedArray): number | undefined {
  if (!isInt32Array(values)) return undefined;
  const largest = values.reduce((a, b) => Math.max(a, b), -1);
  if (largest < MAX_CLASSES) return largest + 1;
  throw new RangeError(
    `${where}: expected class indices below ${MAX_CLASSES}, got ${largest}; ` +
      'pass continuous labels in a Float32Array',
  );
}

/** @throws TypeError or RangeError, naming the array, for anything but an array of numbers */
function toShapedArray(where: string, name: string, data: ArrayData): ShapedArray {
  const array = readArray(where, name, data);
  const { values, shape } = array;
  const size = shape.reduce((product, length) => product * length, 1);
  if (shape.length === 0 || size === 0 || size !== values.length) {
    throw new RangeError(
      `${where}: expected ${name} of at least one sample, ` +
        `got the shape [${shape.join(', ')}] and ${values.length} numbers`,
    );
  }
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0)
    throw new RangeError(
      `${where}: expected ${name} that are finite numbers, got ${values[bad]} at index ${bad}`,
    );
  return array;
}

function readArray(where: string, name: string, data: ArrayData): ShapedArray {
  if (isTyped(data)) return { values: data, shape: [data.length] };
  if (data instanceof Tensor)
    return { values: data.dataSync<'float32' | 'int32'>().slice(), shape: data.shape };
  if (Array.isArray(data)) {
    const shape = nestedShape(data);
    const values: number[] = [];
    flatten(data as Nested, shape, values, (got) => {
      throw new RangeError(
        `${where}: expected ${name} of the shape [${shape.join(', ')}], as in its first row, ` +
          `got ${got}`,
      );
    });
    return { values: Float32Array.from(values), shape };
  }
  const { values, shape } = (data ?? {}) as ShapedArray;
  if (isTyped(values) && Array.isArray(shape)) return { values, shape };
  throw new TypeError(
    `${where}: expected ${name} as an array, a typed array, a tensor or { values, shape }, ` +
      `got ${formatValue(data)}`,
  );
}

const isTyped = (data: unknown): data is ShapedArray['values'] =>
  isFloat32Array(data) || isInt32Array(data) || isUint8Array(data);

/** Returns the shape of a nested array, by the first element at each depth. */
function nestedShape(data: unknown): number[] {
  return Array.isArray(data) ? [data.length, ...nestedShape(data[0])] : [];
}

function flatten(
  data: Nested | number,
  [length, ...rest]: readonly number[],
  into: number[],
  bad: (got: string) => never,
): void {
  if (length === undefined) {
    if (typeof data !== 'number') bad(formatValue(data));
    into.push(data as number);
    return;
  }
  if (!Array.isArray(data) || data.length !== length)
    bad(Array.isArray(data) ? `a row of ${data.length}` : formatValue(data));
  for (const element of data as readonly (Nested | number)[]) flatten(element, rest, into, bad);
}
