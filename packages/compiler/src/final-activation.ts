/** The activation at the end of a model, which a loss may look through. */
import * as tf from '@tensorflow/tfjs-core';
import type { FinalActivation } from './program';

/** Along the last axis. Each gradient reads only the output and the gradient, of any rank. */
const ACTIVATIONS: Record<
  FinalActivation,
  {
    forward: <T extends tf.Tensor>(logits: T) => T;
    gradient: <T extends tf.Tensor>(dy: T, y: T) => T;
  }
> = {
  softmax: {
    forward: (logits) => tf.softmax(logits),
    gradient: (dy, y) => tf.mul(y, tf.sub(dy, tf.sum(tf.mul(dy, y), -1, true))),
  },
  sigmoid: {
    forward: (logits) => tf.sigmoid(logits),
    gradient: (dy, y) => tf.mul(dy, tf.mul(y, tf.sub(1, y))),
  },
};

/** Applies the activation. The caller disposes the result. */
export const activate = <T extends tf.Tensor>(name: FinalActivation, logits: T): T =>
  tf.tidy(() => ACTIVATIONS[name].forward(logits));

/** The gradient with respect to the logits. The caller disposes it. */
export const activationGradient = <T extends tf.Tensor>(name: FinalActivation, dy: T, y: T): T =>
  tf.tidy(() => ACTIVATIONS[name].gradient(dy, y));
