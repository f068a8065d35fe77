/** Loads a dataset again from its origin. */
import { formatValue } from '@deepend/core';
import type { AnyDataset } from '../types';
import { csvDataset } from './csv';
import { findDataset } from './files/find';
import { readIdxDataset } from './idx/read';
import { imageFolder } from './image-folder';
import { loadCustom } from './load';
import { type DataOrigin, recordOrigin } from './origin';
import { findEntry, isCustomDataset } from './registry';
import { split, take } from './select';

const WHERE = '[data] loaderFrom';

interface FindAgain {
  readonly progress: boolean;
}

type Loaders = {
  [K in DataOrigin['kind']]: (
    origin: Extract<DataOrigin, { kind: K }>,
    options: FindAgain,
  ) => Promise<AnyDataset>;
};

const LOADERS: Loaders = {
  dataset: async ({ id, split: name, root }, { progress }) => {
    const entry = findEntry(WHERE, id);
    const options = { progress, ...(root !== undefined && { root }) };
    const splits = isCustomDataset(entry)
      ? await loadCustom(WHERE, entry, options)
      : await findDataset(entry, options);
    return splits[name];
  },
  imageFolder: ({ folder, options }) => imageFolder(folder, options),
  csv: ({ file, options }) => csvDataset(file, options),
  idx: ({ options }) => readIdxDataset(options),
  take: async ({ of, count }, options) => take(await loadOrigin(of, options), count),
  split: async ({ of, fractions, options: splitting, part }, options) =>
    split(await loadOrigin(of, options), fractions, splitting)[part] as AnyDataset,
};

/** @throws Error when the data are no longer there, or the origin is not of a known kind */
export async function loadOrigin(origin: DataOrigin, options: FindAgain): Promise<AnyDataset> {
  const kind = origin?.kind;
  const load = Object.hasOwn(LOADERS, kind) ? LOADERS[kind] : undefined;
  if (!load) {
    const kinds = Object.keys(LOADERS).join(', ');
    throw new TypeError(
      `${WHERE}: expected a description of data (${kinds}), got ${formatValue(kind)}; ` +
        'use the version of deepend that wrote it',
    );
  }
  return recordOrigin(await (load as Loaders['dataset'])(origin as never, options), origin);
}

/** A short name for people: the id of the dataset, or the last part of its path. */
export function nameOfOrigin(origin: DataOrigin): string {
  if (origin.kind === 'dataset') return origin.id;
  if (origin.kind === 'take' || origin.kind === 'split') return nameOfOrigin(origin.of);
  const place =
    origin.kind === 'imageFolder'
      ? origin.folder
      : origin.kind === 'csv'
        ? origin.file
        : origin.options.images;
  return place.split(/[/\\]/).at(-1) ?? place;
}
