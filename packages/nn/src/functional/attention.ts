/** Scaled dot-product attention, Vaswani et al. 2017, https://arxiv.org/abs/1706.03762. */
import * as tf from '@tensorflow/tfjs-core';
import { allowedBy, softmax } from './activations';
import { expectFloat, expectShape } from './checks';
import { dropout } from './dropout';

export interface AttentionOptions {
  /**
   * Bool or int32, which broadcasts to `[batch, heads, time, keys]`: 0 where a query does not see a
   * key. float32 is added to the scores instead. @default every query sees every key
   */
  readonly mask?: tf.Tensor | undefined;
  /** Query t sees the keys 0 to t only. @default false */
  readonly causal?: boolean | undefined;
  /** Probability with which an attention weight is zeroed. @default 0 */
  readonly dropout?: number | undefined;
  /** Of dropout. @default the next seed of the training step */
  readonly seed?: number | undefined;
  /** Factor of the scores. @default 1 / √dim */
  readonly scale?: number | undefined;
}

/** bool `[queries, keys]`: query t sees the keys 0 to t. */
function causalMask(queries: number, keys: number): tf.Tensor {
  const query = tf.reshape(tf.range(0, queries, 1, 'int32'), [-1, 1]);
  return tf.greaterEqual(query, tf.reshape(tf.range(0, keys, 1, 'int32'), [1, -1]));
}

/**
 * softmax(q · kᵀ / √dim) · v, as in `torch.nn.functional.scaled_dot_product_attention`. A query
 * that sees no key gives zeros.
 * @param q `[batch, heads, time, dim]`
 * @param k `[batch, heads, keys, dim]`
 * @param v `[batch, heads, keys, dimOfValues]`
 * @returns `[batch, heads, time, dimOfValues]`
 * @throws RangeError when the sizes do not fit
 */
export function scaledDotProductAttention(
  q: tf.Tensor4D,
  k: tf.Tensor4D,
  v: tf.Tensor4D,
  options: AttentionOptions = {},
): tf.Tensor4D {
  const where = 'scaledDotProductAttention';
  expectShape(where, 'q', q, ['batch', 'heads', 'time', 'dim']);
  const [batch, heads, queries, dim] = q.shape;
  expectShape(where, 'k', k, [batch, heads, 'keys', dim]);
  const keys = k.shape[2];
  expectShape(where, 'v', v, [batch, heads, keys, 'dim']);
  for (const [name, tensor] of Object.entries({ q, k, v })) expectFloat(where, name, tensor);
  const { mask, causal = false, dropout: rate = 0, seed, scale = 1 / Math.sqrt(dim) } = options;
  return tf.tidy(() => {
    const shape = [batch, heads, queries, keys];
    let scores: tf.Tensor = tf.matMul(tf.mul(q, scale), k, false, true);
    const isAdded = mask?.dtype === 'float32';
    if (isAdded) scores = tf.add(scores, mask);
    let allowed = mask && !isAdded ? allowedBy(where, mask, shape) : undefined;
    if (causal) {
      const past = tf.broadcastTo(causalMask(queries, keys), shape);
      allowed = allowed ? tf.logicalAnd(allowed, past) : past;
    }
    const weights = softmax(scores, { mask: allowed });
    return tf.matMul(rate > 0 ? dropout(weights, rate, { seed }) : weights, v) as tf.Tensor4D;
  });
}
