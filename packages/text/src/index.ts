/** Text: tokens, vocabularies, data sets, loaders, word vectors and scores. */

export * from './generate/index';
export {
  BERT_TOKENS,
  type BertFeatures,
  type BertLabels,
  type BertLoaderOptions,
  bertLoader,
  getTokensAndSegments,
  type MaskedSample,
  maskTokens,
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
  type SequenceLoader,
  type SequenceLoaderOptions,
  sequenceLoader,
} from './loading/sequences';
export {
  batchifySkipGram,
  noiseWeights,
  type SkipGramFeatures,
  type SkipGramLabels,
  type SkipGramLoaderOptions,
  type SkipGramSample,
  type SubsampleOptions,
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
