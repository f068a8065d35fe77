export { BOOK_RESNETS, type BookResNet, type BookResNetName, book, type NetOptions } from './book';
export { loadNet, saveNet } from './files';
export type { Block } from './layers';
export type { Init } from './naming';
export { createModel, listModels, type NetBuilder } from './registry';
export { classifier, type ResidualOptions, type ResidualStageOptions, residual, residualStage, residualStem } from './residual';
export { type ImageShape, type SequentialOptions, sequential } from './sequential';
export { type SummaryOptions, type SummaryRow, summarize, summary } from './summary';
