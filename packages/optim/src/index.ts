/** Losses, optimizers, learning-rate schedules, metrics, gradient clipping and EMA. */
export { clipByNorm, clipByValue, GradientAccumulator } from './gradients';
export {
  type CrossEntropyOptions,
  crossEntropy,
  softmaxCrossEntropy,
} from './losses/cross-entropy';
export {
  binaryCrossEntropy,
  huberLoss,
  meanAbsoluteError,
  meanSquaredError,
  smoothL1,
} from './losses/elementwise';
export type { LabelsWithLengths, LabelsWithMask, MaskedLabels } from './losses/labels';
export type { LossOfPositions, Reduction, ReductionOption } from './losses/reduction';
export {
  type LossOfOutput,
  type LossOption,
  type LossRecord,
  type ScalarLoss,
  toLoss,
} from './losses/to-loss';
export type { ClassReport, Metric } from './metrics';
export * as metrics from './metrics';
export { ModelEma, type ModelEmaOptions, type ModelEmaState } from './model-ema';
export { type Monitor, type MonitorMode, modeOf, monitored, monitorRules } from './monitor';
export { createOptimizer, type Optimizer, type OptimizerState } from './optimizers/optimizer';
export {
  OPTIMIZER_NAMES,
  type OptimizerName,
  type OptimizerOptions,
  type ParameterGroup,
} from './optimizers/options';
export {
  adadelta,
  adagrad,
  adam,
  adamax,
  adamw,
  lion,
  nadam,
  type Parameters,
  rmsprop,
  sgd,
  VariableOptimizer,
  type VariableOptimizerOptions,
  yogi,
} from './optimizers/over-variables';
export { composed, sgdStep } from './optimizers/update';
export type { ScheduleName } from './schedules';
export * as schedules from './schedules';
export type { Schedule, ScheduleRun, ScheduleState } from './schedules/schedule';
