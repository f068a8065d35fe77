/**
 * The steps of section 15.9 (zh 14.9) that make BERT's samples of WikiText-2 one by one. Padded
 * samples are lists of numbers; `loadDataWiki` has them as tensors.
 */
import { sfc32 } from '@deepend/data';
import { BERT_TOKENS, type Paragraph, Vocab } from '@deepend/text';
import { getMlmDataFromTokens, getNspDataFromParagraph } from './text-data';

/** Numbers in [0, 1), and integers below n. */
function drawing(seed: number) {
  const next = sfc32(seed);
  const real = () => next() / 2 ** 32;
  return { real, anyOf: <T>(list: readonly T[]): T => list[Math.floor(real() * list.length)] as T };
}

/** Section 15.9 (`_get_next_sentence`): the next sentence, or half of the time any other one. */
export function getNextSentence(
  sentence: readonly string[],
  nextSentence: readonly string[],
  ...[paragraphs, seed = 0]: [paragraphs: readonly Paragraph[], seed?: number]
): [sentence: readonly string[], nextSentence: readonly string[], isNext: boolean] {
  const { real, anyOf } = drawing(seed);
  if (real() < 0.5) return [sentence, nextSentence, true];
  return [sentence, anyOf(anyOf(paragraphs)), false];
}

/**
 * Section 15.9 (`_replace_mlm_tokens`): replaces tokens at some of the candidates' positions, by
 * `<mask>` (80 %), by a random token (10 %) or not at all (10 %).
 * @returns the tokens, and a pair of each position and the token that stood there
 */
export function replaceMlmTokens(
  tokens: readonly string[],
  candidatePredPositions: readonly number[],
  ...[numMlmPreds, vocab, seed = 0]: [numMlmPreds: number, vocab: Vocab, seed?: number]
): [mlmInputTokens: string[], predPositionsAndLabels: [position: number, label: string][]] {
  const { real, anyOf } = drawing(seed);
  const candidates = [...candidatePredPositions];
  const masked = [...tokens];
  const predicted: [number, string][] = [];
  while (predicted.length < numMlmPreds && candidates.length > 0) {
    const [position = 0] = candidates.splice(Math.floor(real() * candidates.length), 1);
    const token = tokens[position] as string;
    if (real() < 0.8) masked[position] = '<mask>';
    else if (real() >= 0.5) masked[position] = anyOf(vocab.idxToToken);
    predicted.push([position, token]);
  }
  return [masked, predicted];
}

/** Indices, positions to predict, the indices that stood there, segments, whether it is next. */
export type BertExample = [
  tokenIds: readonly number[],
  predPositions: readonly number[],
  mlmPredLabelIds: readonly number[],
  segments: readonly number[],
  isNext: boolean,
];

/** Seven lists with an entry for each sample. */
export type PaddedBert = [
  allTokenIds: number[][],
  allSegments: number[][],
  validLens: number[],
  allPredPositions: number[][],
  allMlmWeights: number[][],
  allMlmLabels: number[][],
  nspLabels: number[],
];

/** An entry of each of several lists. */
type EntryOf<Lists extends readonly (readonly unknown[])[]> = {
  [K in keyof Lists]: Lists[K][number];
};

function pad(values: readonly number[], length: number, padding = 0): number[] {
  if (values.length <= length)
    return [...values, ...new Array<number>(length - values.length).fill(padding)];
  throw new RangeError(
    `[deepend] d2l.padBertInputs: expected at most ${length} numbers, got ${values.length}; ` +
      'raise maxLen, or leave the sample out',
  );
}

/** Section 15.9 (`_pad_bert_inputs`): samples of one length, with 15 % of it to predict. */
export function padBertInputs(
  examples: readonly BertExample[],
  maxLen: number,
  vocab: Vocab,
): PaddedBert {
  const numPreds = Math.max(1, Math.round(maxLen * 0.15));
  const padding = vocab.indexOf('<pad>');
  return [
    examples.map(([ids]) => pad(ids, maxLen, padding)),
    examples.map(([, , , segments]) => pad(segments, maxLen)),
    examples.map(([ids]) => ids.length),
    examples.map(([, positions]) => pad(positions, numPreds)),
    examples.map(([, , labels]) => pad(new Array<number>(labels.length).fill(1), numPreds)),
    examples.map(([, , labels]) => pad(labels, numPreds)),
    examples.map(([, , , , isNext]) => Number(isNext)),
  ];
}

/** Section 15.9 (`_WikiTextDataset`): all samples of paragraphs, which `readWiki` gives. */
export class WikiTextDataset {
  readonly vocab: Vocab;
  readonly #padded: PaddedBert;

  /**
   * @param paragraphs the words of the sentences of each paragraph
   * @param options.minFreq how often a word must appear to be known @default 5
   * @param options.seed seeds the pairs and the masks @default 0
   */
  constructor(
    paragraphs: readonly Paragraph[],
    maxLen: number,
    { minFreq = 5, seed = 0 }: { minFreq?: number; seed?: number } = {},
  ) {
    this.vocab = new Vocab(paragraphs.flat(), { minFreq, reservedTokens: BERT_TOKENS });
    const pairs = paragraphs.flatMap((paragraph, i) =>
      getNspDataFromParagraph(paragraph, paragraphs, maxLen, seed + i),
    );
    const examples = pairs.map(([tokens, segments, isNext], i): BertExample => {
      const [ids, positions, labels] = getMlmDataFromTokens(tokens, this.vocab, seed + i);
      return [ids, positions, labels, segments, isNext];
    });
    this.#padded = padBertInputs(examples, maxLen, this.vocab);
  }

  get length(): number {
    return this.#padded[0].length;
  }

  /** What the lists of `padBertInputs` have for a sample. @throws RangeError for no index of one */
  at(index: number): EntryOf<PaddedBert> {
    if (Number.isInteger(index) && index >= 0 && index < this.length)
      return this.#padded.map((list) => list[index]) as never;
    throw new RangeError(
      `[deepend] d2l.WikiTextDataset: expected an index from 0 to ${this.length - 1}, got ${index}`,
    );
  }
}
