/** Labels in the form that the losses read. */
import { isTensor } from '@deepend/compiler';
import { formatValue } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';

const list = (shape: readonly number[]) => `[${shape.join(', ')}]`;

/** Labels, and which of their positions count: 1 or a weight where one does, 0 elsewhere. */
export interface MaskedLabels {
  readonly [name: string]: tf.Tensor;
  readonly labels: tf.Tensor;
  /** Of the labels' shape. */
  readonly mask: tf.Tensor;
}

/** @throws RangeError when the mask has another shape than the class indices */
export function splitMask(
  where: string,
  given: tf.Tensor | MaskedLabels,
): { labels: tf.Tensor; mask: tf.Tensor | undefined } {
  if (isTensor(given)) return { labels: given, mask: undefined };
  const { labels, mask, ...rest } = (given ?? {}) as Partial<MaskedLabels>;
  if (!isTensor(labels) || !isTensor(mask) || Object.keys(rest).length > 0) {
    throw new TypeError(
      `${where}: expected labels as one tensor, or as { labels, mask }, got ` +
        `{ ${Object.keys(given ?? {}).join(', ')} }`,
    );
  }
  const expected = labels.dtype === 'int32' ? labels.shape : labels.shape.slice(0, mask.rank);
  if (mask.shape.join() === expected.join()) return { labels, mask };
  throw new RangeError(
    `${where}: expected a mask of the labels' shape ${list(expected)}, got ${list(mask.shape)}`,
  );
}

/** The number of positions that labels are for: all class indices, or rows of probabilities. */
export function numRows(labels: tf.Tensor | MaskedLabels): number {
  const { rank, dtype, size, shape } = isTensor(labels) ? labels : labels.labels;
  return rank <= 1 || dtype === 'int32' ? size : size / (shape[rank - 1] || 1);
}

/** Logits `[rows, numClasses]`, and int32 `[rows]` or float32 `[rows, numClasses]` of labels. */
export interface ClassRows {
  readonly logits: tf.Tensor2D;
  readonly labels: tf.Tensor;
}

/**
 * Logits and labels of any rank as rows. Class indices become int32 and probabilities float32:
 * fused kernels read the numbers without a cast.
 * @throws RangeError when the labels have neither the logits' shape nor that without its last axis
 */
export function classRows(where: string, logits: tf.Tensor, labels: tf.Tensor): ClassRows {
  const { shape } = logits;
  const positions = shape.slice(0, -1);
  const isIndices = labels.rank === positions.length;
  const expected = isIndices ? positions : shape;
  const isTyped = !isIndices || labels.rank === 1 || labels.dtype === 'int32';
  if (logits.rank < 2 || labels.shape.join() !== expected.join() || !isTyped) {
    const type = labels.rank > 1 ? `${labels.dtype} ` : '';
    throw new RangeError(
      `${where}: expected labels ${list(positions)} of class indices or ${list(shape)} ` +
        `of probabilities, got ${isTyped ? '' : type}${list(labels.shape)}`,
    );
  }
  const numClasses = shape.at(-1) ?? 0;
  const dtype = isIndices ? 'int32' : 'float32';
  const typed = labels.dtype === dtype ? labels : tf.cast(labels, dtype);
  if (logits.rank === 2) return { logits: logits as tf.Tensor2D, labels: typed };
  return {
    logits: tf.reshape(logits, [-1, numClasses]),
    labels: tf.reshape(typed, isIndices ? [-1] : [-1, numClasses]),
  };
}

/**
 * Checks that each class index is an integer below the number of classes, or the one that does not
 * count. Reads the labels from the device.
 * @throws RangeError that says which label and where
 */
export function checkClassIndices(
  where: string,
  { shape }: tf.Tensor,
  given: tf.Tensor | MaskedLabels,
  { ignoreIndex }: { ignoreIndex?: number | undefined } = {},
): void {
  const { labels } = splitMask(where, given);
  if (labels.rank !== shape.length - 1) return; // probabilities
  const numClasses = shape.at(-1) ?? 0;
  const values = labels.dataSync();
  const bad = values.findIndex(
    (label) =>
      !(label >= 0 && label < numClasses && Number.isInteger(label)) && label !== ignoreIndex,
  );
  if (bad < 0) return;
  const strides = tf.util.computeStrides([...labels.shape, 1]);
  const place = strides.map((stride, i) => Math.floor(bad / stride) % (labels.shape[i] ?? 1));
  const also = ignoreIndex === undefined ? '' : `, or ${ignoreIndex}, which does not count`;
  throw new RangeError(
    `${where}: expected labels from 0 to ${numClasses - 1}, the outputs' classes${also}; got ` +
      `${formatValue(values[bad])} at ${list(place)} of a batch; make the last axis of the ` +
      'outputs longer, or correct the labels',
  );
}

/**
 * One number for each output, float32 of the outputs' shape; for a model with one output, `[batch]`
 * is accepted.
 * @throws RangeError for another shape
 */
export function targets<T extends tf.Tensor>(where: string, { shape }: T, labels: tf.Tensor): T {
  const fits =
    labels.shape.join() === shape.join() ||
    (shape.length === 2 && shape[1] === 1 && labels.rank === 1 && labels.size === shape[0]);
  if (!fits) {
    const also = shape.length === 2 && shape[1] === 1 ? ` or ${list(shape.slice(0, 1))}` : '';
    throw new RangeError(
      `${where}: expected labels ${list(shape)}${also}, one number for each output of the model, ` +
        `got ${list(labels.shape)}`,
    );
  }
  return tf.reshape(tf.cast(labels, 'float32'), shape) as T;
}
