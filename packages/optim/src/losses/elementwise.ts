/**
 * Losses with one target for each output of the model, as in PyTorch: means over all numbers that
 * count. Outputs and labels have any shape.
 */

import type { AnyLoss, FinalActivation } from '@deepend/compiler';
import { checkOptions, rule } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import { checkLengths, type MaskedLabels, splitMask, targets } from './labels';
import {
  type LossOfPositions,
  onTapeToo,
  type Reduction,
  type ReductionOption,
  reductionRule,
} from './reduction';

/** The smallest mass: when nothing counts, the loss is 0, not 0 / 0. */
const MIN_MASS = 1e-30;

/** A mask of the first axes, over all numbers of `shape`. */
function widen(mask: tf.Tensor, shape: readonly number[]): tf.Tensor {
  const ones = shape.slice(mask.rank).map(() => 1);
  const wide = tf.reshape(tf.cast(mask, 'float32'), [...mask.shape, ...ones]);
  return ones.length === 0 ? wide : tf.mul(wide, tf.ones([...shape]));
}

/** The sum of the weights of all numbers. */
function massOf(where: string, given: tf.Tensor | MaskedLabels): tf.Scalar | number {
  return tf.tidy(() => {
    const { labels, mask } = splitMask(where, given);
    if (!mask) return labels.size;
    return tf.maximum(tf.sum(widen(mask, labels.shape)), MIN_MASS) as tf.Scalar;
  });
}

/** The number of positions, all axes but the last, in which something counts. */
function answersOf(where: string, given: tf.Tensor | MaskedLabels): tf.Scalar | number {
  return tf.tidy(() => {
    const { labels, mask } = splitMask(where, given);
    const width = labels.rank > 1 ? (labels.shape.at(-1) as number) : 1;
    if (!mask) return labels.size / width;
    const counted = tf.reshape(tf.step(widen(mask, labels.shape)), [labels.size / width, width]);
    return tf.sum(tf.max(counted, 1)) as tf.Scalar;
  });
}

interface Elementwise<C extends tf.Scalar | null> {
  /** The loss of each output `x` with its label `y`. */
  terms(x: tf.Tensor, y: tf.Tensor): tf.Tensor;
  /** Its derivative by `x`. */
  slopes(x: tf.Tensor, y: tf.Tensor): tf.Tensor;
  /** Number of correct positions; `weights` is null when all count. */
  correct(x: tf.Tensor, y: tf.Tensor, weights: tf.Tensor | null): C;
  readonly appliesActivation?: FinalActivation;
  readonly hasAnswers?: boolean;
  readonly options?: object;
  readonly reduction: Reduction;
}

/** A loss of numbers: `O` are its options besides `reduction`. */
interface LossOfNumbers<C extends tf.Scalar | null, O = object> {
  (options: O & Required<ReductionOption<'none'>>): LossOfPositions;
  (options?: O & ReductionOption<'mean' | 'sum'>): AnyLoss<C>;
}

/** A loss of each number, reduced. */
function elementwise<C extends tf.Scalar | null>(
  name: string,
  given: Elementwise<C>,
): AnyLoss<C> & LossOfPositions {
  const { terms, slopes, correct, appliesActivation, hasAnswers, options, reduction } = given;
  const where = `[optim] ${name}`;
  const compute = (x: tf.Tensor, marked: tf.Tensor | MaskedLabels) => {
    const { labels, mask } = splitMask(where, marked);
    const y = targets(where, x, labels);
    const weights = mask ? widen(mask, x.shape) : null;
    const mass = weights ? tf.maximum(tf.sum(weights), MIN_MASS) : tf.scalar(x.size);
    const weigh = (values: tf.Tensor) => (weights ? tf.mul(values, weights) : values);
    const reduce = (values: tf.Tensor) => (reduction === 'mean' ? tf.div(values, mass) : values);
    const losses = weigh(terms(x, y));
    const loss = reduction === 'none' ? losses : reduce(tf.sum(losses));
    const right = correct(x, y, weights) as tf.Scalar | null;
    return { loss: loss as tf.Scalar, correct: right, dLogits: reduce(weigh(slopes(x, y))) };
  };
  const loss = (x: tf.Tensor, labels: tf.Tensor | MaskedLabels) =>
    tidyResult(() => onTapeToo(x, (outputs) => compute(outputs, labels)));
  return Object.assign(loss, {
    ...(appliesActivation && { appliesActivation }),
    reduction,
    config: { name, ...options, ...(reduction !== 'mean' && { reduction }) },
    checkLabels: (_: tf.Tensor, labels: tf.Tensor | MaskedLabels) => checkLengths(where, labels),
    mass: (labels: tf.Tensor | MaskedLabels) => massOf(where, labels),
    ...(hasAnswers && {
      answers: (labels: tf.Tensor | MaskedLabels) => answersOf(where, labels),
    }),
  }) as unknown as AnyLoss<C> & LossOfPositions;
}

/** `tf.tidy`, which takes no null, for the result of a loss. */
function tidyResult<R extends { readonly correct: tf.Scalar | null }>(compute: () => R): R {
  const found = tf.tidy(() => {
    const { correct, ...rest } = compute();
    return (correct ? { ...rest, correct } : rest) as unknown as tf.TensorContainerObject;
  });
  return { correct: null, ...found } as unknown as R;
}

/** −1, 0 or 1. */
const sign = (x: tf.Tensor) => tf.sub(tf.step(x), tf.step(tf.neg(x)));
const none = () => null;

const plainOptions = rule.object({ reduction: reductionRule() });
const reductionOf = (name: string, options: object | undefined): Reduction =>
  checkOptions(`[optim] ${name}`, plainOptions, options).reduction;

/**
 * Makes the mean squared error, for regression: PyTorch's `mse_loss`; the book's `squared_loss` is
 * half of it. It has no notion of a correct answer, so accuracies are NaN.
 *
 * Labels: of the outputs' shape, `[batch]` for outputs `[batch, 1]`, or `{ labels, mask }` with a
 * mask of the labels' shape or its first axes, or `{ labels, lengths }` with the number of
 * positions of each sequence that count, int32 `[batch]`.
 * @param options.reduction 'mean', 'sum' or, for a loss of your own call, 'none' @default 'mean'
 * @example
 * await train(net, trainIter, testIter, { numEpochs: 3, lr: 0.03, loss: meanSquaredError() });
 */
export const meanSquaredError = ((options?: ReductionOption) =>
  elementwise('meanSquaredError', {
    reduction: reductionOf('meanSquaredError', options),
    terms: (x, y) => tf.square(tf.sub(x, y)),
    slopes: (x, y) => tf.mul(tf.sub(x, y), 2),
    correct: none,
  })) as LossOfNumbers<null>;

/**
 * Makes the mean absolute error: PyTorch's `l1_loss`. Labels as in `meanSquaredError`.
 * @param options.reduction 'mean', 'sum' or, for a loss of your own call, 'none' @default 'mean'
 * @example
 * await train(net, trainIter, testIter, { numEpochs: 3, lr: 0.03, loss: meanAbsoluteError() });
 */
export const meanAbsoluteError = ((options?: ReductionOption) =>
  elementwise('meanAbsoluteError', {
    reduction: reductionOf('meanAbsoluteError', options),
    terms: (x, y) => tf.abs(tf.sub(x, y)),
    slopes: (x, y) => sign(tf.sub(x, y)),
    correct: none,
  })) as LossOfNumbers<null>;

const positive = (value: unknown) =>
  typeof value === 'number' && value > 0 && Number.isFinite(value);
const above0 = () => rule.custom<number>(positive, 'a number above 0').default(1);
const huberOptions = rule.object({ delta: above0(), reduction: reductionRule() });
const smoothOptions = rule.object({ beta: above0(), reduction: reductionRule() });

/**
 * Makes Huber's loss: d²/2 where |d| ≤ delta, else delta·(|d| − delta/2); PyTorch's `huber_loss`.
 * Labels as in `meanSquaredError`.
 * @param options.delta where the square ends, above 0 @default 1
 * @param options.reduction as in `meanSquaredError` @default 'mean'
 * @throws RangeError when delta is not above 0
 * @example
 * await train(net, trainIter, testIter, { numEpochs: 3, lr: 0.03, loss: huberLoss() });
 */
export const huberLoss = ((options: { delta?: number } & ReductionOption = {}) => {
  const { delta, reduction } = checkOptions('[optim] huberLoss', huberOptions, options);
  return huber('huberLoss', { delta, scale: 1, reduction }, { delta });
}) as LossOfNumbers<null, { delta?: number }>;

/**
 * Makes the smooth L1 loss (Girshick 2015, https://arxiv.org/abs/1504.08083): Huber's loss divided
 * by `beta`; PyTorch's `smooth_l1_loss`. Labels as in `meanSquaredError`.
 * @param options.beta where the square ends, above 0 @default 1
 * @param options.reduction as in `meanSquaredError` @default 'mean'
 * @throws RangeError when beta is not above 0
 * @example
 * await train(net, trainIter, testIter, { numEpochs: 3, lr: 0.03, loss: smoothL1() });
 */
export const smoothL1 = ((options: { beta?: number } & ReductionOption = {}) => {
  const { beta, reduction } = checkOptions('[optim] smoothL1', smoothOptions, options);
  return huber('smoothL1', { delta: beta, scale: 1 / beta, reduction }, { beta });
}) as LossOfNumbers<null, { beta?: number }>;

/** scale · (|d| − m/2)·m for m = min(|d|, delta), whose derivative is scale · sign(d)·m. */
const huber = (
  name: string,
  { delta, scale, reduction }: { delta: number; scale: number; reduction: Reduction },
  options: object,
) =>
  elementwise<null>(name, {
    reduction,
    terms: (x, y) => {
      const distance = tf.abs(tf.sub(x, y));
      const near = tf.minimum(distance, delta);
      return tf.mul(tf.mul(near, tf.sub(distance, tf.div(near, 2))), scale);
    },
    slopes: (x, y) => tf.mul(tf.clipByValue(tf.sub(x, y), -delta, delta), scale),
    correct: none,
    options,
  });

/**
 * Makes the binary cross-entropy on logits in its stable form, max(x, 0) − x·y + log(1 + e^−|x|):
 * PyTorch's `binary_cross_entropy_with_logits`. When the model ends with a sigmoid, it takes the
 * logits before that. A position, which is all axes but the last, counts as correct when each of
 * its outputs is on the same side of one half as its label.
 *
 * Labels: 0 to 1, of the outputs' shape, `[batch]` for outputs `[batch, 1]`, or
 * `{ labels, mask }` or `{ labels, lengths }`.
 * @param options.reduction 'mean', 'sum' or, for a loss of your own call, 'none' @default 'mean'
 * @example
 * await train(net, trainIter, testIter, { numEpochs: 3, lr: 0.1, loss: binaryCrossEntropy() });
 */
export const binaryCrossEntropy = ((options?: ReductionOption) =>
  elementwise('binaryCrossEntropy', {
    reduction: reductionOf('binaryCrossEntropy', options),
    terms: (x, y) => tf.add(tf.sub(tf.relu(x), tf.mul(x, y)), tf.log1p(tf.exp(tf.neg(tf.abs(x))))),
    slopes: (x, y) => tf.sub(tf.sigmoid(x), y),
    correct: (x, y, weights) => {
      const width = x.rank > 1 ? (x.shape.at(-1) as number) : 1;
      const rows = (values: tf.Tensor) => tf.reshape(values, [x.size / width, width]);
      const wrong = tf.cast(tf.notEqual(tf.greater(x, 0), tf.greater(y, 0.5)), 'float32');
      const counted = weights && tf.step(rows(weights)); // [positions, outputs]
      const wrongs = counted ? tf.mul(rows(wrong), counted) : rows(wrong);
      const right = tf.cast(tf.equal(tf.sum(wrongs, 1), 0), 'float32'); // [positions]
      return tf.sum(counted ? tf.mul(right, tf.max(counted, 1)) : right) as tf.Scalar;
    },
    appliesActivation: 'sigmoid',
    hasAnswers: true,
  })) as LossOfNumbers<tf.Scalar>;
