/** The file `tokenizer.json` of the library `tokenizers`, for byte-level BPE as GPT-2 has it. */
import { formatValue } from '@deepend/core';
import { DataError } from '@deepend/data';
import type { Merge } from './train';

/** A token that is never split, such as `<|endoftext|>`. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly special?: boolean;
}

/** What `tokenizer.json` has for byte-level BPE; other fields are kept as they are. */
export interface TokenizerJson {
  readonly [field: string]: unknown;
  readonly added_tokens: readonly AddedToken[];
  readonly model: {
    readonly [field: string]: unknown;
    readonly type: 'BPE';
    readonly vocab: Readonly<Record<string, number>>;
    readonly merges: readonly (string | Merge)[];
  };
}

const BYTE_LEVEL = {
  type: 'ByteLevel',
  add_prefix_space: false,
  trim_offsets: true,
  use_regex: true,
} as const;

/** Writes what `tokenizers` itself writes for a byte-level BPE that it has learned. */
export function toTokenizerJson(
  tokens: readonly string[],
  merges: readonly Merge[],
  specialTokens: readonly string[],
): TokenizerJson {
  const added = { single_word: false, lstrip: false, rstrip: false, normalized: false };
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: specialTokens.map((content, id) => ({ id, content, ...added, special: true })),
    normalizer: null,
    pre_tokenizer: BYTE_LEVEL,
    post_processor: null,
    decoder: { ...BYTE_LEVEL, add_prefix_space: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(tokens.map((token, index) => [token, index])),
      merges,
    },
  };
}

/** A part of the file, what it must be, and whether it is. */
type Part = readonly [name: string, expected: string, isGood: (json: TokenizerJson) => boolean];

const typeOf = (value: unknown) => (value as { type?: unknown } | null | undefined)?.type;
const isAbsent = (value: unknown) => value === null || value === undefined || value === '';

const PARTS: readonly Part[] = [
  ['model.type', "'BPE'", ({ model }) => model?.type === 'BPE'],
  ['normalizer', 'none', ({ normalizer }) => isAbsent(normalizer)],
  [
    'pre_tokenizer',
    "'ByteLevel' with GPT-2's words and without a space in front",
    ({ pre_tokenizer: part }) => {
      const { add_prefix_space, use_regex } = (part ?? {}) as typeof BYTE_LEVEL;
      return (
        typeOf(part) === 'ByteLevel' && add_prefix_space === false && use_regex !== (false as never)
      );
    },
  ],
  ['decoder', "'ByteLevel'", ({ decoder }) => typeOf(decoder) === 'ByteLevel'],
  [
    'post_processor',
    "none or 'ByteLevel'",
    ({ post_processor: part }) => isAbsent(part) || typeOf(part) === 'ByteLevel',
  ],
  [
    'model.continuing_subword_prefix',
    'none',
    ({ model }) => isAbsent(model.continuing_subword_prefix),
  ],
  ['model.end_of_word_suffix', 'none', ({ model }) => isAbsent(model.end_of_word_suffix)],
  ['model.dropout', 'none', ({ model }) => isAbsent(model.dropout)],
  ['model.ignore_merges', 'false', ({ model }) => !model.ignore_merges],
];

/**
 * Checks that this is a byte-level BPE.
 * @param file where it was read, for errors
 * @throws DataError that names the first part that is something else
 */
export function checkTokenizerJson(json: unknown, file: string): TokenizerJson {
  const given = json as TokenizerJson;
  const next = 'use the package @huggingface/tokenizers for tokenizers of other kinds';
  if (typeof given?.model !== 'object' || given.model === null)
    throw new DataError(file, 'a tokenizer.json with a "model"', formatValue(json), next);
  for (const [name, expected, isGood] of PARTS) {
    if (isGood(given)) continue;
    const value = name.split('.').reduce<unknown>((at, key) => (at as TokenizerJson)?.[key], given);
    const got = formatValue(typeOf(value) ?? value);
    throw new DataError(file, `a byte-level BPE with "${name}" ${expected}`, got, next);
  }
  checkVocabulary(given, file);
  return given;
}

/** @throws DataError for indices with gaps, and for merges of tokens that are not there */
function checkVocabulary({ model, added_tokens: added = [] }: TokenizerJson, file: string): void {
  const next = 'get the file again';
  const ids = new Set([...Object.values(model.vocab ?? {}), ...added.map(({ id }) => id)]);
  const gap = Array.from({ length: ids.size }, (_, id) => id).find((id) => !ids.has(id));
  if (ids.size === 0 || gap !== undefined)
    throw new DataError(file, `a token for each index from 0`, `none for ${gap ?? 0}`, next);
  for (const merge of model.merges ?? []) {
    const [left = '', right = '', ...more] = typeof merge === 'string' ? merge.split(' ') : merge;
    const isKnown = [left, right, left + right].every((token) => Object.hasOwn(model.vocab, token));
    if (isKnown && more.length === 0) continue;
    const got = formatValue(typeof merge === 'string' ? merge : [...merge]);
    throw new DataError(file, 'merges of two tokens to one of the vocabulary', got, next);
  }
}
