import type * as tf from '@tensorflow/tfjs-core';

/**
 * What a loss makes of a batch; whoever asked for it disposes it. `Correct` is null where a loss
 * knows no right answers.
 */
export interface LossResult<Correct extends tf.Scalar | null = tf.Scalar | null> {
  /** The batch's mean loss, a scalar. */
  readonly loss: tf.Scalar;
  /** How many of the batch the net has right, a scalar. */
  readonly correct: Correct;
  /** The loss's gradient with respect to the net's outputs, `[batch, outputs]`. */
  readonly dLogits: tf.Tensor2D;
}

/**
 * From what a net gives, `[batch, outputs]`, and a batch's labels to the mean loss and its
 * gradient. One's own works as those here do; it
 * may leave tensors to `tf.tidy`, but for the three that it gives.
 */
export type Loss<Correct extends tf.Scalar | null = tf.Scalar | null> = (
  outputs: tf.Tensor2D,
  labels: tf.Tensor,
) => LossResult<Correct>;
