/** Byte-pair encoding: learns, reads and writes tokenizers of subwords. */
import { checkOptions, formatValue, rule, writeFileAtomic } from '@deepend/core';
import { DataError } from '@deepend/data';
import { readText } from '../reading';
import type { Tokenizer } from '../tokenizers';
import { fromCharacters, splitBytes } from './bytes';
import { checkTokenizerJson, type TokenizerJson, toTokenizerJson } from './tokenizer-json';
import { learnMerges, type Merge } from './train';

const WHERE = '[text] BytePairTokenizer';
/** Words whose tokens are remembered. */
const CACHE_SIZE = 2 ** 16;

/**
 * Byte-level byte-pair encoding as GPT-2 has it: text of every language has tokens, and
 * `decode(encode(text))` is the text. It reads and writes `tokenizer.json`.
 *
 * @example
 * const bpe = await BytePairTokenizer.load('tokenizer.json');
 * bpe.encode('Hello, world'); // [15496, 11, 995] with GPT-2's file
 */
export class BytePairTokenizer implements Tokenizer {
  /** The tokens in the order of their indices. Bytes that are not printable have other signs. */
  readonly idxToToken: readonly string[];
  readonly tokenToIdx: ReadonlyMap<string, number>;
  readonly #json: TokenizerJson;
  /** The place of each merge, by its two tokens with a space between them. */
  readonly #ranks: ReadonlyMap<string, number>;
  readonly #added: ReadonlySet<string>;
  /** Finds added tokens in a string; undefined if there are none. */
  readonly #addedPattern: RegExp | undefined;
  readonly #cache = new Map<string, readonly string[]>();

  /**
   * @param json the content of a `tokenizer.json`
   * @throws DataError for another kind of tokenizer
   */
  constructor(json: TokenizerJson, file = 'tokenizer.json') {
    this.#json = checkTokenizerJson(json, file);
    const { vocab, merges } = json.model;
    const added = json.added_tokens ?? [];
    const entries = [...Object.entries(vocab), ...added.map(({ content, id }) => [content, id])];
    this.tokenToIdx = new Map(entries as [string, number][]);
    const tokens: string[] = [];
    for (const [token, index] of this.tokenToIdx) tokens[index] = token;
    this.idxToToken = tokens;
    this.#ranks = new Map(
      merges.map((merge, i) => [typeof merge === 'string' ? merge : merge.join(' '), i]),
    );
    this.#added = new Set(added.map(({ content }) => content));
    if (added.length > 0) this.#addedPattern = patternOf([...this.#added]);
  }

  /**
   * Reads a `tokenizer.json`.
   * @throws DataError for a file that cannot be read, or of another kind than byte-level BPE
   */
  static load(file: string): Promise<BytePairTokenizer> {
    return loadTokenizer(file);
  }

  /** Number of tokens. */
  get size(): number {
    return this.idxToToken.length;
  }

  /** The indices of the tokens of a string; added tokens (`<|endoftext|>`) have their own. */
  encode(text: string): number[] {
    return this.tokenize(text).map((token) => this.tokenToIdx.get(token) as number);
  }

  /**
   * The text of tokens; added tokens stand as they are. Bytes that are not UTF-8, as at the end of
   * tokens that were cut, become U+FFFD.
   * @throws RangeError for an index that no token has
   */
  decode(indices: ArrayLike<number>): string {
    const tokens = Array.from(indices, (index) => {
      const token = this.idxToToken[index];
      if (token !== undefined) return token;
      throw new RangeError(
        `${WHERE}: expected indices from 0 to ${this.size - 1}, got ${formatValue(index)}`,
      );
    });
    return this.join(tokens);
  }

  tokenize(text: string): string[] {
    const parts = this.#addedPattern ? text.split(this.#addedPattern) : [text];
    return parts.flatMap((part) =>
      this.#added.has(part) ? [part] : splitBytes(part).flatMap((word) => this.#merge(word)),
    );
  }

  join(tokens: readonly string[]): string {
    let text = '';
    let characters = '';
    for (const token of tokens) {
      if (!this.#added.has(token)) {
        characters += token;
        continue;
      }
      text += fromCharacters(characters) + token;
      characters = '';
    }
    return text + fromCharacters(characters);
  }

  /** The content of `tokenizer.json`. */
  toJSON(): TokenizerJson {
    return this.#json;
  }

  /**
   * Writes `tokenizer.json`, which Python's `tokenizers` and `transformers` read too.
   * @throws Error when it cannot be written
   */
  async save(file: string): Promise<void> {
    await writeFileAtomic(file, `${JSON.stringify(this.#json, null, 2)}\n`, { where: WHERE });
  }

  /** Merges the bytes of a word, always the pair that was learned first. */
  #merge(word: string): readonly string[] {
    const known = this.#cache.get(word);
    if (known) return known;
    let symbols = Array.from(word);
    for (;;) {
      let [best, at] = [Number.POSITIVE_INFINITY, -1];
      for (let i = 0; i + 1 < symbols.length; i++) {
        const rank = this.#ranks.get(`${symbols[i]} ${symbols[i + 1]}`) ?? best;
        if (rank < best) [best, at] = [rank, i];
      }
      if (at < 0) break;
      symbols = mergePair(symbols, symbols[at] as string, symbols[at + 1] as string);
    }
    if (this.#cache.size >= CACHE_SIZE) this.#cache.clear();
    this.#cache.set(word, symbols);
    return symbols;
  }
}

function mergePair(symbols: readonly string[], left: string, right: string): string[] {
  const result: string[] = [];
  for (let i = 0; i < symbols.length; i++) {
    const isPair = symbols[i] === left && symbols[i + 1] === right;
    result.push(isPair ? left + right : (symbols[i] as string));
    if (isPair) i++;
  }
  return result;
}

/** An expression that splits a string at tokens and keeps them; longer ones come first. */
function patternOf(tokens: readonly string[]): RegExp {
  const sorted = [...tokens].sort((a, b) => b.length - a.length);
  const escaped = sorted.map((token) => token.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&'));
  return new RegExp(`(${escaped.join('|')})`);
}

// A function of its own, because the bundler renames a class that refers to itself.
async function loadTokenizer(file: string): Promise<BytePairTokenizer> {
  const text = await readText(file);
  let json: TokenizerJson;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    const next = 'pass the file tokenizer.json of a tokenizer';
    throw new DataError(file, 'JSON', (cause as Error).message, next, { cause });
  }
  return new BytePairTokenizer(json, file);
}

export interface TrainBpeOptions {
  /** Tokens to learn, the special ones and the 256 bytes included. @default 8192 */
  vocabSize?: number;
  /** Pairs that appear less often are not merged. @default 1 */
  minFreq?: number;
  /** Tokens that are never split and come first. @default [] */
  specialTokens?: readonly string[];
}

const OPTIONS = rule.object({
  vocabSize: rule.integer({ min: 257, max: 2 ** 22 }).optional(),
  minFreq: rule.positiveInteger().optional(),
  specialTokens: rule.list(rule.nonEmptyString(), 'a list of strings').optional(),
});

/**
 * Learns a byte-level BPE from texts: the same tokens and merges as Python's `tokenizers` learns
 * with `BpeTrainer` and the alphabet of bytes.
 * @throws TypeError for texts that are no strings, RangeError for none
 * @example
 * const bpe = trainBpe(await readLines('book.txt'), { vocabSize: 1000 });
 * await bpe.save('tokenizer.json');
 */
export function trainBpe(
  texts: readonly string[],
  options: TrainBpeOptions = {},
): BytePairTokenizer {
  const where = '[text] trainBpe';
  const checked = checkOptions(where, OPTIONS, options);
  const { vocabSize = 8192, minFreq = 1, specialTokens = [] } = checked;
  if (!Array.isArray(texts) || texts.some((text) => typeof text !== 'string'))
    throw new TypeError(`${where}: expected a list of strings, got ${formatValue(texts)}`);
  if (texts.every((text) => text === ''))
    throw new RangeError(`${where}: expected at least one text that is not empty, got none`);
  const { tokens, merges } = learnMerges(texts, { vocabSize, minFreq, specialTokens });
  return new BytePairTokenizer(toTokenizerJson(tokens, merges as Merge[], specialTokens));
}
