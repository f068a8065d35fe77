import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { apply, averagePool, type Block, chain, shapeOf } from './layers';
import { isDry, layerConfig, numbered } from './naming';

/**
 * PyTorch's `AdaptiveAvgPool2d`: `[batch, h, w, c]` → `[batch, size, size, c]`. Output row i is the
 * mean of the input rows from ⌊i·h / size⌋ to ⌈(i + 1)·h / size⌉ − 1; columns alike. `size` may be
 * larger than the image.
 *
 * The block uses only layers that stock TensorFlow.js loads: none where the image has this size
 * already, an average pool where `size` divides a square image, otherwise two linear layers with
 * fixed weights, one for each axis.
 * @param size height and width of the output, in pixels
 * @param given name of the layer, and of the scope of its parts @default adaptive_pool1,
 *   adaptive_pool2, ..., numbered in the scope
 */
export function adaptiveAveragePool(size: number, given?: string): Block {
  return (x) => {
    const name = numbered('adaptive_pool', given);
    const [height = 1, width = 1] = shapeOf(x);
    if (height === size && width === size) return x;
    if (height % size === 0 && height === width)
      return averagePool({ size: height / size, name })(x);
    return chain(
      permute([3, 2, 1], `${name}.channels_first`), // [batch, channels, width, height]
      shares(height, size, `${name}.rows_fixed`), // [batch, channels, width, size]
      permute([1, 3, 2], `${name}.transposed`), // [batch, channels, size, width]
      shares(width, size, `${name}.columns_fixed`), // [batch, channels, size, size]
      permute([2, 3, 1], `${name}.channels_last`), // [batch, size, size, channels]
    )(x);
  };
}

const permute =
  (dims: number[], name: string): Block =>
  (x) =>
    apply(tfl.layers.permute({ dims, name: layerConfig(name).name }), x);

/** Multiplies the last axis by the fixed matrix `[from, to]` that averages each window. */
const shares =
  (from: number, to: number, name: string): Block =>
  (x) => {
    const layer = tfl.layers.dense({
      units: to,
      useBias: false,
      kernelInitializer: 'zeros',
      trainable: false,
      name: layerConfig(name).name,
    });
    const y = apply(layer, x);
    if (!isDry()) tf.tidy(() => layer.setWeights([tf.tensor2d(windows(from, to), [from, to])]));
    return y;
  };

function windows(from: number, to: number): Float32Array {
  const matrix = new Float32Array(from * to);
  for (let i = 0; i < to; i++) {
    const [first, end] = [Math.floor((i * from) / to), Math.ceil(((i + 1) * from) / to)];
    for (let row = first; row < end; row++) matrix[row * to + i] = 1 / (end - first);
  }
  return matrix;
}
