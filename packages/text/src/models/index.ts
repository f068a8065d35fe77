/** Models of text: modules with PyTorch's numbers. */
export type { Autoregressive, GenerationState } from './autoregressive';
export {
  BERTClassifier,
  BERTEncoder,
  type BERTInputs,
  BERTModel,
  type BERTOptions,
  type BERTOutputs,
  type BERTTargets,
  bertLoss,
  bertLosses,
  MaskLM,
  NextSentencePred,
} from './bert';
export {
  BiRNN,
  type BiRNNOptions,
  DecomposableAttention,
  type DecomposableAttentionOptions,
  type PremiseFeatures,
  TextCNN,
  type TextCNNOptions,
  type TokenFeatures,
} from './classifiers';
export {
  Decoder,
  type Encoded,
  Encoder,
  EncoderDecoder,
  type SequencePair,
  shiftRight,
} from './encoder-decoder';
export { GPT, type GPTOptions, loadGpt2Weights } from './gpt';
export { LanguageModel, type LanguageModelCell, type LanguageModelOptions } from './language-model';
export {
  RNNLMScratch,
  RNNModelScratch,
  RNNScratch,
  type ScratchCellName,
  type ScratchFunctions,
  type ScratchRun,
  scratchForward,
  scratchParams,
  scratchState,
} from './scratch';
export {
  Seq2SeqAttentionDecoder,
  Seq2SeqDecoder,
  Seq2SeqEncoder,
  type Seq2SeqOptions,
} from './seq2seq';
export { SkipGram, type SkipGramOptions, skipGramLoss } from './skip-gram';
export { TransformerDecoder, TransformerEncoder, type TransformerOptions } from './transformer';
export {
  AddNorm,
  type BlockOptions,
  PositionWiseFFN,
  TransformerDecoderBlock,
  TransformerEncoderBlock,
} from './transformer-blocks';
export { PatchEmbedding, type PatchEmbeddingOptions, ViT, type ViTOptions } from './vit';
