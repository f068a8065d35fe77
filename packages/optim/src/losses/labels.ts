/** Labels in the form that the losses read. */
import * as tf from '@tensorflow/tfjs-core';

const list = (shape: readonly number[]) => `[${shape.join(', ')}]`;

/**
 * Class indices as int32, probabilities as float32: fused kernels read the numbers without a cast.
 * @throws RangeError when the labels are neither `[batch]` nor `[batch, numClasses]`
 */
export function classLabels(where: string, { shape }: tf.Tensor2D, labels: tf.Tensor): tf.Tensor {
  const expected = labels.rank === 1 ? shape.slice(0, 1) : shape;
  if (labels.shape.join() !== expected.join()) {
    throw new RangeError(
      `${where}: expected labels ${list(shape.slice(0, 1))} of class indices or ${list(shape)} ` +
        `of probabilities, got ${list(labels.shape)}`,
    );
  }
  const dtype = labels.rank === 1 ? 'int32' : 'float32';
  return labels.dtype === dtype ? labels : tf.cast(labels, dtype);
}

/**
 * One number for each output, float32 `[batch, outputs]`; for a model with one output, `[batch]` is
 * accepted.
 * @throws RangeError for another shape
 */
export function targets(where: string, { shape }: tf.Tensor2D, labels: tf.Tensor): tf.Tensor2D {
  const fits =
    labels.shape.join() === shape.join() ||
    (shape[1] === 1 && labels.rank === 1 && labels.size === shape[0]);
  if (!fits) {
    const also = shape[1] === 1 ? ` or ${list(shape.slice(0, 1))}` : '';
    throw new RangeError(
      `${where}: expected labels ${list(shape)}${also}, one number for each output of the model, ` +
        `got ${list(labels.shape)}`,
    );
  }
  return tf.reshape(tf.cast(labels, 'float32'), shape);
}
