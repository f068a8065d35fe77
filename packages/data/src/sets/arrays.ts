/** Batches of arrays in memory, of whatever shape: the book's `load_array`. */
import { checkOptions, formatValue, rule } from '@deepend/core';
import { Tensor, tensor } from '@tensorflow/tfjs-core';
import { permutation } from '../random';
import type { Batch, ImageShape } from '../types';

/** Numbers with a shape, row-major. */
export interface ShapedArray {
  readonly values: Float32Array | Int32Array | Uint8Array;
  readonly shape: readonly number[];
}

type Nested = readonly number[] | readonly Nested[];

/**
 * An array in any of the forms it comes in. A typed array alone has the shape `[length]`; a tensor
 * is read and stays the caller's.
 */
export type ArrayData = Nested | Float32Array | Int32Array | Uint8Array | ShapedArray | Tensor;

export interface LoadArrayOptions {
  /** Whether each epoch has an order of its own. @default true */
  shuffle?: boolean;
  /** What the orders depend on. @default 0 */
  seed?: number;
}

/**
 * A loader over arrays: each `for await` over it is one epoch. Whoever takes a batch disposes it.
 */
export interface ArrayLoader extends AsyncIterable<Batch> {
  readonly numSamples: number;
  readonly numBatches: number;
  readonly batchSize: number;
  /** Where features are `[numSamples, height, width, channels]`. */
  readonly imageShape?: ImageShape;
  /** Where labels are class indices: one more than the largest. */
  readonly numClasses?: number;
}

const OPTIONS = rule.object({
  batchSize: rule.positiveInteger(),
  shuffle: rule.boolean().optional(),
  seed: rule.nonNegativeInteger().optional(),
});

/**
 * Batches of two arrays side by side, as they are: nothing is scaled. Features become float32.
 * Labels in an Int32Array, a Uint8Array or
 * an int32 tensor are class indices and become int32 `[batch]`; all other labels are numbers and
 * become float32.
 *
 * @param arrays features `[numSamples, ...]` and labels `[numSamples]` or `[numSamples, ...]`
 * @param batchSize samples in a batch; the last one of an epoch may be smaller
 * @throws TypeError or RangeError for arrays that are ragged, not of one length or hold what is no
 *   number
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
  const features = floats(shaped(where, 'features', arrays[0]));
  const labels = withKind(shaped(where, 'labels', arrays[1]));
  const numSamples = features.shape[0] ?? 0;
  if (numSamples !== labels.shape[0]) {
    throw new RangeError(
      `${where}: expected a label for each of the ${numSamples} samples, got ${labels.shape[0]} labels`,
    );
  }
  let epoch = 0;
  async function* batches(order: Uint32Array): AsyncGenerator<Batch, void, undefined> {
    for (let start = 0; start < numSamples; start += batchSize) {
      const rows = order.subarray(start, start + batchSize);
      yield { features: rowsOf(features, rows), labels: rowsOf(labels, rows) };
    }
  }
  const [, ...shape] = features.shape;
  return {
    numSamples,
    batchSize,
    numBatches: Math.ceil(numSamples / batchSize),
    ...(shape.length === 3 && { imageShape: shape as unknown as ImageShape }),
    ...(labels.values instanceof Int32Array && {
      numClasses: 1 + labels.values.reduce((a, b) => Math.max(a, b), -1),
    }),
    [Symbol.asyncIterator]() {
      const place = epoch++;
      return batches(
        shuffle
          ? permutation(numSamples, seed, place)
          : Uint32Array.from({ length: numSamples }, (_, i) => i),
      );
    },
  };
}

/** A new tensor of the rows at `indices`. */
function rowsOf({ values, shape: [, ...rest] }: ShapedArray, indices: Uint32Array): Tensor {
  const size = rest.reduce((product, length) => product * length, 1);
  // Engines keep the array they are given, so each batch has its own.
  const rows =
    values instanceof Int32Array
      ? new Int32Array(indices.length * size)
      : new Float32Array(indices.length * size);
  indices.forEach((index, i) => {
    rows.set(values.subarray(index * size, (index + 1) * size), i * size);
  });
  return tensor(rows, [indices.length, ...rest], rows instanceof Int32Array ? 'int32' : 'float32');
}

const floats = ({ values, shape }: ShapedArray): ShapedArray => ({
  values: Float32Array.from(values),
  shape,
});

/** Labels as they will be given out: class indices as int32, numbers as float32. */
function withKind({ values, shape }: ShapedArray): ShapedArray {
  return values instanceof Float32Array
    ? { values, shape }
    : { values: Int32Array.from(values), shape };
}

/** @throws TypeError or RangeError, naming the array, for what is no array of numbers */
function shaped(where: string, name: string, data: ArrayData): ShapedArray {
  const array = read(where, name, data);
  const { values, shape } = array;
  const size = shape.reduce((product, length) => product * length, 1);
  if (shape.length === 0 || size === 0 || size !== values.length) {
    throw new RangeError(
      `${where}: expected ${name} of at least one sample, got the shape [${shape.join(', ')}] and ${values.length} numbers`,
    );
  }
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0)
    throw new RangeError(
      `${where}: expected ${name} that are finite numbers, got ${values[bad]} at place ${bad}`,
    );
  return array;
}

function read(where: string, name: string, data: ArrayData): ShapedArray {
  if (isTyped(data)) return { values: data, shape: [data.length] };
  if (data instanceof Tensor)
    return { values: data.dataSync<'float32' | 'int32'>().slice(), shape: data.shape };
  if (Array.isArray(data)) {
    const shape = shapeOf(data);
    const values: number[] = [];
    flatten(data as Nested, shape, values, (got) => {
      throw new RangeError(
        `${where}: expected ${name} of one shape, [${shape.join(', ')}] by its first row, got ${got}`,
      );
    });
    return { values: Float32Array.from(values), shape };
  }
  const { values, shape } = (data ?? {}) as ShapedArray;
  if (isTyped(values) && Array.isArray(shape)) return { values, shape };
  throw new TypeError(
    `${where}: expected ${name} as an array, a typed array, a tensor or { values, shape }, got ${formatValue(data)}`,
  );
}

const isTyped = (data: unknown): data is ShapedArray['values'] =>
  data instanceof Float32Array || data instanceof Int32Array || data instanceof Uint8Array;

/** The shape of a nested array, by the first element at each depth. */
function shapeOf(data: unknown): number[] {
  return Array.isArray(data) ? [data.length, ...shapeOf(data[0])] : [];
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
