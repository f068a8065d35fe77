import * as tf from '@tensorflow/tfjs-core';
import type { Parameter } from './program';

/** A parameter and the gradient of the loss with respect to it, of the same shape. */
export interface ParameterGradient {
  readonly parameter: Parameter;
  readonly gradient: tf.Tensor;
}

/** Stochastic gradient descent: w ← w − lr·g, in place. */
export function sgd(gradients: readonly ParameterGradient[], { lr }: { lr: number }): void {
  tf.tidy(() => {
    for (const { parameter, gradient } of gradients) parameter.variable.assign(tf.sub(parameter.variable, tf.mul(gradient, lr)));
  });
}
