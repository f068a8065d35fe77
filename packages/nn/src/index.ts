export { manualSeed } from '@deepend/compiler';
export type { ImageShape } from '@deepend/core';
export { adaptiveAveragePool } from './adaptive-pool';
export {
  BLOCK_ORDER_NAMES,
  BLOCK_ORDERS,
  type BlockOrder,
  type BlockOrderName,
} from './block-orders';
export { CompiledModule, compile } from './compile';
export * as functional from './functional';
export { GroupedConv2D, type GroupedConv2DConfig, groupedConv2d } from './grouped-conv';
export * as init from './init';
export { INITIALIZERS, INITS, type Init } from './initializers';
export {
  add,
  apply,
  averagePool,
  type BatchNormOptions,
  type Block,
  batchNorm,
  type ConvOptions,
  chain,
  concatenate,
  conv,
  dense,
  depthwiseConv,
  dropout,
  dropPath,
  flatten,
  gelu,
  globalAveragePool,
  layerNorm,
  layerScale,
  maxPool,
  multiply,
  type PoolOptions,
  relu,
  relu6,
  shapeOf,
  sigmoid,
  swish,
} from './layers';
export { Module, type StateDict } from './module';
export { modules, type NamedLayer, namedLayer, numberedByKind } from './modules';
export { buildModule, describeModules, isDescription } from './modules/described';
export * from './modules/index';
export { isDry, layerConfig, numbered, scope } from './naming';
export { type ModelOptions, modelRules, withDefaults } from './options';
export { buffer, type ParameterOptions, parameter } from './parameter';
export { type BlockOptions, type ResidualOptions, residual, type Shortcut } from './residual';
export {
  cifarStem,
  classifier,
  type ResidualStageOptions,
  residualEnd,
  residualStage,
  residualStem,
  type StemOptions,
} from './residual-stage';
export { type SequentialOptions, sequential } from './sequential';
export { type SqueezeExcitationOptions, squeezeExcitation } from './squeeze-excitation';
