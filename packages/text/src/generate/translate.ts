/** Translating a sentence with an encoder and a decoder. */
import { inMode } from '@deepend/compiler';
import { checkOptions, formatValue, rule } from '@deepend/core';
import * as nn from '@deepend/nn';
import * as tf from '@tensorflow/tfjs-core';
import { type GenerationState, lastStep } from '../models/autoregressive';
import { type Decoder, EncoderDecoder } from '../models/encoder-decoder';
import { type Tokenizer, type TokenizerName, tokenizer } from '../tokenizers';
import type { Vocab } from '../vocab';
import { beamSearch } from './beam-search';
import { checkVocab, knownIds } from './generate';
import type { Stepper } from './session';

export interface TranslateOptions {
  /**
   * Vocabulary of the source sentences, with `<pad>` and `<eos>`.
   * @example sourceVocab
   */
  sourceVocab: Vocab;
  /**
   * Vocabulary of the target sentences, with `<bos>` and `<eos>`.
   * @example targetVocab
   */
  targetVocab: Vocab;
  /** Length of the sentences in training, `<eos>` included; the most tokens. @default 10 */
  numSteps?: number;
  /** How the sentences were cut into tokens. @default 'nmt', the book's */
  tokenizer?: TokenizerName | RegExp | Tokenizer;
  /** Number of sequences of the beam search; 1 takes the most likely token. @default 1 */
  beam?: number;
  /** Exponent of the length in a beam's score. @default 0.75 */
  lengthPenalty?: number;
  /** Whether to compute the attention weights, to draw them. @default false */
  attention?: boolean;
  /** Whether unknown tokens become the unknown token. @default false: an error */
  allowUnknown?: boolean;
}

const WHERE = '[text] translate';

const isVocab = (value: unknown) => typeof (value as Vocab | undefined)?.toIndices === 'function';
const vocabRule = rule.custom<Vocab>(isVocab, 'a Vocab');
const translateRules = rule.object({
  sourceVocab: vocabRule,
  targetVocab: vocabRule,
  numSteps: rule.positiveInteger().optional(),
  tokenizer: rule
    .custom<NonNullable<TranslateOptions['tokenizer']>>(Boolean, 'a tokenizer')
    .optional(),
  beam: rule.positiveInteger().optional(),
  lengthPenalty: rule.nonNegativeNumber().optional(),
  attention: rule.boolean().optional(),
  allowUnknown: rule.boolean().optional(),
});

/** The weights of one attention. */
export interface TranslationAttention {
  /** What it looks at: the source sentence, or the target so far. */
  readonly of: 'source' | 'target';
  /**
   * `[head][query][key]`: queries are the translation's tokens and `<eos>`, keys the source's with
   * `<eos>`, or `<bos>` and the tokens before.
   */
  readonly weights: readonly (readonly (readonly number[])[])[];
}

export interface Translation {
  readonly text: string;
  readonly tokens: readonly string[];
  /** The score of the beam search: the log-probability divided by the length's power. */
  readonly score: number;
  /** The source's tokens, with `<eos>`: labels of the keys of `attention`. */
  readonly sourceTokens: readonly string[];
  /** Of each attention in the decoder, in its order, with `attention: true`. */
  readonly attention: readonly TranslationAttention[];
}

/** A decoder behind its source. */
const stepperOf = (decoder: Decoder): Stepper => ({
  vocabSize: decoder.vocabSize,
  contextLength: Number.POSITIVE_INFINITY,
  next: (ids, state) => {
    const [logits, after] = decoder.forward(ids, state as GenerationState);
    return [lastStep(logits), after];
  },
  selectRows: (state, rows) => decoder.selectRows(state, rows),
});

function requireModel(given: unknown): EncoderDecoder {
  const model = given instanceof nn.CompiledModule ? given.module : given;
  if (model instanceof EncoderDecoder) return model;
  throw new TypeError(`${WHERE}: expected an EncoderDecoder, got ${formatValue(model)}`);
}

/** The source's ids with `<eos>`, and with padding up to `numSteps`. */
function sourceIds(tokens: readonly string[], options: Required<SourceOptions>) {
  const { vocab, numSteps, allowUnknown } = options;
  if (tokens.length === 0 || tokens.length >= numSteps) {
    throw new RangeError(
      `${WHERE}: expected a sentence of 1 to ${numSteps - 1} tokens, got ${tokens.length}; ` +
        'shorten it, or train with a larger "numSteps"',
    );
  }
  const ids = [...knownIds(WHERE, tokens, { vocab, allowUnknown }), vocab.indexOf('<eos>')];
  const padding = new Array<number>(numSteps - ids.length).fill(vocab.indexOf('<pad>'));
  return { ids: [...ids, ...padding], length: ids.length };
}

interface SourceOptions {
  vocab: Vocab;
  numSteps: number;
  allowUnknown: boolean;
}

/**
 * Translates a sentence: token by token with `beam: 1`, else by a beam search.
 * @throws RangeError for an empty or too long sentence, unknown tokens, or a vocabulary of another
 *   size than the model's
 * @example
 * const { text, attention } = await translate(model, 'go .', {
 *   sourceVocab, targetVocab, attention: true,
 * });
 * await showHeatmaps([attention[0].weights]);
 */
export async function translate(
  model: EncoderDecoder | nn.CompiledModule,
  sentence: string,
  options: TranslateOptions,
): Promise<Translation> {
  const { encoder, decoder } = requireModel(model);
  const checked = checkOptions(WHERE, translateRules, options) as TranslateOptions;
  const { sourceVocab, targetVocab, numSteps = 10, beam = 1, lengthPenalty = 0.75 } = checked;
  checkVocab(`${WHERE} (source)`, sourceVocab, encoder.vocabSize);
  checkVocab(`${WHERE} (target)`, targetVocab, decoder.vocabSize);
  const cut = tokenizer(checked.tokenizer ?? 'nmt');
  const sourceTokens = cut.tokenize(sentence);
  const allowUnknown = checked.allowUnknown ?? false;
  const { ids, length } = sourceIds(sourceTokens, { vocab: sourceVocab, numSteps, allowUnknown });
  const [bos, eos] = [targetVocab.indexOf('<bos>'), targetVocab.indexOf('<eos>')];
  const initial = () =>
    tf.tidy(() => {
      const lengths = tf.tensor1d([length], 'int32');
      const encoded = encoder.forward(tf.tensor2d([ids], undefined, 'int32'), lengths);
      return decoder.initState(encoded, lengths) as never;
    }) as GenerationState;
  return inMode(requireModel(model), false, async () => {
    const [best] = await beamSearch(stepperOf(decoder), {
      ...{ prompt: [bos], beam, maxTokens: numSteps, endToken: eos, lengthPenalty },
      state: initial(),
    });
    const found = best?.ids ?? [];
    const attention = checked.attention
      ? attentionOf(decoder, { state: initial(), ids: [bos, ...found.slice(0, -1)], length })
      : [];
    const tokens = targetVocab.toTokens(found.filter((id) => id !== eos));
    return {
      text: cut.join(tokens),
      tokens,
      score: best?.score ?? 0,
      sourceTokens: [...sourceTokens, '<eos>'],
      attention,
    };
  });
}

/** The weights while the decoder reads the translation that was found. */
function attentionOf(
  decoder: Decoder,
  { state, ids, length }: { state: GenerationState; ids: readonly number[]; length: number },
): TranslationAttention[] {
  const { attentions } = decoder;
  try {
    return tf.tidy(() => {
      const inputs = tf.tensor2d([[...ids]], undefined, 'int32');
      const { weights } = nn.functional.attentionWeights(() => decoder.forward(inputs, state));
      const parts = attentions.map((of, i): TranslationAttention => {
        // A recurrent decoder attends once for each token.
        const own = weights.filter((_, at) => at % attentions.length === i) as tf.Tensor4D[];
        const whole = own.length > 1 ? tf.concat(own, 2) : (own[0] as tf.Tensor4D);
        const [, heads, queries, keys] = whole.shape;
        const shown = of === 'source' ? length : keys; // without padding
        const cut = tf.slice(whole, [0, 0, 0, 0], [1, heads, queries, shown]);
        return { of, weights: cut.arraySync()[0] as number[][][] };
      });
      tf.dispose(weights);
      return parts as never;
    }) as TranslationAttention[];
  } finally {
    tf.dispose(state as tf.TensorContainer);
  }
}
