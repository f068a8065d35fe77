/** Image sets and loaders: from files to the batches that a net trains on. */
export { cacheFolder } from './cache';
export { arrayDataset, isFileDataset, numSamplesOf } from './dataset';
export { type DecodedImage, decodeImage } from './decode';
export { DataError } from './errors';
export { type IdxArray, parseIdx } from './idx';
export { type ReadIdxOptions, readIdx } from './idx-file';
export { DataLoader, type DataLoaderOptions, type LoaderState } from './loader';
export type { Skipped } from './loading/recipe';
export { permutation, sfc32 } from './random';
export { type ResizeOptions, type ResizeTo, resizeImages } from './resize';
export { classCounts, concat, type SplitOptions, split, subset, take } from './select';
export {
  type ArrayData,
  type ArrayLoader,
  type LoadArrayOptions,
  loadArray,
  type ShapedArray,
} from './sets/arrays';
export { type CifarForm, parseCifar } from './sets/cifar';
export { CIFAR_10, CIFAR_100 } from './sets/cifar-sets';
export { type CsvOptions, csvDataset } from './sets/csv';
export { type ImageFolderOptions, imageFolder } from './sets/folder';
export { type IdxDatasetOptions, readIdxDataset } from './sets/idx-set';
export { EMNIST_LETTERS, FASHION_MNIST, KMNIST, MNIST } from './sets/idx-sets';
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
} from './sets/load';
export { type AnySet, type CustomSet, listDatasets, registerDataset } from './sets/registry';
export { type Regression, type SyntheticOptions, syntheticData } from './sets/synthetic';
export type {
  ArchiveSpec,
  CifarSetSpec,
  FileSpec,
  IdxSetSpec,
  IdxSplit,
  Packing,
  RecordSplit,
  SetSpec,
} from './specs';
export {
  type FromTfOptions,
  fromTfDataset,
  type TfBatch,
  type TfDataset,
  type TfLoader,
  toTfDataset,
} from './tf-dataset';
export {
  type ColorJitterOptions,
  type CropSize,
  type CustomOptions,
  type CutoutOptions,
  centerCrop,
  colorJitter,
  custom,
  cutMix,
  cutout,
  type MixOptions,
  mixUp,
  type NormalizeOptions,
  normalize,
  type RandomCropOptions,
  type RandomErasingOptions,
  type RandomFlipOptions,
  type RandomResizedCropOptions,
  type RandomRotationOptions,
  type ResizeTransformOptions,
  randomCrop,
  randomErasing,
  randomHorizontalFlip,
  randomResizedCrop,
  randomRotation,
  randomVerticalFlip,
  resize,
  toRgb,
} from './transforms';
export type {
  AnyDataset,
  Batch,
  Dataset,
  Draws,
  FileDataset,
  ImageShape,
  Loader,
  Random,
  Transform,
} from './types';
