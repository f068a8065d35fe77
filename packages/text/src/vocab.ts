/** Vocabularies: tokens and their indices. */
import { checkOptions, formatValue, mixSeed, rule } from '@deepend/core';

const WHERE = '[text] Vocab';

export interface VocabOptions {
  /** Rarer tokens are left out: they become the unknown token. @default 0 */
  minFreq?: number;
  /** Tokens that are in any case there, such as `'<pad>'`; after the unknown one. @default [] */
  reservedTokens?: readonly string[];
  /** The token that stands for all that are not there. @default '<unk>' */
  unk?: string;
  /**
   * `frequency`: frequent tokens first, equally frequent ones as they appear; unknown and reserved
   * tokens in front (the book's Chinese edition, and its English one up to 0.17). `codePoint`: all
   * sorted by their code points, the unknown and reserved ones among them (the English edition
   * 1.0). @default 'frequency'
   */
  order?: 'frequency' | 'codePoint';
}

const OPTIONS = rule.object({
  minFreq: rule.nonNegativeInteger().optional(),
  reservedTokens: rule.list(rule.string(), 'a list of strings').optional(),
  unk: rule.nonEmptyString().optional(),
  order: rule.oneOf(['frequency', 'codePoint']).optional(),
});

/** A vocabulary as plain JSON. */
export interface VocabJson {
  readonly format: 'deepend-vocab';
  readonly version: 1;
  readonly unk: string;
  /** The tokens in the order of their indices. */
  readonly tokens: readonly string[];
  /** How often each token of the corpus appeared, frequent ones first. */
  readonly tokenFreqs: readonly TokenFreq[];
}

/** A token and how often it appears in the corpus. */
export type TokenFreq = readonly [token: string, count: number];

/** Tokens of a corpus: in one list, or in a list for each line. */
export type Tokens = readonly string[] | readonly (readonly string[])[];

type Indices<T> = T extends string ? number : number[];
type Found<T> = T extends number ? string : string[];

/** All tokens, one after the other. */
function* flatTokens(tokens: Tokens): Generator<string> {
  for (const entry of tokens) {
    if (Array.isArray(entry)) yield* entry as readonly string[];
    else yield entry as string; // `countCorpus` refuses anything else
  }
}

/**
 * Counts tokens. The book's `count_corpus`: zh 8.2.
 * @returns the count of each token, in the order in which they first appear
 * @throws TypeError when a token is not a string
 */
export function countCorpus(tokens: Tokens): Map<string, number> {
  const counts = new Map<string, number>();
  for (const token of flatTokens(tokens)) {
    if (typeof token !== 'string')
      throw new TypeError(`${WHERE}: expected tokens that are strings, got ${formatValue(token)}`);
    counts.set(token, (counts.get(token) ?? 0) + 1);
  }
  return counts;
}

/** By code points, as Python compares strings; `<` compares 16-bit units. */
function compareCodePoints(a: string, b: string): number {
  const [left, right] = [Array.from(a), Array.from(b)];
  const at = left.findIndex((char, i) => char !== right[i]);
  if (at < 0) return left.length - right.length;
  if (at >= right.length) return 1;
  return (left[at]?.codePointAt(0) ?? 0) - (right[at]?.codePointAt(0) ?? 0);
}

/** The indices of all tokens in the order of the options. */
function listTokens(freqs: readonly TokenFreq[], options: VocabOptions): string[] {
  const { minFreq = 0, reservedTokens = [], unk = '<unk>', order = 'frequency' } = options;
  const frequent = freqs.filter(([, count]) => count >= minFreq).map(([token]) => token);
  const tokens = [...new Set([unk, ...reservedTokens, ...frequent])];
  return order === 'frequency' ? tokens : tokens.sort(compareCodePoints);
}

/**
 * A vocabulary: each token of a corpus has an index. Tokens that are not there have the index of
 * the unknown token, 0 unless they are sorted by code points.
 *
 * @example
 * const vocab = new Vocab(tokenize(lines), { minFreq: 2, reservedTokens: ['<pad>'] });
 * vocab.toIndices(['time', 'machine']); // [12, 37]
 * vocab.toTokens(12); // 'time'
 */
export class Vocab {
  /** The tokens in the order of their indices. */
  readonly idxToToken: readonly string[];
  readonly tokenToIdx: ReadonlyMap<string, number>;
  /** Every token of the corpus with its count, frequent ones first, rare ones too. */
  readonly tokenFreqs: readonly TokenFreq[];
  /** Index of the unknown token. */
  readonly unk: number;
  #fingerprint: number | undefined;

  /**
   * @param tokens of the corpus, in one list or in a list for each line
   * @throws TypeError or RangeError for tokens that are not strings and options out of range
   */
  constructor(tokens: Tokens | VocabJson = [], options: VocabOptions = {}) {
    const checked = checkOptions(WHERE, OPTIONS, options) as VocabOptions;
    const saved = Array.isArray(tokens) ? undefined : checkJson(tokens);
    const freqs: readonly TokenFreq[] =
      saved?.tokenFreqs ??
      [...countCorpus(tokens as Tokens)].sort(([, first], [, second]) => second - first);
    this.tokenFreqs = freqs;
    this.idxToToken = saved?.tokens ?? listTokens(freqs, checked);
    this.tokenToIdx = new Map(this.idxToToken.map((token, index) => [token, index]));
    this.unk = this.tokenToIdx.get(saved?.unk ?? checked.unk ?? '<unk>') as number;
  }

  /**
   * Makes a vocabulary from what `toJSON` gave, or from its JSON.
   * @throws TypeError for anything else
   */
  static fromJSON(json: VocabJson | string): Vocab {
    return vocabFromJson(json);
  }

  /** Number of tokens, the unknown and the reserved ones included. */
  get size(): number {
    return this.idxToToken.length;
  }

  /** Whether a token has an index of its own. */
  has(token: string): boolean {
    return this.tokenToIdx.has(token);
  }

  /**
   * The index of a token, or the indices of a list of tokens. A token that is not there has the
   * index of the unknown token.
   */
  toIndices<const T extends string | readonly string[]>(tokens: T): Indices<T> {
    const indexOf = (token: string) => this.tokenToIdx.get(token) ?? this.unk;
    if (typeof tokens === 'string') return indexOf(tokens) as Indices<T>;
    return (tokens as readonly string[]).map(indexOf) as Indices<T>;
  }

  /**
   * The token of an index, or the tokens of a list of indices.
   * @throws RangeError for an index that no token has
   */
  toTokens<const T extends number | ArrayLike<number>>(indices: T): Found<T> {
    const tokenOf = (index: number) => {
      const token = this.idxToToken[index];
      if (token !== undefined) return token;
      throw new RangeError(
        `${WHERE}: expected indices from 0 to ${this.size - 1}, got ${formatValue(index)}; is it ` +
          'the index of another vocabulary?',
      );
    };
    if (typeof indices === 'number') return tokenOf(indices) as Found<T>;
    return Array.from(indices as ArrayLike<number>, tokenOf) as Found<T>;
  }

  /**
   * The index of a token that must be there, such as `'<pad>'`.
   * @throws RangeError when it is not
   */
  indexOf(token: string): number {
    const index = this.tokenToIdx.get(token);
    if (index !== undefined) return index;
    throw new RangeError(
      `${WHERE}: expected a vocabulary of ${this.size} tokens that has ${formatValue(token)}, ` +
        'got one without it; make it with this token in "reservedTokens"',
    );
  }

  /** A number that two vocabularies share only if they have the same tokens in the same order. */
  get fingerprint(): number {
    this.#fingerprint ??= this.idxToToken.reduce(addToken, 0);
    return this.#fingerprint;
  }

  /**
   * Checks that `other`, such as the vocabulary of the run that a model comes from, gives each
   * token the same index.
   * @throws RangeError that names the first difference
   */
  requireSame(other: Vocab): void {
    const length = Math.max(this.size, other.size);
    for (let i = 0; i < length; i++) {
      const [own, its] = [this.idxToToken[i], other.idxToToken[i]];
      if (own === its) continue;
      throw new RangeError(
        `${WHERE}: expected the vocabulary of the run, ${other.size} tokens with ` +
          `${formatValue(its)} at index ${i}, got ${this.size} tokens with ${formatValue(own)} ` +
          "there; load the run's vocabulary with Vocab.fromJSON",
      );
    }
  }

  /** The vocabulary as plain JSON, for `Vocab.fromJSON`. */
  toJSON(): VocabJson {
    const { idxToToken: tokens, tokenFreqs } = this;
    const unk = tokens[this.unk] as string;
    return { format: 'deepend-vocab', version: 1, unk, tokens, tokenFreqs };
  }
}

// A function of its own, because the bundler renames a class that refers to itself.
const vocabFromJson = (json: VocabJson | string): Vocab => new Vocab(checkJson(json));

/** Adds a token to a fingerprint. */
const addToken = (fingerprint: number, token: string): number =>
  mixSeed(fingerprint, token.length, ...new TextEncoder().encode(token));

/** @throws TypeError for anything but a vocabulary's JSON */
function checkJson(json: unknown): VocabJson {
  const { format, version, tokens, unk, tokenFreqs } = (parseJson(json) ?? {}) as VocabJson;
  const isString = (value: unknown) => typeof value === 'string';
  const isGood =
    format === 'deepend-vocab' &&
    version === 1 &&
    Array.isArray(tokens) &&
    tokens.every(isString) &&
    new Set(tokens).size === tokens.length &&
    tokens.includes(unk) &&
    Array.isArray(tokenFreqs) &&
    tokenFreqs.every((entry) => isString(entry?.[0]) && Number.isSafeInteger(entry[1]));
  if (isGood) return { format, version, tokens, unk, tokenFreqs };
  throw new TypeError(
    `${WHERE}: expected tokens, or JSON with format 'deepend-vocab', version 1 and a list of ` +
      `different tokens, got ${formatValue(json)}; save a vocabulary with JSON.stringify(vocab)`,
  );
}

function parseJson(json: unknown): unknown {
  if (typeof json !== 'string') return json;
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

/**
 * All tokens of a corpus as indices, one after the other.
 * @throws RangeError for a corpus without tokens
 */
export function toCorpus(tokens: Tokens, vocab: Vocab): Int32Array {
  const corpus = Int32Array.from(flatTokens(tokens), (token) => vocab.toIndices(token));
  if (corpus.length > 0) return corpus;
  throw new RangeError('[text] toCorpus: expected at least one token, got none');
}
