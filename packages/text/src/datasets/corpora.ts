/** Penn Treebank for word vectors, WikiText-2 for BERT. */
import {
  BERT_TOKENS,
  type BertFeatures,
  type BertLabels,
  type BertLoaderOptions,
  bertLoader,
} from '../loading/bert';
import type { TextLoader } from '../loading/loader';
import {
  type SkipGramFeatures,
  type SkipGramLabels,
  type SkipGramLoaderOptions,
  skipGramLoader,
} from '../loading/skip-gram';
import { readLines } from '../reading';
import { tokenize } from '../tokenizers';
import { Vocab } from '../vocab';
import { type FileOptions, fileOf, splitOptions } from './files';

export interface SplitFileOptions extends FileOptions {
  /** Which part of the set. @default 'train' */
  split?: 'train' | 'valid' | 'test';
}

/** Reads the sentences of the Penn Treebank, 42,068 for training, as words. */
export async function readPtb(options: SplitFileOptions = {}): Promise<string[][]> {
  const { split = 'train', ...files } = options;
  return tokenize(await readLines(await fileOf('ptb', `ptb.${split}.txt`, files)));
}

export interface PtbOptions extends FileOptions, Omit<SkipGramLoaderOptions, 'batchSize'> {}

/**
 * Loads the Penn Treebank for the skip-gram model (the book's `load_data_ptb`).
 * @param batchSize centers in a batch
 * @returns the loader, and the vocabulary of the words that appear ten times or more
 * @throws DataError when the file cannot be downloaded: the error says where to put it
 * @example const [trainIter, vocab] = await loadPtb(512, { maxWindowSize: 5, numNoiseWords: 5 });
 */
export async function loadPtb(
  batchSize: number,
  options: PtbOptions = {},
): Promise<[loader: TextLoader<SkipGramFeatures, SkipGramLabels>, vocab: Vocab]> {
  const { files, rest } = splitOptions(options);
  const sentences = await readPtb(files);
  const vocab = new Vocab(sentences, { minFreq: 10 });
  return [skipGramLoader(sentences, vocab, { ...rest, batchSize }), vocab];
}

/**
 * Reads the paragraphs of WikiText-2 that have two sentences or more, each as the words of its
 * sentences, in lower case.
 */
export async function readWikiText2(options: SplitFileOptions = {}): Promise<string[][][]> {
  const { split = 'train', ...files } = options;
  const lines = await readLines(await fileOf('wikitext-2', `wiki.${split}.tokens`, files));
  return lines
    .filter((line) => line.includes(' . '))
    .map((line) => tokenize(line.trim().toLowerCase().split(' . ')));
}

export interface WikiText2Options
  extends FileOptions,
    Omit<BertLoaderOptions, 'batchSize' | 'maxLen'> {}

/**
 * Loads WikiText-2 for BERT's pretraining (the book's `load_data_wiki`).
 * @param batchSize pairs of sentences in a batch
 * @param maxLen tokens in a pair; longer ones are left out
 * @returns the loader, and the vocabulary of the words that appear five times or more
 * @throws DataError when the file cannot be downloaded: the error says where to put it
 * @example const [trainIter, vocab] = await loadWikiText2(512, 64);
 */
export async function loadWikiText2(
  batchSize: number,
  maxLen: number,
  options: WikiText2Options = {},
): Promise<[loader: TextLoader<BertFeatures, BertLabels>, vocab: Vocab]> {
  const { files, rest } = splitOptions(options);
  const paragraphs = await readWikiText2(files);
  const vocab = new Vocab(paragraphs.flat(), { minFreq: 5, reservedTokens: BERT_TOKENS });
  return [bertLoader(paragraphs, vocab, { ...rest, batchSize, maxLen }), vocab];
}
