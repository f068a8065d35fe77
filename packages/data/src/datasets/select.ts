/** Parts and combinations of datasets: `take`, `subset`, `split`, `concat`, `classCounts`. */
import {
  checkOptions,
  formatValue,
  isFloat32Array,
  isInt32Array,
  isUint8Array,
  rule,
} from '@deepend/core';
import { permutation } from '../random';
import type { AnyDataset, Dataset, FileDataset } from '../types';
import { checkDataset, isFileDataset, labelSize, numClassesOf, numSamplesOf } from './dataset';
import { givenOptions, originOf, recordOrigin } from './origin';

/**
 * Returns the first `count` samples of a dataset, as a view of the same memory.
 * @throws RangeError when it has fewer
 */
export function take<T extends AnyDataset>(dataset: T, count: number): T {
  const numSamples = numSamplesOf(dataset);
  if (!Number.isInteger(count) || count < 1 || count > numSamples) {
    throw new RangeError(
      `[data] take: expected an integer from 1 to ${numSamples}, got ${formatValue(count)}`,
    );
  }
  const labels = dataset.labels.subarray(0, count * labelSize(dataset));
  const part = isFileDataset(dataset)
    ? { ...dataset, files: dataset.files.slice(0, count), labels }
    : { ...dataset, images: dataset.images.subarray(0, count * imageLength(dataset)), labels };
  const of = originOf(dataset);
  return recordOrigin(part, of && { kind: 'take', of, count });
}

/**
 * Copies the samples at `indices`, in that order; an index may occur more than once.
 * @throws RangeError when there are no indices, or one is out of range
 */
export function subset<T extends AnyDataset>(dataset: T, indices: ArrayLike<number>): T {
  const where = '[data] subset';
  checkDataset(where, dataset);
  const numSamples = numSamplesOf(dataset);
  if (!(indices?.length > 0))
    throw new RangeError(`${where}: expected at least one index, got ${formatValue(indices)}`);
  const order = Array.from(indices);
  const bad = order.findIndex(
    (index) => !Number.isInteger(index) || index < 0 || index >= numSamples,
  );
  if (bad >= 0) {
    throw new RangeError(
      `${where}: expected integers from 0 to ${numSamples - 1}, ` +
        `got ${formatValue(order[bad])} at index ${bad}`,
    );
  }
  const labels = gather(dataset.labels, order, labelSize(dataset));
  if (isFileDataset(dataset))
    return { ...dataset, files: order.map((index) => dataset.files[index] as string), labels };
  return { ...dataset, images: gather(dataset.images, order, imageLength(dataset)), labels };
}

export interface SplitOptions {
  /** Seeds the random choice. @default 0 */
  seed?: number;
  /**
   * Whether each part has the dataset's proportion of each class, to within one sample.
   * @default false
   */
  stratified?: boolean;
}

const SPLIT = rule.object({
  seed: rule.seed().optional(),
  stratified: rule.boolean().optional(),
});

/**
 * Splits a dataset at random; each sample is in exactly one part.
 * @param fractions of each part, above 0, with the sum 1. Rounding changes the size of a part by
 *   less than one sample.
 * @returns a dataset for each fraction
 * @throws RangeError for fractions with another sum, or a part without samples
 * @example
 * const [train, valid] = split(dataset, [0.9, 0.1], { seed: 1, stratified: true });
 */
export function split<T extends AnyDataset, const F extends readonly number[]>(
  dataset: T,
  fractions: F,
  options: SplitOptions = {},
): { -readonly [Part in keyof F]: T } {
  const where = '[data] split';
  const { seed = 0, stratified = false } = checkOptions(where, SPLIT, options);
  checkDataset(where, dataset);
  const total = Array.isArray(fractions)
    ? fractions.reduce((sum, fraction) => sum + fraction, 0)
    : Number.NaN;
  if (!(Math.abs(total - 1) < 1e-6) || !fractions.every((fraction) => fraction > 0)) {
    throw new RangeError(
      `${where}: expected fractions above 0 that add up to 1, got ${formatValue(fractions)}`,
    );
  }
  const order = permutation(numSamplesOf(dataset), seed);
  const parts = fractions.map((): number[] => []);
  for (const group of stratified ? groupByClass(dataset, order) : [order])
    dealSamples(group, fractions, parts);
  const empty = parts.findIndex((part) => part.length === 0);
  if (empty >= 0) {
    throw new RangeError(
      `${where}: part ${empty} of ${order.length} samples would be empty; increase its fraction`,
    );
  }
  const of = originOf(dataset);
  const given = givenOptions(options);
  return parts.map((indices, part) =>
    recordOrigin(
      subset(dataset, indices),
      of && { kind: 'split', of, fractions, options: given, part },
    ),
  ) as { -readonly [Part in keyof F]: T };
}

/** Groups sample numbers by class, in the order given. */
function groupByClass(dataset: AnyDataset, order: Uint32Array): number[][] {
  const groups = Array.from({ length: numClassesOf(dataset) }, (): number[] => []);
  for (const index of order) groups[dataset.labels[index] as number]?.push(index);
  return groups;
}

/**
 * Deals the samples of a group to the parts by their fractions. Samples left over from rounding go
 * to the parts that lack most, counted over all groups so far; otherwise the same part would gain
 * from the rounding of each small class.
 */
function dealSamples(
  group: ArrayLike<number>,
  fractions: readonly number[],
  parts: number[][],
): void {
  const counts = fractions.map((fraction) => Math.floor(fraction * group.length + 1e-9));
  const dealt = parts.reduce((sum, part) => sum + part.length, 0) + group.length;
  const lack = fractions.map(
    (fraction, i) => fraction * dealt - (parts[i] as number[]).length - (counts[i] as number),
  );
  const leftOver = group.length - counts.reduce((sum, count) => sum + count, 0);
  const receivers = lack
    .map((_, i) => i)
    .filter((i) => (fractions[i] as number) * group.length - (counts[i] as number) > 1e-9);
  receivers.sort((a, b) => (lack[b] as number) - (lack[a] as number) || a - b);
  for (const i of receivers.slice(0, leftOver)) counts[i] = (counts[i] as number) + 1;
  let at = 0;
  counts.forEach((count, i) => {
    for (const end = at + count; at < end; at++) parts[i]?.push(group[at] as number);
  });
}

/**
 * Concatenates datasets by copying their samples. Mean, standard deviation and source are those of
 * the first.
 * @throws RangeError when their images, labels or class names differ in kind
 */
export function concat<T extends AnyDataset>(...datasets: readonly T[]): T {
  const where = '[data] concat';
  const [first] = datasets;
  if (!first) throw new RangeError(`${where}: expected at least one dataset, got none`);
  const expected = describeKind(first);
  for (const [i, dataset] of datasets.entries()) {
    checkDataset(where, dataset);
    const got = describeKind(dataset);
    if (got === expected) continue;
    throw new RangeError(
      `${where}: expected datasets like the first (${expected}), got ${got} as number ${i + 1}`,
    );
  }
  const labels = concatArrays(datasets.map((dataset) => dataset.labels));
  if (isFileDataset(first)) {
    const files = datasets.flatMap((dataset) => (dataset as FileDataset).files);
    return { ...first, files, labels };
  }
  const images = concatArrays(datasets.map((dataset) => (dataset as Dataset).images));
  return { ...first, images, labels };
}

/** Describes what must be equal in datasets that are concatenated. */
function describeKind(dataset: AnyDataset): string {
  const labels = isFloat32Array(dataset.labels)
    ? `${labelSize(dataset)} numbers per label`
    : 'class labels';
  const names = dataset.classNames
    ? `classes ${dataset.classNames.join(', ')}`
    : 'classes without names';
  if (isFileDataset(dataset)) return `files of ${dataset.channels} channels, ${labels}, ${names}`;
  const pixels = isUint8Array(dataset.images) ? 'uint8' : 'float32';
  return `${pixels} images of [${dataset.imageShape.join(', ')}], ${labels}, ${names}`;
}

/**
 * Counts the samples of each class, by class index.
 * @throws RangeError when labels are continuous values
 */
export function classCounts(dataset: AnyDataset): number[] {
  checkDataset('[data] classCounts', dataset);
  const counts = new Array<number>(numClassesOf(dataset)).fill(0);
  for (const label of dataset.labels) counts[label] = (counts[label] as number) + 1;
  return counts;
}

const imageLength = ({ imageShape: [height, width, channels] }: Dataset) =>
  height * width * channels;

type Numbers = Uint8Array | Int32Array | Float32Array;

/** Makes an array of the same type. */
function emptyLike<T extends Numbers>(array: T, length: number): T {
  if (isUint8Array(array)) return new Uint8Array(length) as T;
  return (isInt32Array(array) ? new Int32Array(length) : new Float32Array(length)) as T;
}

function gather<T extends Numbers>(array: T, order: readonly number[], size: number): T {
  const gathered = emptyLike(array, order.length * size);
  order.forEach((index, i) => {
    gathered.set(array.subarray(index * size, (index + 1) * size), i * size);
  });
  return gathered;
}

/** Concatenates arrays. Byte and int32 labels together become int32. */
function concatArrays<T extends Numbers>(arrays: readonly T[]): T {
  const widest = arrays.find((array) => isInt32Array(array)) ?? (arrays[0] as T);
  const length = arrays.reduce((sum, array) => sum + array.length, 0);
  const all = emptyLike(widest, length);
  let at = 0;
  for (const array of arrays) {
    all.set(array, at);
    at += array.length;
  }
  return all;
}
