/** The classes of `torch.nn`. */
export {
  Dropout,
  GELU,
  Identity,
  LeakyReLU,
  LogSoftmax,
  ReLU,
  Sigmoid,
  SiLU,
  Softmax,
  Softplus,
  Tanh,
} from './activation';
export {
  type AttentionCallOptions,
  concatKeys,
  type KeysAndValues,
  MultiheadAttention,
  type MultiheadAttentionOptions,
} from './attention';
export type { AttentionMasks } from './attention-masks';
export { GRUCell, LSTMCell, type RecurrentCellOptions, RNNCell } from './cells';
export type { Pair } from './checks';
export {
  Conv1d,
  Conv2d,
  type ConvModuleOptions,
  ConvTranspose2d,
  type ConvTransposeOptions,
} from './conv';
export { type ModuleClasses, withClasses } from './described';
export {
  LazyBatchNorm1d,
  LazyBatchNorm2d,
  LazyConv1d,
  LazyConv2d,
  LazyConvTranspose2d,
  LazyLinear,
} from './lazy';
export {
  Embedding,
  type EmbeddingOptions,
  Linear,
  type LinearOptions,
  type PretrainedOptions,
} from './linear';
export {
  BatchNorm1d,
  BatchNorm2d,
  type BatchNormModuleOptions,
  GroupNorm,
  type GroupNormOptions,
  LayerNorm,
  type LayerNormModuleOptions,
} from './norm';
export {
  AdaptiveAvgPool2d,
  AvgPool2d,
  type AvgPoolModuleOptions,
  MaxPool2d,
  type MaxPoolModuleOptions,
} from './pooling';
export { PositionalEncoding, type PositionalEncodingOptions } from './positional';
export { GRU, LSTM, type RecurrentModuleOptions, RNN, type SequenceOptions } from './recurrent';
export { AdditiveAttention, type AdditiveAttentionOptions, DotProductAttention } from './scoring';
export type { WeightOptions } from './seeded';
export { Sequential, type Step } from './sequential';
export { Flatten, type FlattenOptions, Reshape, Upsample, type UpsampleOptions } from './shape';
export {
  type DecoderMasks,
  type EncoderMasks,
  TransformerDecoder,
  TransformerDecoderLayer,
  TransformerEncoder,
  TransformerEncoderLayer,
  type TransformerLayerOptions,
} from './transformer';
