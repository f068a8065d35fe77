/** Labels in the form that the losses read. */
import { isTensor } from '@deepend/compiler';
import { formatValue } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';

const list = (shape: readonly number[]) => `[${shape.join(', ')}]`;

/** Labels, and which of their positions count: 1 or a weight where one does, 0 elsewhere. */
export interface LabelsWithMask {
  readonly [name: string]: tf.Tensor;
  readonly labels: tf.Tensor;
  /** Of the labels' shape. */
  readonly mask: tf.Tensor;
}

/** Labels `[batch, time, ...]` of sequences, of which only the first positions count. */
export interface LabelsWithLengths {
  readonly [name: string]: tf.Tensor;
  readonly labels: tf.Tensor;
  /** The number of positions of each sequence that count, 0 to `time`: `[batch]`. */
  readonly lengths: tf.Tensor;
}

export type MaskedLabels = LabelsWithMask | LabelsWithLengths;

/**
 * The labels, and their mask, which is made of lengths where these are given: call it inside
 * `tf.tidy`.
 * @throws RangeError when the mask has another shape than the class indices, or there is not a
 *   length for each sequence
 */
export function splitMask(
  where: string,
  given: tf.Tensor | MaskedLabels,
): { labels: tf.Tensor; mask: tf.Tensor | undefined } {
  if (isTensor(given)) return { labels: given, mask: undefined };
  const { labels, mask, lengths, ...rest } = (given ?? {}) as Record<string, tf.Tensor>;
  const isMask = isTensor(mask) && lengths === undefined;
  const isLengths = isTensor(lengths) && mask === undefined;
  if (!isTensor(labels) || !(isMask || isLengths) || Object.keys(rest).length > 0) {
    throw new TypeError(
      `${where}: expected labels as one tensor, or as { labels, mask } or { labels, lengths }, ` +
        `got { ${Object.keys(given ?? {}).join(', ')} }`,
    );
  }
  if (isLengths) return { labels, mask: maskOf(where, labels, lengths) };
  const expected = labels.dtype === 'int32' ? labels.shape : labels.shape.slice(0, mask?.rank);
  if (mask?.shape.join() === expected.join()) return { labels, mask };
  throw new RangeError(
    `${where}: expected a mask of the labels' shape ${list(expected)}, got ` +
      list(mask?.shape ?? []),
  );
}

/** 1 where a position is within its sequence: `[batch, time]`, for indices of their shape. */
function maskOf(where: string, labels: tf.Tensor, lengths: tf.Tensor): tf.Tensor {
  const [batch = 0, time] = labels.shape;
  if (time === undefined || lengths.shape.join() !== `${batch}`) {
    throw new RangeError(
      `${where}: expected lengths [${batch}] for labels [batch, time, ...], one for each ` +
        `sequence, got ${list(lengths.shape)} for labels ${list(labels.shape)}`,
    );
  }
  const ends = tf.reshape(tf.cast(lengths, 'int32'), [batch, 1]);
  const within = tf.cast(tf.less(tf.range(0, time, 1, 'int32'), ends), 'float32'); // [batch, time]
  if (labels.dtype !== 'int32' || labels.rank === 2) return within;
  const ones = labels.shape.slice(2).map(() => 1);
  return tf.mul(tf.reshape(within, [batch, time, ...ones]), tf.onesLike(labels));
}

/**
 * Checks that each length is an integer from 0 to the number of positions. Reads the lengths from
 * the device.
 * @throws RangeError that says which length
 */
export function checkLengths(where: string, given: tf.Tensor | MaskedLabels): void {
  const lengths = isTensor(given) ? undefined : given.lengths;
  if (!isTensor(lengths)) return;
  const time = (given as LabelsWithLengths).labels.shape[1] ?? 0;
  const values = lengths.dataSync();
  const bad = values.findIndex(
    (length) => !(Number.isInteger(length) && length >= 0 && length <= time),
  );
  if (bad < 0) return;
  throw new RangeError(
    `${where}: expected lengths that are integers from 0 to ${time}, the labels' positions, got ` +
      `${formatValue(values[bad])} for sequence ${bad} of a batch`,
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
  checkLengths(where, given);
  const labels = isTensor(given) ? given : given.labels;
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
