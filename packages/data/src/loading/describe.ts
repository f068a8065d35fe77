/** Describes loaders as plain JSON. `loaderFrom` makes them again from that. */
import { isDeepStrictEqual } from 'node:util';
import { type DataOrigin, originOf } from '../datasets/origin';
import type { AnyDataset, ImageShape, Transform } from '../types';
import type { DataLoaderOptions } from './loader-options';

/** How a loader is made again in another process, as plain JSON. */
export interface LoaderDescription {
  readonly data: DataOrigin;
  /** Options of the `DataLoader`; the number of workers is chosen again on each machine. */
  readonly options: DataLoaderOptions;
  /** `loaderFrom` refuses data of another size. @default any size */
  readonly numSamples?: number;
  /** Shape of an image after all transforms. */
  readonly inputShape: ImageShape;
}

/** Why another process cannot make a loader again. */
export interface NotDescribed {
  readonly reason: string;
}

/** @param options those of the loader, without the number of workers */
export function describeLoader(
  dataset: AnyDataset,
  options: DataLoaderOptions,
  loader: { numSamples: number; inputShape: ImageShape },
): LoaderDescription | NotDescribed {
  const data = originOf(dataset);
  if (!data) return { reason: 'its dataset was made by the script' };
  const bad = options.transforms?.find(
    (transform) => !isDeepStrictEqual(JSON.parse(JSON.stringify(transform)), { ...transform }),
  );
  if (bad) return { reason: `its transform ${nameOf(bad)} is a function of the script` };
  const { numSamples, inputShape } = loader;
  return { data, options, numSamples, inputShape };
}

const nameOf = ({ name, apply }: Transform) => (apply?.name ? `${name}(${apply.name})` : name);
