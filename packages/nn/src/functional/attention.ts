/** Scaled dot-product attention, Vaswani et al. 2017, https://arxiv.org/abs/1706.03762. */
import { type FusedKernels, hasFusedKernel, runFusedKernel } from '@deepend/compiler';
import * as tf from '@tensorflow/tfjs-core';
import { allowedBy, boolMask, checkMaskShape, softmax, spread } from './activations';
import { isRecordingAttention, recordAttention } from './attention-weights';
import { expectFloat, expectShape, refuse, shapeText } from './checks';
import { dropout } from './dropout';
import { differentiableOne } from './tape';

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

type Attrs = FusedKernels['deepend.attention']['attrs'];
type Gradient = FusedKernels['deepend.attentionGradient']['inputs'];

/** A mask as the kernel reads it: float32 `[batch | 1, heads | 1, queries | 1, keys]`, added. */
function addedMask(where: string, mask: tf.Tensor, keys: number): tf.Tensor4D {
  const shape = [...new Array<number>(4 - mask.rank).fill(1), ...mask.shape];
  const added =
    mask.dtype === 'float32'
      ? mask
      : tf.where(boolMask(where, mask), tf.zeros(mask.shape), tf.fill(mask.shape, -Infinity));
  const whole: tf.Tensor = tf.reshape(added, shape);
  const full: tf.Tensor = tf.broadcastTo(whole, [...shape.slice(0, 3), keys]);
  return full as tf.Tensor4D;
}

/** The gradient of an added mask in core ops, since most masks are no weights. */
function maskGradient(given: Gradient, { scale, causal }: Attrs, shape: number[]): tf.Tensor {
  const { q, k, v, mask, y, logSum, dy } = given as Required<Gradient> & { mask: tf.Tensor4D };
  return tf.tidy(() => {
    const scores = tf.add(tf.mul(tf.matMul(q, k, false, true), scale), mask);
    const whole = tf.exp(tf.sub(scores, tf.expandDims(logSum, 3)));
    const [queries, keys] = scores.shape.slice(2) as [number, number];
    const p = causal ? tf.mul(whole, tf.cast(causalMask(queries, keys), 'float32')) : whole;
    const mean = tf.sum(tf.mul(dy, y), 3, true);
    const dScores = tf.mul(p, tf.sub(tf.matMul(dy, v, false, true), mean));
    const full = [...new Array<number>(4 - shape.length).fill(1), ...shape];
    const summed = [0, 1, 2, 3].filter((axis) => full[axis] === 1);
    return tf.reshape(tf.sum(dScores, summed), shape);
  });
}

interface AttentionInputs {
  readonly q: tf.Tensor4D;
  readonly k: tf.Tensor4D;
  readonly v: tf.Tensor4D;
  readonly mask: tf.Tensor | undefined;
}

/** Attention in one kernel, which keeps a number for each query in place of the weights. */
function fusedAttention(where: string, inputs: AttentionInputs, attrs: Attrs): tf.Tensor4D {
  const { q, k, v, mask } = inputs;
  const keys = k.shape[2];
  const wrt = { q, k, v, ...(mask?.dtype === 'float32' && { mask }) };
  return differentiableOne({
    inputs: wrt,
    forward(save) {
      const added = mask && addedMask(where, mask, keys);
      const [y, logSum] = runFusedKernel(
        'deepend.attention',
        { q, k, v, mask: added },
        attrs,
      ) as FusedKernels['deepend.attention']['outputs'];
      save([q, k, v, y, logSum, ...(added ? [added] : [])]);
      return [y];
    },
    backward([dy], [q, k, v, y, logSum, added]) {
      const given = { q, k, v, y, logSum, dy, mask: added } as Gradient;
      const [dq, dk, dv] = runFusedKernel(
        'deepend.attentionGradient',
        given,
        attrs,
      ) as FusedKernels['deepend.attentionGradient']['outputs'];
      const dMask = () => maskGradient(given, attrs, mask?.shape ?? []);
      return { q: () => dq, k: () => dk, v: () => dv, mask: dMask };
    },
  });
}

/** How queries, keys and values lie in one tensor, and what they see. */
export interface SelfAttentionOptions {
  readonly heads: number;
  /** Whether the batch is the first axis, not the time. */
  readonly batchFirst: boolean;
  /** bool `[batch | 1, heads | 1, time | 1, time]`: where a query sees a key. */
  readonly mask: tf.Tensor | undefined;
  readonly causal: boolean;
}

/**
 * Attention of queries, keys and values in one tensor `[batch, time, 3 · heads · dim]`, or time
 * first, without copies of the heads.
 * @returns `[batch, time, heads · dim]`, or time first; undefined where no kernel computes it
 */
export function selfAttention(
  qkv: tf.Tensor3D,
  { heads, batchFirst, mask, causal }: SelfAttentionOptions,
): tf.Tensor3D | undefined {
  const [first, second, wide] = qkv.shape;
  const attrs = { heads, batchFirst, causal, scale: 1 / Math.sqrt(wide / 3 / heads) };
  const isAdded = mask?.dtype === 'float32'; // it may have a gradient
  if (isAdded || !hasFusedKernel('deepend.selfAttention', { inputs: { qkv }, attrs }))
    return undefined;
  return differentiableOne<tf.Tensor3D>({
    inputs: { qkv },
    forward(save) {
      const time = batchFirst ? second : first;
      const added = mask && addedMask('MultiheadAttention', mask, time);
      const [y, logSum] = runFusedKernel(
        'deepend.selfAttention',
        { qkv, mask: added },
        attrs,
      ) as FusedKernels['deepend.selfAttention']['outputs'];
      save([qkv, y, logSum, ...(added ? [added] : [])]);
      return [y];
    },
    backward: ([dy], [qkv, y, logSum, mask]) => ({
      qkv() {
        const given = { qkv, y, logSum, dy, mask };
        const inputs = given as FusedKernels['deepend.selfAttentionGradient']['inputs'];
        return runFusedKernel('deepend.selfAttentionGradient', inputs, attrs)?.[0] as tf.Tensor;
      },
    }),
  });
}

export interface PackedAttentionOptions {
  /**
   * Number of heads, which divides the features.
   * @example 12
   */
  readonly heads: number;
  /** Time t sees the times 0 to t only. @default false */
  readonly causal?: boolean | undefined;
  /** Probability with which an attention weight is zeroed. @default 0 */
  readonly dropout?: number | undefined;
}

/**
 * Self-attention of queries, keys and values that lie next to each other in one tensor, as one
 * linear layer gives them (nanoGPT's `c_attn`).
 * @param qkv `[batch, time, 3 · heads · dim]`
 * @returns `[batch, time, heads · dim]`
 * @throws RangeError when the sizes do not fit
 */
export function packedAttention(qkv: tf.Tensor3D, options: PackedAttentionOptions): tf.Tensor3D {
  const where = 'packedAttention';
  const { heads, causal = false, dropout: rate = 0 } = options;
  expectShape(where, 'qkv', qkv, ['batch', 'time', '3 · heads · dim']);
  expectFloat(where, 'qkv', qkv);
  const [batch, time, wide] = qkv.shape;
  const dim = wide / 3 / heads;
  if (!Number.isInteger(dim))
    refuse(where, `features that 3 · ${heads} heads divide, got ${shapeText(qkv.shape)}`);
  return tf.tidy(() => {
    const sees = { heads, batchFirst: true, mask: undefined, causal };
    const fused = rate === 0 && !isRecordingAttention() ? selfAttention(qkv, sees) : undefined;
    if (fused) return fused;
    const parts = tf.reshape(qkv, [batch, time, 3, heads, dim]);
    const turned = tf.transpose(parts, [2, 0, 3, 1, 4]); // [3, batch, heads, time, dim]
    const [q, k, v] = tf.unstack(turned) as [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D];
    const attended = scaledDotProductAttention(q, k, v, { causal, dropout: rate });
    return tf.reshape(tf.transpose(attended, [0, 2, 1, 3]), [batch, time, heads * dim]);
  });
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
  const shape = [batch, heads, queries, keys];
  if (mask) checkMaskShape(where, mask, shape);
  const attrs = { scale, causal };
  const fuses = rate === 0 && !isRecordingAttention();
  if (fuses && hasFusedKernel('deepend.attention', { inputs: { q, k, v }, attrs }))
    return tf.tidy(() => fusedAttention(where, { q, k, v, mask }, attrs));
  return tf.tidy(() => {
    let scores: tf.Tensor = tf.matMul(tf.mul(q, scale), k, false, true);
    const isAdded = mask?.dtype === 'float32';
    if (isAdded) scores = tf.add(scores, mask);
    let allowed = mask && !isAdded ? allowedBy(where, mask, shape) : undefined;
    if (causal) {
      const past = spread(causalMask(queries, keys), shape);
      allowed = allowed ? tf.logicalAnd(allowed, past) : past;
    }
    const weights = softmax(scores, { mask: allowed });
    recordAttention(weights);
    return tf.matMul(rate > 0 ? dropout(weights, rate, { seed }) : weights, v) as tf.Tensor4D;
  });
}
