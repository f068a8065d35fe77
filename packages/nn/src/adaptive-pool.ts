import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { apply, averagePool, type Block, chain, shapeOf } from './layers';
import { isDry, layerConfig } from './naming';

/**
 * PyTorch's adaptive average pool: the image becomes `size`×`size`, the i-th row the mean of rows
 * ⌊i·h / size⌋ up to ⌈(i + 1)·h / size⌉.
 * It may grow the image. Where `size` divides height and width it is a plain average pool, and
 * nothing where they are equal; else two matrix
 * products with fixed weights, one an axis: layers that stock TensorFlow.js loads.
 */
export function adaptiveAveragePool(size: number, name: string): Block {
  return (x) => {
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

/** Multiplies the last axis by the matrix `[from, to]` of each window's shares. */
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
