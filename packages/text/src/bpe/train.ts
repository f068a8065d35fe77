/** Learns byte-pair encoding. Sennrich et al. 2016, https://aclanthology.org/P16-1162/ */
import { ALPHABET, splitBytes } from './bytes';

/** Two symbols that become one. */
export type Merge = readonly [left: string, right: string];

/** A distinct word of the corpus. */
interface Word {
  /** Indices of its symbols. */
  symbols: number[];
  readonly count: number;
}

/** Two indices as one number; there are fewer than 2²⁶ symbols. */
const PAIR_BASE = 2 ** 26;
const toPair = (left: number, right: number) => left * PAIR_BASE + right;

/** Counts the pairs of neighbours in all words, and knows in which words each one is. */
class Pairs {
  readonly #counts = new Map<number, number>();
  readonly #places = new Map<number, Set<number>>();

  /** Adds the pairs of a word, or removes them by a count below 0. */
  add(place: number, symbols: readonly number[], count: number): void {
    for (let i = 1; i < symbols.length; i++) {
      const pair = toPair(symbols[i - 1] as number, symbols[i] as number);
      const sum = (this.#counts.get(pair) ?? 0) + count;
      if (sum > 0) this.#counts.set(pair, sum);
      else this.#counts.delete(pair);
      const places = this.#places.get(pair);
      if (places) places.add(place);
      else this.#places.set(pair, new Set([place]));
    }
  }

  /** The most frequent pair; of equally frequent ones that of the smallest indices. */
  best(): { pair: number; count: number } {
    let [pair, count] = [-1, 0];
    for (const [other, sum] of this.#counts)
      if (sum > count || (sum === count && other < pair)) [pair, count] = [other, sum];
    return { pair, count };
  }

  /** The words that may have a pair. */
  placesOf(pair: number): readonly number[] {
    return [...(this.#places.get(pair) ?? [])];
  }
}

function countWords(texts: Iterable<string>, indexOf: (symbol: string) => number): Word[] {
  const counts = new Map<string, number>();
  for (const text of texts)
    for (const word of splitBytes(text)) counts.set(word, (counts.get(word) ?? 0) + 1);
  return Array.from(counts, ([word, count]) => ({ symbols: Array.from(word, indexOf), count }));
}

/** A word with each occurrence of a pair replaced, from left to right. */
function mergeIn(symbols: readonly number[], pair: number, merged: number): number[] {
  const result: number[] = [];
  for (let i = 0; i < symbols.length; i++) {
    const isPair =
      i + 1 < symbols.length && toPair(symbols[i] as number, symbols[i + 1] as number) === pair;
    result.push(isPair ? merged : (symbols[i] as number));
    if (isPair) i++;
  }
  return result;
}

export interface BpeSpec {
  readonly vocabSize: number;
  readonly minFreq: number;
  readonly specialTokens: readonly string[];
}

/**
 * Learns merges until there are `vocabSize` tokens, or no pair is frequent enough.
 * @returns the tokens in the order of their indices: special ones, bytes, merged ones
 */
export function learnMerges(
  texts: Iterable<string>,
  { vocabSize, minFreq, specialTokens }: BpeSpec,
): { tokens: string[]; merges: Merge[] } {
  const tokens = [...new Set([...specialTokens, ...ALPHABET])];
  const indices = new Map(tokens.map((token, index) => [token, index]));
  const words = countWords(texts, (symbol) => indices.get(symbol) as number);
  const pairs = new Pairs();
  words.forEach(({ symbols, count }, place) => {
    pairs.add(place, symbols, count);
  });
  const merges: Merge[] = [];
  while (tokens.length < vocabSize) {
    const { pair, count } = pairs.best();
    if (count < Math.max(1, minFreq)) break;
    const [left, right] = [Math.floor(pair / PAIR_BASE), pair % PAIR_BASE];
    const merge = [tokens[left], tokens[right]] as [string, string];
    merges.push(merge);
    const token = merge.join('');
    const index = indices.get(token) ?? tokens.push(token) - 1;
    indices.set(token, index);
    for (const place of pairs.placesOf(pair)) {
      const word = words[place] as Word;
      pairs.add(place, word.symbols, -word.count);
      word.symbols = mergeIn(word.symbols, pair, index);
      pairs.add(place, word.symbols, word.count);
    }
  }
  return { tokens, merges };
}
