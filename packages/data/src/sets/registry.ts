/**
 * The table of sets that `loadDataset` knows by name: deepend's own and those that a program adds.
 */
import { checkOptions, closest, formatValue, rule } from '@deepend/core';
import type { FindOptions } from '../find';
import { filesOf, type SetSpec } from '../specs';
import type { AnyDataset } from '../types';
import { CIFAR_10, CIFAR_100 } from './cifar-sets';
import { EMNIST_LETTERS, FASHION_MNIST, KMNIST, MNIST } from './idx-sets';

/**
 * A set that is made by a function of one's own: from a folder of images, a CSV file, a database.
 */
export interface CustomSet {
  /** Its name for people. @default the id */
  readonly title?: string;
  /** Its name for `loadDataset`: small letters, digits and hyphens. */
  readonly id: string;
  /** Makes both halves, from where `options` say if it likes. */
  readonly load: (options: FindOptions) => Promise<{ train: AnyDataset; test: AnyDataset }>;
}

/** What `loadDataset` can load. */
export type AnySet = SetSpec | CustomSet;

/** Under a symbol of the process: an ESM and a CommonJS copy of this package share one table. */
const KEY = Symbol.for('deepend.data.sets');
const table = (): Map<string, AnySet> => {
  const home = globalThis as { [KEY]?: Map<string, AnySet> };
  home[KEY] ??= new Map(
    [FASHION_MNIST, MNIST, KMNIST, EMNIST_LETTERS, CIFAR_10, CIFAR_100].map((row) => [row.id, row]),
  );
  return home[KEY];
};

const ID = /^[a-z0-9]+(-[a-z0-9]+)*$/;
const SHA256 = /^[0-9a-f]{64}$/;

const CUSTOM = rule.object({
  title: rule.string().optional(),
  id: rule.string().regex(ID, 'small letters, digits and hyphens'),
  load: rule.func<CustomSet['load']>(),
});
const texts = () => rule.list(rule.string(), 'a list of strings');
const numbers = () => rule.list(rule.finiteNumber(), 'a list of numbers');
const ROW = rule.object({
  format: rule.oneOf(['idx', 'cifar']),
  title: rule.string().min(1, 'a string'),
  id: rule.string().regex(ID, 'small letters, digits and hyphens'),
  subfolders: texts(),
  systemFolders: texts(),
  debianPackage: rule.string().optional(),
  mirrors: texts(),
  archive: rule
    .custom<SetSpec['archive']>(isArchive, 'a .tar.gz or .zip with "name", "bytes" and "sha256"')
    .optional(),
  imageShape: rule.imageShape(),
  classNames: texts().min(1, 'a list of at least one string'),
  mean: numbers(),
  std: numbers(),
  firstLabel: rule.nonNegativeInteger().optional(),
  transposed: rule.boolean().optional(),
  labelBytes: rule.positiveInteger().optional(),
  splits: rule.custom<SetSpec['splits']>(
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
 * Adds a set to those that `loadDataset` knows, as the book's `DATA_HUB` does.
 * @throws TypeError or RangeError for a row that is incomplete, or an id that is taken
 * @example
 * registerDataset({ id: 'flowers', load: async ({ root = 'flowers' }) => {
 *   const [train, test] = split(await imageFolder(root), [0.8, 0.2], { stratified: true });
 *   return { train, test };
 * } });
 * const [trainIter, testIter] = await loadDataset('flowers', 32, { resize: [64, 64] });
 */
export function registerDataset(set: AnySet): void {
  const where = '[data] registerDataset';
  if (isCustom(set)) checkOptions(where, CUSTOM, set);
  else checkRow(where, set);
  if (table().has(set.id))
    throw new RangeError(`${where}: there is a set "${set.id}" already; give this one another id`);
  table().set(set.id, set);
}

/** Whether a set is made by a function. */
export const isCustom = (set: AnySet): set is CustomSet =>
  typeof set === 'object' && set !== null && 'load' in set;

/** @throws TypeError or RangeError for a row that is incomplete */
export function checkRow(where: string, row: SetSpec): void {
  checkOptions(where, ROW, row);
  for (const half of ['train', 'test'] as const) {
    const { numSamples } = row.splits[half] ?? {};
    if (!Number.isInteger(numSamples) || numSamples < 1) {
      throw new RangeError(
        `${where}: option "splits.${half}.numSamples" must be an integer of at least 1, got ${formatValue(numSamples)}`,
      );
    }
  }
  const unnamed = filesOf(row).find(
    (file) => typeof file?.name !== 'string' || /[/\\]/.test(file.name) || file.name === '',
  );
  if (unnamed !== undefined || filesOf(row).length === 0) {
    throw new RangeError(
      `${where}: option "splits" must name each file, without folders, got ${formatValue(unnamed?.name)}`,
    );
  }
  if (row.mean.length !== row.imageShape[2] || row.std.length !== row.imageShape[2]) {
    throw new RangeError(
      `${where}: options "mean" and "std" must have a number for each of the ${row.imageShape[2]} channels`,
    );
  }
}

/** The ids of the sets that `loadDataset` knows, in the order in which they were added. */
export function listDatasets(): string[] {
  return [...table().keys()];
}

/** The set of an id. @throws RangeError when there is none */
export function setNamed(where: string, id: string): AnySet {
  const set = table().get(id);
  if (set) return set;
  const near = closest(String(id), listDatasets());
  const hint = near
    ? `did you mean "${near}"?`
    : `there are ${listDatasets().join(', ')}; registerDataset adds others`;
  throw new RangeError(`${where}: there is no set ${formatValue(id)}; ${hint}`);
}
