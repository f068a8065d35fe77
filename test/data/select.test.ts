import {
  type AnyDataset,
  arrayDataset,
  classCounts,
  concat,
  type Dataset,
  type FileDataset,
  numSamplesOf,
  split,
  subset,
  take,
} from '@deepend/data';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { runsOf } from '../helpers/full';

/** Sets whose samples can be told apart, in memory and in files. */
const memory = (labels: readonly number[]): Dataset =>
  arrayDataset({
    images: Uint8Array.from(labels.flatMap((_, i) => [i % 256, i >> 8])),
    labels: Uint8Array.from(labels),
    imageShape: [2, 1, 1],
    classNames: ['a', 'b', 'c', 'd'],
  });
const files = (labels: readonly number[]): FileDataset => ({
  files: labels.map((_, i) => `${i}.png`),
  labels: Int32Array.from(labels),
  channels: 3,
  classNames: ['a', 'b', 'c', 'd'],
});
/** Which sample of the first set each one is, with its label. */
function samples(dataset: AnyDataset): string[] {
  const at = (i: number) =>
    'files' in dataset
      ? Number.parseInt(dataset.files[i] as string, 10)
      : (dataset.images[2 * i] ?? 0) + 256 * (dataset.images[2 * i + 1] ?? 0);
  return Array.from({ length: numSamplesOf(dataset) }, (_, i) => `${at(i)}:${dataset.labels[i]}`);
}

const labelLists = fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 60 });
const kinds = fc.constantFrom(memory, files);
const parts = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 });
const shares = (weights: number[]) =>
  weights.map((weight) => weight / weights.reduce((a, b) => a + b, 0));

describe('take, subset and concat', () => {
  it('take returns the beginning, subset any choice, and concat restores the whole', () => {
    fc.assert(
      fc.property(
        kinds,
        labelLists,
        fc.nat(),
        fc.array(fc.nat(), { minLength: 1 }),
        (make, labels, at, picks) => {
          const set: AnyDataset = make(labels);
          const all = samples(set);
          const count = 1 + (at % all.length);
          expect(samples(take(set, count))).toEqual(all.slice(0, count));
          const indices = picks.map((pick) => pick % all.length);
          expect(samples(subset(set, indices))).toEqual(indices.map((index) => all[index]));
          const rest = all.map((_, i) => i).slice(count);
          const whole = rest.length > 0 ? concat(take(set, count), subset(set, rest)) : concat(set);
          expect(samples(whole)).toEqual(all);
        },
      ),
    );
  });

  it('a view shares memory, a copy does not', () => {
    const set = memory([0, 1, 2]);
    expect(take(set, 2).images.buffer).toBe(set.images.buffer);
    expect(subset(set, [0]).images.buffer).not.toBe(set.images.buffer);
    expect(concat(set).images.buffer).not.toBe(set.images.buffer);
  });

  it('keeps labels that are numbers, several to an image', () => {
    const set: Dataset = {
      images: new Float32Array([1, 2, 3]),
      labels: new Float32Array([1, 2, 3, 4, 5, 6]),
      labelSize: 2,
      imageShape: [1, 1, 1],
    };
    expect(numSamplesOf(set)).toBe(3);
    expect([...subset(set, [2, 0]).labels]).toEqual([5, 6, 1, 2]);
    expect([...take(set, 2).labels]).toEqual([1, 2, 3, 4]);
    expect([...concat(set, take(set, 1)).labels]).toEqual([1, 2, 3, 4, 5, 6, 1, 2]);
    expect([...concat(set, take(set, 1)).images]).toEqual([1, 2, 3, 1]);
    expect(split(set, [0.5, 0.5]).map(numSamplesOf).sort()).toEqual([1, 2]);
  });

  it('bytes and int32 labels become int32 together', () => {
    const [small, large] = [memory([0, 1]), { ...memory([0, 1]), labels: Int32Array.of(2, 3) }];
    expect(concat<Dataset>(small, large).labels).toEqual(Int32Array.of(0, 1, 2, 3));
  });
});

describe('split', () => {
  it('gives each sample to exactly one part, sizes to within one, the same for the same seed', () => {
    fc.assert(
      fc.property(
        kinds,
        labelLists,
        parts,
        fc.nat(),
        fc.boolean(),
        (make, labels, weights, seed, stratified) => {
          const set: AnyDataset = make(labels);
          const fractions = shares(weights);
          let found: AnyDataset[];
          try {
            found = split(set, fractions, { seed, stratified });
          } catch (error) {
            expect((error as Error).message).toMatch(/part \d of \d+ samples would be empty/);
            return;
          }
          expect(found.flatMap(samples).sort()).toEqual(samples(set).sort());
          expect(split(set, fractions, { seed, stratified }).map(samples)).toEqual(
            found.map(samples),
          );
          if (!stratified) {
            found.forEach((part, i) => {
              expect(
                Math.abs(numSamplesOf(part) - (fractions[i] as number) * labels.length),
              ).toBeLessThan(1);
            });
            return;
          }
          const totals = classCounts(set);
          found.forEach((part, i) => {
            classCounts(part).forEach((count, label) => {
              expect(
                Math.abs(count - (fractions[i] as number) * (totals[label] as number)),
              ).toBeLessThan(1);
            });
          });
        },
      ),
      { numRuns: runsOf(300) },
    );
  });

  it('differs for another seed', () => {
    const set = memory(Array.from({ length: 50 }, (_, i) => i % 4));
    expect(samples(split(set, [0.5, 0.5], { seed: 1 })[0] as Dataset)).not.toEqual(
      samples(split(set, [0.5, 0.5], { seed: 2 })[0] as Dataset),
    );
  });

  it('stratified, does not let rounding of many classes starve a part', () => {
    const names = Array.from({ length: 100 }, (_, i) => `c${i}`);
    const labels = Array.from({ length: 500 }, (_, i) => i % 100); // five of each class
    const [, valid] = split({ ...files(labels), classNames: names }, [0.9, 0.1], {
      stratified: true,
    });
    expect(numSamplesOf(valid as FileDataset)).toBe(50);
  });
});

describe('classCounts', () => {
  it('counts each class, also those without samples', () => {
    expect(classCounts(memory([0, 2, 2]))).toEqual([1, 0, 2, 0]);
    const { classNames: _, ...unnamed } = files([3, 3]);
    expect(classCounts(unnamed)).toEqual([0, 0, 0, 2]);
  });
});

const set = memory([0, 1, 2]);
const cases: [string, () => unknown, RegExp][] = [
  [
    'take of more than there is',
    () => take(set, 4),
    /take: expected an integer from 1 to 3, got 4/,
  ],
  ['take of nothing', () => take(files([0]), 0), /from 1 to 1, got 0/],
  ['subset of nothing', () => subset(set, []), /subset: expected at least one index, got \[\]/],
  [
    'a sample beyond the last',
    () => subset(set, [0, 3]),
    /expected integers from 0 to 2, got 3 at index 1/,
  ],
  ['half a sample', () => subset(set, [0.5]), /got 0\.5 at index 0/],
  [
    'no indices',
    () => subset(set, undefined as never),
    /expected at least one index, got undefined/,
  ],
  [
    'fractions that do not add up',
    () => split(set, [0.5, 0.4]),
    /split: expected fractions above 0 that add up to 1, got \[0\.5, 0\.4\]/,
  ],
  ['a fraction of 0', () => split(set, [1, 0]), /fractions above 0/],
  ['no fractions', () => split(set, []), /fractions above 0/],
  ['a number for fractions', () => split(set, 0.5 as never), /got 0\.5/],
  [
    'a part of nothing',
    () => split(set, [0.9, 0.1]),
    /part 1 of 3 samples would be empty; increase its fraction/,
  ],
  [
    'an unknown option',
    () => split(set, [1], { stratify: true } as never),
    /there is no option "stratify"; it has "seed", "stratified"/,
  ],
  [
    'a split of numbers by class',
    () => split({ ...set, labels: new Float32Array(3) }, [1], { stratified: true }),
    /class indices, got float32 values/,
  ],
  ['concat of nothing', () => concat(), /concat: expected at least one dataset, got none/],
  [
    'concat of other shapes',
    () => concat(set, { ...set, imageShape: [1, 2, 1] }),
    /like the first \(uint8 images of \[2, 1, 1\], .*\), got uint8 images of \[1, 2, 1\].* as number 2/,
  ],
  [
    'concat of other classes',
    () => concat(set, { ...set, classNames: ['x', 'y', 'z'] }),
    /got .*classes x, y, z as number 2/,
  ],
  [
    'concat of files and memory',
    () => concat<AnyDataset>(set, files([0])),
    /got files of 3 channels/,
  ],
  [
    'counts of numbers',
    () => classCounts({ ...set, labels: new Float32Array(3) }),
    /class indices, got float32 values/,
  ],
  [
    'no set at all',
    () => classCounts({} as never),
    /expected a dataset with "labels" and "images" or "files"/,
  ],
  [
    'images in no typed array',
    () => arrayDataset({ ...set, images: [1] as never }),
    /expected images in a Uint8Array or a Float32Array, got \[1\]/,
  ],
  [
    'a label that is no number',
    () => arrayDataset({ ...set, labels: Float32Array.of(0, Number.NaN, 1) }),
    /labels that are finite numbers, got NaN at index 1/,
  ],
  [
    'several numbers to a class label',
    () => arrayDataset({ ...set, labelSize: 3 }),
    /"labelSize" of 1, or more if labels are float32, got 3/,
  ],
  [
    'a label below 0',
    () => arrayDataset({ ...set, labels: Int32Array.of(0, -1, 1) }),
    /expected labels from 0 to 3, got -1 for sample 1/,
  ],
  [
    'a label that is an id and not a class',
    () =>
      classCounts({
        images: new Uint8Array(2),
        imageShape: [1, 1, 1],
        labels: Int32Array.of(0, 2147483646),
      }),
    /expected labels from 0 to 1048575, got 2147483646 for sample 1/,
  ],
  [
    'fewer labels than files',
    () => classCounts({ ...files([0, 1]), labels: Int32Array.of(0) }),
    /a label for each of the 2 files, got 1 labels/,
  ],
  [
    'two channels',
    () => classCounts({ ...files([0]), channels: 2 as never }),
    /expected 1 or 3 channels, got 2/,
  ],
];
it.each(cases)('refuses %s', (_, act, message) => {
  expect(act).toThrow(message);
});
