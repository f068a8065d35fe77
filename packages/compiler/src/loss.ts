import * as tf from '@tensorflow/tfjs-core';
import { fast } from './fast';

export interface LossResult {
  /** The batch's mean loss, a scalar. */
  readonly loss: tf.Scalar;
  /** How many of the batch the net has right, a scalar. */
  readonly correct: tf.Scalar;
  /** The loss's gradient with respect to the logits, `[batch, numClasses]`. */
  readonly dLogits: tf.Tensor2D;
}

/**
 * Softmax cross-entropy on logits in its stable form, with its gradient: logits minus their largest, then log-sum-exp. (tfjs's
 * `sparseCategoricalCrossentropy` with `fromLogits` clips the logits first, which is wrong.)
 * @param labels int32 `[batch]` of class indices, or float32 `[batch, numClasses]` of probabilities
 */
export function softmaxCrossEntropy(logits: tf.Tensor2D, labels: tf.Tensor): LossResult {
  const own = fast('deepend.softmaxCrossEntropy', { logits, labels });
  if (own) {
    const [loss, correct, dLogits] = own as [tf.Scalar, tf.Scalar, tf.Tensor2D];
    return { loss, correct, dLogits };
  }
  return tf.tidy(() => {
    const [batch, numClasses] = logits.shape;
    const target = labels.rank === 1 ? tf.cast(tf.oneHot(tf.cast(labels, 'int32'), numClasses), 'float32') : labels; // [batch, numClasses]
    const shifted = tf.sub(logits, tf.max(logits, 1, true));
    const exponentials = tf.exp(shifted);
    const sums = tf.sum(exponentials, 1, true); // [batch, 1]
    const logProbabilities = tf.sub(shifted, tf.log(sums));
    const loss = tf.div(tf.neg(tf.sum(tf.mul(target, logProbabilities))), batch) as tf.Scalar;
    const dLogits = tf.div(tf.sub(tf.div(exponentials, sums), target), batch) as tf.Tensor2D;
    const truth = labels.rank === 1 ? tf.cast(labels, 'int32') : tf.argMax(labels, 1);
    const correct = tf.sum(tf.cast(tf.equal(tf.argMax(logits, 1), truth), 'float32')) as tf.Scalar;
    return { loss, correct, dLogits };
  });
}
