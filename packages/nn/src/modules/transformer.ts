/** The Transformer's layers (Vaswani et al. 2017, https://arxiv.org/abs/1706.03762). */
import { checkOptions, formatValue, rule } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import { gelu, rectify } from '../functional/activations';
import { Module } from '../module';
import { Dropout } from './activation';
import { MultiheadAttention } from './attention';
import type { AttentionMasks } from './attention-masks';
import { checkSize } from './checks';
import { buildModule, describeModule, describeModules, isDescription } from './described';
import { Linear } from './linear';
import { LayerNorm } from './norm';
import { given, seeded } from './seeded';

export interface TransformerLayerOptions {
  /** Width of the layer between the two linear ones. @default 2048 */
  dimFeedforward?: number;
  /** Probability of zeroing, in three places. @default 0.1 */
  dropout?: number;
  /** Between the two linear layers. @default 'relu' */
  activation?: 'relu' | 'gelu';
  /** Added to the variance in layer normalization. @default 1e-5 */
  layerNormEps?: number;
  /** Whether the batch is the first axis of inputs and outputs, not the time. @default false */
  batchFirst?: boolean;
  /** Whether each part normalizes its input, not the sum after it. @default false */
  normFirst?: boolean;
  /** Whether linear layers and normalizations have biases. @default true */
  bias?: boolean;
  /** Seeds the initial values: any safe integer. @default the next of `nn.manualSeed`'s */
  seed?: number;
}

const layerRules = rule.object({
  dimFeedforward: rule.positiveInteger().optional(),
  dropout: rule.number({ min: 0, max: 1 }).optional(),
  activation: rule.oneOf(['relu', 'gelu']).optional(),
  layerNormEps: rule.nonNegativeNumber().optional(),
  batchFirst: rule.boolean().optional(),
  normFirst: rule.boolean().optional(),
  bias: rule.boolean().optional(),
  seed: rule.seed().optional(),
});

const ACTIVATIONS = {
  relu: rectify,
  gelu: (x: tf.Tensor) => gelu(x),
};

/** The masks of an encoder's self-attention. */
export interface EncoderMasks {
  /** As `attnMask` of `MultiheadAttention`. */
  mask?: tf.Tensor;
  /** bool `[batch, time]`: true for places that are ignored. */
  srcKeyPaddingMask?: tf.Tensor;
  /** Whether a place sees only those before it and itself. @default false */
  isCausal?: boolean;
}

const toAttentionMasks = ({ mask, srcKeyPaddingMask, isCausal }: EncoderMasks): AttentionMasks => ({
  ...(mask ? { attnMask: mask } : {}),
  ...(srcKeyPaddingMask ? { keyPaddingMask: srcKeyPaddingMask } : {}),
  ...(isCausal === undefined ? {} : { isCausal }),
});

/**
 * Self-attention and two linear layers, each with a residual connection and layer normalization.
 * `torch.nn.TransformerEncoderLayer`: `self_attn`, `linear1`, `linear2`, `norm1`, `norm2`.
 */
export class TransformerEncoderLayer extends Module {
  readonly self_attn: MultiheadAttention;
  readonly linear1: Linear;
  readonly linear2: Linear;
  readonly norm1: LayerNorm;
  readonly norm2: LayerNorm;
  readonly dropout: Dropout;
  readonly dropout1: Dropout;
  readonly dropout2: Dropout;
  readonly #arguments: readonly [number, number, TransformerLayerOptions];

  constructor(dModel: number, numHeads: number, options: TransformerLayerOptions = {}) {
    super();
    checkSize('[nn] TransformerEncoderLayer', 'dModel', dModel);
    const checked = checkOptions('[nn] TransformerEncoderLayer', layerRules, options);
    const { dimFeedforward = 2048, dropout = 0.1, bias = true, batchFirst = false } = checked;
    const norm = () => new LayerNorm(dModel, { epsilon: checked.layerNormEps ?? 1e-5, bias });
    this.#arguments = [dModel, numHeads, checked];
    [this.self_attn, this.linear1, this.linear2] = seeded(checked.seed, () => [
      new MultiheadAttention(dModel, numHeads, { dropout, bias, batchFirst }),
      new Linear(dModel, dimFeedforward, { bias }),
      new Linear(dimFeedforward, dModel, { bias }),
    ]);
    this.norm1 = norm();
    this.norm2 = norm();
    this.dropout = new Dropout(dropout);
    this.dropout1 = new Dropout(dropout);
    this.dropout2 = new Dropout(dropout);
  }

  override config() {
    const [dModel, numHeads, options] = this.#arguments;
    return [dModel, numHeads, given(options)];
  }

  /**
   * `[time, batch, dModel]` → the same shape (`[batch, time, dModel]` with `batchFirst`).
   * @throws RangeError for inputs or masks of another shape
   */
  override forward(x: tf.Tensor, masks: EncoderMasks = {}): tf.Tensor {
    const { normFirst = false, activation = 'relu' } = this.#arguments[2];
    const attend = (y: tf.Tensor) => {
      const [attended] = this.self_attn.forward(y, y, y, toAttentionMasks(masks));
      return this.dropout1.forward(attended);
    };
    const feed = (y: tf.Tensor) => {
      const wide = this.dropout.forward(ACTIVATIONS[activation](this.linear1.forward(y)));
      return this.dropout2.forward(this.linear2.forward(wide));
    };
    return tf.tidy(() => {
      if (normFirst) {
        const attended = tf.add(x, attend(this.norm1.forward(x)));
        return tf.add(attended, feed(this.norm2.forward(attended)));
      }
      const attended = this.norm1.forward(tf.add(x, attend(x)));
      return this.norm2.forward(tf.add(attended, feed(attended)));
    });
  }
}

/** The masks of a decoder's two attentions. */
export interface DecoderMasks {
  /** Of the self-attention, as `attnMask` of `MultiheadAttention`. */
  tgtMask?: tf.Tensor;
  /** Of the attention to the encoder's outputs. */
  memoryMask?: tf.Tensor;
  /** bool `[batch, time]`: true for places of the target that are ignored. */
  tgtKeyPaddingMask?: tf.Tensor;
  /** bool `[batch, time]`: true for places of the encoder's outputs that are ignored. */
  memoryKeyPaddingMask?: tf.Tensor;
  /** Whether a place of the target sees only those before it and itself. @default false */
  tgtIsCausal?: boolean;
}

/**
 * Self-attention, attention to an encoder's outputs, and two linear layers.
 * `torch.nn.TransformerDecoderLayer`: `self_attn`, `multihead_attn`, `linear1`, `linear2`, `norm1`
 * to `norm3`.
 */
export class TransformerDecoderLayer extends Module {
  readonly self_attn: MultiheadAttention;
  readonly multihead_attn: MultiheadAttention;
  readonly linear1: Linear;
  readonly linear2: Linear;
  readonly norm1: LayerNorm;
  readonly norm2: LayerNorm;
  readonly norm3: LayerNorm;
  readonly dropout: Dropout;
  readonly dropout1: Dropout;
  readonly dropout2: Dropout;
  readonly dropout3: Dropout;
  readonly #arguments: readonly [number, number, TransformerLayerOptions];

  constructor(dModel: number, numHeads: number, options: TransformerLayerOptions = {}) {
    super();
    checkSize('[nn] TransformerDecoderLayer', 'dModel', dModel);
    const checked = checkOptions('[nn] TransformerDecoderLayer', layerRules, options);
    const { dimFeedforward = 2048, dropout = 0.1, bias = true, batchFirst = false } = checked;
    const norm = () => new LayerNorm(dModel, { epsilon: checked.layerNormEps ?? 1e-5, bias });
    const attention = { dropout, bias, batchFirst };
    this.#arguments = [dModel, numHeads, checked];
    [this.self_attn, this.multihead_attn, this.linear1, this.linear2] = seeded(checked.seed, () => [
      new MultiheadAttention(dModel, numHeads, attention),
      new MultiheadAttention(dModel, numHeads, attention),
      new Linear(dModel, dimFeedforward, { bias }),
      new Linear(dimFeedforward, dModel, { bias }),
    ]);
    this.norm1 = norm();
    this.norm2 = norm();
    this.norm3 = norm();
    this.dropout = new Dropout(dropout);
    this.dropout1 = new Dropout(dropout);
    this.dropout2 = new Dropout(dropout);
    this.dropout3 = new Dropout(dropout);
  }

  override config() {
    const [dModel, numHeads, options] = this.#arguments;
    return [dModel, numHeads, given(options)];
  }

  /**
   * @param x the target, `[time, batch, dModel]`
   * @param memory the encoder's outputs, `[time, batch, dModel]` with another time
   * @throws RangeError for inputs or masks of another shape
   */
  override forward(x: tf.Tensor, memory: tf.Tensor, masks: DecoderMasks = {}): tf.Tensor {
    const { normFirst = false, activation = 'relu' } = this.#arguments[2];
    const self = masksOf(masks.tgtMask, masks.tgtKeyPaddingMask);
    const cross = masksOf(masks.memoryMask, masks.memoryKeyPaddingMask);
    const isCausal = masks.tgtIsCausal ?? false;
    const parts: [norm: LayerNorm, part: (y: tf.Tensor) => tf.Tensor][] = [
      [
        this.norm1,
        (y) => this.dropout1.forward(this.self_attn.forward(y, y, y, { ...self, isCausal })[0]),
      ],
      [
        this.norm2,
        (y) => this.dropout2.forward(this.multihead_attn.forward(y, memory, memory, cross)[0]),
      ],
      [
        this.norm3,
        (y) => {
          const wide = this.dropout.forward(ACTIVATIONS[activation](this.linear1.forward(y)));
          return this.dropout3.forward(this.linear2.forward(wide));
        },
      ],
    ];
    return tf.tidy(() =>
      parts.reduce(
        (y, [norm, part]) =>
          normFirst ? tf.add(y, part(norm.forward(y))) : norm.forward(tf.add(y, part(y))),
        x,
      ),
    );
  }
}

const masksOf = (attnMask?: tf.Tensor, keyPaddingMask?: tf.Tensor): AttentionMasks => ({
  ...(attnMask ? { attnMask } : {}),
  ...(keyPaddingMask ? { keyPaddingMask } : {}),
});

/** Makes the layers of a stack, each with weights of its own. */
function stackOf<T extends Module>(
  where: string,
  { makeLayer, numLayers }: { makeLayer: (index: number) => T; numLayers: number },
): T[] {
  checkSize(where, 'numLayers', numLayers);
  if (Array.isArray(makeLayer) && makeLayer.every(isDescription))
    // from a saved `config`
    return makeLayer.map((layer) => buildModule<T>(where, layer));
  if (typeof makeLayer !== 'function') {
    throw new TypeError(
      `${where}: expected a function that makes a layer, got ${formatValue(makeLayer)}; write ` +
        '() => new nn.TransformerEncoderLayer(...)',
    );
  }
  return Array.from({ length: numLayers }, (_, i) => makeLayer(i));
}

/** A stack's normalization, from its module or from a saved `config`. */
const normOf = (where: string, norm: LayerNorm | null): LayerNorm | null =>
  isDescription(norm) ? buildModule<LayerNorm>(where, norm) : norm;

/** The arguments of a stack's constructor, with descriptions in place of modules. */
function stackConfig(
  layers: readonly Module[],
  norm: LayerNorm | null,
): readonly unknown[] | undefined {
  const described = describeModules(layers);
  return described && [described, layers.length, { norm: norm && describeModule(norm) }];
}

/**
 * A stack of encoder layers. `torch.nn.TransformerEncoder`, whose parameters are
 * `layers.0.self_attn.in_proj_weight`, ...
 * @example
 * const encoder = new nn.TransformerEncoder(
 *   () => new nn.TransformerEncoderLayer(256, 4, { dimFeedforward: 1024, batchFirst: true }),
 *   4,
 * );
 */
export class TransformerEncoder extends Module {
  readonly layers: TransformerEncoderLayer[];
  readonly norm: LayerNorm | null;

  /**
   * @param makeLayer makes each layer; PyTorch copies one, and gives all layers the same weights
   * @param options.norm applied to the output @default null
   */
  constructor(
    makeLayer: (index: number) => TransformerEncoderLayer,
    numLayers: number,
    { norm = null }: { norm?: LayerNorm | null } = {},
  ) {
    super();
    this.layers = stackOf('[nn] TransformerEncoder', { makeLayer, numLayers });
    this.norm = normOf('[nn] TransformerEncoder', norm);
  }

  override config(): readonly unknown[] | undefined {
    return stackConfig(this.layers, this.norm);
  }

  override forward(x: tf.Tensor, masks: EncoderMasks = {}): tf.Tensor {
    return tf.tidy(() => {
      const y = this.layers.reduce((input, layer) => layer.forward(input, masks), x);
      return this.norm ? this.norm.forward(y) : y;
    });
  }
}

/** A stack of decoder layers. `torch.nn.TransformerDecoder`. */
export class TransformerDecoder extends Module {
  readonly layers: TransformerDecoderLayer[];
  readonly norm: LayerNorm | null;

  /**
   * @param makeLayer makes each layer; PyTorch copies one, and gives all layers the same weights
   * @param options.norm applied to the output @default null
   */
  constructor(
    makeLayer: (index: number) => TransformerDecoderLayer,
    numLayers: number,
    { norm = null }: { norm?: LayerNorm | null } = {},
  ) {
    super();
    this.layers = stackOf('[nn] TransformerDecoder', { makeLayer, numLayers });
    this.norm = normOf('[nn] TransformerDecoder', norm);
  }

  override config(): readonly unknown[] | undefined {
    return stackConfig(this.layers, this.norm);
  }

  override forward(x: tf.Tensor, memory: tf.Tensor, masks: DecoderMasks = {}): tf.Tensor {
    return tf.tidy(() => {
      const y = this.layers.reduce((input, layer) => layer.forward(input, memory, masks), x);
      return this.norm ? this.norm.forward(y) : y;
    });
  }
}
