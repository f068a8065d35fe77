/** Training and evaluating nets. */
export { Accumulator } from './accumulator';
export { type Evaluation, evaluate, predict } from './evaluate';
export { accuracy, accuracyMetric, type ClassReport, confusionMatrix, type Metric, perClass, topK } from './metrics';
export type { Monitor, MonitorMode } from './monitor';
export { type PlateauOptions, plateauSchedule } from './plateau';
export { metricsLine, throughputLine } from './progress';
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
export { train } from './train';
export type { Batch, Callback, EpochRecord, Loader, RunInfo, StepRecord, TrainOptions, TrainResult } from './types';
export { type WarmUpOptions, warmUp } from './warm-up';
