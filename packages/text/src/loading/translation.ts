/** Pairs of sentences for encoder–decoder models. */
import { checkOptions, formatValue, rule } from '@deepend/core';
import { type Tensor1D, type Tensor2D, tensor1d } from '@tensorflow/tfjs-core';
import type { Vocab } from '../vocab';
import { makeLoader, paddedTensor, type TextLoader } from './loader';
import { orderOf } from './padded';

/** Sentences as indices of one length, and how many of them are not padding. */
export interface SentenceArray {
  /** Each `numSteps` long: the tokens, `<eos>`, then `<pad>`. */
  readonly rows: readonly (readonly number[])[];
  /** Tokens of each row without its padding. */
  readonly lengths: readonly number[];
}

/**
 * The book's `build_array_nmt`: sentences as indices with `<eos>` at the end, truncated or padded
 * to `numSteps`.
 * @param vocab has `<eos>` and `<pad>`
 * @throws RangeError for a vocabulary without these tokens, or a length below 1
 */
export function buildArrayNmt(
  sentences: readonly (readonly string[])[],
  vocab: Vocab,
  numSteps: number,
): SentenceArray {
  const [eos, pad] = [vocab.indexOf('<eos>'), vocab.indexOf('<pad>')];
  if (!Number.isInteger(numSteps) || numSteps < 1) {
    throw new RangeError(
      `[text] buildArrayNmt: expected at least 1 step, got ${formatValue(numSteps)}`,
    );
  }
  const rows = sentences.map((tokens) => {
    const row = [...vocab.toIndices(tokens), eos].slice(0, numSteps);
    return [...row, ...new Array<number>(numSteps - row.length).fill(pad)];
  });
  return { rows, lengths: rows.map((row) => row.filter((index) => index !== pad).length) };
}

/** The book's special tokens of translations. */
export const TRANSLATION_TOKENS = ['<pad>', '<bos>', '<eos>'] as const;

export interface TranslationLoaderOptions {
  /**
   * Pairs in a batch; the last batch of an epoch may have fewer.
   * @example 64
   */
  batchSize: number;
  /**
   * Length of all sentences in tokens, `<eos>` included; longer ones are cut.
   * @example 10
   */
  numSteps: number;
  /** Vocabulary of the source sentences, with `<pad>` and `<eos>`. @example sourceVocab */
  sourceVocab: Vocab;
  /** Vocabulary of the target sentences, with `<pad>`, `<bos>` and `<eos>`. @example targetVocab */
  targetVocab: Vocab;
  /** Whether to shuffle the pairs in each epoch. @default true */
  shuffle?: boolean;
  /** Seeds the order of each epoch: any safe integer. @default 0 */
  seed?: number;
}

/** What an encoder–decoder gets. */
export interface TranslationFeatures {
  readonly [name: string]: Tensor1D | Tensor2D;
  /** int32 `[batch, time]`: the source sentences, `<eos>`, `<pad>`. */
  readonly source: Tensor2D;
  /** int32 `[batch]`: tokens of each source sentence with `<eos>`, without padding. */
  readonly sourceLength: Tensor1D;
  /** int32 `[batch, time]`: the decoder's input, `<bos>` and the labels without the last. */
  readonly target: Tensor2D;
}

const WHERE = '[text] translationLoader';
const isVocab = (value: unknown) => typeof (value as Vocab | undefined)?.indexOf === 'function';
const OPTIONS = rule.object({
  batchSize: rule.positiveInteger(),
  numSteps: rule.positiveInteger(),
  sourceVocab: rule.custom<Vocab>(isVocab, 'a Vocab'),
  targetVocab: rule.custom<Vocab>(isVocab, 'a Vocab'),
  shuffle: rule.boolean().optional(),
  seed: rule.seed().optional(),
});

/**
 * Loads pairs of sentences. Labels are the target sentences, int32 `[batch, time]`: tokens,
 * `<eos>`, `<pad>`; leave the padding out of the loss by
 * `crossEntropy({ ignoreIndex: targetVocab.indexOf('<pad>') })`.
 * @param source tokens of each sentence
 * @param target tokens of its translation
 * @throws RangeError for different numbers of sentences, none, empty ones, and vocabularies without
 *   the special tokens
 * @example
 * const [source, target] = tokenizeNmt(normalize(await readText('fra.txt')), 600);
 * const reservedTokens = TRANSLATION_TOKENS;
 * const sourceVocab = new Vocab(source, { minFreq: 2, reservedTokens });
 * const targetVocab = new Vocab(target, { minFreq: 2, reservedTokens });
 * const options = { batchSize: 64, numSteps: 10, sourceVocab, targetVocab };
 * const trainIter = translationLoader(source, target, options);
 */
export function translationLoader(
  source: readonly (readonly string[])[],
  target: readonly (readonly string[])[],
  options: TranslationLoaderOptions,
): TextLoader<TranslationFeatures, Tensor2D> {
  const checked = checkOptions(WHERE, OPTIONS, options);
  const { batchSize, numSteps, sourceVocab, targetVocab, shuffle = true, seed = 0 } = checked;
  checkPairs(source, target);
  const from = buildArrayNmt(source, sourceVocab, numSteps);
  const to = buildArrayNmt(target, targetVocab, numSteps);
  const bos = targetVocab.indexOf('<bos>');
  const vocabularies = [sourceVocab.fingerprint, targetVocab.fingerprint];
  return makeLoader(WHERE, {
    numSamples: source.length,
    numBatches: Math.ceil(source.length / batchSize),
    batchSize,
    config: { numSteps, shuffle, seed, vocabularies },
    prepare: (epoch) => {
      const order = orderOf(source.length, { shuffle, seed, epoch });
      return (batch) => {
        const chosen = Array.from(order.subarray(batch * batchSize, (batch + 1) * batchSize));
        const pick = ({ rows }: SentenceArray) => chosen.map((i) => rows[i] as readonly number[]);
        const targets = pick(to);
        const shifted = targets.map((row) => [bos, ...row.slice(0, -1)]);
        const lengths = chosen.map((i) => from.lengths[i] as number);
        return {
          features: {
            source: paddedTensor(pick(from), numSteps, 0),
            sourceLength: tensor1d(lengths, 'int32'),
            target: paddedTensor(shifted, numSteps, 0),
          },
          labels: paddedTensor(targets, numSteps, 0),
        };
      };
    },
  });
}

function checkPairs(
  source: readonly (readonly string[])[],
  target: readonly (readonly string[])[],
): void {
  if (!Array.isArray(source) || source.length === 0 || source.length !== target?.length) {
    throw new RangeError(
      `${WHERE}: expected as many target sentences as source sentences, at least one, got ` +
        `${source?.length ?? 'none'} and ${target?.length ?? 'none'}`,
    );
  }
  const empty = source.findIndex((tokens, i) => tokens.length === 0 || target[i]?.length === 0);
  if (empty >= 0)
    throw new RangeError(
      `${WHERE}: expected sentences of at least one token, got an empty one in pair ${empty}; ` +
        'leave the pair out',
    );
}

/**
 * The book's `tokenize_nmt`: lines of two sentences with a tab between them, as tokens. Lines of
 * another form are left out. In the book: d2l 23.7, zh 9.5.
 * @param text normalized, see `normalize`
 * @param maxPairs the lines up to this number, counted from 0, are read @default all
 * @returns the tokens of the source and of the target sentences
 */
export function tokenizeNmt(
  text: string,
  maxPairs: number = Number.POSITIVE_INFINITY,
): [source: string[][], target: string[][]] {
  const lines = text.split('\n').slice(0, maxPairs + 1); // the book reads one line more
  const pairs = lines.map((line) => line.split('\t')).filter(({ length }) => length === 2);
  const column = (index: number) => pairs.map((pair) => (pair[index] as string).split(' '));
  return [column(0), column(1)];
}
