/**
 * Losses with one target for each output of the model, as in PyTorch: means over batch and outputs.
 */

import type { AnyLoss } from '@deepend/compiler';
import * as tf from '@tensorflow/tfjs-core';
import { targets } from './labels';

/**
 * Makes the mean squared error, for regression: PyTorch's `mse_loss`; the book's `squared_loss` is
 * half of it. It has no notion of a correct answer, so accuracies are NaN.
 *
 * Labels: float32 of the outputs' shape, or `[batch]` for a model with one output.
 * @example
 * await train(net, trainIter, testIter, { numEpochs: 3, lr: 0.03, loss: meanSquaredError() });
 */
export function meanSquaredError(): AnyLoss<null> {
  const compute = (outputs: tf.Tensor, labels: tf.Tensor) => {
    const { loss, dLogits } = tf.tidy(() => {
      const difference = tf.sub(outputs, targets('[optim] meanSquaredError', outputs, labels));
      const loss = tf.mean(tf.square(difference)) as tf.Scalar;
      return { loss, dLogits: tf.mul(difference, 2 / outputs.size) };
    });
    return { loss, correct: null, dLogits };
  };
  return Object.assign(compute, { config: { name: 'meanSquaredError' } });
}

/**
 * Makes the binary cross-entropy on logits in its stable form, max(x, 0) − x·y + log(1 + e^−|x|):
 * PyTorch's `binary_cross_entropy_with_logits`. When the model ends with a sigmoid, it takes the
 * logits before that. A sample counts as correct when each of its outputs is on the same side of
 * one
 * half as its label.
 *
 * Labels: 0 to 1, float32 of the outputs' shape, or `[batch]` for a model with one output.
 * @example
 * await train(net, trainIter, testIter, { numEpochs: 3, lr: 0.1, loss: binaryCrossEntropy() });
 */
export function binaryCrossEntropy(): AnyLoss<tf.Scalar> {
  const loss = (x: tf.Tensor, labels: tf.Tensor) =>
    tf.tidy(() => {
      const y = targets('[optim] binaryCrossEntropy', x, labels); // [batch, outputs]
      const losses = tf.add(tf.sub(tf.relu(x), tf.mul(x, y)), tf.log1p(tf.exp(tf.neg(tf.abs(x)))));
      const loss = tf.mean(losses) as tf.Scalar;
      const dLogits = tf.div(tf.sub(tf.sigmoid(x), y), x.size);
      const wrong = tf.cast(tf.notEqual(tf.greater(x, 0), tf.greater(y, 0.5)), 'float32');
      const perSample = tf.reshape(wrong, [x.shape[0] ?? 0, -1]);
      const right = tf.equal(tf.sum(perSample, 1), 0); // [batch]
      return { loss, correct: tf.sum(tf.cast(right, 'float32')) as tf.Scalar, dLogits };
    });
  return Object.assign(loss, {
    appliesActivation: 'sigmoid' as const,
    config: { name: 'binaryCrossEntropy' },
  });
}
