/** Training and evaluating nets. */
export { Accumulator } from './accumulator';
export { type Evaluation, evaluate, predict } from './evaluate';
export { metricsLine, throughputLine } from './progress';
export { Timer } from './timer';
export { train } from './train';
export type { Batch, Callback, EpochRecord, Loader, RunInfo, StepRecord, TrainOptions, TrainResult } from './types';
