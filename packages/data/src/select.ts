/** Parts of data sets and sets put together: `take`, `subset`, `split`, `concat`, `classCounts`. */
import { checkOptions, formatValue, rule } from '@deepend/core';
import { checkDataset, isFileDataset, labelSizeOf, numClassesOf, numSamplesOf } from './dataset';
import { permutation } from './random';
import type { AnyDataset, Dataset, FileDataset } from './types';

/**
 * The first `count` samples of a set, as a view of the same memory. @throws RangeError when it has
 * fewer
 */
export function take<T extends AnyDataset>(dataset: T, count: number): T {
  const numSamples = numSamplesOf(dataset);
  if (!Number.isInteger(count) || count < 1 || count > numSamples) {
    throw new RangeError(
      `[data] take: expected an integer from 1 to ${numSamples}, got ${formatValue(count)}`,
    );
  }
  const labels = dataset.labels.subarray(0, count * labelSizeOf(dataset));
  if (isFileDataset(dataset)) return { ...dataset, files: dataset.files.slice(0, count), labels };
  return { ...dataset, images: dataset.images.subarray(0, count * sizeOf(dataset)), labels };
}

/**
 * The samples at `indices`, in that order, copied; an index may occur more than once.
 * @throws RangeError when there are none, or one is no sample
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
      `${where}: expected integers from 0 to ${numSamples - 1}, got ${formatValue(order[bad])} at place ${bad}`,
    );
  }
  const labels = gather(dataset.labels, order, labelSizeOf(dataset));
  if (isFileDataset(dataset))
    return { ...dataset, files: order.map((index) => dataset.files[index] as string), labels };
  return { ...dataset, images: gather(dataset.images, order, sizeOf(dataset)), labels };
}

export interface SplitOptions {
  /** What the parts depend on. @default 0 */
  seed?: number;
  /**
   * Whether each part has each class in the set's own proportion, to within one sample. @default
   * false
   */
  stratified?: boolean;
}

const SPLIT = rule.object({
  seed: rule.nonNegativeInteger().optional(),
  stratified: rule.boolean().optional(),
});

/**
 * Cuts a set into parts at random; each sample is in exactly one of them.
 * @param fractions the share of each part, above 0; together 1. Sizes are rounded so that no part
 *   is off by a sample or more.
 * @returns a set for each fraction
 * @throws RangeError for fractions that do not add up, or a part without samples
 * @example
 * const [train, valid] = split(dataset, [0.9, 0.1], { seed: 1, stratified: true });
 */
export function split<T extends AnyDataset>(
  dataset: T,
  fractions: readonly number[],
  options: SplitOptions = {},
): T[] {
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
  for (const group of stratified ? byClass(dataset, order) : [order]) deal(group, fractions, parts);
  const empty = parts.findIndex((part) => part.length === 0);
  if (empty >= 0) {
    throw new RangeError(
      `${where}: part ${empty} of ${order.length} samples would have none; make its fraction larger`,
    );
  }
  return parts.map((part) => subset(dataset, part));
}

/** Sample numbers of each class, in the order given. */
function byClass(dataset: AnyDataset, order: Uint32Array): number[][] {
  const groups = Array.from({ length: numClassesOf(dataset) }, (): number[] => []);
  for (const index of order) groups[dataset.labels[index] as number]?.push(index);
  return groups;
}

/**
 * Deals samples to parts by their fractions. What rounding leaves over goes to the parts that lack
 * most by then, counted over all
 * groups dealt so far: so rounding of many small classes does not add up to one part's gain.
 */
function deal(group: ArrayLike<number>, fractions: readonly number[], parts: number[][]): void {
  const counts = fractions.map((fraction) => Math.floor(fraction * group.length + 1e-9));
  const dealt = parts.reduce((sum, part) => sum + part.length, 0) + group.length;
  const lack = fractions.map(
    (fraction, i) => fraction * dealt - (parts[i] as number[]).length - (counts[i] as number),
  );
  const owed = group.length - counts.reduce((sum, count) => sum + count, 0);
  const receivers = lack
    .map((_, i) => i)
    .filter((i) => (fractions[i] as number) * group.length - (counts[i] as number) > 1e-9);
  receivers.sort((a, b) => (lack[b] as number) - (lack[a] as number) || a - b);
  for (const i of receivers.slice(0, owed)) counts[i] = (counts[i] as number) + 1;
  let at = 0;
  counts.forEach((count, i) => {
    for (const end = at + count; at < end; at++) parts[i]?.push(group[at] as number);
  });
}

/**
 * All samples of several sets, one set after another, copied. Mean, deviation and source are the
 * first set's.
 * @throws RangeError when their images, labels or class names are not of one kind
 */
export function concat<T extends AnyDataset>(...datasets: readonly T[]): T {
  const where = '[data] concat';
  const [first] = datasets;
  if (!first) throw new RangeError(`${where}: expected at least one set, got none`);
  for (const [i, dataset] of datasets.entries()) {
    checkDataset(where, dataset);
    const [expected, got] = [kindOf(first), kindOf(dataset)];
    if (got !== expected)
      throw new RangeError(
        `${where}: expected sets like the first (${expected}), got ${got} as number ${i + 1}`,
      );
  }
  const labels = joined(datasets.map((dataset) => dataset.labels));
  if (isFileDataset(first))
    return {
      ...first,
      files: datasets.flatMap((dataset) => (dataset as FileDataset).files),
      labels,
    };
  return {
    ...first,
    images: joined(datasets.map((dataset) => (dataset as Dataset).images)),
    labels,
  };
}

/** What must be the same in sets that are put together. */
function kindOf(dataset: AnyDataset): string {
  const labels =
    dataset.labels instanceof Float32Array
      ? `${labelSizeOf(dataset)} numbers a label`
      : 'class labels';
  const names = dataset.classNames
    ? `classes ${dataset.classNames.join(', ')}`
    : 'classes without names';
  if (isFileDataset(dataset)) return `files of ${dataset.channels} channels, ${labels}, ${names}`;
  const pixels = dataset.images instanceof Uint8Array ? 'uint8' : 'float32';
  return `${pixels} images of [${dataset.imageShape.join(', ')}], ${labels}, ${names}`;
}

/** How many samples each class has, by class index. @throws RangeError when labels are numbers */
export function classCounts(dataset: AnyDataset): number[] {
  checkDataset('[data] classCounts', dataset);
  const counts = new Array<number>(numClassesOf(dataset)).fill(0);
  for (const label of dataset.labels) counts[label] = (counts[label] as number) + 1;
  return counts;
}

const sizeOf = ({ imageShape: [height, width, channels] }: Dataset) => height * width * channels;

type Numbers = Uint8Array | Int32Array | Float32Array;

/** A new array of the kind of another. */
function like<T extends Numbers>(array: T, length: number): T {
  const Kind =
    array instanceof Uint8Array
      ? Uint8Array
      : array instanceof Int32Array
        ? Int32Array
        : Float32Array;
  return new Kind(length) as T;
}

function gather<T extends Numbers>(array: T, order: readonly number[], size: number): T {
  const gathered = like(array, order.length * size);
  order.forEach((index, i) => {
    gathered.set(array.subarray(index * size, (index + 1) * size), i * size);
  });
  return gathered;
}

/** One array after another. Labels of bytes and of int32 become int32 together. */
function joined<T extends Numbers>(arrays: readonly T[]): T {
  const widest = arrays.find((array) => array instanceof Int32Array) ?? (arrays[0] as T);
  const all = like(
    widest,
    arrays.reduce((sum, array) => sum + array.length, 0),
  );
  let at = 0;
  for (const array of arrays) {
    all.set(array, at);
    at += array.length;
  }
  return all;
}
