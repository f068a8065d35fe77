/** Dropout, Srivastava et al. 2014. */
import { drawTensor, nextSeed, runFusedKernel } from '@deepend/compiler';
import { formatValue } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import { expectFloat, refuse } from './checks';
import { differentiableOne } from './tape';

export interface DropoutOptions {
  /** @default the next seed of the training step */
  readonly seed?: number | undefined;
}

/**
 * Zeroes each number with probability p and scales the others by 1 / (1 − p). The gradient passes
 * through the same numbers.
 * @param p from 0 to 1
 * @throws RangeError when p is not a probability
 */
export function dropout(x: tf.Tensor, p = 0.5, options: DropoutOptions = {}): tf.Tensor {
  if (!(p >= 0 && p <= 1)) refuse('dropout', `a probability from 0 to 1, got ${formatValue(p)}`);
  expectFloat('dropout', 'x', x);
  if (p === 0) return tf.clone(x);
  const { seed = nextSeed() } = options;
  const attrs = { rate: p, seed };
  return differentiableOne({
    inputs: { x },
    forward(save) {
      const fused = runFusedKernel('deepend.dropout', { x }, attrs);
      if (fused) return [fused[0]];
      const random = drawTensor(seed, (given) => tf.randomUniform(x.shape, 0, 1, 'float32', given));
      const kept = tf.cast(tf.greaterEqual(random, p), 'float32');
      const mask = p < 1 ? tf.div(kept, 1 - p) : tf.zerosLike(x);
      save([mask]);
      return [tf.mul(x, mask)];
    },
    backward: ([dy], [mask]) => ({
      x: () => {
        if (mask) return tf.mul(dy as tf.Tensor, mask);
        return runFusedKernel('deepend.dropout', { x: dy as tf.Tensor }, attrs)?.[0] as tf.Tensor;
      },
    }),
  });
}
