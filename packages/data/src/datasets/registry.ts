/** The table of datasets that `loadDataset` knows: built-in ones and those that a program adds. */
import { checkOptions, closest, formatValue, rule } from '@deepend/core';
import type { AnyDataset } from '../types';
import { CIFAR_10, CIFAR_100 } from './cifar/specs';
import type { FindOptions } from './files/find';
import { EMNIST_LETTERS, FASHION_MNIST, KMNIST, MNIST } from './idx/specs';
import { type DatasetSpec, listFiles } from './spec';

/** A dataset that your own function makes: from a folder of images, a CSV file, a database. */
export interface CustomDataset {
  /** The name to show. @default the id */
  readonly title?: string;
  /** The name for `loadDataset`: lower case, digits and hyphens. */
  readonly id: string;
  /** Makes both splits. It may use `options`, which come from `loadDataset`. */
  readonly load: (options: FindOptions) => Promise<{ train: AnyDataset; test: AnyDataset }>;
}

/** An entry of the table: the datasets that `loadDataset` can load. */
export type DatasetEntry = DatasetSpec | CustomDataset;

/** A symbol of the process, so that ESM and CommonJS copies of this package share one table. */
const KEY = Symbol.for('deepend.data.sets');
const BUILT_IN = [FASHION_MNIST, MNIST, KMNIST, EMNIST_LETTERS, CIFAR_10, CIFAR_100];

function table(): Map<string, DatasetEntry> {
  const home = globalThis as { [KEY]?: Map<string, DatasetEntry> };
  home[KEY] ??= new Map(BUILT_IN.map((spec) => [spec.id, spec]));
  return home[KEY];
}

const ID = /^[a-z0-9]+(-[a-z0-9]+)*$/;
const SHA256 = /^[0-9a-f]{64}$/;

const id = () => rule.string({ pattern: ID, expected: 'lower case letters, digits and hyphens' });
const strings = () => rule.list(rule.string(), 'a list of strings');
const numbers = () => rule.list(rule.finiteNumber(), 'a list of numbers');

const CUSTOM = rule.object({
  title: rule.string().optional(),
  id: id(),
  load: rule.func<CustomDataset['load']>(),
});
const SPEC = rule.object({
  format: rule.oneOf(['idx', 'cifar']),
  title: rule.nonEmptyString('a string that is not empty'),
  id: id(),
  subfolders: strings(),
  systemFolders: strings(),
  debianPackage: rule.string().optional(),
  mirrors: strings(),
  archive: rule
    .custom<DatasetSpec['archive']>(
      isArchive,
      'a .tar.gz or .zip with "name", "bytes" and "sha256"',
    )
    .optional(),
  imageShape: rule.imageShape(),
  classNames: rule.list(rule.string(), 'a list of at least one string', { min: 1 }),
  mean: numbers(),
  std: numbers(),
  firstLabel: rule.nonNegativeInteger().optional(),
  transposed: rule.boolean().optional(),
  labelBytes: rule.positiveInteger().optional(),
  splits: rule.custom<DatasetSpec['splits']>(
    (value) => typeof value === 'object' && value !== null,
    'an object with "train" and "test"',
  ),
});

function isArchive(value: unknown): boolean {
  const { name, bytes, sha256 } = (value ?? {}) as Record<string, unknown>;
  return (
    /\.(tar\.gz|zip)$/.test(String(name)) && Number.isInteger(bytes) && SHA256.test(String(sha256))
  );
}

/**
 * Adds a dataset to those that `loadDataset` knows, like `DATA_HUB` in the book.
 * @throws TypeError or RangeError for an incomplete entry, or an id that is taken
 * @example
 * registerDataset({
 *   id: 'flowers',
 *   load: async ({ root = 'flowers' }) => {
 *     const [train, test] = split(await imageFolder(root), [0.8, 0.2], { stratified: true });
 *     return { train, test };
 *   },
 * });
 * const [trainIter, testIter] = await loadDataset('flowers', 32, { resize: [64, 64] });
 */
export function registerDataset(entry: DatasetEntry): void {
  const where = '[data] registerDataset';
  if (isCustomDataset(entry)) checkOptions(where, CUSTOM, entry);
  else checkSpec(where, entry);
  if (table().has(entry.id))
    throw new RangeError(`${where}: the id "${entry.id}" is taken; choose another one`);
  table().set(entry.id, entry);
}

/** Whether `loadDataset` finds this entry by its id. */
export const isRegistered = (entry: DatasetEntry): boolean => table().get(entry.id) === entry;

/** Whether your own function makes the dataset. */
export const isCustomDataset = (entry: DatasetEntry): entry is CustomDataset =>
  typeof entry === 'object' && entry !== null && 'load' in entry;

/** @throws TypeError or RangeError for an incomplete entry */
export function checkSpec(where: string, spec: DatasetSpec): void {
  checkOptions(where, SPEC, spec);
  for (const split of ['train', 'test'] as const) {
    const { numSamples } = spec.splits[split] ?? {};
    if (Number.isInteger(numSamples) && numSamples >= 1) continue;
    throw new RangeError(
      `${where}: option "splits.${split}.numSamples" must be an integer of at least 1, ` +
        `got ${formatValue(numSamples)}`,
    );
  }
  const files = listFiles(spec);
  const unnamed = files.find(
    (file) => typeof file?.name !== 'string' || /[/\\]/.test(file.name) || file.name === '',
  );
  if (unnamed !== undefined || files.length === 0) {
    throw new RangeError(
      `${where}: option "splits" must name each file, without folders, ` +
        `got ${formatValue(unnamed?.name)}`,
    );
  }
  const channels = spec.imageShape[2];
  if (spec.mean.length !== channels || spec.std.length !== channels) {
    throw new RangeError(
      `${where}: options "mean" and "std" must have a number for each of the ${channels} channels`,
    );
  }
}

/** Lists the ids of the datasets that `loadDataset` knows, in the order of registration. */
export function listDatasets(): string[] {
  return [...table().keys()];
}

/** Finds an entry by its id. @throws RangeError when there is none */
export function findEntry(where: string, id: string): DatasetEntry {
  const entry = table().get(id);
  if (entry) return entry;
  const near = closest(String(id), listDatasets());
  const hint = near
    ? `did you mean "${near}"?`
    : `known are ${listDatasets().join(', ')}; add others with registerDataset`;
  throw new RangeError(`${where}: there is no dataset ${formatValue(id)}; ${hint}`);
}
