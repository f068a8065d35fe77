/** Numbers, or whole samples, that a training step leaves out. */
import * as tf from '@tensorflow/tfjs-core';
import { runFusedKernel } from '../fused-kernels';
import type { OperationKind } from '../program';

/** 0 with probability `rate`, else 1 / (1 − rate). */
function draw(shape: number[], rate: number, seed: number): tf.Tensor {
  const own = runFusedKernel('deepend.dropout', { x: tf.ones(shape) }, { rate, seed });
  if (own) return own[0] as tf.Tensor;
  const kept = tf.cast(
    tf.greaterEqual(tf.randomUniform(shape, 0, 1, 'float32', seed), rate),
    'float32',
  );
  return rate < 1 ? tf.div(kept, 1 - rate) : kept;
}

/**
 * Srivastava et al. 2014: in training each number is dropped with probability `rate` and the others
 * grow by 1 / (1 − rate).
 */
export const dropout: OperationKind<{ rate: number }> = {
  name: 'dropout',
  reads: () => ({ inputs: false, output: false }),
  forward({ inputs, attrs: { rate }, training, seed }) {
    const x = inputs[0] as tf.Tensor;
    if (!training || rate === 0) return { output: tf.clone(x) };
    const own = runFusedKernel('deepend.dropout', { x }, { rate, seed });
    if (own) return { output: own[0] as tf.Tensor };
    const mask = draw(x.shape, rate, seed);
    return { output: tf.mul(x, mask), saved: [mask] };
  },
  backward({ dy, saved: [mask], attrs: { rate }, seed }) {
    if (mask) return { inputs: [tf.mul(dy, mask)], params: [] };
    return {
      inputs: [
        (rate > 0 && runFusedKernel('deepend.dropout', { x: dy }, { rate, seed })?.[0]) ||
          tf.clone(dy),
      ],
      params: [],
    };
  },
};

/**
 * Stochastic depth (Huang et al. 2016, https://arxiv.org/abs/1603.09382): one draw a sample. In
 * training a sample's numbers are all dropped
 * with probability `rate`, and the samples that are kept grow by 1 / (1 − rate), so that inference
 * changes nothing.
 */
export const dropSamples: OperationKind<{ rate: number }> = {
  name: 'dropSamples',
  reads: () => ({ inputs: false, output: false }),
  forward({ inputs, attrs: { rate }, training, seed }) {
    const x = inputs[0] as tf.Tensor;
    if (!training || rate === 0) return { output: tf.clone(x) };
    const mask = draw([x.shape[0] ?? 1, ...x.shape.slice(1).fill(1)], rate, seed); // [batch, 1, …, 1]
    return { output: tf.mul(x, mask), saved: [mask] };
  },
  backward: ({ dy, saved: [mask] }) => ({
    inputs: [mask ? tf.mul(dy, mask) : tf.clone(dy)],
    params: [],
  }),
};
