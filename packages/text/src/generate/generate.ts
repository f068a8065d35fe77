/** Continuing a prompt with a language model. */
import { inMode } from '@deepend/compiler';
import { checkOptions, formatValue, rule } from '@deepend/core';
import * as nn from '@deepend/nn';
import { type Autoregressive, isAutoregressive } from '../models/autoregressive';
import { type Tokenizer, type TokenizerName, tokenizer } from '../tokenizers';
import type { Vocab } from '../vocab';
import { beamSearch } from './beam-search';
import { randomAt, sampleToken } from './sampling';
import { Session } from './session';

export interface GenerateOptions {
  /**
   * The vocabulary that the model was trained with.
   * @example vocab
   */
  vocab: Vocab;
  /** How the prompt was cut into tokens in training. @default 'char' */
  tokenizer?: TokenizerName | RegExp | Tokenizer;
  /** Number of tokens to generate. @default 50 */
  maxTokens?: number;
  /**
   * Divides the logits: below 1 prefers likely tokens, above 1 gives others a chance; 0 takes the
   * most likely token. @default 0; 1 where `topK` or `topP` is given
   */
  temperature?: number;
  /** Draws from this many of the most likely tokens only. @default all */
  topK?: number;
  /** Draws from the most likely tokens whose probabilities sum up to this only. @default all */
  topP?: number;
  /** Number of sequences of a beam search, in place of drawing. @default 1, none */
  beam?: number;
  /** Seeds the draws: any safe integer. @default 0 */
  seed?: number;
  /** The token that ends the continuation, such as `'<eos>'`. @default none */
  endToken?: string;
  /** Whether unknown tokens in the prompt become the unknown token. @default false: an error */
  allowUnknown?: boolean;
  /** Whether keys, values and states pass from token to token. @default true */
  cache?: boolean;
  /**
   * Called with each token as it is generated (with a beam search, at the end).
   * @default none
   * @example (token) => process.stdout.write(token)
   */
  onToken?: (token: string, id: number) => void;
}

const WHERE = '[text] generate';

const isVocab = (value: unknown) => typeof (value as Vocab | undefined)?.toIndices === 'function';
const generateRules = rule.object({
  vocab: rule.custom<Vocab>(isVocab, 'a Vocab'),
  tokenizer: rule
    .custom<NonNullable<GenerateOptions['tokenizer']>>(Boolean, 'a tokenizer')
    .optional(),
  maxTokens: rule.positiveInteger().optional(),
  temperature: rule.nonNegativeNumber().optional(),
  topK: rule.positiveInteger().optional(),
  topP: rule.number({ above: 0, max: 1 }).optional(),
  beam: rule.positiveInteger().optional(),
  seed: rule.seed().optional(),
  endToken: rule.string().optional(),
  allowUnknown: rule.boolean().optional(),
  cache: rule.boolean().optional(),
  onToken: rule
    .custom<NonNullable<GenerateOptions['onToken']>>(
      (value) => typeof value === 'function',
      'a function (token, id) => void',
    )
    .optional(),
});

export interface Generated {
  /** The prompt and its continuation. */
  readonly text: string;
  /** The tokens behind the prompt. */
  readonly tokens: readonly string[];
  /** Their ids. */
  readonly ids: readonly number[];
}

const SHOWN = 5;

/**
 * The ids of tokens.
 * @throws RangeError for tokens that the vocabulary does not have
 */
export function knownIds(
  where: string,
  tokens: readonly string[],
  { vocab, allowUnknown }: { vocab: Vocab; allowUnknown: boolean },
): number[] {
  const unknown = [...new Set(tokens.filter((token) => !vocab.has(token)))];
  if (unknown.length === 0 || allowUnknown) return vocab.toIndices(tokens);
  const more = unknown.length > SHOWN ? ` and ${unknown.length - SHOWN} more` : '';
  throw new RangeError(
    `${where}: expected tokens of the vocabulary, which has ${vocab.size}, got unknown ones: ` +
      `${unknown.slice(0, SHOWN).map(formatValue).join(', ')}${more}; change the prompt (case, ` +
      'language, another "tokenizer"?), or give { allowUnknown: true } to read them as the ' +
      'unknown token',
  );
}

/** @throws RangeError for a vocabulary of another size than the model's */
export function checkVocab(where: string, vocab: Vocab, vocabSize: number): void {
  if (vocab.size === vocabSize) return;
  throw new RangeError(
    `${where}: expected the vocabulary of ${vocabSize} tokens that the model was built for, got ` +
      `one of ${vocab.size}; load the vocabulary that was saved with the run`,
  );
}

function requireModel(given: unknown): Autoregressive {
  const model = given instanceof nn.CompiledModule ? given.module : given;
  if (isAutoregressive(model)) return model;
  throw new TypeError(
    `${WHERE}: expected a language model, such as a LanguageModel or a GPT, got ` +
      `${formatValue(model)}; a module of your own needs the methods \`next\` and \`selectRows\``,
  );
}

function refuseMixed(options: GenerateOptions): void {
  const { beam = 1, temperature, topK, topP } = options;
  const drawing = Object.entries({ temperature, topK, topP }).find(([, value]) => value);
  if (beam > 1 && drawing) {
    throw new RangeError(
      `${WHERE}: a beam search draws nothing, so leave out "${drawing[0]}", or "beam"`,
    );
  }
  if (temperature === 0 && (topK !== undefined || topP !== undefined)) {
    throw new RangeError(
      `${WHERE}: temperature 0 takes the most likely token, so leave out "topK" and "topP", or ` +
        'give a temperature above 0',
    );
  }
}

/**
 * Continues a prompt, token by token. Keys and values (or the recurrent state) of what was read are
 * kept, so a step costs one token; a model with positions that is full reads its last
 * `contextLength` tokens again in each step.
 * @param prompt at least one token
 * @throws RangeError for an empty prompt, one with unknown tokens, or a vocabulary of another size
 * @example
 * const { text } = await generate(model, 'time traveller', { vocab, maxTokens: 50 });
 */
export async function generate(
  model: Autoregressive | nn.CompiledModule,
  prompt: string,
  options: GenerateOptions,
): Promise<Generated> {
  const language = requireModel(model);
  const checked = checkOptions(WHERE, generateRules, options) as GenerateOptions;
  const { vocab, maxTokens = 50, endToken, allowUnknown = false } = checked;
  checkVocab(WHERE, vocab, language.vocabSize);
  refuseMixed(checked);
  const cut = tokenizer(checked.tokenizer ?? 'char');
  const tokens = cut.tokenize(prompt);
  if (tokens.length === 0)
    throw new RangeError(
      `${WHERE}: expected a prompt of at least one token, got ${formatValue(prompt)}`,
    );
  const start = knownIds(WHERE, tokens, { vocab, allowUnknown });
  const end = endToken === undefined ? undefined : vocab.indexOf(endToken);
  const run = (checked.beam ?? 1) > 1 ? searched : drawn;
  const ids = await inMode(language, false, () =>
    run(language, start, { ...checked, end, maxTokens }),
  );
  const added = vocab.toTokens(ids);
  return { text: cut.join([...tokens, ...added]), tokens: added, ids };
}

type Settings = GenerateOptions & { readonly end: number | undefined; readonly maxTokens: number };

/** One token after the other. */
async function drawn(model: Autoregressive, start: number[], settings: Settings) {
  const { vocab, topK, topP, seed = 0, cache = true, end, maxTokens, onToken } = settings;
  const { temperature = topK === undefined && topP === undefined ? 0 : 1 } = settings;
  const session = new Session(model, { rows: [start], cache });
  const ids: number[] = [];
  try {
    while (ids.length < maxTokens) {
      const [logits] = (await session.logits(WHERE)) as [Float32Array];
      const random = temperature === 0 ? 0 : randomAt(seed, ids.length);
      const id = sampleToken(logits, { temperature, topK, topP }, random);
      if (id === end) break;
      ids.push(id);
      onToken?.(vocab.toTokens(id), id);
      session.append([id]);
    }
  } finally {
    session.dispose();
  }
  return ids;
}

/** The best sequence of a beam search. */
async function searched(model: Autoregressive, start: number[], settings: Settings) {
  const { vocab, beam, cache, end, maxTokens, onToken } = settings;
  const [best] = await beamSearch(model, {
    prompt: start,
    maxTokens,
    ...(beam !== undefined && { beam }),
    ...(cache !== undefined && { cache }),
    ...(end !== undefined && { endToken: end }),
  });
  const ids = (best?.ids ?? []).filter((id) => id !== end);
  for (const id of ids) onToken?.(vocab.toTokens(id), id);
  return ids;
}
