/**
 * The book's functions for text: chapters 8, 9, 14 and 15 of the Chinese edition (9, 10, 15 and 16
 * of the English one), each a line or two over `text`. What the book downloads returns a promise
 * and takes `{ root, download, ... }` at the end.
 */
import { uniform } from '@deepend/data';
import { type Figure, plotBars } from '@deepend/plot';
import {
  batchifySkipGram,
  bleu as bleuOf,
  buildArrayNmt as buildSentences,
  type FileOptions,
  type InferenceTexts,
  getTokensAndSegments as joinSegments,
  loadCorpusTimeMachine as loadCorpus,
  loadFrenchEnglish,
  loadImdb,
  loadPtb,
  loadSnli,
  loadTimeMachine,
  loadWikiText2,
  noiseWeights,
  type PtbOptions,
  readSnli as readInference,
  readImdb as readReviews,
  readPtb as readSentences,
  type SequenceLoaderOptions,
  type SimilarToken,
  type SkipGramSample,
  sequenceBatches,
  skipGramContexts,
  subsample as subsampleTokens,
  Vocab as TextVocab,
  type TokenEmbedding,
  type Tokens,
  tokenize as tokenizeLines,
  truncatePad,
  WeightedSampler,
} from '@deepend/text';
import * as tf from '@tensorflow/tfjs-core';

export {
  countCorpus,
  normalize as preprocessNmt,
  readFrenchEnglish as readDataNmt,
  readTimeMachine,
  TokenEmbedding,
  tokenizeNmt,
  truncatePad,
} from '@deepend/text';

/** Section 9.2: tokens of each line, by words or characters. */
export const tokenize = (lines: readonly string[], token: 'word' | 'char' = 'word'): string[][] =>
  tokenizeLines(lines, token);

/** Section 9.2: a vocabulary in the Chinese edition's order, frequent tokens first. */
export const Vocab = function vocab(
  tokens: Tokens = [],
  minFreq = 0,
  reservedTokens: readonly string[] = [],
) {
  return new TextVocab(tokens, { minFreq, reservedTokens });
  // A subclass would load the package when deepend is imported.
} as unknown as new (
  tokens?: Tokens,
  minFreq?: number,
  reservedTokens?: readonly string[],
) => TextVocab;

/** Chinese edition, section 8.2: The Time Machine as indices of characters. */
export const loadCorpusTimeMachine = (
  maxTokens = -1,
  files: FileOptions = {},
): Promise<[corpus: Int32Array, vocab: TextVocab]> =>
  loadCorpus(maxTokens > 0 ? { ...files, maxTokens } : files);

type Batch = [features: tf.Tensor2D, labels: tf.Tensor2D];

function batchesOf(
  corpus: ArrayLike<number>,
  batchSize: number,
  ...[numSteps, sampling, seed]: [number, SequenceLoaderOptions['sampling'], number]
): Generator<Batch> {
  const options = { batchSize, numSteps, sampling, seed };
  return (function* () {
    for (const { features, labels } of sequenceBatches(corpus, options)) yield [features, labels];
  })();
}

/** Chinese edition, section 8.3: minibatches of random parts of a corpus. */
export const seqDataIterRandom = (
  corpus: ArrayLike<number>,
  batchSize: number,
  ...[numSteps, seed = 0]: [numSteps: number, seed?: number]
): Generator<Batch> => batchesOf(corpus, batchSize, numSteps, 'random', seed);

/** Chinese edition, section 8.3: minibatches that continue one another. */
export const seqDataIterSequential = (
  corpus: ArrayLike<number>,
  batchSize: number,
  ...[numSteps, seed = 0]: [numSteps: number, seed?: number]
): Generator<Batch> => batchesOf(corpus, batchSize, numSteps, 'sequential', seed);

/** Chinese edition, section 8.3: a loader of The Time Machine, and its vocabulary. */
export const loadDataTimeMachine = (
  batchSize: number,
  numSteps: number,
  ...[useRandomIter = false, maxTokens = 10_000, files = {}]: [
    useRandomIter?: boolean,
    maxTokens?: number,
    files?: FileOptions,
  ]
): ReturnType<typeof loadTimeMachine> => {
  const sampling = useRandomIter ? 'random' : 'sequential';
  return loadTimeMachine(batchSize, numSteps, { ...files, sampling, maxTokens });
};

/**
 * Section 10.5: how many sentences of two lists have each length, in ten ranges.
 * @param legend a name for each list
 */
export function showListLenPairHist(
  legend: readonly string[],
  xlabel: string,
  ...[ylabel, xlist, ylist]: [
    ylabel: string,
    xlist: readonly { readonly length: number }[],
    ylist: readonly { readonly length: number }[],
  ]
): Figure {
  const lists = [xlist, ylist].map((list) => list.map(({ length }) => length));
  const [least, most] = lists
    .flat()
    .reduce(([low, high], n) => [Math.min(low, n), Math.max(high, n)], [Infinity, -Infinity]);
  const width = (most - least) / 10 || 1;
  const values = lists.map((lengths) => {
    const counts = new Array<number>(10).fill(0);
    for (const length of lengths) {
      const range = Math.min(9, Math.floor((length - least) / width));
      counts[range] = (counts[range] as number) + 1;
    }
    return counts;
  });
  const labels = values[0]?.map((_, i) => (least + i * width).toFixed(1));
  return plotBars(values, { legend, labels, xlabel, ylabel, values: false, horizontal: false });
}

/** Chinese edition, section 9.5: sentences as an array, and how many tokens each has. */
export const buildArrayNmt = (
  lines: readonly (readonly string[])[],
  vocab: TextVocab,
  numSteps: number,
): [array: tf.Tensor2D, validLen: tf.Tensor1D] => {
  const { rows, lengths } = buildSentences(lines, vocab, numSteps);
  return [
    tf.tensor2d(rows as number[][], undefined, 'int32'),
    tf.tensor1d(lengths as number[], 'int32'),
  ];
};

/** Chinese edition, section 9.5: a loader of translations, and both vocabularies. */
export const loadDataNmt = (
  batchSize: number,
  numSteps: number,
  ...[numExamples = 600, files = {}]: [numExamples?: number, files?: FileOptions]
): ReturnType<typeof loadFrenchEnglish> =>
  loadFrenchEnglish(batchSize, numSteps, { ...files, numExamples });

/** Section 10.7: BLEU of a translation. */
export const bleu = (predSeq: string, labelSeq: string, k: number): number =>
  bleuOf(predSeq, labelSeq, { maxGram: k });

/** Section 15.3: the sentences of the Penn Treebank; the last one is empty, as in the book. */
export const readPtb = async (files: FileOptions = {}): Promise<string[][]> => [
  ...(await readSentences(files)),
  [],
];

/** Section 15.3: leaves out frequent tokens by chance. */
export const subsample = (
  sentences: readonly (readonly string[])[],
  vocab: TextVocab,
  seed = 0,
): [subsampled: string[][], counter: Map<string, number>] => {
  const { sentences: subsampled, counts } = subsampleTokens(sentences, vocab, { seed });
  return [subsampled, counts];
};

/** Section 15.3: the centers of all sentences, and the context of each. */
export const getCentersAndContexts = (
  corpus: readonly (readonly number[])[],
  maxWindowSize: number,
  seed = 0,
): [centers: number[], contexts: number[][]] => {
  const samples = skipGramContexts(corpus, { maxWindowSize, seed });
  return [samples.map(({ center }) => center), samples.map(({ context }) => context)];
};

/** Section 15.3: draws 1, …, n by n weights. */
export class RandomGenerator {
  readonly #sampler: WeightedSampler;
  readonly #random: () => number;

  constructor(samplingWeights: readonly number[], seed = 0) {
    this.#sampler = new WeightedSampler(samplingWeights);
    this.#random = uniform(seed);
  }

  draw(): number {
    return this.#sampler.draw(this.#random);
  }
}

/** Section 15.3: `k` noise tokens for each token of a context, none of which is in it. */
export const getNegatives = (
  allContexts: readonly (readonly number[])[],
  vocab: TextVocab,
  ...[counter, k, seed = 0]: [counter: ReadonlyMap<string, number>, k: number, seed?: number]
): number[][] => {
  const generator = new RandomGenerator(noiseWeights(vocab, counter), seed);
  return allContexts.map((context) => {
    const negatives: number[] = [];
    while (negatives.length < context.length * k) {
      const token = generator.draw();
      if (!context.includes(token)) negatives.push(token);
    }
    return negatives;
  });
};

/** Section 15.3: centers, contexts and noise, masks, labels of a minibatch. */
export const batchify = (
  data: readonly SkipGramSample[],
): [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D, tf.Tensor2D] => {
  const { features, labels } = batchifySkipGram(data);
  return [features.centers, features.contextsNegatives, labels.masks, labels.labels];
};

/** Section 15.3: a loader of skip-gram samples of the Penn Treebank, and the vocabulary. */
export const loadDataPtb = (
  batchSize: number,
  maxWindowSize: number,
  ...[numNoiseWords, files = {}]: [numNoiseWords: number, files?: PtbOptions]
): ReturnType<typeof loadPtb> => loadPtb(batchSize, { ...files, maxWindowSize, numNoiseWords });

/** Section 15.7: the tokens nearest to a token. */
export const getSimilarTokens = (
  queryToken: string,
  k: number,
  embed: TokenEmbedding,
): SimilarToken[] => embed.similar(queryToken, k);

/** Section 15.7: "a is to b as c is to …". The answer may be one of the three. */
export const getAnalogy = (
  tokenA: string,
  tokenB: string,
  ...[tokenC, embed]: [tokenC: string, embed: TokenEmbedding]
): string => embed.analogy(tokenA, tokenB, tokenC, { allowInputs: true })[0]?.token ?? '<unk>';

/** Section 15.8: BERT's tokens of one or two sentences, and their segments. */
export const getTokensAndSegments = (
  tokensA: readonly string[],
  tokensB?: readonly string[],
): [tokens: string[], segments: number[]] => {
  const { tokens, segments } = joinSegments(tokensA, tokensB);
  return [tokens, segments];
};

/** Section 15.9: a loader of WikiText-2 for BERT, and the vocabulary. */
export const loadDataWiki = (
  batchSize: number,
  maxLen: number,
  files: FileOptions = {},
): ReturnType<typeof loadWikiText2> => loadWikiText2(batchSize, maxLen, files);

/** Section 16.1: IMDb's reviews, and 1 for each positive one. */
export const readImdb = async (
  dataDir: string,
  isTrain: boolean,
): Promise<[data: string[], labels: number[]]> => {
  const { texts, labels } = await readReviews(dataDir, isTrain ? 'train' : 'test');
  return [texts, labels];
};

/** Section 16.1: loaders of IMDb's reviews, and the vocabulary. */
export const loadDataImdb = (
  batchSize: number,
  numSteps = 500,
  files: FileOptions = {},
): ReturnType<typeof loadImdb> => loadImdb(batchSize, { ...files, numSteps });

type Inference = [premises: string[], hypotheses: string[], labels: number[]];

/** Section 16.4: SNLI's premises, hypotheses and classes. */
export const readSnli = async (dataDir: string, isTrain: boolean): Promise<Inference> => {
  const texts: InferenceTexts = await readInference(dataDir, isTrain ? 'train' : 'test');
  return [texts.premises, texts.hypotheses, texts.labels];
};

/** Section 16.4: SNLI as indices of one length. */
export class SNLIDataset {
  readonly vocab: TextVocab;
  readonly #samples: readonly [premise: number[], hypothesis: number[]][];
  readonly #labels: readonly number[];

  constructor(dataset: Inference, numSteps: number, vocab?: TextVocab) {
    const [premises, hypotheses, labels] = dataset;
    const [first, second] = [tokenizeLines(premises), tokenizeLines(hypotheses)];
    this.vocab = vocab ?? new Vocab([...first, ...second], 5, ['<pad>']);
    const padding = this.vocab.indexOf('<pad>');
    const pad = (line: readonly string[] = []) =>
      truncatePad(this.vocab.toIndices(line), numSteps, padding);
    this.#samples = first.map((line, i) => [pad(line), pad(second[i])]);
    this.#labels = labels;
  }

  get length(): number {
    return this.#samples.length;
  }

  /** A sample: premise and hypothesis, and their class. */
  at(index: number): [[premise: number[], hypothesis: number[]], label: number] {
    const sample = this.#samples[index];
    if (sample) return [sample, this.#labels[index] as number];
    throw new RangeError(
      `[deepend] d2l.SNLIDataset: expected an index from 0 to ${this.length - 1}, got ${index}`,
    );
  }
}

/** Section 16.4: loaders of SNLI, and the vocabulary. */
export const loadDataSnli = (
  batchSize: number,
  numSteps = 50,
  files: FileOptions = {},
): ReturnType<typeof loadSnli> => loadSnli(batchSize, { ...files, numSteps });
