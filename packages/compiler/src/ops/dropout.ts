/** Dropout of numbers, and of whole samples (stochastic depth). */
import * as tf from '@tensorflow/tfjs-core';
import { runFusedKernel } from '../fused-kernels';
import type { OperationKind } from '../program';

/** A mask: 0 with probability `rate`, else 1 / (1 − rate). */
function drawMask(shape: number[], rate: number, seed: number): tf.Tensor {
  const fused = runFusedKernel('deepend.dropout', { x: tf.ones(shape) }, { rate, seed });
  if (fused) return fused[0];
  const kept = tf.cast(
    tf.greaterEqual(tf.randomUniform(shape, 0, 1, 'float32', seed), rate),
    'float32',
  );
  return rate < 1 ? tf.div(kept, 1 - rate) : kept;
}

/**
 * Dropout (Srivastava et al. 2014): in training, each number is zeroed with probability `rate`, and
 * the others are scaled by 1 / (1 − rate).
 */
export const dropout: OperationKind<{ rate: number }> = {
  name: 'dropout',
  reads: () => ({ inputs: false, output: false }),
  forward({ inputs, attrs: { rate }, training, seed }) {
    const x = inputs[0] as tf.Tensor;
    if (!training || rate === 0) return { output: tf.clone(x) };
    const fused = runFusedKernel('deepend.dropout', { x }, { rate, seed });
    if (fused) return { output: fused[0] };
    const mask = drawMask(x.shape, rate, seed);
    return { output: tf.mul(x, mask), saved: [mask] };
  },
  backward({ dy, saved: [mask], attrs: { rate }, seed }) {
    if (mask) return { inputs: [tf.mul(dy, mask)], params: [] };
    const fused =
      rate > 0 ? runFusedKernel('deepend.dropout', { x: dy }, { rate, seed }) : undefined;
    return { inputs: [fused ? fused[0] : tf.clone(dy)], params: [] };
  },
};

/**
 * Stochastic depth (Huang et al. 2016, https://arxiv.org/abs/1603.09382): one draw per sample. In
 * training, a whole sample is zeroed with probability `rate`, and the others are scaled by
 * 1 / (1 − rate), so that inference changes nothing.
 */
export const dropSamples: OperationKind<{ rate: number }> = {
  name: 'dropSamples',
  reads: () => ({ inputs: false, output: false }),
  forward({ inputs, attrs: { rate }, training, seed }) {
    const x = inputs[0] as tf.Tensor;
    if (!training || rate === 0) return { output: tf.clone(x) };
    const shape = [x.shape[0] ?? 1, ...x.shape.slice(1).fill(1)]; // [batch, 1, …, 1]
    const mask = drawMask(shape, rate, seed);
    return { output: tf.mul(x, mask), saved: [mask] };
  },
  backward: ({ dy, saved: [mask] }) => ({
    inputs: [mask ? tf.mul(dy, mask) : tf.clone(dy)],
    params: [],
  }),
};
