/** The activation at the end of a model, which a loss may look through. */
import * as tf from '@tensorflow/tfjs-core';
import type { FinalActivation } from './program';

/** Each gradient reads only the gradient and the value of the output, both `[batch, outputs]`. */
const ACTIVATIONS: Record<
  FinalActivation,
  {
    forward: (logits: tf.Tensor2D) => tf.Tensor2D;
    gradient: (dy: tf.Tensor2D, y: tf.Tensor2D) => tf.Tensor2D;
  }
> = {
  softmax: {
    forward: (logits) => tf.softmax(logits),
    gradient: (dy, y) => tf.mul(y, tf.sub(dy, tf.sum(tf.mul(dy, y), 1, true))),
  },
  sigmoid: {
    forward: (logits) => tf.sigmoid(logits),
    gradient: (dy, y) => tf.mul(dy, tf.mul(y, tf.sub(1, y))),
  },
};

/** Applies the activation. The caller disposes the result. */
export const activate = (name: FinalActivation, logits: tf.Tensor2D): tf.Tensor2D =>
  tf.tidy(() => ACTIVATIONS[name].forward(logits));

/** The gradient with respect to the logits. The caller disposes it. */
export const activationGradient = (
  name: FinalActivation,
  dy: tf.Tensor2D,
  y: tf.Tensor2D,
): tf.Tensor2D => tf.tidy(() => ACTIVATIONS[name].gradient(dy, y));
