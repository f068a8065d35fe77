/** Datasets: built-in ones, your own from files or arrays, and parts of them. */

export { cacheFolder } from '@deepend/core';
export {
  type ArrayData,
  type ArrayLoader,
  type LoadArrayOptions,
  loadArray,
  type ShapedArray,
} from './arrays';
export { type CifarFormat, type CifarSamples, parseCifar } from './cifar/format';
export { CIFAR_10, CIFAR_100 } from './cifar/specs';
export { type CsvOptions, csvDataset } from './csv';
export { arrayDataset, isFileDataset, numSamplesOf } from './dataset';
export { type ExtractOptions, extract } from './files/extract';
export type { FindOptions } from './files/find';
export { type DownloadOptions, download, downloadExtract } from './files/get-file';
export { DATA_HUB, type HubFile } from './files/hub';
export { type IdxArray, parseIdx } from './idx/format';
export { type IdxDatasetOptions, type ReadIdxOptions, readIdx, readIdxDataset } from './idx/read';
export { EMNIST_LETTERS, FASHION_MNIST, KMNIST, MNIST } from './idx/specs';
export { type ImageFolderOptions, imageFolder } from './image-folder';
export {
  getFashionMnistLabels,
  type Loaders,
  type LoadOptions,
  loadCifar10,
  loadCifar100,
  loadDataset,
  loadEmnistLetters,
  loadFashionMnist,
  loadKmnist,
  loadMnist,
} from './load';
export { nameOfOrigin } from './load-origin';
export type { DataOrigin } from './origin';
export { type CustomDataset, type DatasetEntry, listDatasets, registerDataset } from './registry';
export { classCounts, concat, type SplitOptions, split, subset, take } from './select';
export type {
  ArchiveSpec,
  CifarDatasetSpec,
  DatasetSpec,
  FileSpec,
  IdxDatasetSpec,
  IdxSplit,
  PackedFile,
  RecordSplit,
  Split,
} from './spec';
export { type Regression, type SyntheticOptions, syntheticData } from './synthetic';
export {
  type AnyColumn,
  type CategoricalColumn,
  type Fold,
  type KFoldOptions,
  kFold,
  type NumericColumn,
  Table,
  TableEncoder,
  type TableEncoderOptions,
  type TableFeatures,
  type TableOptions,
  type TableSchema,
  table,
  writeSubmission,
} from './table';
