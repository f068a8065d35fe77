/** Recurrent language models: RNN, GRU and LSTM, deep and bidirectional. */

import { withSeed } from '@deepend/compiler';
import { checkOptions, rule } from '@deepend/core';
import * as nn from '@deepend/nn';
import * as tf from '@tensorflow/tfjs-core';
import { type Autoregressive, checkIds, type GenerationState, lastStep } from './autoregressive';

/** The recurrent layers by name. */
const CELLS = { rnn: nn.RNN, gru: nn.GRU, lstm: nn.LSTM } as const;

export type LanguageModelCell = keyof typeof CELLS;

export interface LanguageModelOptions {
  /**
   * Number of tokens in the vocabulary.
   * @example 28
   */
  vocabSize: number;
  /**
   * Hidden units of each layer.
   * @example 256
   */
  hidden: number;
  /** Number of layers, each of which takes the outputs of the one below. @default 1 */
  layers?: number;
  /** The kind of recurrent layer. @default 'gru' */
  cell?: LanguageModelCell;
  /**
   * Whether a second set of weights reads from the end. Such a model sees the token that it should
   * predict, so it cannot generate. @default false
   */
  bidirectional?: boolean;
  /** Features of learned vectors of the tokens. @default one-hot vectors, as in the book */
  embedSize?: number;
  /** Probability of an output of a layer below another one to be zeroed in training. @default 0 */
  dropout?: number;
  /** Seeds the initial values: any safe integer. @default the next of `nn.manualSeed`'s */
  seed?: number;
}

const languageModelRules = rule.object({
  vocabSize: rule.positiveInteger(),
  hidden: rule.positiveInteger(),
  layers: rule.positiveInteger().optional(),
  cell: rule.oneOf(['rnn', 'gru', 'lstm']).optional(),
  bidirectional: rule.boolean().optional(),
  embedSize: rule.positiveInteger().optional(),
  dropout: rule.number({ min: 0, max: 1 }).optional(),
  seed: rule.seed().optional(),
});

type State = tf.Tensor | [h: tf.Tensor, c: tf.Tensor];

/**
 * A recurrent language model, the book's `RNNModel`: one-hot vectors or an embedding, recurrent
 * layers, and a linear layer to the logits of the next token. Parameters `rnn.weight_ih_l0`, ...,
 * `linear.weight`, and `embedding.weight` where `embedSize` is given.
 *
 * `forward` returns `[logits, state]`, so train it with `carryState: true`.
 * @example
 * const model = new LanguageModel({ vocabSize: vocab.length, hidden: 256, cell: 'gru' });
 * await train(model, trainIter, null, { numEpochs: 500, lr: 1, clipNorm: 1, carryState: true });
 */
export class LanguageModel extends nn.Module implements Autoregressive {
  readonly vocabSize: number;
  readonly hidden: number;
  readonly bidirectional: boolean;
  readonly contextLength = Number.POSITIVE_INFINITY;
  readonly embedding: nn.Embedding | null;
  rnn: nn.RNN | nn.GRU | nn.LSTM;
  readonly linear: nn.Linear;
  readonly #options: LanguageModelOptions;

  constructor(options: LanguageModelOptions) {
    super();
    const checked = checkOptions('[text] LanguageModel', languageModelRules, options);
    const { vocabSize, hidden, layers = 1, cell = 'gru', bidirectional = false } = checked;
    const { embedSize, dropout = 0, seed } = checked;
    this.#options = options;
    this.vocabSize = vocabSize;
    this.hidden = hidden;
    this.bidirectional = bidirectional;
    const make = () => {
      const embedding = embedSize === undefined ? null : new nn.Embedding(vocabSize, embedSize);
      const rnn = new CELLS[cell](embedSize ?? vocabSize, hidden, {
        numLayers: layers,
        bidirectional,
        dropout,
      });
      const linear = new nn.Linear(hidden * (bidirectional ? 2 : 1), vocabSize);
      return { embedding, rnn, linear };
    };
    const made = withSeed(seed, make);
    this.embedding = made.embedding;
    this.rnn = made.rnn;
    this.linear = made.linear;
  }

  override config() {
    return [this.#options];
  }

  /**
   * @param ids tokens, int32 `[batch, time]`
   * @param state of the batch before: `[layers · directions, batch, hidden]`, an LSTM's `[h, c]`
   *   @default zeros
   * @returns logits of the next token at each step `[batch, time, vocabSize]`, and the state after
   *   the last step
   * @throws RangeError for ids outside the vocabulary, or a state of another shape
   */
  override forward(ids: tf.Tensor, state?: State): [logits: tf.Tensor, state: State] {
    return tf.tidy(() => {
      const [outputs, after] = this.#run(ids, state); // [time, batch, hidden · directions]
      return [this.linear.forward(tf.transpose(outputs, [1, 0, 2])), after];
    }) as unknown as [tf.Tensor, State];
  }

  #run(ids: tf.Tensor, state: State | undefined): [tf.Tensor, State] {
    checkIds(`[text] ${this.name}`, ids, this.vocabSize);
    const turned = tf.transpose(ids); // [time, batch]
    const x = this.embedding
      ? this.embedding.forward(turned)
      : tf.cast(tf.oneHot(turned as tf.Tensor2D, this.vocabSize), 'float32');
    return this.rnn.forward(x, state as never) as [tf.Tensor, State];
  }

  next(ids: tf.Tensor2D, state?: GenerationState): [tf.Tensor2D, GenerationState] {
    if (this.bidirectional) {
      throw new TypeError(
        `[text] ${this.name}: expected a model of one direction to generate from, got a ` +
          'bidirectional one, which reads the tokens that are not yet there',
      );
    }
    return tf.tidy(() => {
      const [outputs, after] = this.#run(ids, state as State | undefined);
      const last = lastStep(tf.transpose(outputs, [1, 0, 2]));
      return [this.linear.forward(last), after];
    }) as unknown as [tf.Tensor2D, GenerationState];
  }

  selectRows(state: GenerationState, rows: tf.Tensor1D): GenerationState {
    const select = (tensor: tf.Tensor) => tf.gather(tensor, rows, 1);
    return Array.isArray(state) ? (state as tf.Tensor[]).map(select) : select(state as tf.Tensor);
  }
}
