/** Training and evaluating nets. */
export { Accumulator } from './accumulator';
export * from './callbacks';
export { type CheckpointOptions, checkpoints } from './checkpoints/callback';
export { type Checkpoint, readCheckpoint, type SavedTensor } from './checkpoints/file';
export { listCheckpoints, newestCheckpoint } from './checkpoints/folder';
export { type EvaluateOptions, type Evaluation, evaluate, predict } from './evaluate';
export { type LrFind, type LrFindOptions, lrFind } from './lr-find';

export { metricsLine, throughputLine } from './progress';
export {
  type ConfusedPair,
  confusedPairs,
  type TopLoss,
  topLosses,
  WorstSamples,
  worstClasses,
} from './reports';

export { Timer } from './timer';
export { train, trainEpoch } from './train';
export type {
  Batch,
  Callback,
  Loader,
  RunControl,
  RunInfo,
  RunProgress,
  RunState,
  TrainOptions,
  TrainResult,
} from './types';
