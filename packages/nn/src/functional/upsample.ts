/** Bilinear resizing with its gradient. */
import { runFusedKernel } from '@deepend/compiler';
import { formatValue } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import { expectFloat, expectShape, refuse } from './checks';
import { differentiableOne } from './tape';

/** The two rows that a row of the larger image lies between, and their weights: `[to, from]`. */
function weightsOf(from: number, to: number): tf.Tensor2D {
  const weights = new Float32Array(to * from);
  for (let row = 0; row < to; row++) {
    const place = Math.max(0, ((row + 0.5) * from) / to - 0.5);
    const first = Math.min(Math.floor(place), from - 1);
    const second = Math.min(first + 1, from - 1);
    const rest = place - first;
    weights[row * from + first] = (weights[row * from + first] as number) + 1 - rest;
    weights[row * from + second] = (weights[row * from + second] as number) + rest;
  }
  return tf.tensor2d(weights, [to, from]);
}

type Shape = [batch: number, height: number, width: number, channels: number];

function resizeGradient(dy: tf.Tensor4D, xShape: Shape): tf.Tensor {
  const attrs = { xShape, alignCorners: false, halfPixelCenters: true };
  const fused = runFusedKernel('deepend.resizeBilinearGradient', { dy }, attrs);
  return fused?.[0] ?? composedGradient(dy, xShape);
}

/** TensorFlow.js's gradient knows no half-pixel centers: two products with the weights. */
function composedGradient(dy: tf.Tensor4D, [, height, width]: Shape): tf.Tensor {
  const [batch, rows, columns, channels] = dy.shape;
  const down = tf.broadcastTo(tf.expandDims(weightsOf(height, rows), 0), [batch, rows, height]);
  const lines = tf.matMul(down, tf.reshape(dy, [batch, rows, columns * channels]), true, false);
  const count = batch * height;
  const across = tf.broadcastTo(tf.expandDims(weightsOf(width, columns), 0), [
    count,
    columns,
    width,
  ]);
  const pixels = tf.matMul(across, tf.reshape(lines, [count, columns, channels]), true, false);
  return tf.reshape(pixels, [batch, height, width, channels]);
}

/**
 * Bilinear resizing with half-pixel centers, as in `torch.nn.functional.interpolate` with
 * `mode: 'bilinear'`.
 * @param x `[batch, height, width, channels]`
 * @param size height and width of the result
 * @throws RangeError when the size is not two positive integers
 */
export function upsampleBilinear(
  x: tf.Tensor4D,
  size: readonly [height: number, width: number],
): tf.Tensor4D {
  expectShape('upsampleBilinear', 'x', x, ['batch', 'height', 'width', 'channels']);
  expectFloat('upsampleBilinear', 'x', x);
  if (!Array.isArray(size) || size.length !== 2 || !size.every((n) => Number.isInteger(n) && n > 0))
    refuse('upsampleBilinear', `a size of two positive integers, got ${formatValue(size)}`);
  return differentiableOne({
    inputs: { x },
    forward: () => [tf.image.resizeBilinear(x, [...size] as [number, number], false, true)],
    backward: ([dy]) => ({ x: () => tf.tidy(() => resizeGradient(dy as tf.Tensor4D, x.shape)) }),
  });
}
