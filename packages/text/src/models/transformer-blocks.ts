/** The parts of the book's Transformer (10.7, en 11.7), with the normalization after each part. */
import * as nn from '@deepend/nn';
import * as tf from '@tensorflow/tfjs-core';

/** Two linear layers over each position, with a ReLU between. Parameters `dense1`, `dense2`. */
export class PositionWiseFFN extends nn.Module {
  readonly dense1: nn.Linear;
  readonly dense2: nn.Linear;
  readonly relu = new nn.ReLU();

  constructor(inputs: number, hidden: number, outputs: number) {
    super();
    this.dense1 = new nn.Linear(inputs, hidden);
    this.dense2 = new nn.Linear(hidden, outputs);
  }

  override config() {
    return [this.dense1.inFeatures, this.dense1.outFeatures, this.dense2.outFeatures];
  }

  /** `[..., inputs]` → `[..., outputs]` */
  override forward(x: tf.Tensor): tf.Tensor {
    return tf.tidy(() => this.dense2.forward(this.relu.forward(this.dense1.forward(x))));
  }
}

/** A residual connection and layer normalization: LN(x + dropout(y)). Parameters `ln`. */
export class AddNorm extends nn.Module {
  readonly dropout: nn.Dropout;
  readonly ln: nn.LayerNorm;
  readonly #features: number;

  /** @param dropout probability of an element of y to be zeroed in training @default 0 */
  constructor(features: number, dropout = 0) {
    super();
    this.#features = features;
    this.dropout = new nn.Dropout(dropout);
    this.ln = new nn.LayerNorm(features);
  }

  override config() {
    return [this.#features, this.dropout.p];
  }

  /** Both `[..., features]`. */
  override forward(x: tf.Tensor, y: tf.Tensor): tf.Tensor {
    return tf.tidy(() => this.ln.forward(tf.add(x, this.dropout.forward(y))));
  }
}

export interface BlockOptions {
  /**
   * Features of each position.
   * @example 32
   */
  hidden: number;
  /**
   * Width of the layer between the two linear ones.
   * @example 64
   */
  ffnHidden: number;
  /**
   * Heads of each attention, a divisor of `hidden`.
   * @example 4
   */
  heads: number;
  /** Probability of zeroing. @default 0 */
  dropout?: number;
  /** Whether attention's projections have biases. @default false, as in the book */
  bias?: boolean;
}

export const attentionOf = ({ hidden, heads, dropout = 0, bias = false }: BlockOptions) =>
  new nn.MultiheadAttention(hidden, heads, { dropout, bias, batchFirst: true });

const masksOf = (validLens: tf.Tensor | undefined) => (validLens ? { validLens } : {});

/**
 * Self-attention and an FFN, each in an `AddNorm`. Parameters `attention.in_proj_weight`,
 * `attention.out_proj.weight`, `addnorm1.ln`, `ffn.dense1`, `ffn.dense2`, `addnorm2.ln`.
 */
export class TransformerEncoderBlock extends nn.Module {
  readonly attention: nn.MultiheadAttention;
  readonly addnorm1: AddNorm;
  readonly ffn: PositionWiseFFN;
  readonly addnorm2: AddNorm;
  readonly #options: BlockOptions;

  constructor(options: BlockOptions) {
    super();
    const { hidden, ffnHidden, dropout } = options;
    this.#options = options;
    this.attention = attentionOf(options);
    this.addnorm1 = new AddNorm(hidden, dropout);
    this.ffn = new PositionWiseFFN(hidden, ffnHidden, hidden);
    this.addnorm2 = new AddNorm(hidden, dropout);
  }

  override config() {
    return [this.#options];
  }

  /**
   * @param x `[batch, time, hidden]`
   * @param validLens lengths, int32 `[batch]` @default all positions count
   */
  override forward(x: tf.Tensor, validLens?: tf.Tensor): tf.Tensor {
    return tf.tidy(() => {
      const [attended] = this.attention.forward(x, x, x, masksOf(validLens));
      const y = this.addnorm1.forward(x, attended);
      return this.addnorm2.forward(y, this.ffn.forward(y));
    });
  }
}

/** What a block keeps from step to step: the keys and values of its two attentions. */
export type BlockCache = { readonly self: nn.KeysAndValues; readonly source: nn.KeysAndValues };

/** What a block sees of the source. */
export interface Memory {
  /** `[batch, time, hidden]` */
  readonly outputs: tf.Tensor;
  readonly validLens: tf.Tensor | undefined;
}

/** The masks of queries behind `past` keys, so that each sees those before it and itself. */
function causalMasks(batch: number, queries: number, past: number): nn.AttentionCallOptions {
  if (past === 0) return { isCausal: true };
  if (queries === 1) return {};
  const seen = tf.range(past + 1, past + queries + 1, 1, 'int32');
  return { validLens: tf.tile(tf.expandDims(seen, 0), [batch, 1]) };
}

/**
 * Causal self-attention, attention to the source, and an FFN, each in an `AddNorm`. Parameters
 * `attention1`, `addnorm1`, `attention2`, `addnorm2`, `ffn`, `addnorm3`.
 */
export class TransformerDecoderBlock extends nn.Module {
  readonly attention1: nn.MultiheadAttention;
  readonly addnorm1: AddNorm;
  readonly attention2: nn.MultiheadAttention;
  readonly addnorm2: AddNorm;
  readonly ffn: PositionWiseFFN;
  readonly addnorm3: AddNorm;
  readonly #options: BlockOptions;

  constructor(options: BlockOptions) {
    super();
    const { hidden, ffnHidden, dropout } = options;
    this.#options = options;
    this.attention1 = attentionOf(options);
    this.addnorm1 = new AddNorm(hidden, dropout);
    this.attention2 = attentionOf(options);
    this.addnorm2 = new AddNorm(hidden, dropout);
    this.ffn = new PositionWiseFFN(hidden, ffnHidden, hidden);
    this.addnorm3 = new AddNorm(hidden, dropout);
  }

  override config() {
    return [this.#options];
  }

  /** All positions of a target at once, without a cache: in training. */
  override forward(x: tf.Tensor, { outputs, validLens }: Memory): tf.Tensor {
    return tf.tidy(() => {
      const [attended] = this.attention1.forward(x, x, x, { isCausal: true });
      const y = this.addnorm1.forward(x, attended);
      const [seen] = this.attention2.forward(y, outputs, outputs, masksOf(validLens));
      const z = this.addnorm2.forward(y, seen);
      return this.addnorm3.forward(z, this.ffn.forward(z));
    });
  }

  /** The positions that follow those of a cache, and the cache with them. */
  step(
    x: tf.Tensor,
    { outputs, validLens }: Memory,
    cache: BlockCache | undefined,
  ): [y: tf.Tensor, cache: BlockCache] {
    return tf.tidy(() => {
      const [batch = 0, queries = 0] = x.shape;
      const now = this.attention1.keysAndValues(x);
      const self = nn.concatKeys(cache?.self, now);
      const masks = causalMasks(batch, queries, self.k.shape[2] - queries);
      const y = this.addnorm1.forward(x, this.attention1.attend(x, self, masks)[0]);
      const source = cache
        ? { k: tf.clone(cache.source.k), v: tf.clone(cache.source.v) }
        : this.attention2.keysAndValues(outputs);
      const z = this.addnorm2.forward(y, this.attention2.attend(y, source, masksOf(validLens))[0]);
      return [this.addnorm3.forward(z, this.ffn.forward(z)), { self, source }];
    }) as [tf.Tensor, BlockCache];
  }
}
