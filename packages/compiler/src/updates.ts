import * as tf from '@tensorflow/tfjs-core';
import { fast, hasFast, own } from './fast';
import type { Parameter } from './program';

/** A parameter and the gradient of the loss with respect to it, of the same shape. */
export interface ParameterGradient {
  readonly parameter: Parameter;
  readonly gradient: tf.Tensor;
}

/** Stochastic gradient descent: w ← w − lr·g, in place. */
export function sgd(gradients: readonly ParameterGradient[], { lr }: { lr: number }): void {
  if (hasFast('deepend.update')) {
    for (const { parameter } of gradients) own(parameter.variable);
    const weights = gradients.map(({ parameter }) => parameter.variable);
    fast('deepend.update', {}, { rule: 'sgd', weights, gradients: gradients.map(({ gradient }) => gradient), lr });
    return;
  }
  tf.tidy(() => {
    for (const { parameter, gradient } of gradients) parameter.variable.assign(tf.sub(parameter.variable, tf.mul(gradient, lr)));
  });
}
