/** Compiles a model into a training plan, and the contract of the fused kernels. */

export { ensureUnique, type FusedKernel, hasFusedKernel, runFusedKernel } from './fused-kernels';
export type { Loss, LossResult } from './loss';
export { type CustomLayer, findCustomLayer } from './lower';
export type { NonFinite } from './non-finite';
export { resolve } from './ops/conv';
export type { PoolAttrs } from './ops/pool';
export type { ActivationName } from './ops/simple';
export { compile, type ForwardPass, Plan, type StepOptions, type StepResult } from './plan';
export {
  type ConvAttrs,
  composedFilterGradient,
  composedInputGradient,
  convolve,
  isEmpty,
  type Padding,
  pairs,
  zeroPad,
} from './primitives';
export type { Parameter, ParameterGradient } from './program';
export type { UpdateCoefficients, UpdateEntry, UpdateRule } from './update-rules';
