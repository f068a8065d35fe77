/** English sentences and their French translations, from the Tatoeba project. */
import type { Tensor2D } from '@tensorflow/tfjs-core';
import type { TextLoader } from '../loading/loader';
import {
  TRANSLATION_TOKENS,
  type TranslationFeatures,
  tokenizeNmt,
  translationLoader,
} from '../loading/translation';
import { readText } from '../reading';
import { normalize } from '../tokenizers';
import { Vocab } from '../vocab';
import { type FileOptions, fileOf, splitOptions } from './files';

/**
 * Reads the pairs as they are: a line for each, with a tab between the sentences. The book's
 * `read_data_nmt`: d2l 23.7, zh 9.5.
 */
export const readFrenchEnglish = async (options: FileOptions = {}): Promise<string> =>
  readText(await fileOf('fra-eng', 'fra.txt', options));

export interface FrenchEnglishOptions extends FileOptions {
  /** Lines to read, counted from 0 as the book does: one more is read. @default 600 */
  numExamples?: number;
  /** Whether to shuffle the pairs in each epoch. @default true */
  shuffle?: boolean;
  /** Seeds the order of each epoch: any safe integer. @default 0 */
  seed?: number;
}

/** The loader and both vocabularies. */
export type TranslationData = [
  loader: TextLoader<TranslationFeatures, Tensor2D>,
  sourceVocab: Vocab,
  targetVocab: Vocab,
];

/**
 * Loads English sentences and their French translations (the book's `load_data_nmt`).
 * @param batchSize pairs in a batch
 * @param numSteps length of all sentences in tokens
 * @throws DataError when the file cannot be downloaded: the error says where to put it
 * @example const [trainIter, sourceVocab, targetVocab] = await loadFrenchEnglish(64, 10);
 */
export async function loadFrenchEnglish(
  batchSize: number,
  numSteps: number,
  options: FrenchEnglishOptions = {},
): Promise<TranslationData> {
  const { files, rest } = splitOptions(options);
  const { numExamples = 600, ...order } = rest;
  const text = normalize(await readFrenchEnglish(files));
  const [source, target] = tokenizeNmt(text, numExamples);
  const reservedTokens = TRANSLATION_TOKENS;
  const sourceVocab = new Vocab(source, { minFreq: 2, reservedTokens });
  const targetVocab = new Vocab(target, { minFreq: 2, reservedTokens });
  const all = { ...order, batchSize, numSteps, sourceVocab, targetVocab };
  return [translationLoader(source, target, all), sourceVocab, targetVocab];
}
