/** Makes a loader again from its description. */
import { loadOrigin } from '../datasets/load-origin';
import type { AnyDataset } from '../types';
import type { LoaderDescription } from './describe';
import { DataLoader } from './loader';

export interface LoaderFromOptions {
  /** Samples in a batch. @default that of the described loader */
  batchSize?: number;
  /** Whether to show downloads on stderr. @default true */
  progress?: boolean;
}

/**
 * Makes a loader again that `loader.describe()` described, by loading its data again.
 * @throws DataError when the data are no longer there; RangeError when they have another number of
 *   samples; TypeError for a description of another version
 * @example
 * const { loaders } = JSON.parse(await readFile('runs/mine/config.json', 'utf8'));
 * const testIter = await loaderFrom(loaders.test);
 */
export async function loaderFrom(
  description: LoaderDescription,
  { batchSize, progress = true }: LoaderFromOptions = {},
): Promise<DataLoader<AnyDataset>> {
  const { data, options, numSamples } = description;
  const dataset = await loadOrigin(data, { progress });
  const loader = new DataLoader(dataset, { ...options, ...(batchSize && { batchSize }) });
  const isSame = numSamples === undefined || loader.numSamples === numSamples;
  if (isSame || options.dropLast) return loader;
  throw new RangeError(
    `[data] loaderFrom: expected ${numSamples} samples as described, found ${loader.numSamples}: ` +
      'the data has changed; restore it, or make the loader in a script',
  );
}
