/** What the book writes from scratch against overfitting, and to normalize, on free variables. */
import { drawTensor, nextSeed } from '@deepend/compiler';
import * as tf from '@tensorflow/tfjs-core';

/** Section 3.7 (zh 4.5): half of the sum of squares, what weight decay adds to the loss. */
export const l2Penalty = (w: tf.Tensor): tf.Scalar =>
  tf.tidy(() => tf.div<tf.Scalar>(tf.sum(tf.square(w)), 2));

/**
 * Section 5.6 (zh 4.6): sets each number to 0 with the probability `dropout`, and divides the rest
 * by 1 − dropout.
 * @param seed seeds the mask @default the next of `nn.manualSeed`'s
 */
export function dropoutLayer(X: tf.Tensor, dropout: number, seed?: number): tf.Tensor {
  if (!(dropout >= 0 && dropout <= 1)) {
    throw new RangeError(
      `[deepend] d2l.dropoutLayer: expected a probability from 0 to 1, got ${dropout}`,
    );
  }
  if (dropout === 1) return tf.zerosLike(X);
  if (dropout === 0) return tf.clone(X);
  return tf.tidy(() => {
    const draw = (given: number) => tf.randomUniform(X.shape, 0, 1, 'float32', given);
    const mask = tf.cast(tf.greater(drawTensor(seed ?? nextSeed(), draw), dropout), 'float32');
    return tf.div(tf.mul(mask, X), 1 - dropout);
  });
}

/** What `batchNorm` normalizes by. */
export interface BatchNormState {
  /** The moving mean, `[features]` or `[channels]`. @example tf.variable(tf.zeros([3])) */
  readonly movingMean: tf.Variable;
  /** The moving variance, of the same shape. @example tf.variable(tf.ones([3])) */
  readonly movingVar: tf.Variable;
  /** What is added to the variance. @example 1e-5 */
  readonly eps: number;
  /** The share of the new batch in the moving statistics. @example 0.1 */
  readonly momentum: number;
  /** Whether to normalize by the batch. @example model.training */
  readonly training: boolean;
}

/**
 * Section 8.5 (zh 7.5): batch normalization from scratch. In training it normalizes by the batch,
 * and updates the moving statistics.
 * @param X `[batch, features]`, or images `[batch, height, width, channels]`
 */
export function batchNorm(
  X: tf.Tensor,
  [gamma, beta]: readonly [gamma: tf.Tensor, beta: tf.Tensor],
  { movingMean, movingVar, eps, momentum, training }: BatchNormState,
): tf.Tensor {
  return tf.tidy(() => {
    const axes = [...Array(X.rank - 1).keys()]; // all but the channels
    const moments = training
      ? tf.moments(X, axes, true)
      : { mean: movingMean, variance: movingVar };
    const [mean, variance] = [moments.mean, moments.variance];
    if (training) {
      for (const [moving, now] of [
        [movingMean, mean],
        [movingVar, variance],
      ] as const) {
        const old = tf.mul(moving, 1 - momentum);
        moving.assign(tf.add(old, tf.mul(tf.reshape(now, moving.shape), momentum)));
      }
    }
    const XHat = tf.div(tf.sub(X, mean), tf.sqrt(tf.add(variance, eps)));
    return tf.add(tf.mul(gamma, XHat), beta);
  });
}
