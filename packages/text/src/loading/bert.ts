/** Samples for BERT: masked tokens and next sentences. Devlin et al. 2019, arXiv:1810.04805 */
import { checkOptions, mixSeed, rule } from '@deepend/core';
import { type Tensor1D, type Tensor2D, tensor1d } from '@tensorflow/tfjs-core';
import type { Vocab } from '../vocab';
import {
  makeLoader,
  maskTensor,
  paddedTensor,
  type Random,
  randomAt,
  type TextLoader,
} from './loader';
import { orderOf } from './padded';

/** The book's special tokens of BERT. */
export const BERT_TOKENS = ['<pad>', '<mask>', '<cls>', '<sep>'] as const;

/** Tokens of one or two sentences, with the segment of each. */
export interface Segments {
  readonly tokens: string[];
  /** 0 for the first sentence with `<cls>` and its `<sep>`, 1 for the second. */
  readonly segments: number[];
}

/**
 * The book's `get_tokens_and_segments`: `<cls> first <sep>`, or `<cls> first <sep> second <sep>`.
 */
export function getTokensAndSegments(
  first: readonly string[],
  second?: readonly string[],
): Segments {
  const rest = second ? [...second, '<sep>'] : [];
  return {
    tokens: ['<cls>', ...first, '<sep>', ...rest],
    segments: [...new Array<number>(first.length + 2).fill(0), ...rest.map(() => 1)],
  };
}

/** Two sentences and whether the second follows the first. */
export interface NextSentenceSample extends Segments {
  readonly isNext: boolean;
}

/** Python's `round`: halves go to the even integer. */
const roundHalfEven = (value: number): number => {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
};

/**
 * Number of tokens that BERT predicts of a sample: 15 %, rounded as Python does (halves to the even
 * integer), at least 1.
 */
export const maskedCount = (numTokens: number): number =>
  Math.max(1, roundHalfEven(numTokens * 0.15));

/** Tokens of a sample with some of them replaced, and what stood there. */
export interface MaskedSample {
  readonly tokens: string[];
  /** Positions in the order of the tokens. */
  readonly positions: number[];
  /** The tokens that stood there. */
  readonly labels: string[];
}

/** Random numbers, and which tokens may be predicted. */
export interface MaskTokensOptions extends Pick<Random, 'real' | 'below'> {
  /** Positions that may be predicted. @default all but those of `<cls>` and `<sep>` */
  candidates?: readonly number[];
  /** Largest number of predictions. @default `maskedCount(tokens.length)` */
  count?: number;
}

/**
 * Replaces 15 % of the tokens, at least one: by `<mask>` (80 %), by a random token (10 %) or not at
 * all (10 %). `<cls>` and `<sep>` stay.
 */
export function maskTokens(
  tokens: readonly string[],
  vocab: Vocab,
  options: MaskTokensOptions,
): MaskedSample {
  const { real, below } = options;
  const isSpecial = (token: string) => token === '<cls>' || token === '<sep>';
  const { candidates = tokens.flatMap((token, i) => (isSpecial(token) ? [] : [i])) } = options;
  const { count = maskedCount(tokens.length) } = options;
  const positions = shuffled(candidates, { below })
    .slice(0, count)
    .sort((a, b) => a - b);
  const masked = [...tokens];
  for (const position of positions) {
    if (real() < 0.8) masked[position] = '<mask>';
    else if (real() >= 0.5) masked[position] = vocab.idxToToken[below(vocab.size)] as string;
  }
  return { tokens: masked, positions, labels: positions.map((at) => tokens[at] as string) };
}

function shuffled(values: readonly number[], { below }: Pick<Random, 'below'>): number[] {
  const order = [...values];
  for (let i = order.length - 1; i > 0; i--) {
    const j = below(i + 1);
    [order[i], order[j]] = [order[j] as number, order[i] as number];
  }
  return order;
}

/** A document as the tokens of its sentences. */
export type Paragraph = readonly (readonly string[])[];

/** Random numbers, and where random sentences come from. */
export interface NextSentenceOptions {
  /** Numbers in [0, 1). @example Math.random */
  real: () => number;
  /** Integers from 0 to n − 1. @example (n) => Math.floor(n * Math.random()) */
  below: (n: number) => number;
  /** The paragraphs of the random sentences. @default the paragraphs that are paired */
  others?: readonly Paragraph[];
}

/**
 * Pairs each sentence with the next one, or half of the time with a random one of any paragraph.
 * Pairs of more than `maxLen` tokens, `<cls>` and both `<sep>` included, are left out.
 */
export function nextSentenceSamples(
  paragraphs: readonly Paragraph[],
  maxLen: number,
  { real, below, others = paragraphs }: NextSentenceOptions,
): NextSentenceSample[] {
  const anyOf = <T>(list: readonly T[]): T => list[below(list.length)] as T;
  return paragraphs.flatMap((paragraph) =>
    paragraph.slice(0, -1).flatMap((first, i): NextSentenceSample[] => {
      const isNext = real() < 0.5;
      const second = isNext ? (paragraph[i + 1] as string[]) : anyOf(anyOf(others));
      if (first.length + second.length + 3 > maxLen) return [];
      return [{ ...getTokensAndSegments(first, second), isNext }];
    }),
  );
}

export interface BertLoaderOptions {
  /**
   * Pairs of sentences in a batch; the last batch of an epoch may have fewer.
   * @example 512
   */
  batchSize: number;
  /**
   * Length of all samples in tokens; longer ones are left out.
   * @example 64
   */
  maxLen: number;
  /** Seeds the pairs, each epoch's order and its masks: any safe integer. @default 0 */
  seed?: number;
}

/** What BERT gets. */
export interface BertFeatures {
  readonly [name: string]: Tensor1D | Tensor2D;
  /** int32 `[batch, maxLen]`. */
  readonly tokens: Tensor2D;
  /** int32 `[batch, maxLen]`: 0 for the first sentence and padding, 1 for the second. */
  readonly segments: Tensor2D;
  /** int32 `[batch]`: tokens of each sample without padding. */
  readonly validLens: Tensor1D;
  /** int32 `[batch, predictions]`: positions of the tokens to predict, padded by 0. */
  readonly predPositions: Tensor2D;
}

/** What BERT's losses get. */
export interface BertLabels {
  readonly [name: string]: Tensor1D | Tensor2D;
  /** int32 `[batch, predictions]`: the tokens that stood at the positions, padded by 0. */
  readonly mlmLabels: Tensor2D;
  /** float32 `[batch, predictions]`: 1 for predictions, 0 for padding. */
  readonly mlmWeights: Tensor2D;
  /** int32 `[batch]`: 1 where the second sentence follows the first. */
  readonly nspLabels: Tensor1D;
}

const WHERE = '[text] bertLoader';
const OPTIONS = rule.object({
  batchSize: rule.positiveInteger(),
  maxLen: rule.integer({ min: 5 }),
  seed: rule.seed().optional(),
});
const PAIRS = 1;
const MASKS = 2;

/**
 * Loads samples for the two tasks of BERT's pretraining. The pairs of sentences are drawn once,
 * the masks for each batch, so that every epoch has others (the book draws them once).
 *
 * @param paragraphs tokens of the sentences of each paragraph
 * @param vocab has the tokens `BERT_TOKENS`
 * @throws RangeError for a vocabulary without the special tokens, and when no pair fits `maxLen`
 * @example
 * const vocab = new Vocab(paragraphs.flat(), { minFreq: 5, reservedTokens: BERT_TOKENS });
 * const trainIter = bertLoader(paragraphs, vocab, { batchSize: 512, maxLen: 64 });
 */
export function bertLoader(
  paragraphs: readonly Paragraph[],
  vocab: Vocab,
  options: BertLoaderOptions,
): TextLoader<BertFeatures, BertLabels> {
  const { batchSize, maxLen, seed = 0 } = checkOptions(WHERE, OPTIONS, options);
  const [pad = 0] = BERT_TOKENS.map((token) => vocab.indexOf(token));
  const samples = nextSentenceSamples(paragraphs, maxLen, randomAt(mixSeed(seed, PAIRS), 0));
  if (samples.length === 0) {
    throw new RangeError(
      `${WHERE}: expected a paragraph with two sentences that fit ${maxLen} tokens, got none ` +
        `among ${paragraphs.length}; raise "maxLen"`,
    );
  }
  const numPredictions = maskedCount(maxLen);
  return makeLoader(WHERE, {
    numSamples: samples.length,
    numBatches: Math.ceil(samples.length / batchSize),
    batchSize,
    config: { maxLen, seed, vocabulary: vocab.fingerprint },
    prepare: (epoch) => {
      const order = orderOf(samples.length, { shuffle: true, seed, epoch });
      return (batch) => {
        const random = randomAt(mixSeed(seed, MASKS), epoch, batch);
        const chosen = order.subarray(batch * batchSize, (batch + 1) * batchSize);
        const picked = Array.from(chosen, (i) => samples[i] as NextSentenceSample);
        return bertBatch(picked, vocab, { maxLen, numPredictions, pad, random });
      };
    },
  });
}

interface BertBatchOptions {
  maxLen: number;
  numPredictions: number;
  pad: number;
  random: Random;
}

function bertBatch(
  samples: readonly NextSentenceSample[],
  vocab: Vocab,
  options: BertBatchOptions,
) {
  const { maxLen, numPredictions, pad, random } = options;
  const masked = samples.map(({ tokens }) => maskTokens(tokens, vocab, random));
  const indices = (lists: readonly string[][]) => lists.map((tokens) => vocab.toIndices(tokens));
  const positions = masked.map((sample) => sample.positions);
  return {
    features: {
      tokens: paddedTensor(indices(masked.map(({ tokens }) => tokens)), maxLen, pad),
      segments: paddedTensor(
        samples.map(({ segments }) => segments),
        maxLen,
        0,
      ),
      validLens: tensor1d(
        samples.map(({ tokens }) => tokens.length),
        'int32',
      ),
      predPositions: paddedTensor(positions, numPredictions, 0),
    },
    labels: {
      mlmLabels: paddedTensor(indices(masked.map(({ labels }) => labels)), numPredictions, 0),
      mlmWeights: maskTensor(
        positions.map(({ length }) => length),
        numPredictions,
      ),
      nspLabels: tensor1d(
        samples.map(({ isNext }) => Number(isNext)),
        'int32',
      ),
    },
  };
}
