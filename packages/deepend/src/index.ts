/**
 * deepend: a deep-learning training toolkit in the manner of Dive into Deep Learning, on
 * TensorFlow.js.
 */

export type { Loss } from '@deepend/compiler';
export { type EpochRecord, type StepRecord, toCsv, toJson, toJsonl } from '@deepend/core';
export * from '@deepend/data';
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
export * from '@deepend/export';
export * from '@deepend/models';
// Both packages have it, the same type.
export type { ImageShape } from '@deepend/nn';
export * from '@deepend/nn';
export {
  binaryCrossEntropy,
  type ClassReport,
  type CrossEntropyOptions,
  crossEntropy,
  type Metric,
  meanSquaredError,
  metrics,
  type OptimizerOptions,
  type Schedule,
  schedules,
} from '@deepend/optim';
export * from '@deepend/plot';
export {
  Accumulator,
  bookTools,
  type Callback,
  type CheckpointOptions,
  type ConfusedPair,
  checkpoints,
  confusedPairs,
  csvHistory,
  type EarlyStoppingOptions,
  type EvaluateOptions,
  type Evaluation,
  earlyStopping,
  evaluate,
  jsonlHistory,
  type LrFind,
  type LrFindOptions,
  lrFind,
  predict,
  type RunControl,
  type RunInfo,
  samplesPerSecond,
  stopOnNaN,
  Timer,
  type TopLoss,
  type TrainOptions,
  type TrainResult,
  timeLimit,
  topLosses,
  train,
  trainEpoch,
  worstClasses,
} from '@deepend/trainer';
export { main } from './cli/program';
export { type Dashboard, type DashboardOptions, startDashboard } from './dashboard/start';
export { type ExperimentOptions, runExperiment } from './experiment';
export { showFeatureMaps, showFilters } from './filters';
export { type LossLandscape, type LossLandscapeOptions, lossLandscape } from './loss-landscape';
export { plotLrFind } from './lr-find';
export { type PredictionsOptions, predictionsToCsv } from './prediction-table';
export { showPredictions } from './predictions';
export { type ReportOptions, writeReport } from './report/report';
export { showTopLosses } from './reports';
export { type SaveRunOptions, saveRun } from './run';
export { SETTINGS, type Settings, settingsFrom } from './settings';
