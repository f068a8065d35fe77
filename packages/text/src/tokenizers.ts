/** From strings to tokens and back. */
import { formatValue } from '@deepend/core';

/** Splits a string into tokens, and joins tokens to a string. */
export interface Tokenizer {
  tokenize(text: string): string[];
  join(tokens: readonly string[]): string;
}

/** The book's spaces: narrow no-break space and no-break space. */
const NO_BREAK_SPACES = /[\u202f\xa0]/g;

/**
 * The book's `preprocess_nmt`: no-break spaces become spaces, letters lower case, and a space goes
 * in front of `,` `.` `!` `?` that have none. In the book: d2l 23.7, zh 9.5.
 * @example normalize('Go!') // 'go !'
 */
export function normalize(text: string): string {
  const lower = text.replace(NO_BREAK_SPACES, ' ').toLowerCase();
  return lower.replace(/(?<=[^ ])(?=[,.!?])/gs, ' ');
}

/** Splits at blanks; none is left at either end. */
const splitWords = (text: string): string[] => text.split(/\s+/).filter((word) => word !== '');

const joinWords = (tokens: readonly string[]) => tokens.join(' ');
const joinAll = (tokens: readonly string[]) => tokens.join('');

/** Cuts a string where `Intl.Segmenter` does, by the rules of Unicode (UAX 29). */
function segments(granularity: 'grapheme' | 'word', locale?: string): (text: string) => string[] {
  const segmenter = new Intl.Segmenter(locale, { granularity });
  return (text) => Array.from(segmenter.segment(text), ({ segment }) => segment);
}

/** Built-in tokenizers by name. Each row makes one, since `Intl.Segmenter` takes long to load. */
const ROWS = {
  /** Code points: a letter beyond 16 bits stays whole. */
  char: () => ({ tokenize: (text: string) => Array.from(text), join: joinAll }),
  /** What a reader sees as one character, with its accents and joined emoji. */
  grapheme: () => ({ tokenize: segments('grapheme'), join: joinAll }),
  word: () => ({ tokenize: splitWords, join: joinWords }),
  nmt: () => ({ tokenize: (text: string) => splitWords(normalize(text)), join: joinWords }),
  chinese: () => {
    const cut = segments('word', 'zh');
    const tokenize = (text: string) => cut(text).filter((word) => word.trim() !== '');
    return { tokenize, join: joinAll };
  },
} as const satisfies Record<string, () => Tokenizer>;

/**
 * `char`: code points. `grapheme`: characters with their accents, and emoji, as Unicode has them.
 * `word`: what blanks separate. `nmt`: words and punctuation after `normalize`, as in the book's
 * translations. `chinese`: Chinese words, by `Intl.Segmenter`.
 */
export type TokenizerName = keyof typeof ROWS;

/**
 * Finds a tokenizer.
 * @param kind a built-in tokenizer's name; a regular expression, of which each match is a token; or
 *   your own tokenizer, which is returned
 * @throws RangeError for an unknown name or an expression that matches the empty string
 * @example
 * const words = tokenizer(/[\p{L}\p{N}]+|[^\s\p{L}\p{N}]/u); // words and punctuation
 * words.tokenize('Hello, 世界!'); // ['Hello', ',', '世界', '!']
 */
export function tokenizer(kind: TokenizerName | RegExp | Tokenizer): Tokenizer {
  if (typeof kind === 'string' && Object.hasOwn(ROWS, kind)) return ROWS[kind]();
  if (kind instanceof RegExp) return regexTokenizer(kind);
  const own = kind as Tokenizer | undefined;
  if (typeof own?.tokenize === 'function' && typeof own.join === 'function') return own;
  const names = Object.keys(ROWS).map((name) => `'${name}'`);
  throw new RangeError(
    `[text] tokenizer: expected ${names.join(', ')}, a regular expression or an object with ` +
      `tokenize and join, got ${formatValue(kind)}`,
  );
}

function regexTokenizer(pattern: RegExp): Tokenizer {
  const global = new RegExp(pattern, [...new Set(`${pattern.flags}g`)].join(''));
  if (new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, '')).exec('')?.[0] === '')
    throw new RangeError(
      `[text] tokenizer: expected an expression whose matches are not empty, got ${pattern}`,
    );
  return {
    tokenize: (text) => (text.match(global) ?? []).filter((token) => token !== ''),
    join: joinWords,
  };
}

/**
 * Splits each line into tokens.
 * @param kind see `tokenizer`
 * @returns the tokens of each line, in the lines' order
 * @throws TypeError when a line is not a string
 * @example tokenize(['the time machine', 'by h g wells']); // [['the', 'time', ...], ['by', ...]]
 */
export function tokenize(
  lines: readonly string[],
  kind: TokenizerName | RegExp | Tokenizer = 'word',
): string[][] {
  const made = tokenizer(kind);
  return lines.map((line, i) => {
    if (typeof line === 'string') return made.tokenize(line);
    throw new TypeError(
      `[text] tokenize: expected strings, got ${formatValue(line)} as line ${i + 1}`,
    );
  });
}
