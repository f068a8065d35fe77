/** Image sets and loaders: from files to the batches that a net trains on. */
export { cacheFolder } from './cache';
export { arrayDataset, type IdxDatasetOptions, readIdxDataset, take } from './dataset';
export { DataError } from './errors';
export { type LoadOptions, loadFashionMnist, loadIdxSet } from './fashion-mnist';
export { type IdxArray, parseIdx } from './idx';
export { type ReadIdxOptions, readIdx } from './idx-file';
export { DataLoader, type DataLoaderOptions } from './loader';
export { permutation, sfc32 } from './random';
export { type ResizeTo, resizeImages } from './resize';
export { FASHION_MNIST, type IdxFileSpec, type IdxSetSpec, type SplitSpec } from './specs';
export type { Batch, Dataset, ImageShape, Loader } from './types';
