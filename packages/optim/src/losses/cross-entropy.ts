/**
 * Softmax cross-entropy, with label smoothing (Szegedy et al. 2015,
 * https://arxiv.org/abs/1512.00567, section 7) and class weights.
 */

import type { Loss, LossResult } from '@deepend/compiler';
import { runFusedKernel } from '@deepend/compiler';
import { checkOptions, rule } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import { classLabels } from './labels';

/**
 * Softmax cross-entropy on logits, with its gradient, in its stable form: the logits minus the
 * largest one, then log-sum-exp. (`sparseCategoricalCrossentropy` of TensorFlow.js with
 * `fromLogits` clips the logits first, which is wrong.)
 * @param labels int32 `[batch]` of class indices, or float32 `[batch, numClasses]` of probabilities
 * @throws RangeError when the labels have another shape
 */
export function softmaxCrossEntropy(logits: tf.Tensor2D, labels: tf.Tensor): LossResult<tf.Scalar> {
  return tf.tidy(() => {
    const typed = classLabels('[optim] softmaxCrossEntropy', logits, labels);
    const fused = runFusedKernel('deepend.softmaxCrossEntropy', { logits, labels: typed }, {});
    if (fused) {
      const [loss, correct, dLogits] = fused as [tf.Scalar, tf.Scalar, tf.Tensor2D];
      return { loss, correct, dLogits };
    }
    return composed(logits, typed, {
      targets: probabilitiesOf(logits, typed),
      mass: tf.scalar(logits.shape[0]),
    });
  });
}

softmaxCrossEntropy.appliesActivation = 'softmax' as const;
softmaxCrossEntropy.config = { name: 'crossEntropy' };

export interface CrossEntropyOptions {
  /** Fraction of each label that is spread evenly over all classes, 0 to below 1. @default 0 */
  labelSmoothing?: number;
  /** A weight for each class, at least 0. @default 1 for all */
  classWeights?: readonly number[];
}

const isWeight = (value: unknown) =>
  typeof value === 'number' && value >= 0 && Number.isFinite(value);
const crossEntropyOptions = rule.object({
  labelSmoothing: rule
    .custom<number>(
      (value) => isWeight(value) && (value as number) < 1,
      'a number from 0 to below 1',
    )
    .optional(),
  classWeights: rule
    .custom<readonly number[]>(
      (value) =>
        Array.isArray(value) && value.every(isWeight) && value.some((weight) => weight > 0),
      'a list of a number of at least 0 for each class, not all 0',
    )
    .optional(),
});

/**
 * The smallest sum of a batch's weights: when all its classes have weight 0, the loss is 0, not
 * 0 / 0.
 */
const MIN_MASS = 1e-30;

/**
 * Makes a cross-entropy on logits with label smoothing and class weights: PyTorch's
 * `cross_entropy`. When the model ends with a softmax, it takes the logits before that.
 * For class indices it is the weighted mean, divided by the sum of the labels' weights; for
 * probabilities it is divided by the batch size.
 * @throws TypeError or RangeError when an option is wrong; the loss throws RangeError when labels
 *   or weights do not fit the model
 * @example
 * const loss = crossEntropy({ labelSmoothing: 0.1 });
 * await train(net, trainIter, testIter, { numEpochs: 10, lr: 0.1, loss });
 */
export function crossEntropy(options: CrossEntropyOptions = {}): Loss<tf.Scalar> {
  const where = '[optim] crossEntropy';
  const { labelSmoothing = 0, classWeights } = checkOptions(where, crossEntropyOptions, options);
  if (labelSmoothing === 0 && !classWeights) return softmaxCrossEntropy;
  const loss = (logits: tf.Tensor2D, labels: tf.Tensor) =>
    tf.tidy(() => {
      const numClasses = logits.shape[1];
      const typed = classLabels(where, logits, labels);
      const sharp = probabilitiesOf(logits, typed); // [batch, numClasses]
      const smooth = tf.add(
        tf.mul(sharp, 1 - labelSmoothing),
        labelSmoothing / numClasses,
      ) as tf.Tensor2D;
      if (!classWeights) return { ...softmaxCrossEntropy(logits, smooth) };
      if (classWeights.length !== numClasses) {
        throw new RangeError(
          `${where}: expected classWeights for the model's ${numClasses} classes, got ` +
            `${classWeights.length}; give one for each class`,
        );
      }
      const weights = tf.tensor2d([...classWeights], [1, numClasses]);
      const mass = massOf(typed, classWeights);
      return composed(logits, typed, { targets: tf.mul(smooth, weights) as tf.Tensor2D, mass });
    });
  return Object.assign(loss, {
    appliesActivation: 'softmax' as const,
    config: { name: 'crossEntropy', labelSmoothing, ...(classWeights && { classWeights }) },
    ...(classWeights && { mass: (labels: tf.Tensor) => massOf(labels, classWeights) }),
  });
}

/** The sum of the weights of the labels' classes; for probabilities the number of samples. */
function massOf(labels: tf.Tensor, classWeights: readonly number[]): tf.Scalar {
  const [batch = 0] = labels.shape;
  if (labels.rank !== 1) return tf.scalar(batch);
  return tf.tidy(() => {
    const classes = tf.cast(labels, 'int32') as tf.Tensor1D;
    const oneHot = tf.oneHot(classes, classWeights.length);
    return tf.maximum(tf.sum(tf.mul(oneHot, tf.tensor1d([...classWeights]))), MIN_MASS);
  });
}

/** The probability of each class for each sample: `[batch, numClasses]`. */
function probabilitiesOf({ shape }: tf.Tensor2D, labels: tf.Tensor): tf.Tensor2D {
  return (
    labels.rank === 1 ? tf.cast(tf.oneHot(labels as tf.Tensor1D, shape[1]), 'float32') : labels
  ) as tf.Tensor2D;
}

/**
 * −Σ targets·log softmax / mass, in core ops. A sample's targets need not add up to 1.
 * @param labels for the number of correct predictions
 */
function composed(
  logits: tf.Tensor2D,
  labels: tf.Tensor,
  { targets, mass }: { targets: tf.Tensor2D; mass: tf.Tensor },
): { loss: tf.Scalar; correct: tf.Scalar; dLogits: tf.Tensor2D } {
  const shifted = tf.sub(logits, tf.max(logits, 1, true));
  const exponentials = tf.exp(shifted);
  const sums = tf.sum(exponentials, 1, true); // [batch, 1]
  const logProbabilities = tf.sub(shifted, tf.log(sums));
  const loss: tf.Scalar = tf.div(tf.sub(0, tf.sum(tf.mul(targets, logProbabilities))), mass);
  const whole = tf.sum(targets, 1, true); // [batch, 1]
  const dLogits: tf.Tensor2D = tf.div(
    tf.sub(tf.mul(tf.div(exponentials, sums), whole), targets),
    mass,
  );
  const truth = labels.rank === 1 ? labels : tf.argMax(labels, 1);
  const correct: tf.Scalar = tf.sum(tf.cast(tf.equal(tf.argMax(logits, 1), truth), 'float32'));
  return { loss, correct, dLogits };
}
