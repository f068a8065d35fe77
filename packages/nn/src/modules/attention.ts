/** Multi-head attention with PyTorch's options, names and layouts. */
import { checkOptions, rule } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import { selfAttention } from '../functional/attention';
import { isRecordingAttention, recordAttention } from '../functional/attention-weights';
import { linear, scaledDotProductAttention, softmax } from '../functional/index';
import { Module } from '../module';
import { parameter } from '../parameter';
import { dropped } from './activation';
import { type AttentionMasks, joinMasks, type Sizes } from './attention-masks';
import { checkInput, checkSize, shown } from './checks';
import { Linear } from './linear';
import { given, seeded, type WeightOptions, weightRules } from './seeded';

export interface MultiheadAttentionOptions extends WeightOptions {
  /** Probability of an attention weight to be zeroed in training. @default 0 */
  dropout?: number;
  /** Whether the projections have biases. @default true */
  bias?: boolean;
  /** Features of keys. @default embedDim */
  kdim?: number;
  /** Features of values. @default embedDim */
  vdim?: number;
  /** Whether the batch is the first axis of inputs and outputs, not the time. @default false */
  batchFirst?: boolean;
}

const attentionRules = rule.object({
  dropout: rule.number({ min: 0, max: 1 }).optional(),
  bias: rule.boolean().optional(),
  kdim: rule.positiveInteger().optional(),
  vdim: rule.positiveInteger().optional(),
  batchFirst: rule.boolean().optional(),
  ...weightRules,
});

export interface AttentionCallOptions extends AttentionMasks {
  /** Whether the attention weights are returned, which takes their memory. @default false */
  needWeights?: boolean;
  /** Whether the weights returned are the heads' mean. @default true */
  averageAttnWeights?: boolean;
}

const callRules = rule.object({
  attnMask: rule.custom<tf.Tensor>(() => true, 'a tensor').optional(),
  keyPaddingMask: rule.custom<tf.Tensor>(() => true, 'a tensor').optional(),
  validLens: rule.custom<tf.Tensor>(() => true, 'a tensor').optional(),
  isCausal: rule.boolean().optional(),
  needWeights: rule.boolean().optional(),
  averageAttnWeights: rule.boolean().optional(),
});

type Heads = tf.Tensor4D;

/** Projected heads of keys and values, `[batch, heads, keys, dim]` each. */
export type KeysAndValues = {
  readonly k: tf.Tensor4D;
  readonly v: tf.Tensor4D;
};

/** Keys and values with new ones behind them. What was given stays the caller's. */
export const concatKeys = (past: KeysAndValues | undefined, now: KeysAndValues): KeysAndValues =>
  past ? { k: tf.concat([past.k, now.k], 2), v: tf.concat([past.v, now.v], 2) } : now;

/**
 * Multi-head attention (Vaswani et al. 2017, https://arxiv.org/abs/1706.03762).
 * `torch.nn.MultiheadAttention`: parameters `in_proj_weight` `[3 · embedDim, embedDim]` (or
 * `q_proj_weight`, `k_proj_weight`, `v_proj_weight` where keys or values have other features),
 * `in_proj_bias`, `out_proj.weight` and `out_proj.bias`.
 * @example
 * const attention = new nn.MultiheadAttention(256, 4, { batchFirst: true });
 * const [output] = attention.forward(x, x, x, { isCausal: true }); // [batch, time, 256]
 */
export class MultiheadAttention extends Module {
  readonly embedDim: number;
  readonly numHeads: number;
  readonly batchFirst: boolean;
  readonly dropout: number;
  in_proj_weight: tf.Variable | null = null;
  q_proj_weight: tf.Variable | null = null;
  k_proj_weight: tf.Variable | null = null;
  v_proj_weight: tf.Variable | null = null;
  in_proj_bias: tf.Variable | null = null;
  readonly out_proj: Linear;
  readonly #features: readonly [query: number, key: number, value: number];
  readonly #options: MultiheadAttentionOptions;

  constructor(embedDim: number, numHeads: number, options: MultiheadAttentionOptions = {}) {
    super();
    const where = '[nn] MultiheadAttention';
    checkSize(where, 'embedDim', embedDim);
    checkSize(where, 'numHeads', numHeads);
    if (embedDim % numHeads !== 0) {
      throw new RangeError(
        `${where}: numHeads must divide embedDim, got ${numHeads} heads for ${embedDim} features`,
      );
    }
    const checked = checkOptions(where, attentionRules, options);
    const { kdim = embedDim, vdim = embedDim, bias = true } = checked;
    this.#options = options;
    this.embedDim = embedDim;
    this.numHeads = numHeads;
    this.batchFirst = checked.batchFirst ?? false;
    this.dropout = checked.dropout ?? 0;
    this.#features = [embedDim, kdim, vdim];
    const { init = 'xavier-uniform' } = checked;
    this.out_proj = seeded(checked.seed, () => {
      if (kdim === embedDim && vdim === embedDim) {
        this.in_proj_weight = parameter([3 * embedDim, embedDim], { init });
      } else {
        this.q_proj_weight = parameter([embedDim, embedDim], { init });
        this.k_proj_weight = parameter([embedDim, kdim], { init });
        this.v_proj_weight = parameter([embedDim, vdim], { init });
      }
      if (bias) this.in_proj_bias = parameter([3 * embedDim], { init: 'zeros' });
      const out = new Linear(embedDim, embedDim, { bias });
      if (out.bias) tf.tidy(() => out.bias?.assign(tf.zeros([embedDim])));
      return out;
    });
  }

  override config() {
    return [this.embedDim, this.numHeads, given(this.#options)];
  }

  /**
   * Attends from queries to keys and values, `[time, batch, features]` each (`[batch, time,
   * features]` with `batchFirst`).
   * @returns the output, of the query's shape, and with `needWeights` the attention weights
   *   `[batch, queries, keys]`, or `[batch, heads, queries, keys]` with `averageAttnWeights: false`
   * @throws RangeError for inputs or masks of another shape; TypeError for a mask of another type
   */
  override forward(
    query: tf.Tensor,
    key: tf.Tensor = query,
    value: tf.Tensor = key,
    options: AttentionCallOptions = {},
  ): [output: tf.Tensor, weights: tf.Tensor | undefined] {
    const where = `[nn] ${this.name}`;
    const checked = checkOptions(`${where}.forward`, callRules, options);
    const sizes = this.#check([query, key, value]);
    const { isCausal = false, needWeights = false } = checked;
    return tf.tidy(() => {
      const joined = this.#joined(query, key, value);
      const p = this.training ? this.dropout : 0;
      if (joined && p === 0 && !needWeights && !isRecordingAttention()) {
        const mask = joinMasks(where, checked, sizes);
        const { numHeads: heads, batchFirst } = this;
        const attended = selfAttention(joined, { heads, batchFirst, mask, causal: isCausal });
        if (attended) return [this.out_proj.forward(attended), undefined];
      }
      const projected = joined ? tf.split(joined, 3, 2) : this.#project([query, key, value]);
      const [q, k, v] = projected.map((x) => this.#heads(x)) as [Heads, Heads, Heads];
      return this.#attend(q, { k, v }, checked);
    }) as [tf.Tensor, tf.Tensor | undefined];
  }

  /**
   * The projected heads of keys and values, for `attend`: computed once for many queries, and
   * joined along the keys by `concatKeys` while a sequence is generated.
   * @param key as of `forward`
   * @param value as of `forward` @default key
   * @returns `[batch, heads, keys, dim]` each
   * @throws RangeError for inputs of another shape
   */
  keysAndValues(key: tf.Tensor, value: tf.Tensor = key): KeysAndValues {
    const [, kdim, vdim] = this.#features;
    const axes = this.#axes();
    checkInput(`[nn] ${this.name} (key)`, key, { axes, last: kdim });
    checkInput(`[nn] ${this.name} (value)`, value, { axes, last: vdim });
    return tf.tidy(() => {
      const [k, v] = this.#project([key, value], 1).map((x) => this.#heads(x));
      return { k, v } as KeysAndValues;
    });
  }

  /**
   * `forward` with projected keys and values.
   * @param query as of `forward`
   * @throws RangeError for inputs or masks of another shape
   */
  attend(
    query: tf.Tensor,
    keysAndValues: KeysAndValues,
    options: AttentionCallOptions = {},
  ): [output: tf.Tensor, weights: tf.Tensor | undefined] {
    const where = `[nn] ${this.name}`;
    const checked = checkOptions(`${where}.attend`, callRules, options);
    checkInput(`${where} (query)`, query, { axes: this.#axes(), last: this.embedDim });
    return tf.tidy(() => {
      const [q] = this.#project([query]).map((x) => this.#heads(x)) as [Heads];
      return this.#attend(q, keysAndValues, checked);
    }) as [tf.Tensor, tf.Tensor | undefined];
  }

  /** From heads to the output. */
  #attend(
    q: Heads,
    { k, v }: KeysAndValues,
    options: AttentionCallOptions,
  ): [output: tf.Tensor, weights: tf.Tensor | undefined] {
    const { isCausal: causal = false, needWeights = false, averageAttnWeights = true } = options;
    const [batch, heads, queries] = q.shape;
    const mask = joinMasks(`[nn] ${this.name}`, options, {
      ...{ batch, heads, queries },
      keys: k.shape[2],
    });
    const p = this.training ? this.dropout : 0;
    if (!needWeights) {
      const attended = scaledDotProductAttention(q, k, v, { mask, causal, dropout: p });
      return [this.#join(attended), undefined];
    }
    const weights = attentionWeights(q, k, { mask, causal });
    recordAttention(weights);
    const drawn = dropped(weights, p);
    return [this.#join(tf.matMul(drawn, v)), averageAttnWeights ? tf.mean(drawn, 1) : drawn];
  }

  #axes(): string[] {
    return this.batchFirst ? ['batch', 'time', 'features'] : ['time', 'batch', 'features'];
  }

  /** @throws RangeError for inputs of another shape */
  #check(inputs: readonly tf.Tensor[]): Sizes {
    const where = `[nn] ${this.name}`;
    const axes = this.#axes();
    inputs.forEach((x, i) => {
      checkInput(`${where} (${['query', 'key', 'value'][i]})`, x, {
        axes,
        last: this.#features[i] as number,
      });
    });
    const [times, batches] = (this.batchFirst ? [1, 0] : [0, 1]).map((axis) =>
      inputs.map(({ shape }) => shape[axis] as number),
    ) as [number[], number[]];
    const [queries = 0, keys = 0, values = 0] = times;
    const [batch = 0] = batches;
    if (keys === values && batches.every((size) => size === batch))
      return { batch, heads: this.numHeads, queries, keys };
    throw new RangeError(
      `${where}: expected queries, keys and values of one batch, and as many keys as values, got ` +
        inputs.map(shown).join(', '),
    );
  }

  /** Queries, keys and values of one input in one tensor, `[..., 3 · embedDim]`. */
  #joined(query: tf.Tensor, key: tf.Tensor, value: tf.Tensor): tf.Tensor3D | undefined {
    const { in_proj_weight: weight, in_proj_bias: bias } = this;
    if (!weight || query !== key || key !== value) return undefined;
    const given = (bias as tf.Tensor1D | null) ?? undefined;
    return linear(query, weight as tf.Tensor2D, given) as tf.Tensor3D;
  }

  /** Queries, keys and values, or those from `first` on: `[..., embedDim]` each. */
  #project(inputs: readonly tf.Tensor[], first = 0): tf.Tensor[] {
    const { in_proj_weight: weight, in_proj_bias: bias, embedDim } = this;
    const weights = weight
      ? tf.split(weight, 3)
      : [this.q_proj_weight, this.k_proj_weight, this.v_proj_weight];
    return inputs.map((x, i) => {
      const at = first + i;
      const part = bias ? tf.slice(bias as tf.Tensor1D, at * embedDim, embedDim) : undefined;
      return linear(x, weights[at] as tf.Tensor2D, part);
    });
  }

  /** `[batch, heads, time, dim]` */
  #heads(x: tf.Tensor): tf.Tensor {
    const [a = 0, b = 0] = x.shape;
    const heads = tf.reshape(x, [a, b, this.numHeads, this.embedDim / this.numHeads]);
    return tf.transpose(heads, this.batchFirst ? [0, 2, 1, 3] : [1, 2, 0, 3]);
  }

  /** From `[batch, heads, queries, dim]` to the output. */
  #join(attended: tf.Tensor): tf.Tensor {
    const turned = tf.transpose(attended, this.batchFirst ? [0, 2, 1, 3] : [2, 0, 1, 3]);
    const [a = 0, b = 0] = turned.shape;
    return this.out_proj.forward(tf.reshape(turned, [a, b, this.embedDim]));
  }
}

/** The softmax of the scores, `[batch, heads, queries, keys]`. */
function attentionWeights(
  q: tf.Tensor,
  k: tf.Tensor,
  { mask, causal }: { mask: tf.Tensor | undefined; causal: boolean },
): tf.Tensor {
  return tf.tidy(() => {
    const scale = 1 / Math.sqrt(q.shape[3] as number);
    const scores = tf.matMul(tf.mul(q, scale), k, false, true);
    const added = mask?.dtype === 'float32' ? tf.add(scores, mask) : scores;
    const given = mask?.dtype === 'bool' ? mask : undefined;
    const past = causal ? pastOf(scores.shape[2] as number, scores.shape[3] as number) : undefined;
    return softmax(added, { mask: given && past ? tf.logicalAnd(given, past) : (given ?? past) });
  });
}

/** bool `[queries, keys]`: true for keys up to the query's place. */
const pastOf = (queries: number, keys: number) =>
  tf.lessEqual(tf.range(0, keys), tf.expandDims(tf.range(0, queries), 1));
