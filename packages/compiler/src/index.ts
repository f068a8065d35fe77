/** Compiles a model into a training plan, and defines the contract of the fused kernels. */

export type { FlatState, ModuleState, StateStructure } from './carried-state';
export { CompiledForward } from './compiled-forward';
export { CompiledPlan } from './compiled-plan';
export { EagerPlan } from './eager-plan';
export type { NonFinite } from './execution';
export {
  type CurveName,
  ensureUnique,
  type FusedKernel,
  type FusedKernelCall,
  type FusedKernelName,
  type FusedKernelOutputs,
  type FusedKernels,
  type FusedKernelTable,
  type FusedPoolAttrs,
  hasFusedKernel,
  type ReluAttrs,
  registerFusedKernels,
  runFusedKernel,
  type UpdateAttrs,
  type UpdateCoefficients,
  type UpdateEntry,
  type UpdateRule,
} from './fused-kernels';
export { type Patch, withPatches } from './layer-walk';
export { type CustomLayer, findCustomLayer } from './lower';
export { type Ending, findEnding } from './model-endings';
export {
  argumentsOf,
  inMode,
  isModule,
  MODULE,
  type Model,
  type ModelWeight,
  type ModuleLike,
} from './module-contract';
export { type SyncedNormOptions, syncedNorm } from './norm-parts';
export { resolvePadding } from './ops/conv';
export { curve, curveGradient } from './ops/curves';
export { layerNormRows, layerNormRowsGradient } from './ops/layer-norm';
export { type ActivationName, activationGradient } from './ops/simple';
export {
  compile,
  type ForwardPass,
  type PeakBytesOptions,
  Plan,
  type StepOptions,
  type StepResult,
} from './plan';
export {
  type ConvAttrs,
  channelSums,
  composedInputGradient,
  convolve,
  filterGradient,
  inputGradient,
  isEmpty,
  type Padding,
  pairs,
  zeroPad,
} from './primitives';
export type {
  AnyLoss,
  FinalActivation,
  GradientStream,
  Loss,
  LossResult,
  Parameter,
  ParameterGradient,
} from './program';
export { manualSeed, nextSeed, withSeed } from './random-seeds';
export { checkValues, drawTensor } from './recording/hooks';
export { type Moments, type NormSync, normSync, withNormSync } from './synced-norm';
export { gradientsOf } from './tape';
export { TapePlan } from './tape-plan';
export {
  areTensors,
  batchSizeOf,
  describeTensors,
  isTensor,
  likeTensors,
  listTensors,
  mapTensors,
  sliceTensors,
  type Tensors,
} from './tensors';
export { type Measured, planOf, type TrainingPlan } from './training-plan';
export { transposedConv, transposedConvGradients } from './transposed-conv';
