/** IMDb's reviews with their sentiment; SNLI's sentences with what follows from them. */
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { DataError, downloadExtract } from '@deepend/data';
import type { Tensor1D } from '@tensorflow/tfjs-core';
import type { TextLoader } from '../loading/loader';
import { type PaddedFeatures, paddedLoader } from '../loading/padded';
import { type SentencePairFeatures, sentencePairLoader } from '../loading/sentence-pairs';
import { decodeUtf8, readLines } from '../reading';
import { tokenize } from '../tokenizers';
import { Vocab } from '../vocab';
import { type FileOptions, splitOptions } from './files';

/** Files that are read at a time. */
const AT_ONCE = 64;
const SENTIMENTS = { pos: 1, neg: 0 } as const;

/** Texts and their classes. */
export interface LabeledTexts {
  readonly texts: string[];
  readonly labels: number[];
}

/**
 * Reads IMDb's reviews from the folder `aclImdb` (the book's `read_imdb`), by the files' names.
 * @returns labels 1 for positive and 0 for negative reviews
 * @throws DataError for a folder without reviews, or a review that is not UTF-8
 */
export async function readImdb(folder: string, split: 'train' | 'test'): Promise<LabeledTexts> {
  const texts: string[] = [];
  const labels: number[] = [];
  for (const [name, label] of Object.entries(SENTIMENTS)) {
    const part = path.join(folder, split, name);
    const files = (await readdir(part).catch(() => [])).filter((file) => file.endsWith('.txt'));
    if (files.length === 0) {
      const next = 'pass the folder aclImdb that downloadExtract returns';
      throw new DataError(part, 'a folder of reviews (*.txt)', 'none', next);
    }
    files.sort();
    for (let start = 0; start < files.length; start += AT_ONCE) {
      const some = files.slice(start, start + AT_ONCE).map((file) => path.join(part, file));
      const read = async (file: string) => decodeUtf8(await readFile(file), file);
      texts.push(...(await Promise.all(some.map(read))).map((text) => text.replaceAll('\n', '')));
    }
    labels.push(...files.map(() => label));
  }
  return { texts, labels };
}

export interface LabeledOptions extends FileOptions {
  /**
   * Length of all texts in tokens: longer ones are cut, shorter ones padded.
   * @default 500 for reviews, 50 for SNLI
   */
  numSteps?: number;
  /** Seeds the order of each epoch: any safe integer. @default 0 */
  seed?: number;
}

/**
 * Loads IMDb's reviews (the book's `load_data_imdb`). Words that appear fewer than five times are
 * unknown; short reviews are padded by `<pad>`, for which the book's function takes `<unk>`.
 * @param batchSize reviews in a batch
 * @param options.numSteps @default 500
 * @throws DataError when the file cannot be downloaded: the error says where to put it
 * @example const [trainIter, testIter, vocab] = await loadImdb(64);
 */
export async function loadImdb(
  batchSize: number,
  options: LabeledOptions = {},
): Promise<
  [
    trainIter: TextLoader<PaddedFeatures, Tensor1D>,
    testIter: TextLoader<PaddedFeatures, Tensor1D>,
    vocab: Vocab,
  ]
> {
  const { files, rest } = splitOptions(options);
  const { numSteps = 500, ...order } = rest;
  const folder = await downloadExtract('aclImdb', files);
  const [train, test] = [await readImdb(folder, 'train'), await readImdb(folder, 'test')];
  const [trainTokens, testTokens] = [tokenize(train.texts), tokenize(test.texts)];
  const vocab = new Vocab(trainTokens, { minFreq: 5, reservedTokens: ['<pad>'] });
  const all = { ...order, batchSize, numSteps, padding: vocab.indexOf('<pad>') };
  const indices = (tokens: readonly string[][]) => tokens.map((line) => vocab.toIndices(line));
  return [
    paddedLoader(indices(trainTokens), train.labels, all),
    paddedLoader(indices(testTokens), test.labels, { ...all, shuffle: false }),
    vocab,
  ];
}

/** SNLI's classes, in the order of their indices. */
export const SNLI_CLASSES = ['entailment', 'contradiction', 'neutral'] as const;

/** Premises, hypotheses, and the index of what follows in `SNLI_CLASSES`. */
export interface InferenceTexts {
  readonly premises: string[];
  readonly hypotheses: string[];
  readonly labels: number[];
}

/** A parse tree as its words. */
const withoutBrackets = (tree: string) =>
  tree
    .replace(/[()]/g, '')
    .replace(/\s{2,}/g, ' ')
    .trim();

/**
 * Reads SNLI from the folder `snli_1.0` (the book's `read_snli`). Pairs on whose class the
 * annotators did not agree are left out.
 * @throws DataError for a file that is missing, or has a row with fewer than three columns
 */
export async function readSnli(
  folder: string,
  split: 'train' | 'dev' | 'test',
): Promise<InferenceTexts> {
  const file = path.join(folder, `snli_1.0_${split}.txt`);
  const rows = (await readLines(file)).slice(1).map((line) => line.split('\t'));
  const bad = rows.findIndex((row) => row.length < 3);
  if (bad >= 0) {
    const next = 'get the archive again';
    throw new DataError(file, `three columns in line ${bad + 2}`, `${rows[bad]?.length}`, next);
  }
  const classOf = ([label]: readonly string[]) => SNLI_CLASSES.indexOf(label as 'neutral');
  const known = rows.filter((row) => classOf(row) >= 0);
  return {
    premises: known.map(([, premise = '']) => withoutBrackets(premise)),
    hypotheses: known.map(([, , hypothesis = '']) => withoutBrackets(hypothesis)),
    labels: known.map(classOf),
  };
}

/**
 * Loads SNLI (the book's `load_data_snli`). Words that appear fewer than five times are unknown.
 * @param batchSize pairs in a batch
 * @param options.numSteps @default 50
 * @throws DataError when the file cannot be downloaded: the error says where to put it
 * @example const [trainIter, testIter, vocab] = await loadSnli(128);
 */
export async function loadSnli(
  batchSize: number,
  options: LabeledOptions = {},
): Promise<
  [
    trainIter: TextLoader<SentencePairFeatures, Tensor1D>,
    testIter: TextLoader<SentencePairFeatures, Tensor1D>,
    vocab: Vocab,
  ]
> {
  const { files, rest } = splitOptions(options);
  const { numSteps = 50, ...order } = rest;
  const folder = await downloadExtract('SNLI', files);
  const [train, test] = [await readSnli(folder, 'train'), await readSnli(folder, 'test')];
  const tokens = tokenize([...train.premises, ...train.hypotheses]);
  const vocab = new Vocab(tokens, { minFreq: 5, reservedTokens: ['<pad>'] });
  const all = { ...order, batchSize, numSteps, padding: vocab.indexOf('<pad>') };
  const indices = (texts: readonly string[]) =>
    tokenize(texts).map((line) => vocab.toIndices(line));
  const toPairs = ({ premises, hypotheses, labels }: InferenceTexts) => ({
    premises: indices(premises),
    hypotheses: indices(hypotheses),
    labels,
  });
  return [
    sentencePairLoader(toPairs(train), all),
    sentencePairLoader(toPairs(test), { ...all, shuffle: false }),
    vocab,
  ];
}
