/**
 * Where datasets came from, as plain JSON: a run records it, so that another process loads the same
 * data again.
 */
import { resolve } from 'node:path';
import type { AnyDataset } from '../types';
import type { CsvOptions } from './csv';
import type { IdxDatasetOptions } from './idx/read';
import type { ImageFolderOptions } from './image-folder';
import type { SplitOptions } from './select';
import type { Split } from './spec';

/** How a dataset is loaded again. Paths are absolute. */
export type DataOrigin =
  | { readonly kind: 'dataset'; readonly id: string; readonly split: Split; readonly root?: string }
  | { readonly kind: 'imageFolder'; readonly folder: string; readonly options: ImageFolderOptions }
  | { readonly kind: 'csv'; readonly file: string; readonly options: CsvOptions }
  | { readonly kind: 'idx'; readonly options: IdxDatasetOptions }
  | { readonly kind: 'take'; readonly of: DataOrigin; readonly count: number }
  | {
      readonly kind: 'split';
      readonly of: DataOrigin;
      readonly fractions: readonly number[];
      readonly options: SplitOptions;
      readonly part: number;
    };

/**
 * By the dataset itself and not by a property: a dataset that a script changes, as in `{ ...train,
 * labels }`, is another one and has no origin. A symbol of the process, so that ESM and CommonJS
 * copies of this package share one table.
 */
const KEY = Symbol.for('deepend.data.origins');

function table(): WeakMap<AnyDataset, DataOrigin> {
  const home = globalThis as { [KEY]?: WeakMap<AnyDataset, DataOrigin> };
  home[KEY] ??= new WeakMap();
  return home[KEY];
}

/** Records how a dataset is loaded again. @returns the dataset */
export function recordOrigin<T extends AnyDataset>(dataset: T, origin: DataOrigin | undefined): T {
  if (origin) table().set(dataset, origin);
  return dataset;
}

/** How a dataset is loaded again; undefined for one that a script made or changed. */
export const originOf = (dataset: AnyDataset): DataOrigin | undefined => table().get(dataset);

/** The options that were given, without those that are undefined. */
export const givenOptions = <T extends object>(options: T): T =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;

export const absolutePath = (file: string): string => resolve(file);
