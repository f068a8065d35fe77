export { type FcnOptions, fcn } from './fcn';
export {
  collectArtifacts,
  loadArchitecture,
  loadModel,
  saveArchitecture,
  saveModel,
} from './files';
export {
  type AnyModelOptions,
  createModel,
  listModels,
  type ModelBuilder,
  recipeOf,
  registerModel,
} from './registry';
export { loadModule } from './saved/save-module';
export type { Arithmetic } from './summary/arithmetic';
export {
  allLayers,
  isContainer,
  isInput,
  type LayerCall,
  nodesOf,
  ownCalls,
} from './summary/calls';
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
export { reverseAxes } from './weights/weight-layouts';
export {
  type LoadedWeights,
  type LoadWeightsOptions,
  loadWeights,
  saveWeights,
  writeWeights,
} from './weights/weights';
export { type AlexNetOptions, alexNetStage } from './zoo/alexnet';
export {
  ANYNETS,
  type AnyNetSpec,
  anyNet,
  type ResNextBlockOptions,
  resnextBlock,
} from './zoo/anynet';
export { BOOK_RESNETS, type BookModelOptions, type BookResNetName, book } from './zoo/book';
export {
  CONVNEXTS,
  type ConvNextBlockOptions,
  type ConvNextName,
  type ConvNextOptions,
  type ConvNextSpec,
  convNextBlock,
} from './zoo/convnext';
export {
  DENSENETS,
  type DenseBlockOptions,
  type DenseNetName,
  denseBlock,
  transitionBlock,
} from './zoo/densenet';
export {
  EFFICIENTNETS,
  type EfficientNetName,
  type EfficientNetOptions,
  type EfficientNetSpec,
  type MbConvOptions,
  mbConv,
} from './zoo/efficientnet';
export { type GoogLeNetOptions, type InceptionOptions, inception } from './zoo/googlenet';
export { BOOK_LENETS, type BookLenetName, lenetHead, lenetStage } from './zoo/lenet';
export type { MlpOptions } from './zoo/mlp';
export {
  type InvertedResidualOptions,
  invertedResidual,
  type MobileNetOptions,
} from './zoo/mobilenet';
export { type NinBlockOptions, type NinOptions, ninBlock } from './zoo/nin';
export { RECIPES, type Recipe } from './zoo/recipes';
export {
  CIFAR_RESNETS,
  type CifarResNetName,
  RESNETS,
  type ResNetName,
  type ResNetOptions,
  type ResNetSpec,
  type ResNetStem,
} from './zoo/resnet';
export * from './zoo/torchvision';
export {
  type BookVggOptions,
  VGG_DEPTHS,
  type VggHeadOptions,
  type VggName,
  type VggOptions,
  vggBlock,
  vggHead,
} from './zoo/vgg';
