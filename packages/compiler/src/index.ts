import { registerTensorflow } from './engines/tensorflow';
import { registerWebgpu } from './engines/webgpu';

export { clipByNorm, clipByValue, GradientSums } from './gradients';
export {
  type CrossEntropyOptions,
  crossEntropy,
  softmaxCrossEntropy,
} from './losses/cross-entropy';
export { binaryCrossEntropy, meanSquaredError } from './losses/elementwise';
export type { Loss, LossResult } from './losses/loss';
export { lowerLike } from './lower';
export type { NonFinite } from './non-finite';
export { createOptimizer, type Optimizer, type OptimizerState } from './optimizers/optimizer';
export type { OptimizerOptions, ParameterGroup } from './optimizers/options';
export { sgd } from './optimizers/update';
export { compile, type OpenStep, Plan, type StepOptions, type StepResult } from './plan';
export type { Parameter, ParameterGradient } from './program';
export {
  WeightAverage,
  type WeightAverageOptions,
  type WeightAverageState,
} from './weight-average';

registerTensorflow();
registerWebgpu();
