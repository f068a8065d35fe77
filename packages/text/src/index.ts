/** Text: tokens, vocabularies, data sets, loaders, word vectors and scores. */
export { BytePairTokenizer, type TrainBpeOptions, trainBpe } from './bpe/tokenizer';
export type { AddedToken, TokenizerJson } from './bpe/tokenizer-json';
export type { Merge } from './bpe/train';

export {
  type InferenceTexts,
  type LabeledOptions,
  type LabeledTexts,
  loadImdb,
  loadSnli,
  readImdb,
  readSnli,
  SNLI_CLASSES,
} from './datasets/classification';
export {
  loadPtb,
  loadWikiText2,
  type PtbOptions,
  readPtb,
  readWikiText2,
  type SplitFileOptions,
  type WikiText2Options,
} from './datasets/corpora';
export type { FileOptions } from './datasets/files';
export {
  type FrenchEnglishOptions,
  loadFrenchEnglish,
  readFrenchEnglish,
  type TranslationData,
} from './datasets/french-english';
export {
  type CorpusOptions,
  loadCorpusTimeMachine,
  loadTimeMachine,
  readTimeMachine,
  type TimeMachineOptions,
} from './datasets/time-machine';
export * from './generate/index';
export {
  BERT_TOKENS,
  type BertFeatures,
  type BertLabels,
  type BertLoaderOptions,
  bertLoader,
  getTokensAndSegments,
  type MaskedSample,
  type MaskTokensOptions,
  maskedCount,
  maskTokens,
  type NextSentenceOptions,
  type NextSentenceSample,
  nextSentenceSamples,
  type Paragraph,
  type Segments,
} from './loading/bert';
export type { TextBatch, TextLoader } from './loading/loader';
export {
  type PaddedFeatures,
  type PaddedLoaderOptions,
  paddedLoader,
  truncatePad,
} from './loading/padded';
export {
  type SentencePairFeatures,
  type SentencePairOptions,
  type SentencePairs,
  sentencePairLoader,
} from './loading/sentence-pairs';
export {
  type SequenceLoader,
  type SequenceLoaderOptions,
  sequenceBatches,
  sequenceLoader,
} from './loading/sequences';
export {
  batchifySkipGram,
  type ContextOptions,
  noiseWeights,
  type SkipGramFeatures,
  type SkipGramLabels,
  type SkipGramLoaderOptions,
  type SkipGramSample,
  type SubsampleOptions,
  skipGramContexts,
  skipGramLoader,
  subsample,
  WeightedSampler,
} from './loading/skip-gram';
export {
  buildArrayNmt,
  type SentenceArray,
  TRANSLATION_TOKENS,
  type TranslationFeatures,
  type TranslationLoaderOptions,
  tokenizeNmt,
  translationLoader,
} from './loading/translation';
export * from './models/index';
export {
  type Pair,
  type ReadCsvOptions,
  type ReadLinesOptions,
  readCsv,
  readLines,
  readPairs,
  readText,
} from './reading';
export { type BleuOptions, bleu, perplexity } from './scores';
export {
  type AnalogyOptions,
  type SimilarToken,
  type ToEmbeddingOptions,
  TokenEmbedding,
} from './token-embedding';
export {
  normalize,
  type Tokenizer,
  type TokenizerName,
  tokenize,
  tokenizer,
} from './tokenizers';
export {
  countCorpus,
  type TokenFreq,
  type Tokens,
  toCorpus,
  Vocab,
  type VocabJson,
  type VocabOptions,
} from './vocab';
