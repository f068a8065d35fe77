/** deepend: a deep-learning training toolkit in the manner of Dive into Deep Learning, on TensorFlow.js. */
export * from '@deepend/data';
export { cpu, type Device, type DeviceName, device, type EngineName, tryAllGpus, tryGpu } from '@deepend/device';
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
  type ClassReport,
  type ConfusedPair,
  confusedPairs,
  confusionMatrix,
  constant,
  cosineSchedule,
  csvHistory,
  type EarlyStoppingOptions,
  type EpochRecord,
  type Evaluation,
  earlyStopping,
  evaluate,
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
  type WarmUpOptions,
  warmUp,
  worstClasses,
} from '@deepend/trainer';
export { main } from './cli';
export { plotLrFind } from './lr-find';
export { showPredictions } from './predictions';
export { showTopLosses } from './reports';
export { saveRun } from './run';
