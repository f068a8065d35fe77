/** BERT: the book's 14.8 to 14.10 (en 15.8 to 15.10). Devlin et al. 2018. */
import { isTensor, withSeed } from '@deepend/compiler';
import { checkOptions } from '@deepend/core';
import * as nn from '@deepend/nn';
import { crossEntropy } from '@deepend/optim';
import * as tf from '@tensorflow/tfjs-core';
import { checkIds } from './autoregressive';
import { transformerRules } from './transformer';
import { type BlockOptions, TransformerEncoderBlock } from './transformer-blocks';

export interface BERTOptions extends BlockOptions {
  /**
   * Number of tokens in the vocabulary.
   * @example 30522
   */
  vocabSize: number;
  /** Number of blocks. @default 2 */
  layers?: number;
  /** The longest sequence. @default 1000 */
  maxLen?: number;
  /** Seeds the initial values: any safe integer. @default the next of `nn.manualSeed`'s */
  seed?: number;
}

/**
 * Embeddings of tokens, segments and positions, and encoder blocks. Parameters
 * `token_embedding.weight`, `segment_embedding.weight`, `pos_embedding` `[1, maxLen, hidden]`,
 * `blks.0.attention.in_proj_weight`, ....
 */
export class BERTEncoder extends nn.Module {
  readonly vocabSize: number;
  readonly maxLen: number;
  pos_embedding: tf.Variable;
  readonly token_embedding: nn.Embedding;
  readonly segment_embedding: nn.Embedding;
  readonly blks: TransformerEncoderBlock[];
  readonly #options: BERTOptions;

  constructor(options: BERTOptions) {
    super();
    const checked = checkOptions('[text] BERTEncoder', transformerRules, options);
    const { vocabSize, hidden, ffnHidden, heads, layers = 2, dropout = 0, bias = true } = checked;
    this.#options = options;
    this.vocabSize = vocabSize;
    this.maxLen = checked.maxLen ?? 1000;
    const made = withSeed(checked.seed, () => ({
      tokens: new nn.Embedding(vocabSize, hidden),
      segments: new nn.Embedding(2, hidden),
      positions: nn.parameter([1, this.maxLen, hidden], { init: 'normal' }),
      blocks: Array.from(
        { length: layers },
        () => new TransformerEncoderBlock({ hidden, ffnHidden, heads, dropout, bias }),
      ),
    }));
    this.token_embedding = made.tokens;
    this.segment_embedding = made.segments;
    this.pos_embedding = made.positions;
    this.blks = made.blocks;
  }

  override config() {
    return [this.#options];
  }

  /**
   * @param tokens int32 `[batch, time]`
   * @param segments 0 or 1, int32 `[batch, time]`
   * @param validLens lengths without padding, int32 `[batch]` @default all tokens count
   * @returns `[batch, time, hidden]`
   * @throws RangeError for a sequence longer than `maxLen`, or ids that do not exist
   */
  override forward(tokens: tf.Tensor, segments: tf.Tensor, validLens?: tf.Tensor): tf.Tensor {
    const where = `[text] ${this.name}`;
    checkIds(where, tokens, this.vocabSize);
    const [, time = 0] = tokens.shape;
    if (time > this.maxLen) {
      throw new RangeError(
        `${where}: expected at most ${this.maxLen} tokens, its "maxLen", got ${time}; cut the ` +
          'sequence, or build the model with a larger maxLen',
      );
    }
    return tf.tidy(() => {
      const named = tf.add(
        this.token_embedding.forward(tokens),
        this.segment_embedding.forward(segments),
      );
      const hidden = named.shape[2] as number;
      const x = tf.add(named, tf.slice(this.pos_embedding, [0, 0, 0], [1, time, hidden]));
      return this.blks.reduce((y: tf.Tensor, block) => block.forward(y, validLens), x);
    });
  }
}

/**
 * Predicts the tokens at masked positions. Parameters `mlp.0`, `mlp.2` (a layer normalization),
 * `mlp.3`. The book's `MaskLM`: d2l 15.8, zh 14.8.
 */
export class MaskLM extends nn.Module {
  readonly mlp: nn.Sequential;
  readonly #sizes: readonly [number, number, number];

  /** @param numInputs features of the encoder @default hidden */
  constructor(vocabSize: number, hidden: number, numInputs = hidden) {
    super();
    this.#sizes = [vocabSize, hidden, numInputs];
    this.mlp = new nn.Sequential(
      new nn.Linear(numInputs, hidden),
      new nn.ReLU(),
      new nn.LayerNorm(hidden),
      new nn.Linear(hidden, vocabSize),
    );
  }

  override config() {
    return [...this.#sizes];
  }

  /**
   * @param x `[batch, time, features]`
   * @param positions of the masked tokens, int32 `[batch, count]`
   * @returns logits `[batch, count, vocabSize]`
   */
  override forward(x: tf.Tensor, positions: tf.Tensor): tf.Tensor {
    return tf.tidy(() => this.mlp.forward(positionsOf(x, positions)));
  }
}

/** Positions of each sequence: `[batch, time, features]` → `[batch, count, features]`. */
function positionsOf(x: tf.Tensor, positions: tf.Tensor): tf.Tensor {
  const [batch = 0, time = 0, features = 0] = x.shape;
  checkIds('[text] MaskLM: positions', positions, time);
  const first = tf.mul(tf.range(0, batch, 1, 'int32'), tf.scalar(time, 'int32'));
  const flat = tf.add(positions, tf.expandDims(first, 1)) as tf.Tensor2D;
  const rows: tf.Tensor2D = tf.reshape(x, [batch * time, features]);
  return nn.functional.embedding(flat, rows);
}

/**
 * Whether the second segment follows the first: `[batch, features]` → logits `[batch, 2]`. The
 * book's `NextSentencePred`: d2l 15.8, zh 14.8.
 */
export class NextSentencePred extends nn.Module {
  readonly output: nn.Linear;

  constructor(numInputs: number) {
    super();
    this.output = new nn.Linear(numInputs, 2);
  }

  override config() {
    return [this.output.inFeatures];
  }

  override forward(x: tf.Tensor): tf.Tensor {
    return this.output.forward(x);
  }
}

/** The features of `bertLoader`. */
export interface BERTInputs {
  readonly tokens: tf.Tensor;
  readonly segments: tf.Tensor;
  readonly validLens?: tf.Tensor;
  readonly predPositions?: tf.Tensor;
}

/** What `BERTModel` gives. */
export type BERTOutputs = {
  /** `[batch, time, hidden]` */
  readonly encoded: tf.Tensor;
  /** Logits of the masked tokens, `[batch, count, vocabSize]`, where positions were given. */
  readonly mlm?: tf.Tensor;
  /** Logits of the next sentence, `[batch, 2]`. */
  readonly nsp: tf.Tensor;
};

/**
 * BERT with its two tasks. Parameters `encoder...`, `hidden.0`, `mlm.mlp...`, `nsp.output`.
 * @example
 * const model = new BERTModel({ vocabSize: 20256, hidden: 128, ffnHidden: 256, heads: 2 });
 * const { mlm, nsp } = model.forward(tokens, segments, validLens, positions);
 */
export class BERTModel extends nn.Module {
  readonly encoder: BERTEncoder;
  readonly hidden: nn.Sequential;
  readonly mlm: MaskLM;
  readonly nsp: NextSentencePred;
  readonly #options: BERTOptions;

  constructor(options: BERTOptions) {
    super();
    const { vocabSize, hidden } = checkOptions('[text] BERTModel', transformerRules, options);
    const { seed, ...rest } = options;
    this.#options = options;
    const made = withSeed(seed, () => ({
      encoder: new BERTEncoder(rest),
      hidden: new nn.Sequential(new nn.Linear(hidden, hidden), new nn.Tanh()),
      mlm: new MaskLM(vocabSize, hidden),
      nsp: new NextSentencePred(hidden),
    }));
    this.encoder = made.encoder;
    this.hidden = made.hidden;
    this.mlm = made.mlm;
    this.nsp = made.nsp;
  }

  override config() {
    return [this.#options];
  }

  /**
   * @param tokens int32 `[batch, time]`, the first of which is `<cls>`; or the features of
   *   `bertLoader`, with which the other arguments are left out
   * @param segments 0 or 1, int32 `[batch, time]`
   * @param validLens lengths without padding, int32 `[batch]` @default all tokens count
   * @param positions of the masked tokens, int32 `[batch, count]` @default no `mlm`
   */
  override forward(
    tokens: tf.Tensor | BERTInputs,
    segments?: tf.Tensor,
    validLens?: tf.Tensor,
    positions?: tf.Tensor,
  ): BERTOutputs {
    if (!isTensor(tokens)) {
      const { segments: which, validLens: lengths, predPositions } = tokens;
      return this.forward(tokens.tokens, which, lengths, predPositions);
    }
    if (!segments) {
      throw new TypeError(
        `[text] ${this.name}: expected the segments of the tokens, got none; zeros for one segment`,
      );
    }
    return tf.tidy(() => {
      const encoded = this.encoder.forward(tokens, segments, validLens);
      const nsp = this.nsp.forward(this.hidden.forward(firstOf(encoded)));
      return { encoded, ...(positions && { mlm: this.mlm.forward(encoded, positions) }), nsp };
    });
  }
}

/** The first position, that of `<cls>`: `[batch, time, features]` → `[batch, features]`. */
function firstOf(x: tf.Tensor): tf.Tensor {
  const [batch = 0, , features = 0] = x.shape;
  return tf.reshape(tf.slice(x, [0, 0, 0], [batch, 1, features]), [batch, features]);
}

/** The labels of `bertLoader`. */
export interface BERTTargets {
  /** The tokens at the masked positions, int32 `[batch, count]`. */
  readonly mlmLabels: tf.Tensor;
  /** 1 for a masked token, 0 for padding, float32 `[batch, count]`. */
  readonly mlmWeights: tf.Tensor;
  /** 1 where the second segment follows the first, else 0, int32 `[batch]`. */
  readonly nspLabels: tf.Tensor;
}

/**
 * BERT's two losses and their sum: the mean cross-entropy of the masked tokens and of the next
 * sentence. (The book's `_get_batch_loss_bert` multiplies the mean over all positions by the
 * weights, so that padding counts; here it does not.)
 */
export function bertLosses(
  { mlm, nsp }: BERTOutputs,
  labels: BERTTargets,
): { mlm: tf.Scalar; nsp: tf.Scalar; total: tf.Scalar } {
  if (!mlm) {
    throw new TypeError(
      '[text] bertLosses: expected the logits of masked tokens, got none; give `forward` the ' +
        'positions of the masked tokens',
    );
  }
  return tf.tidy(() => {
    const loss = crossEntropy();
    const masked = { labels: labels.mlmLabels, mask: labels.mlmWeights };
    const ofTokens = loss(mlm, masked as never).loss as tf.Scalar;
    const ofSentences = loss(nsp, labels.nspLabels as never).loss as tf.Scalar;
    return { mlm: ofTokens, nsp: ofSentences, total: tf.add<tf.Scalar>(ofTokens, ofSentences) };
  });
}

/**
 * The sum of BERT's two losses, for `train`.
 * @example
 * await train(model, trainIter, null, { loss: bertLoss, numEpochs: 5, lr: 0.01 });
 */
export const bertLoss = (outputs: BERTOutputs, labels: BERTTargets): tf.Scalar =>
  tf.tidy(() => bertLosses(outputs, labels).total);

/**
 * A classifier over BERT's encoder, the book's 15.7 (en 16.7): its `<cls>`, its hidden layer, and
 * a linear layer. It shares the weights of the model that it was made from.
 */
export class BERTClassifier extends nn.Module {
  readonly encoder: BERTEncoder;
  readonly hidden: nn.Sequential;
  readonly output: nn.Linear;

  /** @param numClasses number of classes @default 3 */
  constructor(bert: BERTModel, numClasses = 3) {
    super();
    this.encoder = bert.encoder;
    this.hidden = bert.hidden;
    const { inFeatures } = bert.nsp.output;
    this.output = new nn.Linear(inFeatures, numClasses);
  }

  /**
   * @param first tokens int32 `[batch, time]`; or a record of `tokens`, `segments` and
   *   `validLens`, with which the other arguments are left out
   * @param segments 0 for tokens of the first sentence, 1 for the second's, int32 `[batch, time]`
   * @param validLens tokens of each row without padding, `[batch]` @default no padding
   * @returns logits `[batch, numClasses]`
   * @throws TypeError when there are no segments
   */
  override forward(
    first: tf.Tensor | Pick<BERTInputs, 'tokens' | 'segments' | 'validLens'>,
    segments?: tf.Tensor,
    validLens?: tf.Tensor,
  ): tf.Tensor {
    const inputs = isTensor(first) ? { tokens: first, segments, validLens } : first;
    const { tokens, segments: both } = inputs;
    if (!both) {
      throw new TypeError(
        `[text] ${this.name}: expected tokens and segments, got tokens only; for single ` +
          'sentences give tf.zerosLike(tokens)',
      );
    }
    return tf.tidy(() => {
      const encoded = this.encoder.forward(tokens, both, inputs.validLens);
      return this.output.forward(this.hidden.forward(firstOf(encoded)));
    });
  }
}
