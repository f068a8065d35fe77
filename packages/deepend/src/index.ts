/**
 * deepend: a deep-learning training toolkit in the manner of Dive into Deep Learning, on
 * TensorFlow.js. Names that nearly every script needs are here; the rest is in namespaces, each of
 * which is a package or a part of one.
 */
export type { Loss } from '@deepend/compiler';
export type { EpochRecord, StepRecord } from '@deepend/core';
export {
  type AnyDataset,
  type Batch,
  DataLoader,
  type DataLoaderOptions,
  type Dataset,
  type FileDataset,
  imageFolder,
  type Loader,
  type LoadOptions,
  loadArray,
  loadCifar10,
  loadCifar100,
  loadDataset,
  loadEmnistLetters,
  loadFashionMnist,
  loadKmnist,
  loadMnist,
  type Preprocessing,
  type Table,
  type TableOptions,
  type Transform,
} from '@deepend/data';
export {
  type BackendName,
  type BackendReport,
  type CandidateName,
  type ChoiceOptions,
  cpu,
  type Device,
  type DeviceMemory,
  type DeviceName,
  type DeviceReport,
  device,
  deviceReport,
  formatReport,
  listDevices,
  toDevice,
  tryAllGpus,
  tryGpu,
} from '@deepend/device';
export {
  exportKeras,
  exportOnnx,
  exportSafetensors,
  exportTensorBoard,
  exportTfjs,
} from '@deepend/export';
export * as models from '@deepend/models';
export {
  book,
  createModel,
  listModels,
  loadModel,
  loadWeights,
  registerModel,
  saveModel,
  saveWeights,
  summary,
} from '@deepend/models';
export type { Block, ImageShape, Init, ModelOptions } from '@deepend/nn';
export * as nn from '@deepend/nn';
export * as optim from '@deepend/optim';
export {
  binaryCrossEntropy,
  crossEntropy,
  type Metric,
  meanSquaredError,
  metrics,
  type OptimizerOptions,
  type Schedule,
  schedules,
} from '@deepend/optim';
export {
  Animator,
  type ChartOptions,
  Figure,
  type HistoryRecord,
  ProgressBoard,
  plot,
  show,
  showHeatmaps,
  showImages,
} from '@deepend/plot';
export * as text from '@deepend/text';
export {
  Accumulator,
  type Callback,
  type CheckpointOptions,
  type ConfusedPair,
  checkpoints,
  confusedPairs,
  type EarlyStoppingOptions,
  type EvaluateOptions,
  type Evaluation,
  earlyStopping,
  evaluate,
  type GanOptions,
  type GanRecord,
  type LrFind,
  type LrFindOptions,
  lrFind,
  predict,
  type RunControl,
  type RunInfo,
  type SearchOptions,
  type SearchOutcome,
  type SearchResult,
  search,
  spaces,
  type TestTimeAugmentationOptions,
  Timer,
  type TopLoss,
  type TrainOptions,
  type TrainResult,
  testTimeAugmentation,
  topLosses,
  train,
  trainGan,
  worstClasses,
} from '@deepend/trainer';
export * as vision from '@deepend/vision';
export * as d2l from './d2l';
export { startDashboard } from './dashboard/start';
export * as plots from './figures';
export { showPredictions } from './figures/predictions';
export * as callbacks from './namespaces/callbacks';
export * as datasets from './namespaces/datasets';
export * as distributed from './namespaces/distributed';
export * as runs from './namespaces/runs';
export * as transforms from './namespaces/transforms';
export {
  type ImagePrediction,
  type PredictImagesOptions,
  predictImages,
} from './predict-images';
export { writeReport } from './report/report';
export { type SaveRunOptions, saveRun } from './run/save-run';
