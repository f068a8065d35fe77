export { clipByNorm, clipByValue, GradientAccumulator } from './gradients';
export {
  type CrossEntropyOptions,
  crossEntropy,
  softmaxCrossEntropy,
} from './losses/cross-entropy';
export { binaryCrossEntropy, meanSquaredError } from './losses/elementwise';
export {
  accuracyMetric,
  type ClassReport,
  confusionMatrix,
  type Metric,
  numCorrect,
  perClass,
  reportOf,
  topK,
} from './metrics';
export { ModelEma, type ModelEmaOptions, type ModelEmaState } from './model-ema';
export { type Monitor, type MonitorMode, modeOf, monitored, monitorRules } from './monitor';
export { createOptimizer, type Optimizer, type OptimizerState } from './optimizers/optimizer';
export type { OptimizerOptions, ParameterGroup } from './optimizers/options';
export { composed, sgd } from './optimizers/update';
export { type PlateauOptions, plateauSchedule } from './schedules/plateau';
export {
  constant,
  cosineSchedule,
  factorSchedule,
  multiStepSchedule,
  oneCycleSchedule,
  polynomialSchedule,
  type Schedule,
  type ScheduleState,
  stepSchedule,
} from './schedules/schedules';
export { type WarmUpOptions, warmUp } from './schedules/warm-up';
