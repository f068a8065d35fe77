/** The steps by which the book makes BERT's samples (15.9, zh 14.9); see also `text.bertLoader`. */
import { uniform } from '@deepend/data';
import {
  BERT_TOKENS,
  type FileOptions,
  maskedCount,
  maskTokens,
  nextSentenceSamples,
  type Paragraph,
  readWikiText2,
  Vocab,
} from '@deepend/text';

const randomOf = (seed: number) => {
  const real = uniform(seed);
  return { real, below: (n: number) => Math.floor(real() * n) };
};

/** Section 15.9 (`_read_wiki`): the paragraphs of WikiText-2 as the words of their sentences. */
export const readWiki = (files: FileOptions = {}): Promise<string[][][]> => readWikiText2(files);

/**
 * Section 15.9 (`_get_next_sentence`): the next sentence, or half of the time a random one of any
 * paragraph, and whether it is the next.
 */
export const getNextSentence = (
  sentence: readonly string[],
  nextSentence: readonly string[],
  ...[paragraphs, seed = 0]: [paragraphs: readonly Paragraph[], seed?: number]
): [sentence: readonly string[], nextSentence: readonly string[], isNext: boolean] => {
  const { real, below } = randomOf(seed);
  if (real() < 0.5) return [sentence, nextSentence, true];
  const paragraph = paragraphs[below(paragraphs.length)] ?? [];
  return [sentence, paragraph[below(paragraph.length)] ?? [], false];
};

/** Section 15.9 (`_get_nsp_data_from_paragraph`): pairs of sentences of a paragraph. */
export const getNspDataFromParagraph = (
  paragraph: Paragraph,
  paragraphs: readonly Paragraph[],
  ...[maxLen, seed = 0]: [maxLen: number, seed?: number]
): [tokens: string[], segments: number[], isNext: boolean][] => {
  const samples = nextSentenceSamples([paragraph], maxLen, {
    ...randomOf(seed),
    others: paragraphs,
  });
  return samples.map(({ tokens, segments, isNext }) => [tokens, segments, isNext]);
};

/** Section 15.9 (`_get_mlm_data_from_tokens`): indices with masks, positions, what was there. */
export const getMlmDataFromTokens = (
  tokens: readonly string[],
  vocab: Vocab,
  seed = 0,
): [tokenIds: number[], predPositions: number[], mlmPredLabels: number[]] => {
  const masked = maskTokens(tokens, vocab, randomOf(seed));
  return [vocab.toIndices(masked.tokens), masked.positions, vocab.toIndices(masked.labels)];
};

/**
 * Section 15.9 (`_replace_mlm_tokens`): replaces `numMlmPreds` of the tokens at the candidates by
 * `<mask>` (80 %), by a random token (10 %) or not at all (10 %).
 * @returns the tokens, and each position with the token that stood there, in random order
 */
export function replaceMlmTokens(
  tokens: readonly string[],
  candidatePredPositions: readonly number[],
  ...[numMlmPreds, vocab, seed = 0]: [numMlmPreds: number, vocab: Vocab, seed?: number]
): [mlmInputTokens: string[], predPositionsAndLabels: [position: number, label: string][]] {
  const masked = maskTokens(tokens, vocab, {
    ...randomOf(seed),
    candidates: candidatePredPositions,
    count: numMlmPreds,
  });
  return [masked.tokens, masked.positions.map((at, i) => [at, masked.labels[i] as string])];
}

/** What `padBertInputs` pads: a sample of both tasks. */
export type BertExample = readonly [
  tokenIds: readonly number[],
  predPositions: readonly number[],
  mlmPredLabelIds: readonly number[],
  segments: readonly number[],
  isNext: boolean,
];

/** Samples of one length, a row for each: what the book's `_pad_bert_inputs` returns. */
export type PaddedBertInputs = [
  allTokenIds: number[][],
  allSegments: number[][],
  validLens: number[],
  allPredPositions: number[][],
  allMlmWeights: number[][],
  allMlmLabels: number[][],
  nspLabels: number[],
];

/**
 * Section 15.9 (`_pad_bert_inputs`): pads tokens with `<pad>` to `maxLen`, and predictions with 0
 * to 15 % of it.
 * @throws RangeError for an example with more than `maxLen` tokens or with more predictions
 */
export function padBertInputs(
  examples: readonly BertExample[],
  maxLen: number,
  vocab: Vocab,
): PaddedBertInputs {
  const numPreds = maskedCount(maxLen);
  const pad = (row: readonly number[], width: number, padding: number, what: string): number[] => {
    if (row.length <= width)
      return [...row, ...new Array<number>(width - row.length).fill(padding)];
    throw new RangeError(
      `[d2l] padBertInputs: expected at most ${width} ${what} with maxLen ${maxLen}, got ` +
        `${row.length}; leave longer examples out`,
    );
  };
  const columns: PaddedBertInputs = [[], [], [], [], [], [], []];
  for (const [tokenIds, positions, labels, segments, isNext] of examples) {
    columns[0].push(pad(tokenIds, maxLen, vocab.indexOf('<pad>'), 'tokens'));
    columns[1].push(pad(segments, maxLen, 0, 'segments'));
    columns[2].push(tokenIds.length);
    columns[3].push(pad(positions, numPreds, 0, 'predictions'));
    const ones = labels.map(() => 1);
    columns[4].push(pad(ones, numPreds, 0, 'predictions'));
    columns[5].push(pad(labels, numPreds, 0, 'predictions'));
    columns[6].push(Number(isNext));
  }
  return columns;
}

type RowOf<T extends readonly unknown[][]> = { [K in keyof T]: T[K][number] };

/**
 * Section 15.9 (`_WikiTextDataset`): the samples of BERT's two tasks, drawn once, and the
 * vocabulary.
 */
export class WikiTextDataset {
  readonly vocab: Vocab;
  readonly #columns: PaddedBertInputs;

  /**
   * @param paragraphs the words of the sentences of each, as `readWiki` gives them
   * @param options.minFreq how often a word must appear to be known @default 5
   * @param options.seed seeds the pairs and the masks: any safe integer @default 0
   */
  constructor(
    paragraphs: readonly Paragraph[],
    maxLen: number,
    { minFreq = 5, seed = 0 }: { minFreq?: number; seed?: number } = {},
  ) {
    this.vocab = new Vocab(paragraphs.flat(), { minFreq, reservedTokens: BERT_TOKENS });
    const { real, below } = randomOf(seed);
    const examples = nextSentenceSamples(paragraphs, maxLen, { real, below }).map(
      (sample): BertExample => {
        const { tokens, positions, labels } = maskTokens(sample.tokens, this.vocab, {
          real,
          below,
        });
        const [ids, labelIds] = [this.vocab.toIndices(tokens), this.vocab.toIndices(labels)];
        return [ids, positions, labelIds, sample.segments, sample.isNext];
      },
    );
    this.#columns = padBertInputs(examples, maxLen, this.vocab);
  }

  /** Number of samples. */
  get length(): number {
    return this.#columns[2].length;
  }

  /**
   * The seven rows of a sample, in the order of `padBertInputs`.
   * @throws RangeError for anything but an index of a sample
   */
  at(index: number): RowOf<PaddedBertInputs> {
    if (Number.isInteger(index) && index >= 0 && index < this.length)
      return this.#columns.map((column) => column[index]) as never;
    throw new RangeError(
      `[d2l] WikiTextDataset: expected an index from 0 to ${this.length - 1}, got ${index}`,
    );
  }
}
