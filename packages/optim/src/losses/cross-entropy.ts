/**
 * Softmax cross-entropy over the last axis of any logits, with label smoothing (Szegedy et al.
 * 2015, https://arxiv.org/abs/1512.00567, section 7), class weights, and labels that do not count.
 */

import type { AnyLoss, LossResult } from '@deepend/compiler';
import { hasFusedKernel, runFusedKernel } from '@deepend/compiler';
import { checkOptions, rule } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import {
  type ClassRows,
  checkClassIndices,
  classRows,
  type MaskedLabels,
  numRows,
  splitMask,
} from './labels';
import {
  type LossOfPositions,
  onTapeToo,
  type Reduction,
  type ReductionOption,
  reductionRule,
} from './reduction';

/**
 * Softmax cross-entropy on logits, with its gradient, in its stable form: the logits minus the
 * largest one, then log-sum-exp. The mean over all positions, such as `[batch, time]`.
 * (`sparseCategoricalCrossentropy` of TensorFlow.js with `fromLogits` clips the logits first, which
 * is wrong.)
 * @param logits `[batch, ..., numClasses]`
 * @param labels int32 `[batch, ...]` of class indices, or float32 `[batch, ..., numClasses]` of
 *   probabilities
 * @throws RangeError when the labels have another shape
 */
export function softmaxCrossEntropy<T extends tf.Tensor = tf.Tensor2D>(
  logits: T,
  labels: tf.Tensor,
): LossResult<tf.Scalar, T> {
  return tf.tidy(() =>
    onTapeToo(logits, (x) => {
      const rows = classRows('[optim] softmaxCrossEntropy', x, labels);
      const { loss, correct, dLogits } = meanOverRows(rows.logits, rows.labels);
      return { loss, correct, dLogits: tf.reshape(dLogits, logits.shape) as T };
    }),
  );
}

/** Of logits `[rows, numClasses]`. */
function meanOverRows(logits: tf.Tensor2D, labels: tf.Tensor): LossResult<tf.Scalar> {
  const fused = runFusedKernel('deepend.softmaxCrossEntropy', { logits, labels }, {});
  if (fused) {
    const [loss, correct, dLogits] = fused as [tf.Scalar, tf.Scalar, tf.Tensor2D];
    return { loss, correct, dLogits };
  }
  const targets = probabilitiesOf(logits, labels);
  return divided(composed(logits, labels, { targets }), tf.scalar(logits.shape[0]));
}

softmaxCrossEntropy.appliesActivation = 'softmax' as const;
softmaxCrossEntropy.config = { name: 'crossEntropy' };
softmaxCrossEntropy.mass = numRows;
softmaxCrossEntropy.answers = numRows;
softmaxCrossEntropy.checkLabels = (logits: tf.Tensor, labels: tf.Tensor) =>
  checkClassIndices('[optim] softmaxCrossEntropy', logits, labels);

export interface CrossEntropyOptions<R extends Reduction = 'mean' | 'sum'>
  extends ReductionOption<R> {
  /** Fraction of each label that is spread evenly over all classes, 0 to below 1. @default 0 */
  labelSmoothing?: number;
  /** A weight for each class, at least 0. @default 1 for all */
  classWeights?: readonly number[];
  /**
   * A label that does not count, such as that of padding: PyTorch's `ignore_index`, which is −100
   * there by default. @default every label is a class
   */
  ignoreIndex?: number;
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
  ignoreIndex: rule.integer().optional(),
  reduction: reductionRule(),
});

/**
 * The smallest sum of a batch's weights: when nothing counts, the loss is 0, not 0 / 0.
 */
const MIN_MASS = 1e-30;

/**
 * Makes a cross-entropy on logits with label smoothing, class weights and labels that do not count:
 * PyTorch's `cross_entropy`. When the model ends with a softmax, it takes the logits before that.
 * For class indices it is the weighted mean over what counts, divided by the sum of the labels'
 * weights; for probabilities it is divided by the number of positions.
 *
 * Labels: as for `softmaxCrossEntropy`; or `{ labels, mask }` with a mask `[batch, ...]` of the
 * indices' shape, 1 or a weight where a position counts and 0 where it does not; or
 * `{ labels, lengths }` with int32 `[batch]`, the number of positions of each sequence that count.
 *
 * The loss is also a function of its own: `crossEntropy()(logits, labels)` gives
 * `{ loss, correct, dLogits }`, and TensorFlow.js's tape goes back through `loss`.
 * @throws TypeError or RangeError when an option is wrong; the loss throws RangeError when labels,
 *   mask, lengths or weights do not fit the outputs
 * @example
 * const loss = crossEntropy({ labelSmoothing: 0.1 });
 * await train(net, trainIter, testIter, { numEpochs: 10, lr: 0.1, loss });
 * @example
 * const { loss } = crossEntropy({ reduction: 'none' })(logits, { labels, lengths });
 */
export function crossEntropy(
  options: CrossEntropyOptions<'none'> & Required<ReductionOption<'none'>>,
): LossOfPositions;
export function crossEntropy(options?: CrossEntropyOptions): AnyLoss<tf.Scalar>;
export function crossEntropy(
  options: CrossEntropyOptions<Reduction> = {},
): AnyLoss<tf.Scalar> | LossOfPositions {
  const checked = checkOptions(WHERE, crossEntropyOptions, options);
  const { labelSmoothing = 0, classWeights, ignoreIndex, reduction } = checked;
  const isPlain = labelSmoothing === 0 && !classWeights && ignoreIndex === undefined;
  const compute = (logits: tf.Tensor, given: tf.Tensor | MaskedLabels) => {
    const { labels, mask } = splitMask(WHERE, given);
    if (isPlain && !mask && reduction === 'mean') return { ...softmaxCrossEntropy(logits, labels) };
    const { loss, correct, dLogits } = ofRows(logits, { labels, mask }, checked);
    const shape = reduction === 'none' ? logits.shape.slice(0, -1) : [];
    return {
      loss: tf.reshape(loss, shape) as tf.Scalar,
      correct,
      dLogits: tf.reshape(dLogits, logits.shape),
    };
  };
  const loss = (logits: tf.Tensor, labels: tf.Tensor | MaskedLabels) =>
    tf.tidy(() => onTapeToo(logits, (x) => compute(x, labels)));
  return Object.assign(loss, {
    appliesActivation: 'softmax' as const,
    reduction,
    config: {
      name: 'crossEntropy',
      ...(!isPlain && { labelSmoothing }),
      ...(classWeights && { classWeights }),
      ...(ignoreIndex !== undefined && { ignoreIndex }),
      ...(reduction !== 'mean' && { reduction }),
    },
    checkLabels: (logits: tf.Tensor, labels: tf.Tensor | MaskedLabels) =>
      checkClassIndices(WHERE, logits, labels, { ignoreIndex }),
    mass: (labels: tf.Tensor | MaskedLabels) => massOf(labels, checked),
    answers: (labels: tf.Tensor | MaskedLabels) =>
      massOf(labels, ignoreIndex === undefined ? {} : { ignoreIndex }),
  });
}

const WHERE = '[optim] crossEntropy';

/** What decides how much each position counts. */
interface Counting {
  readonly classWeights?: readonly number[] | undefined;
  readonly ignoreIndex?: number | undefined;
}

/** The loss of logits `[batch, ..., numClasses]` as rows. */
function ofRows(
  logits: tf.Tensor,
  { labels, mask }: { labels: tf.Tensor; mask: tf.Tensor | undefined },
  { labelSmoothing = 0, classWeights, ignoreIndex, reduction }: CrossEntropyOptions<Reduction>,
): Reduced {
  const rows = classRows(WHERE, logits, labels);
  const numClasses = rows.logits.shape[1];
  if (classWeights && classWeights.length !== numClasses) {
    throw new RangeError(
      `${WHERE}: expected classWeights for the model's ${numClasses} classes, got ` +
        `${classWeights.length}; give one for each class`,
    );
  }
  const counted = countedRows(rows.labels, { mask, ignoreIndex }); // [rows], or undefined for all
  const mass = (): tf.Scalar =>
    asScalar(massOf(mask ? { labels, mask } : labels, { classWeights, ignoreIndex }));
  const fused = fusedRows(rows, {
    weights: counted,
    classWeights: classWeights && tf.tensor1d([...classWeights]),
    smoothing: labelSmoothing,
    mass: reduction === 'mean' ? mass : undefined,
  });
  if (fused) return reduction === 'none' ? fused : { ...fused, loss: tf.sum(fused.loss) };
  const sharp = probabilitiesOf(rows.logits, rows.labels); // [rows, numClasses]
  const smooth: tf.Tensor2D =
    labelSmoothing === 0
      ? sharp
      : tf.add(tf.mul(sharp, 1 - labelSmoothing), labelSmoothing / numClasses);
  if (!classWeights && !counted && reduction !== 'none') {
    const mean = meanOverRows(rows.logits, smooth);
    return reduction === 'sum' ? scaled(mean, rows.logits.shape[0]) : mean;
  }
  const weighted: tf.Tensor2D = classWeights
    ? tf.mul(smooth, tf.tensor2d([...classWeights], [1, numClasses]))
    : smooth;
  const targets: tf.Tensor2D = counted ? tf.mul(weighted, tf.expandDims(counted, 1)) : weighted;
  if (reduction !== 'mean') {
    const terms = composed(rows.logits, rows.labels, { targets, counted });
    return reduction === 'none' ? terms : { ...terms, loss: tf.sum(terms.loss) };
  }
  return divided(composed(rows.logits, rows.labels, { targets, counted }), mass());
}

interface FusedOptions {
  readonly weights: tf.Tensor1D | undefined;
  readonly classWeights: tf.Tensor1D | undefined;
  readonly smoothing: number;
  /** What divides the losses. */
  readonly mass: (() => tf.Scalar) | undefined;
}

/** In one kernel where the backend has it; probabilities without class weights and smoothing. */
function fusedRows(
  rows: ClassRows,
  { weights, classWeights, smoothing, mass }: FusedOptions,
): Reduced | undefined {
  const isPlain = !classWeights && smoothing === 0;
  if (!hasFusedKernel('deepend.weightedCrossEntropy') || (rows.labels.rank > 1 && !isPlain)) return;
  const inputs = { ...rows, weights, classWeights, mass: mass?.() };
  const fused = runFusedKernel('deepend.weightedCrossEntropy', inputs, { smoothing });
  return fused && { loss: fused[0], correct: fused[1], dLogits: fused[2] };
}

/** A loss, a scalar or one of each row, and the gradient of its sum. */
interface Reduced {
  readonly loss: tf.Tensor;
  readonly correct: tf.Scalar;
  readonly dLogits: tf.Tensor2D;
}

/** The sum from the mean. */
const scaled = ({ loss, correct, dLogits }: LossResult<tf.Scalar>, numRows: number): Reduced => ({
  loss: tf.mul(loss, numRows),
  correct,
  dLogits: tf.mul(dLogits, numRows),
});

/** The mean of the rows' losses. */
function divided({ loss, correct, dLogits }: Reduced, mass: tf.Scalar): LossResult<tf.Scalar> {
  return {
    loss: tf.div<tf.Scalar>(tf.sum(loss), mass),
    correct,
    dLogits: tf.div<tf.Tensor2D>(dLogits, mass),
  };
}

/** The weight of each row, float32 `[rows]`; undefined when all count alike. */
function countedRows(
  labels: tf.Tensor,
  { mask, ignoreIndex }: { mask: tf.Tensor | undefined; ignoreIndex: number | undefined },
): tf.Tensor1D | undefined {
  const given = mask && (tf.reshape(tf.cast(mask, 'float32'), [-1]) as tf.Tensor1D);
  if (ignoreIndex === undefined || labels.rank !== 1) return given;
  const kept = tf.cast(tf.notEqual(labels, ignoreIndex), 'float32') as tf.Tensor1D;
  return given ? tf.mul<tf.Tensor1D>(given, kept) : kept;
}

const asScalar = (mass: tf.Scalar | number): tf.Scalar =>
  typeof mass === 'number' ? tf.scalar(mass) : mass;

/** The sum of the weights of what counts; a plain number where nothing needs to be read. */
function massOf(
  given: tf.Tensor | MaskedLabels,
  { classWeights, ignoreIndex }: Counting,
): tf.Scalar | number {
  return tf.tidy(() => {
    const { labels, mask } = splitMask(WHERE, given);
    const isIndices = labels.rank === 1 || labels.dtype === 'int32';
    const needsLabels = isIndices && (classWeights !== undefined || ignoreIndex !== undefined);
    if (!needsLabels && !mask) return numRows(labels);
    const indices = tf.cast(tf.reshape(labels, isIndices ? [-1] : [numRows(labels), -1]), 'int32');
    const counted: tf.Tensor =
      countedRows(isIndices ? indices : labels, { mask, ignoreIndex }) ??
      tf.ones([numRows(labels)]);
    if (!classWeights || !isIndices) return tf.maximum(tf.sum(counted), MIN_MASS) as tf.Scalar;
    const oneHot = tf.oneHot(indices as tf.Tensor1D, classWeights.length);
    const weights = tf.sum(tf.mul(oneHot, tf.tensor1d([...classWeights])), 1); // [rows]
    return tf.maximum(tf.sum(tf.mul(weights, counted)), MIN_MASS) as tf.Scalar;
  });
}

/** The probability of each class for each row: `[rows, numClasses]`. */
function probabilitiesOf({ shape }: tf.Tensor2D, labels: tf.Tensor): tf.Tensor2D {
  return (
    labels.rank === 1 ? tf.cast(tf.oneHot(labels as tf.Tensor1D, shape[1]), 'float32') : labels
  ) as tf.Tensor2D;
}

/**
 * −Σ targets·log softmax of each row, in core ops. A row's targets need not add up to 1.
 * @param labels for the number of correct predictions
 * @param options.counted which rows count; all by default
 */
function composed(
  logits: tf.Tensor2D,
  labels: tf.Tensor,
  options: { targets: tf.Tensor2D; counted?: tf.Tensor1D | undefined },
): Reduced {
  const { targets, counted } = options;
  const shifted = tf.sub(logits, tf.max(logits, 1, true));
  const exponentials = tf.exp(shifted);
  const sums = tf.sum(exponentials, 1, true); // [rows, 1]
  const logProbabilities = tf.sub(shifted, tf.log(sums));
  const loss = tf.sub(0, tf.sum(tf.mul(targets, logProbabilities), 1)); // [rows]
  const whole = tf.sum(targets, 1, true); // [rows, 1]
  const dLogits: tf.Tensor2D = tf.sub(tf.mul(tf.div(exponentials, sums), whole), targets);
  const truth = labels.rank === 1 ? labels : tf.argMax(labels, 1);
  const right = tf.cast(tf.equal(tf.argMax(logits, 1), truth), 'float32'); // [rows]
  const correct: tf.Scalar = tf.sum(counted ? tf.mul(right, counted) : right);
  return { loss, correct, dLogits };
}
