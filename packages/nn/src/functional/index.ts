/**
 * Differentiable functions with PyTorch's semantics, as in `torch.nn.functional`. Every gradient
 * goes through TensorFlow.js's tape, and backends with fused kernels compute with them.
 */
export { type GeluOptions, gelu, type SoftmaxOptions, silu, softmax } from './activations';
export {
  type AttentionOptions,
  type PackedAttentionOptions,
  packedAttention,
  scaledDotProductAttention,
} from './attention';
export { attentionWeights, type RecordedAttention } from './attention-weights';
export {
  type Conv1dOptions,
  type Conv2dOptions,
  type ConvTranspose2dOptions,
  conv1d,
  conv2d,
  convTranspose2d,
} from './conv';
export { type DropoutOptions, dropout } from './dropout';
export { type EmbeddingOptions, embedding } from './embedding';
export { type LayerNormOptions, layerNorm } from './layer-norm';
export { linear } from './linear';
export {
  type RecurrentCell,
  type RecurrentInputs,
  type RecurrentResult,
  recurrent,
} from './recurrent';
export { maskedSoftmax, type SequenceMaskOptions, sequenceMask } from './sequence';
export { upsampleBilinear } from './upsample';
