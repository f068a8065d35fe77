/** Recurrent encoder and decoders: the book's 9.7 (en 10.7) and 10.4 (en 11.4). */
import { withSeed } from '@deepend/compiler';
import { checkOptions, rule } from '@deepend/core';
import * as nn from '@deepend/nn';
import * as tf from '@tensorflow/tfjs-core';
import { checkIds, type GenerationState, stepsOf } from './autoregressive';
import { Decoder, type Encoded, Encoder } from './encoder-decoder';

export interface Seq2SeqOptions {
  /**
   * Number of tokens in the vocabulary.
   * @example 184
   */
  vocabSize: number;
  /**
   * Features of the tokens' vectors.
   * @example 32
   */
  embedSize: number;
  /**
   * Hidden units of each layer; encoder and decoder need the same number.
   * @example 32
   */
  hidden: number;
  /** Number of layers; encoder and decoder need the same number. @default 1 */
  layers?: number;
  /** Probability of zeroing between layers, and of attention weights. @default 0 */
  dropout?: number;
  /** Seeds the initial values: any safe integer. @default the next of `nn.manualSeed`'s */
  seed?: number;
}

const seq2seqRules = rule.object({
  vocabSize: rule.positiveInteger(),
  embedSize: rule.positiveInteger(),
  hidden: rule.positiveInteger(),
  layers: rule.positiveInteger().optional(),
  dropout: rule.number({ min: 0, max: 1 }).optional(),
  seed: rule.seed().optional(),
});

/** Layers with the book's initial values: Xavier uniform for all weights but the embedding's. */
function layersOf(
  where: string,
  given: Seq2SeqOptions,
  { context, hasOutput }: { context: boolean; hasOutput: boolean },
) {
  const options = checkOptions(where, seq2seqRules, given);
  const { vocabSize, embedSize, hidden, layers = 1, dropout = 0, seed } = options;
  const make = () => ({
    vocabSize,
    hidden,
    dropout,
    embedding: new nn.Embedding(vocabSize, embedSize),
    rnn: new nn.GRU(embedSize + (context ? hidden : 0), hidden, {
      numLayers: layers,
      dropout: layers > 1 ? dropout : 0, // it acts between layers
      init: 'xavier-uniform',
    }),
    dense: hasOutput ? new nn.Linear(hidden, vocabSize, { init: 'xavier-uniform' }) : null,
  });
  return withSeed(seed, make);
}

/**
 * An embedding and layers of GRU over the source. Parameters `embedding.weight`,
 * `rnn.weight_ih_l0`, ....
 */
export class Seq2SeqEncoder extends Encoder {
  readonly vocabSize: number;
  readonly embedding: nn.Embedding;
  readonly rnn: nn.GRU;
  readonly #options: Seq2SeqOptions;

  constructor(options: Seq2SeqOptions) {
    super();
    this.#options = options;
    const made = layersOf('[text] Seq2SeqEncoder', options, { context: false, hasOutput: false });
    this.vocabSize = made.vocabSize;
    this.embedding = made.embedding;
    this.rnn = made.rnn;
  }

  override config() {
    return [this.#options];
  }

  /** As the book's, it reads padding too: lengths matter to a decoder with attention only. */
  override forward(ids: tf.Tensor): Encoded {
    checkIds(`[text] ${this.name}`, ids, this.vocabSize);
    return tf.tidy(() => {
      const [outputs, hidden] = this.rnn.forward(this.embedding.forward(tf.transpose(ids)));
      return { outputs: tf.transpose(outputs, [1, 0, 2]), hidden };
    });
  }
}

/** @throws TypeError when an encoder has no recurrent state */
function hiddenOf(where: string, { hidden }: Encoded): tf.Tensor {
  if (hidden) return hidden;
  throw new TypeError(
    `${where}: expected the last state of a recurrent encoder, got none; use a Seq2SeqEncoder`,
  );
}

/** The last layer of a state `[layers, batch, hidden]`: `[batch, hidden]`. */
function topOf(hidden: tf.Tensor): tf.Tensor {
  const [layers = 1, batch = 0, size = 0] = hidden.shape;
  return tf.reshape(tf.slice(hidden, [layers - 1, 0, 0], [1, batch, size]), [batch, size]);
}

type Seq2SeqState = { readonly context: tf.Tensor; readonly hidden: tf.Tensor };

/**
 * Layers of GRU that see the encoder's last state in every step. Parameters `embedding.weight`,
 * `rnn.weight_ih_l0`, ..., `dense.weight`.
 */
export class Seq2SeqDecoder extends Decoder {
  readonly vocabSize: number;
  readonly attentions = [] as const;
  readonly embedding: nn.Embedding;
  readonly rnn: nn.GRU;
  readonly dense: nn.Linear;
  readonly #options: Seq2SeqOptions;

  constructor(options: Seq2SeqOptions) {
    super();
    this.#options = options;
    const made = layersOf('[text] Seq2SeqDecoder', options, { context: true, hasOutput: true });
    this.vocabSize = made.vocabSize;
    this.embedding = made.embedding;
    this.rnn = made.rnn;
    this.dense = made.dense as nn.Linear;
  }

  override config() {
    return [this.#options];
  }

  override initState(encoded: Encoded): Seq2SeqState {
    const hidden = hiddenOf(`[text] ${this.name}`, encoded);
    return tf.tidy(() => ({ context: topOf(hidden), hidden: tf.clone(hidden) }));
  }

  override forward(ids: tf.Tensor, state: GenerationState): [tf.Tensor, Seq2SeqState] {
    checkIds(`[text] ${this.name}`, ids, this.vocabSize);
    const { context, hidden } = state as Seq2SeqState;
    return tf.tidy(() => {
      const x = this.embedding.forward(tf.transpose(ids)); // [time, batch, embedSize]
      const [time = 0, batch = 0] = x.shape;
      const size = context.shape[1] as number;
      const seen = tf.broadcastTo(tf.expandDims(context, 0), [time, batch, size]);
      const [outputs, after] = this.rnn.forward(tf.concat([x, seen], 2), hidden);
      const logits = this.dense.forward(tf.transpose(outputs, [1, 0, 2]));
      return [logits, { context: tf.clone(context), hidden: after }];
    }) as [tf.Tensor, Seq2SeqState];
  }

  override selectRows(state: GenerationState, rows: tf.Tensor1D): Seq2SeqState {
    const { context, hidden } = state as Seq2SeqState;
    return { context: tf.gather(context, rows), hidden: tf.gather(hidden, rows, 1) };
  }
}

type AttentionState = {
  /** The encoder's outputs `[batch, time, hidden]`, and the same as the attention compares them. */
  readonly values: tf.Tensor;
  readonly keys: tf.Tensor;
  readonly hidden: tf.Tensor;
  readonly validLens?: tf.Tensor;
};

/**
 * Layers of GRU that look, in every step, at the encoder's outputs with additive attention.
 * Bahdanau et al. 2014, https://arxiv.org/abs/1409.0473. Parameters `attention.W_k.weight`, ...,
 * `embedding.weight`, `rnn.weight_ih_l0`, ..., `dense.weight`.
 */
export class Seq2SeqAttentionDecoder extends Decoder {
  readonly vocabSize: number;
  readonly attentions = ['source'] as const;
  readonly attention: nn.AdditiveAttention;
  readonly embedding: nn.Embedding;
  readonly rnn: nn.GRU;
  readonly dense: nn.Linear;
  readonly #options: Seq2SeqOptions;

  constructor(options: Seq2SeqOptions) {
    super();
    this.#options = options;
    const where = '[text] Seq2SeqAttentionDecoder';
    const made = layersOf(where, options, { context: true, hasOutput: true });
    const { hidden, dropout } = made;
    const attention = () => new nn.AdditiveAttention(hidden, { dropout });
    this.vocabSize = made.vocabSize;
    this.attention = withSeed(options.seed, attention);
    this.embedding = made.embedding;
    this.rnn = made.rnn;
    this.dense = made.dense as nn.Linear;
  }

  override config() {
    return [this.#options];
  }

  override initState(encoded: Encoded, validLens?: tf.Tensor): AttentionState {
    const hidden = hiddenOf(`[text] ${this.name}`, encoded);
    return tf.tidy(() => ({
      values: tf.clone(encoded.outputs),
      keys: this.attention.projectKeys(encoded.outputs),
      hidden: tf.clone(hidden),
      ...(validLens && { validLens: tf.clone(validLens) }),
    }));
  }

  override forward(ids: tf.Tensor, state: GenerationState): [tf.Tensor, AttentionState] {
    checkIds(`[text] ${this.name}`, ids, this.vocabSize);
    const { values, keys, validLens, hidden } = state as AttentionState;
    return tf.tidy(() => {
      let now = hidden;
      const outputs = stepsOf(this.embedding.forward(ids)).map((x) => {
        const query = tf.expandDims(topOf(now), 1); // [batch, 1, hidden]
        const context = tf.squeeze(this.attention.attend(query, keys, values, validLens), [1]);
        const inputs = tf.expandDims(tf.concat([context, x], 1), 0); // [1, batch, ...]
        const [output, after] = this.rnn.forward(inputs, now);
        now = after;
        return output;
      });
      const joined = tf.transpose(tf.concat(outputs, 0), [1, 0, 2]); // [batch, time, hidden]
      const after = {
        values: tf.clone(values),
        keys: tf.clone(keys),
        hidden: tf.clone(now),
        ...(validLens && { validLens: tf.clone(validLens) }),
      };
      return [this.dense.forward(joined), after];
    }) as [tf.Tensor, AttentionState];
  }

  override selectRows(state: GenerationState, rows: tf.Tensor1D): AttentionState {
    const { values, keys, validLens, hidden } = state as AttentionState;
    return {
      values: tf.gather(values, rows),
      keys: tf.gather(keys, rows),
      hidden: tf.gather(hidden, rows, 1),
      ...(validLens && { validLens: tf.gather(validLens, rows) }),
    };
  }
}
