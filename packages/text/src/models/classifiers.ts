/** Classifiers of texts: the book's 15.2, 15.3 and 15.5 (en 16.2, 16.3 and 16.5). */

import { isTensor, withSeed } from '@deepend/compiler';
import { checkOptions, rule } from '@deepend/core';
import * as nn from '@deepend/nn';
import * as tf from '@tensorflow/tfjs-core';
import { checkIds, stepsOf } from './autoregressive';

/** The features of `paddedLoader`, of which a classifier reads the tokens. */
export interface TokenFeatures {
  /** int32 `[batch, time]` */
  readonly tokens: tf.Tensor;
}

/** The features of `sentencePairLoader`. */
export interface PremiseFeatures {
  /** int32 `[batch, timeA]` */
  readonly premises: tf.Tensor;
  /** int32 `[batch, timeB]` */
  readonly hypotheses: tf.Tensor;
}

const idsOf = (inputs: tf.Tensor | TokenFeatures): tf.Tensor =>
  isTensor(inputs) ? inputs : inputs.tokens;

const common = {
  vocabSize: rule.positiveInteger(),
  embedSize: rule.positiveInteger(),
  numClasses: rule.positiveInteger().optional(),
  seed: rule.seed().optional(),
};

interface ClassifierOptions {
  /**
   * Number of tokens in the vocabulary.
   * @example 49346
   */
  vocabSize: number;
  /**
   * Features of the tokens' vectors.
   * @example 100
   */
  embedSize: number;
  /** Seeds the initial values: any safe integer. @default the next of `nn.manualSeed`'s */
  seed?: number;
}

export interface BiRNNOptions extends ClassifierOptions {
  /**
   * Hidden units of each layer and direction.
   * @example 100
   */
  hidden: number;
  /** Number of layers. @default 2 */
  layers?: number;
  /** Number of classes. @default 2 */
  numClasses?: number;
}

const biRnnRules = rule.object({
  ...common,
  hidden: rule.positiveInteger(),
  layers: rule.positiveInteger().optional(),
});

/**
 * A bidirectional LSTM, whose outputs at the first and the last step go to a linear layer.
 * Parameters `embedding.weight`, `encoder.weight_ih_l0`, ..., `decoder.weight`.
 */
export class BiRNN extends nn.Module {
  readonly vocabSize: number;
  readonly embedding: nn.Embedding;
  readonly encoder: nn.LSTM;
  readonly decoder: nn.Linear;
  readonly #options: BiRNNOptions;

  constructor(options: BiRNNOptions) {
    super();
    const checked = checkOptions('[text] BiRNN', biRnnRules, options);
    const { vocabSize, embedSize, hidden, layers = 2, numClasses = 2, seed } = checked;
    this.#options = options;
    this.vocabSize = vocabSize;
    const init = 'xavier-uniform';
    const made = withSeed(seed, () => ({
      embedding: new nn.Embedding(vocabSize, embedSize),
      encoder: new nn.LSTM(embedSize, hidden, { numLayers: layers, bidirectional: true, init }),
      decoder: new nn.Linear(4 * hidden, numClasses, { init }),
    }));
    this.embedding = made.embedding;
    this.encoder = made.encoder;
    this.decoder = made.decoder;
  }

  override config() {
    return [this.#options];
  }

  /** Tokens int32 `[batch, time]`, or `paddedLoader`'s features → logits `[batch, numClasses]`. */
  override forward(inputs: tf.Tensor | TokenFeatures): tf.Tensor {
    const ids = idsOf(inputs);
    checkIds(`[text] ${this.name}`, ids, this.vocabSize);
    return tf.tidy(() => {
      const [outputs] = this.encoder.forward(this.embedding.forward(tf.transpose(ids)));
      const steps = stepsOf(tf.transpose(outputs, [1, 0, 2]));
      const ends = tf.concat([steps[0] as tf.Tensor, steps.at(-1) as tf.Tensor], 1);
      return this.decoder.forward(ends); // of [batch, 4 · hidden]
    });
  }
}

export interface TextCNNOptions extends ClassifierOptions {
  /** Width of each group of convolutions. @default [3, 4, 5] */
  kernelSizes?: readonly number[];
  /** Output channels of each group. @default [100, 100, 100] */
  numChannels?: readonly number[];
  /** Probability of zeroing before the last layer. @default 0.5 */
  dropout?: number;
  /**
   * How a channel becomes one number: the mean over time, as the book's code computes, or the
   * maximum, as its text and the paper say. @default 'average'
   */
  pool?: 'average' | 'max';
  /** Number of classes. @default 2 */
  numClasses?: number;
}

const sizes = rule.list(rule.positiveInteger(), 'a list of positive integers');
const textCnnRules = rule.object({
  ...common,
  kernelSizes: sizes.optional(),
  numChannels: sizes.optional(),
  dropout: rule.number({ min: 0, max: 1 }).optional(),
  pool: rule.oneOf(['average', 'max']).optional(),
});

/**
 * Convolutions of several widths over the tokens' vectors. Kim 2014,
 * https://arxiv.org/abs/1408.5882. It has two embeddings, of which `constant_embedding` does not
 * learn. Parameters `embedding.weight`, `constant_embedding.weight`, `decoder.weight`,
 * `convs.0.weight`, ....
 */
export class TextCNN extends nn.Module {
  readonly vocabSize: number;
  readonly embedding: nn.Embedding;
  readonly constant_embedding: nn.Embedding;
  readonly dropout: nn.Dropout;
  readonly decoder: nn.Linear;
  readonly convs: nn.Conv1d[];
  readonly #pool: 'average' | 'max';
  readonly #options: TextCNNOptions;

  /** @throws RangeError when `kernelSizes` and `numChannels` have other lengths */
  constructor(options: TextCNNOptions) {
    super();
    const checked = checkOptions('[text] TextCNN', textCnnRules, options);
    const { vocabSize, embedSize, numClasses = 2, dropout = 0.5, pool = 'average' } = checked;
    const { kernelSizes = [3, 4, 5], numChannels = [100, 100, 100], seed } = checked;
    if (kernelSizes.length !== numChannels.length || kernelSizes.length === 0) {
      throw new RangeError(
        '[text] TextCNN: expected one of "numChannels" for each of "kernelSizes", got ' +
          `${numChannels.length} for ${kernelSizes.length}`,
      );
    }
    this.#options = options;
    this.#pool = pool;
    this.vocabSize = vocabSize;
    const all = numChannels.reduce((sum, channels) => sum + channels, 0);
    const init = 'xavier-uniform';
    const made = withSeed(seed, () => ({
      embedding: new nn.Embedding(vocabSize, embedSize),
      constant: new nn.Embedding(vocabSize, embedSize),
      decoder: new nn.Linear(all, numClasses, { init }),
      convs: kernelSizes.map(
        (size, i) => new nn.Conv1d(2 * embedSize, numChannels[i] as number, size, { init }),
      ),
    }));
    this.embedding = made.embedding;
    this.constant_embedding = made.constant;
    this.constant_embedding.requiresGrad(false);
    this.dropout = new nn.Dropout(dropout);
    this.decoder = made.decoder;
    this.convs = made.convs;
  }

  override config() {
    return [this.#options];
  }

  /**
   * Tokens int32 `[batch, time]`, or `paddedLoader`'s features → logits `[batch, numClasses]`.
   * @throws RangeError for a sequence that is shorter than the widest kernel
   */
  override forward(inputs: tf.Tensor | TokenFeatures): tf.Tensor {
    const ids = idsOf(inputs);
    checkIds(`[text] ${this.name}`, ids, this.vocabSize);
    const { kernelSizes = [3, 4, 5] } = this.#options;
    const least = Math.max(...kernelSizes);
    if ((ids.shape[1] as number) < least) {
      throw new RangeError(
        `[text] ${this.name}: expected sequences of at least ${least} tokens, the widest of ` +
          `"kernelSizes", got ${ids.shape[1]}; pad them`,
      );
    }
    return tf.tidy(() => {
      const both = [this.embedding.forward(ids), this.constant_embedding.forward(ids)];
      const x = tf.concat(both, 2); // [batch, time, 2 · embedSize]
      const reduce = this.#pool === 'max' ? tf.max : tf.mean;
      const pooled = this.convs.map((conv) => tf.relu(reduce(conv.forward(x), 1)));
      return this.decoder.forward(this.dropout.forward(tf.concat(pooled, 1)));
    });
  }
}

export interface DecomposableAttentionOptions extends ClassifierOptions {
  /**
   * Hidden units of the three MLPs.
   * @example 200
   */
  hidden: number;
  /** Number of classes. @default 3: entailment, contradiction, neutral */
  numClasses?: number;
}

const decomposableRules = rule.object({ ...common, hidden: rule.positiveInteger() });

/** The book's MLP: dropout, linear, ReLU, twice. Parameters `1` and `4`, or `1` and `5`. */
function mlp([inputs, hidden]: readonly [number, number], isFlat: boolean): nn.Sequential {
  const half = (from: number) => [
    new nn.Dropout(0.2),
    new nn.Linear(from, hidden),
    new nn.ReLU(),
    ...(isFlat ? [new nn.Flatten()] : []), // as in the book, whose names count it
  ];
  return new nn.Sequential(...half(inputs), ...half(hidden));
}

/** One of the three MLPs under the book's name. */
class Part extends nn.Module {
  [name: string]: unknown;
  constructor(name: 'f' | 'g' | 'h', net: nn.Sequential, linear?: nn.Linear) {
    super();
    this[name] = net;
    if (linear) this.linear = linear;
  }

  override forward(x: tf.Tensor): tf.Tensor {
    const net = (this.f ?? this.g ?? this.h) as nn.Sequential;
    const linear = this.linear as nn.Linear | undefined;
    return tf.tidy(() => (linear ? linear.forward(net.forward(x)) : net.forward(x)));
  }
}

/**
 * Attends, compares, aggregates: whether a hypothesis follows from a premise. Parikh et al. 2016,
 * https://arxiv.org/abs/1606.01933. Parameters `embedding.weight`, `attend.f.1.weight`, ...,
 * `compare.g.1.weight`, ..., `aggregate.h.1.weight`, ..., `aggregate.linear.weight`.
 */
export class DecomposableAttention extends nn.Module {
  readonly vocabSize: number;
  readonly embedding: nn.Embedding;
  readonly attend: Part;
  readonly compare: Part;
  readonly aggregate: Part;
  readonly #options: DecomposableAttentionOptions;

  constructor(options: DecomposableAttentionOptions) {
    super();
    const checked = checkOptions('[text] DecomposableAttention', decomposableRules, options);
    const { vocabSize, embedSize, hidden, numClasses = 3, seed } = checked;
    this.#options = options;
    this.vocabSize = vocabSize;
    const made = withSeed(seed, () => ({
      embedding: new nn.Embedding(vocabSize, embedSize),
      attend: new Part('f', mlp([embedSize, hidden], false)),
      compare: new Part('g', mlp([2 * embedSize, hidden], false)),
      aggregate: new Part('h', mlp([2 * hidden, hidden], true), new nn.Linear(hidden, numClasses)),
    }));
    this.embedding = made.embedding;
    this.attend = made.attend;
    this.compare = made.compare;
    this.aggregate = made.aggregate;
  }

  override config() {
    return [this.#options];
  }

  /**
   * @param first tokens of the premises, int32 `[batch, timeA]`; or the features of
   *   `sentencePairLoader`, with which the other argument is left out
   * @param second tokens of the hypotheses, int32 `[batch, timeB]`
   * @returns logits `[batch, numClasses]`
   * @throws TypeError when there are no hypotheses
   */
  override forward(first: tf.Tensor | PremiseFeatures, second?: tf.Tensor): tf.Tensor {
    const [premises, hypotheses] = isTensor(first)
      ? [first, second]
      : [first.premises, first.hypotheses];
    if (!hypotheses) {
      throw new TypeError(
        `[text] ${this.name}: expected premises and hypotheses, got premises only; give ` +
          'forward(premises, hypotheses)',
      );
    }
    for (const ids of [premises, hypotheses]) checkIds(`[text] ${this.name}`, ids, this.vocabSize);
    return tf.tidy(() => {
      const [a, b] = [this.embedding.forward(premises), this.embedding.forward(hypotheses)];
      const scores = tf.matMul(this.attend.forward(a), this.attend.forward(b), false, true);
      const { softmax } = nn.functional;
      const beta = tf.matMul(softmax(scores), b); // for each token of A, what it meets in B
      const alpha = tf.matMul(softmax(tf.transpose(scores, [0, 2, 1])), a);
      const compared = [tf.concat([a, beta], 2), tf.concat([b, alpha], 2)];
      const sums = compared.map((pair) => tf.sum(this.compare.forward(pair), 1));
      return this.aggregate.forward(tf.concat(sums, 1));
    });
  }
}
