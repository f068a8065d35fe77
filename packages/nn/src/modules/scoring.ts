/** Attention with a scoring function of its own: additive, and the scaled dot product. */
import { checkOptions, rule } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import { recordAttention } from '../functional/attention-weights';
import { maskedSoftmax, scaledDotProductAttention } from '../functional/index';
import { validKeys } from '../functional/sequence';
import { Module } from '../module';
import { checkedNumber, dropped } from './activation';
import { checkInput, checkSize, shown } from './checks';
import { Linear } from './linear';
import { given, seeded } from './seeded';

export interface AdditiveAttentionOptions {
  /** Features of the keys. @default hidden */
  keySize?: number;
  /** Features of the queries. @default hidden */
  querySize?: number;
  /** Probability of an attention weight to be zeroed in training. @default 0 */
  dropout?: number;
  /** Seeds the initial values: any safe integer. @default the next of `nn.manualSeed`'s */
  seed?: number;
}

const additiveRules = rule.object({
  keySize: rule.positiveInteger().optional(),
  querySize: rule.positiveInteger().optional(),
  dropout: rule.number({ min: 0, max: 1 }).optional(),
  seed: rule.seed().optional(),
});

const AXES = {
  queries: ['batch', 'queries', 'features'],
  keys: ['batch', 'keys', 'features'],
} as const;

/** @throws RangeError for keys and values of other batches or numbers */
function checkPairs(where: string, [queries, keys, values]: readonly tf.Tensor[]): void {
  checkInput(`${where} (values)`, values as tf.Tensor, { axes: AXES.keys });
  const [batch, count] = keys?.shape ?? [];
  const fits = values?.shape[0] === batch && values?.shape[1] === count;
  if (fits && queries?.shape[0] === batch) return;
  throw new RangeError(
    `${where}: expected queries, keys and values of one batch, and as many keys as values, got ` +
      [queries, keys, values].map(shown).join(', '),
  );
}

/**
 * Attention whose score is an MLP of query and key, `w_vᵀ · tanh(W_q·q + W_k·k)`. Bahdanau et al.
 * 2014, https://arxiv.org/abs/1409.0473. Parameters `W_k.weight` `[hidden, keySize]`, `W_q.weight`
 * and `w_v.weight` `[1, hidden]`, as in the book.
 * @example
 * const attention = new nn.AdditiveAttention(8, { keySize: 2, querySize: 20 });
 * const output = attention.forward(queries, keys, values, tf.tensor1d([2, 6], 'int32'));
 */
export class AdditiveAttention extends Module {
  readonly W_k: Linear;
  readonly W_q: Linear;
  readonly w_v: Linear;
  readonly dropout: number;
  readonly #arguments: readonly [number, AdditiveAttentionOptions];

  constructor(hidden: number, options: AdditiveAttentionOptions = {}) {
    super();
    const where = '[nn] AdditiveAttention';
    checkSize(where, 'hidden', hidden);
    const checked = checkOptions(where, additiveRules, options);
    const { keySize = hidden, querySize = hidden } = checked;
    this.#arguments = [hidden, checked];
    this.dropout = checked.dropout ?? 0;
    [this.W_k, this.W_q, this.w_v] = seeded(checked.seed, () => [
      new Linear(keySize, hidden, { bias: false }),
      new Linear(querySize, hidden, { bias: false }),
      new Linear(hidden, 1, { bias: false }),
    ]);
  }

  override config() {
    const [hidden, options] = this.#arguments;
    return [hidden, given(options)];
  }

  /**
   * @param queries `[batch, queries, querySize]`
   * @param keys `[batch, keys, keySize]`
   * @param values `[batch, keys, features]`
   * @param validLens keys that count, int32 `[batch]` or `[batch, queries]` @default all
   * @returns `[batch, queries, features]`
   * @throws RangeError for inputs or lengths that do not fit
   */
  override forward(
    queries: tf.Tensor,
    keys: tf.Tensor,
    values: tf.Tensor,
    validLens?: tf.Tensor,
  ): tf.Tensor {
    return tf.tidy(() => this.attend(queries, this.projectKeys(keys), values, validLens));
  }

  /** What `attend` takes as keys: computed once for many calls with the same keys. */
  projectKeys(keys: tf.Tensor): tf.Tensor {
    checkInput(`[nn] ${this.name} (keys)`, keys, { axes: AXES.keys, last: this.W_k.inFeatures });
    return this.W_k.forward(keys);
  }

  /**
   * `forward` with keys of `projectKeys`, `[batch, keys, hidden]`.
   * @throws RangeError for inputs or lengths that do not fit
   */
  attend(
    queries: tf.Tensor,
    projectedKeys: tf.Tensor,
    values: tf.Tensor,
    validLens?: tf.Tensor,
  ): tf.Tensor {
    const where = `[nn] ${this.name}`;
    checkInput(`${where} (queries)`, queries, {
      axes: AXES.queries,
      last: this.W_q.inFeatures,
    });
    checkPairs(where, [queries, projectedKeys, values]);
    return tf.tidy(() => {
      const q = tf.expandDims(this.W_q.forward(queries), 2); // [batch, queries, 1, hidden]
      const k = tf.expandDims(projectedKeys, 1); // [batch, 1, keys, hidden]
      const scores = tf.squeeze(this.w_v.forward(tf.tanh(tf.add(q, k))), [3]);
      const weights = maskedSoftmax(scores, validLens); // [batch, queries, keys]
      recordAttention(tf.expandDims(weights, 1));
      return tf.matMul(dropped(weights, this.training ? this.dropout : 0), values);
    });
  }
}

/**
 * Attention whose score is the scaled dot product of query and key, without parameters. Fused into
 * one kernel where the backend has it.
 * @example
 * const attention = new nn.DotProductAttention(0.5);
 * const output = attention.forward(queries, keys, values, tf.tensor1d([2, 6], 'int32'));
 */
export class DotProductAttention extends Module {
  readonly dropout: number;

  /** @param dropout probability of an attention weight to be zeroed in training @default 0 */
  constructor(dropout = 0) {
    super();
    this.dropout = checkedNumber('[nn] DotProductAttention', 'dropout', dropout, {
      min: 0,
      max: 1,
    });
  }

  override config() {
    return [this.dropout];
  }

  /**
   * @param queries `[batch, queries, dim]`
   * @param keys `[batch, keys, dim]`
   * @param values `[batch, keys, features]`
   * @param validLens keys that count, int32 `[batch]` or `[batch, queries]` @default all
   * @returns `[batch, queries, features]`
   * @throws RangeError for inputs or lengths that do not fit
   */
  override forward(
    queries: tf.Tensor,
    keys: tf.Tensor,
    values: tf.Tensor,
    validLens?: tf.Tensor,
  ): tf.Tensor {
    const where = `[nn] ${this.name}`;
    checkInput(`${where} (queries)`, queries, { axes: AXES.queries });
    checkInput(`${where} (keys)`, keys, { axes: AXES.keys, last: queries.shape[2] as number });
    checkPairs(where, [queries, keys, values]);
    const p = this.training ? this.dropout : 0;
    return tf.tidy(() => {
      const sizes = {
        batch: queries.shape[0] as number,
        queries: queries.shape[1] as number,
        keys: keys.shape[1] as number,
      };
      const valid = validLens && validKeys('DotProductAttention', validLens, sizes);
      const [q, k, v] = [queries, keys, values].map((x) => tf.expandDims(x, 1)) as tf.Tensor4D[];
      const mask = valid && tf.expandDims(valid, 1);
      const attended = scaledDotProductAttention(
        q as tf.Tensor4D,
        k as tf.Tensor4D,
        v as tf.Tensor4D,
        { mask, dropout: p },
      );
      return tf.squeeze(attended, [1]);
    });
  }
}
