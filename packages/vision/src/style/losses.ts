/** The losses of style transfer, Gatys et al. 2016; the book's section 14.12 (zh 13.12). */
import * as tf from '@tensorflow/tfjs-core';

/** The mean squared difference of features, in which images differ in content. */
export const contentLoss = (yHat: tf.Tensor, y: tf.Tensor): tf.Scalar =>
  tf.tidy(() => tf.mean(tf.squaredDifference(yHat, y)) as tf.Scalar);

/**
 * The Gram matrix of features, which says which channels occur together:
 * `[batch, height, width, channels]` → `[channels, channels]`, divided by the number of features.
 */
export const gram = (features: tf.Tensor): tf.Tensor2D =>
  tf.tidy(() => {
    const channels = features.shape.at(-1) as number;
    const rows = tf.reshape(features, [-1, channels]) as tf.Tensor2D; // [places, channels]
    return tf.div(tf.matMul(rows, rows, true, false), features.size);
  });

/**
 * The mean squared difference of Gram matrices, in which images differ in style.
 * @param gramY `gram` of the features of the style image
 */
export const styleLoss = (yHat: tf.Tensor, gramY: tf.Tensor2D): tf.Scalar =>
  tf.tidy(() => tf.mean(tf.squaredDifference(gram(yHat), gramY)) as tf.Scalar);

/**
 * Half of the mean absolute differences of neighbouring pixels, vertical plus horizontal, which is
 * large for noise.
 * @param image `[batch, height, width, channels]`
 */
export const tvLoss = (image: tf.Tensor): tf.Scalar =>
  tf.tidy(() => {
    const [batch = 0, height = 0, width = 0, channels = 0] = image.shape;
    const part = (row: number, column: number, size: [number, number]) =>
      tf.slice(image, [0, row, column, 0], [batch, ...size, channels]);
    const down: [number, number] = [height - 1, width];
    const across: [number, number] = [height, width - 1];
    const vertical = tf.mean(tf.abs(tf.sub(part(1, 0, down), part(0, 0, down))));
    const horizontal = tf.mean(tf.abs(tf.sub(part(0, 1, across), part(0, 0, across))));
    return tf.mul(tf.add(vertical, horizontal), 0.5) as tf.Scalar;
  });
