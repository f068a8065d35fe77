/** Training, evaluation and prediction with models of TensorFlow.js layers, and modules. */
export { Accumulator } from './accumulator';
export {
  type Callback,
  type CallbackState,
  INTERRUPTED,
  type RunControl,
  type RunInfo,
  type RunProgress,
  type RunState,
  type TrainResult,
} from './callbacks/callback';
export { samplesPerSecond, timeLimit } from './callbacks/clock';
export { type EarlyStoppingOptions, earlyStopping } from './callbacks/early-stopping';
export { csvHistory, jsonlHistory } from './callbacks/history-files';
export { stopOnNaN } from './callbacks/stop-on-nan';
export { type CheckpointOptions, checkpoints } from './checkpoints/checkpoints';
export { type Checkpoint, readCheckpoint, type SavedTensor } from './checkpoints/file';
export {
  bestCheckpoint,
  type DamagedCheckpoint,
  type FoundCheckpoint,
  listCheckpoints,
  newestCheckpoint,
} from './checkpoints/folder';
export { restoreWeights } from './checkpoints/restore';
export { type EvaluateOptions, type Evaluation, evaluate, predict } from './evaluate';
export * from './gan/index';
export type { LearningRate } from './learning-rate';
export type { AnyBatch, AnyLoader, Batch, Loader } from './loader';
export { type LrFind, type LrFindOptions, lrFind } from './lr-find';
export type { AnyModel } from './model';
export type { TrainOptions } from './options';
export { metricsLine, throughputLine } from './progress';
export {
  type ConfusedPair,
  confusedPairs,
  type TopLoss,
  topLosses,
  WorstSamples,
  worstClasses,
} from './reports';
export * from './search';
export { type TestTimeAugmentationOptions, testTimeAugmentation } from './test-time-augmentation';
export { Timer } from './timer';
export { train, trainEpoch } from './train';
