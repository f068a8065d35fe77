export { adaptiveAveragePool } from './blocks/adaptive-pool';
export { BLOCK_ORDERS, type BlockOrder, type BlockOrderName } from './blocks/block-orders';
export { GroupedConv2D, type GroupedConv2DConfig, groupedConv2d } from './blocks/grouped-conv';
export type { Init } from './blocks/initializers';
export {
  add,
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
  dropBranch,
  dropout,
  flatten,
  globalAveragePool,
  maxPool,
  multiply,
  type PoolOptions,
  relu,
  relu6,
  sigmoid,
} from './blocks/layers';
export type { NetOptions } from './blocks/options';
export {
  type BlockOptions,
  type ResidualOptions,
  residual,
  type Shortcut,
} from './blocks/residual';
export {
  cifarStem,
  classifier,
  type ResidualStageOptions,
  residualEnd,
  residualStage,
  residualStem,
  type StemOptions,
} from './blocks/residual-stage';
export { type ImageShape, type SequentialOptions, sequential } from './blocks/sequential';
export { squeezeExcitation } from './blocks/squeeze-excitation';
export { exportKeras } from './export/keras/keras';
export { exportOnnx, type OnnxOptions } from './export/onnx';
export { type ExportSafetensorsOptions, exportSafetensors } from './export/safetensors';
export { type ExportTfjsOptions, exportTfjs } from './export/tfjs/tfjs';
export { loadNet, saveNet } from './files';
export { type AlexNetOptions, alexNetStage } from './nets/alexnet';
export {
  ANYNETS,
  type AnyNetSpec,
  anyNet,
  type ResNextBlockOptions,
  resnextBlock,
} from './nets/anynet';
export { BOOK_RESNETS, type BookNetOptions, type BookResNetName, book } from './nets/book';
export {
  DENSENETS,
  type DenseBlockOptions,
  type DenseNetName,
  denseBlock,
  transitionBlock,
} from './nets/densenet';
export { type GoogLeNetOptions, type InceptionOptions, inception } from './nets/googlenet';
export { BOOK_LENETS, type BookLenetName, lenetHead, lenetStage } from './nets/lenet';
export type { MlpOptions } from './nets/mlp';
export {
  type InvertedResidualOptions,
  invertedResidual,
  type MobileNetOptions,
} from './nets/mobilenet';
export { type NinBlockOptions, type NinOptions, ninBlock } from './nets/nin';
export { RECIPES, type Recipe } from './nets/recipes';
export {
  CIFAR_RESNETS,
  type CifarResNetName,
  RESNETS,
  type ResNetName,
  type ResNetOptions,
  type ResNetSpec,
  type ResNetStem,
} from './nets/resnet';
export * from './nets/torchvision';
export {
  type BookVggOptions,
  VGG_DEPTHS,
  type VggHeadOptions,
  type VggName,
  type VggOptions,
  vggBlock,
  vggHead,
} from './nets/vgg';
export {
  type AnyNetOptions,
  createModel,
  listModels,
  type NetBuilder,
  recipeOf,
  registerModel,
} from './registry';
export type { Arithmetic } from './summary/arithmetic';
export { estimateMemory, type MemoryEstimate, type MemoryOptions } from './summary/memory';
export { type SummaryOptions, type SummaryRow, summarize, summary } from './summary/summary';
export {
  featureExtractor,
  freeze,
  type ReplaceHeadOptions,
  replaceHead,
  unfreeze,
} from './transfer';
export { readSafetensorsHeader } from './weights/safetensors';
export type {
  SafetensorsDtype,
  SafetensorsHeader,
  SafetensorsTensor,
} from './weights/safetensors-header';
export {
  type LoadedWeights,
  type LoadWeightsOptions,
  loadWeights,
  saveWeights,
} from './weights/weights';
