export {
  BOOK_LENETS,
  BOOK_RESNETS,
  BOOK_VGGS,
  type BookLenet,
  type BookLenetName,
  type BookNetOptions,
  type BookResNet,
  type BookResNetName,
  type BookVgg,
  type BookVggName,
  book,
  type NetOptions,
  type ResNetOptions,
  type ResNetStem,
  type VggOptions,
} from './book';
export { loadNet, saveNet } from './files';
export type { Block } from './layers';
export { lenetHead, lenetStage } from './lenet';
export type { Init } from './naming';
export { createModel, listModels, type NetBuilder } from './registry';
export {
  cifarStem,
  classifier,
  type ResidualOptions,
  type ResidualStageOptions,
  residual,
  residualStage,
  residualStem,
} from './residual';
export { type ImageShape, type SequentialOptions, sequential } from './sequential';
export { type SummaryOptions, type SummaryRow, summarize, summary } from './summary';
export { type VggHeadOptions, vggHead, vggStage } from './vgg';
