export { clipByNorm, clipByValue, GradientSums } from './gradients';
export {
  type CrossEntropyOptions,
  crossEntropy,
  softmaxCrossEntropy,
} from './losses/cross-entropy';
export { binaryCrossEntropy, meanSquaredError } from './losses/elementwise';
export {
  accuracy,
  accuracyMetric,
  type ClassReport,
  confusionMatrix,
  type Metric,
  perClass,
  reportOf,
  topK,
} from './metrics';
export { WeightAverage, type WeightAverageOptions, type WeightAverageState } from './model-ema';
export { type Monitor, type MonitorMode, modeOf, monitored, monitorRules } from './monitor';
export { createOptimizer, type Optimizer, type OptimizerState } from './optimizers/optimizer';
export type { OptimizerOptions, ParameterGroup } from './optimizers/options';
export { composed, sgd } from './optimizers/update';
export { type PlateauOptions, plateauSchedule } from './schedules/plateau';
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
} from './schedules/schedules';
export { type WarmUpOptions, warmUp } from './schedules/warm-up';
