/** The functions that modules are made of, in core ops. */
import * as tf from '@tensorflow/tfjs-core';

/** `x·weightᵀ + bias` over the last axis: `[..., in]` → `[..., out]`. */
export function linear(x: tf.Tensor, weight: tf.Tensor, bias?: tf.Tensor): tf.Tensor {
  return tf.tidy(() => {
    const [out = 0, inputs = 0] = weight.shape;
    const rows: tf.Tensor2D = tf.reshape(x, [-1, inputs]);
    const product = tf.matMul(rows, weight as tf.Tensor2D, false, true); // [rows, out]
    return tf.reshape(bias ? tf.add(product, bias) : product, [...x.shape.slice(0, -1), out]);
  });
}

/** Rows of `weight` `[num, dim]` by int32 ids `[...]` → `[..., dim]`. */
export function embedding(ids: tf.Tensor, weight: tf.Tensor): tf.Tensor {
  const [num = 0] = weight.shape;
  const outside = ids.dataSync().find((id) => id < 0 || id >= num);
  if (outside !== undefined) {
    throw new RangeError(
      `[nn] embedding: expected ids from 0 to ${num - 1}, the rows of the weight, got ${outside}`,
    );
  }
  return tf.gather(weight, ids as tf.Tensor1D);
}

interface LayerNormOptions {
  normalizedShape: readonly number[];
  weight?: tf.Tensor | undefined;
  bias?: tf.Tensor | undefined;
  epsilon?: number;
}

/** Layer normalization over the last axes. */
export function layerNorm(
  x: tf.Tensor,
  { normalizedShape, weight, bias, epsilon = 1e-5 }: LayerNormOptions,
): tf.Tensor {
  return tf.tidy(() => {
    const axes = normalizedShape.map((_, i) => x.rank - normalizedShape.length + i);
    const { mean, variance } = tf.moments(x, axes, true);
    let y = tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, epsilon)));
    if (weight) y = tf.mul(y, weight);
    return bias ? tf.add(y, bias) : y;
  });
}

export type RecurrentKind = 'tanh' | 'relu' | 'gru' | 'lstm';

export interface RecurrentInputs {
  /** `[time, batch, in]` */
  x: tf.Tensor;
  /** `[batch, hidden]` */
  h0: tf.Tensor;
  c0?: tf.Tensor | undefined;
  weightIh: tf.Tensor;
  weightHh: tf.Tensor;
  biasIh?: tf.Tensor | undefined;
  biasHh?: tf.Tensor | undefined;
  /** int32 `[batch]` */
  lengths?: tf.Tensor | undefined;
  reverse?: boolean;
}

export interface RecurrentOutputs {
  /** `[time, batch, hidden]` */
  output: tf.Tensor;
  h: tf.Tensor;
  c?: tf.Tensor | undefined;
}

type State = [h: tf.Tensor, c: tf.Tensor | undefined];

/** One step of a cell from the projected inputs, `[batch, gates·hidden]` each. */
const CELLS: Record<
  RecurrentKind,
  { gates: number; step(fromX: tf.Tensor, fromH: tf.Tensor, state: State): State }
> = {
  tanh: { gates: 1, step: (fromX, fromH) => [tf.tanh(tf.add(fromX, fromH)), undefined] },
  relu: { gates: 1, step: (fromX, fromH) => [tf.relu(tf.add(fromX, fromH)), undefined] },
  gru: {
    gates: 3,
    step: (fromX, fromH, [h]) => {
      const [xr, xz, xn] = tf.split(fromX, 3, 1) as [tf.Tensor, tf.Tensor, tf.Tensor];
      const [hr, hz, hn] = tf.split(fromH, 3, 1) as [tf.Tensor, tf.Tensor, tf.Tensor];
      const r = tf.sigmoid(tf.add(xr, hr));
      const z = tf.sigmoid(tf.add(xz, hz));
      const n = tf.tanh(tf.add(xn, tf.mul(r, hn)));
      return [tf.add(n, tf.mul(z, tf.sub(h, n))), undefined];
    },
  },
  lstm: {
    gates: 4,
    step: (fromX, fromH, [, c]) => {
      const [i, f, g, o] = tf.split(tf.add(fromX, fromH), 4, 1) as tf.Tensor[];
      const kept = tf.mul(tf.sigmoid(f as tf.Tensor), c as tf.Tensor);
      const next = tf.add(kept, tf.mul(tf.sigmoid(i as tf.Tensor), tf.tanh(g as tf.Tensor)));
      return [tf.mul(tf.sigmoid(o as tf.Tensor), tf.tanh(next)), next];
    },
  },
};

/** The parts along the first axis. TensorFlow.js cannot differentiate `unstack` of one part. */
export const unstack = (x: tf.Tensor): tf.Tensor[] =>
  x.shape[0] === 1 ? [tf.reshape(x, x.shape.slice(1))] : tf.unstack(x);

/** One direction of one recurrent layer over all time steps. */
export function recurrent(kind: RecurrentKind, inputs: RecurrentInputs): RecurrentOutputs {
  const { x, h0, c0, weightIh, weightHh, biasIh, biasHh, lengths, reverse = false } = inputs;
  return tf.tidy(() => {
    const [time = 0] = x.shape;
    const projected = unstack(linear(x, weightIh, biasIh)); // time × [batch, gates·hidden]
    const outputs: tf.Tensor[] = [];
    let state: State = [h0, c0];
    for (let i = 0; i < time; i++) {
      const t = reverse ? time - 1 - i : i;
      const fromH = linear(state[0], weightHh, biasHh);
      const next = CELLS[kind].step(projected[t] as tf.Tensor, fromH, state);
      if (lengths) {
        const valid = tf.expandDims(tf.cast(tf.greater(lengths, t), 'float32'), 1); // [batch, 1]
        const [h, c] = state;
        state = [
          tf.add(h, tf.mul(valid, tf.sub(next[0], h))),
          c && next[1] && tf.add(c, tf.mul(valid, tf.sub(next[1], c))),
        ];
        outputs[t] = tf.mul(next[0], valid);
      } else {
        state = next;
        outputs[t] = next[0];
      }
    }
    const [h, c] = state;
    return { output: tf.stack(outputs), h: tf.clone(h), c: c && tf.clone(c) };
  });
}

interface AttentionOptions {
  /** bool: true where a key takes part; float32: added to the scores. */
  mask?: tf.Tensor | undefined;
  causal?: boolean;
  dropout?: number;
  seed?: number;
}

/** Attention of `[batch, heads, time, dim]`. */
export function scaledDotProductAttention(
  q: tf.Tensor,
  k: tf.Tensor,
  v: tf.Tensor,
  { mask, causal = false, dropout: p = 0, seed = 0 }: AttentionOptions = {},
): tf.Tensor {
  return tf.tidy(() => {
    const weights = attentionWeights(q, k, { mask, causal });
    return tf.matMul(p > 0 ? dropout(weights, p, { seed }) : weights, v);
  });
}

const HIDDEN = -1e9;

/** The softmax of the scores, `[batch, heads, queries, keys]`. */
export function attentionWeights(
  q: tf.Tensor,
  k: tf.Tensor,
  { mask, causal = false }: { mask?: tf.Tensor | undefined; causal?: boolean },
): tf.Tensor {
  return tf.tidy(() => {
    const scale = 1 / Math.sqrt(q.shape[q.rank - 1] as number);
    let scores = tf.matMul(tf.mul(q, scale), k, false, true);
    if (mask) scores = tf.add(scores, mask.dtype === 'bool' ? additive(mask) : mask);
    if (causal) {
      const [queries = 0, keys = 0] = scores.shape.slice(-2);
      const rows = tf.expandDims(tf.range(0, queries), 1);
      scores = tf.add(scores, additive(tf.lessEqual(tf.range(0, keys), rows)));
    }
    return tf.softmax(scores, -1);
  });
}

const additive = (mask: tf.Tensor) => tf.mul(tf.sub(1, tf.cast(mask, 'float32')), HIDDEN);

export function gelu(
  x: tf.Tensor,
  { approximate = 'none' }: { approximate?: 'none' | 'tanh' } = {},
): tf.Tensor {
  return tf.tidy(() => {
    if (approximate === 'none') {
      return tf.mul(tf.mul(x, 0.5), tf.add(1, tf.erf(tf.mul(x, Math.SQRT1_2))));
    }
    const inner = tf.add(x, tf.mul(0.044715, tf.mul(x, tf.square(x))));
    return tf.mul(tf.mul(x, 0.5), tf.add(1, tf.tanh(tf.mul(Math.sqrt(2 / Math.PI), inner))));
  });
}

export const silu = (x: tf.Tensor): tf.Tensor => tf.tidy(() => tf.mul(x, tf.sigmoid(x)));

/** Zeroes elements with probability `p` and scales the others by 1 / (1 − p). */
export function dropout(x: tf.Tensor, p: number, { seed }: { seed: number }): tf.Tensor {
  return tf.tidy(() => {
    const kept = tf.greaterEqual(tf.randomUniform(x.shape, 0, 1, 'float32', seed), p);
    return tf.mul(x, tf.mul(tf.cast(kept, 'float32'), 1 / (1 - p)));
  });
}
