/**
 * deepend in a browser: the same names as in Node, on `simd` in WebAssembly with threads, and on
 * WebGPU where the browser has it. Import it in a worker that `startWorker` of
 * `deepend/browser/page` starts, so that the page stays responsive and shows what the script draws.
 */
import { connectPage } from './output';

export type { EpochRecord, StepRecord } from '@deepend/core';
export { type Batch, DataLoader, type Dataset, loadArray } from '@deepend/data';
export { cpu, type Device, device, toDevice, tryGpu } from '@deepend/device';
export * as models from '@deepend/models';
export { book, createModel, listModels, summary } from '@deepend/models';
export * as nn from '@deepend/nn';
export * as optim from '@deepend/optim';
export {
  binaryCrossEntropy,
  crossEntropy,
  meanSquaredError,
  metrics,
  schedules,
} from '@deepend/optim';
export {
  Animator,
  Figure,
  ProgressBoard,
  plot,
  show,
  showHeatmaps,
  showImages,
} from '@deepend/plot';
export * as text from '@deepend/text';
export {
  Accumulator,
  earlyStopping,
  evaluate,
  lrFind,
  predict,
  Timer,
  type TrainOptions,
  type TrainResult,
  topLosses,
  train,
} from '@deepend/trainer';
export * as tf from '@tensorflow/tfjs-core';
export * as transforms from '../namespaces/transforms';
export { type LoadOptions, loadFashionMnist } from './fashion-mnist';
export { downloadModel, loadModel, saveModel } from './storage';

connectPage();
