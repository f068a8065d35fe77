/**
 * deepend: a deep-learning training toolkit in the manner of Dive into Deep Learning, on
 * TensorFlow.js.
 */
export {
  binaryCrossEntropy,
  type CrossEntropyOptions,
  crossEntropy,
  type Loss,
  meanSquaredError,
  type OptimizerOptions,
} from '@deepend/compiler';
export * from '@deepend/data';
export {
  type CandidateName,
  type ChoiceOptions,
  cpu,
  type Device,
  type DeviceMemory,
  type DeviceName,
  type DeviceReport,
  device,
  deviceReport,
  type EngineName,
  type EngineReport,
  formatReport,
  listDevices,
  toDevice,
  tryAllGpus,
  tryGpu,
} from '@deepend/device';
// Both packages have it, the same type.
export type { ImageShape } from '@deepend/models';
export * from '@deepend/models';
export * from '@deepend/plot';
export {
  Accumulator,
  accuracy,
  accuracyMetric,
  bookTools,
  type Callback,
  type CheckpointOptions,
  type ClassReport,
  type ConfusedPair,
  checkpoints,
  confusedPairs,
  confusionMatrix,
  constant,
  cosineSchedule,
  csvHistory,
  type EarlyStoppingOptions,
  type EpochRecord,
  type EvaluateOptions,
  type Evaluation,
  type ExportTensorBoardOptions,
  earlyStopping,
  evaluate,
  exportTensorBoard,
  factorSchedule,
  jsonlHistory,
  type LrFind,
  type LrFindOptions,
  lrFind,
  type Metric,
  multiStepSchedule,
  oneCycleSchedule,
  type PlateauOptions,
  perClass,
  plateauSchedule,
  polynomialSchedule,
  predict,
  type RunControl,
  type RunInfo,
  type Schedule,
  type StepRecord,
  samplesPerSecond,
  stepSchedule,
  stopOnNaN,
  Timer,
  type TopLoss,
  type TrainOptions,
  type TrainResult,
  tensorBoard,
  timeLimit,
  topK,
  topLosses,
  train,
  trainEpoch,
  type WarmUpOptions,
  warmUp,
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
