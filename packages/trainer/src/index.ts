/** Training and evaluating nets. */
export { Accumulator } from './accumulator';
export { bookTools } from './book';
export * from './callbacks';
export { type CheckpointOptions, checkpoints } from './checkpoints/callback';
export { type Checkpoint, readCheckpoint, type SavedTensor } from './checkpoints/file';
export { listCheckpoints, newestCheckpoint } from './checkpoints/folder';
export { type EvaluateOptions, type Evaluation, evaluate, predict } from './evaluate';
export { type LrFind, type LrFindOptions, lrFind } from './lr-find';
export {
  accuracy,
  accuracyMetric,
  type ClassReport,
  confusionMatrix,
  type Metric,
  perClass,
  topK,
} from './metrics';
export type { Monitor, MonitorMode } from './monitor';
export { type PlateauOptions, plateauSchedule } from './plateau';
export { metricsLine, throughputLine } from './progress';
export {
  type ConfusedPair,
  confusedPairs,
  type TopLoss,
  topLosses,
  WorstSamples,
  worstClasses,
} from './reports';
export {
  constant,
  cosineSchedule,
  factorSchedule,
  type Moment,
  multiStepSchedule,
  oneCycleSchedule,
  polynomialSchedule,
  type Schedule,
  stepSchedule,
} from './schedules';
export { Timer } from './timer';
export { train, trainEpoch } from './train';
export type {
  Batch,
  Callback,
  EpochRecord,
  Loader,
  RunControl,
  RunInfo,
  RunProgress,
  RunState,
  StepRecord,
  TrainOptions,
  TrainResult,
} from './types';
export { type WarmUpOptions, warmUp } from './warm-up';
