/** Datasets, transforms and loaders: from files to the batches that train a model. */

export type { LoaderState } from '@deepend/core';
export * from './datasets';
export * as datasets from './datasets';
export { DataError } from './errors';
export { type DecodedImage, decodeImage, IMAGE_EXTENSIONS } from './loading/decode';
export type { LoaderDescription, NotDescribed } from './loading/describe';
export { DataLoader } from './loading/loader';
export { type LoaderFromOptions, loaderFrom } from './loading/loader-from';
export type { DataLoaderOptions } from './loading/loader-options';
export { type PreparedImage, type PrepareImageOptions, prepareImage } from './loading/photo';
export type { SkippedFile } from './loading/prepare';
export { type Preprocessing, parsePreprocessing } from './loading/preprocessing';
export {
  type FromTfOptions,
  fromTfDataset,
  type TfBatch,
  type TfDataset,
  type TfLoader,
  toTfDataset,
} from './loading/tf-dataset';
export { permutation, sfc32, uniform } from './random';
export * from './transforms';
export * as transforms from './transforms';
export type {
  AnyDataset,
  Batch,
  BatchRng,
  Dataset,
  FileDataset,
  ImageShape,
  LeftOutFile,
  Loader,
  Rng,
  Transform,
} from './types';
