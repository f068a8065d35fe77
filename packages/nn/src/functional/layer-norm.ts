/** Layer normalization, Ba, Kiros & Hinton 2016, https://arxiv.org/abs/1607.06450. */
import { layerNormRows, layerNormRowsGradient } from '@deepend/compiler';
import * as tf from '@tensorflow/tfjs-core';
import { expectFloat, expectShape, refuse, shapeText } from './checks';
import { differentiableOne } from './tape';

export interface LayerNormOptions {
  /**
   * The last axes, which are normalized together.
   * @example [256]
   */
  readonly normalizedShape: readonly number[];
  /** A factor for each number of `normalizedShape`. @default none */
  readonly weight?: tf.Tensor | undefined;
  /** Added to each number of `normalizedShape`. @default none */
  readonly bias?: tf.Tensor | undefined;
  /** Added to the variance. @default 1e-5 */
  readonly epsilon?: number | undefined;
}

/** Throws when the last axes are not `normalizedShape`. @returns their size */
function checkLayerNorm(x: tf.Tensor, options: LayerNormOptions): number {
  const { normalizedShape, weight, bias } = options;
  const last = x.shape.slice(x.rank - normalizedShape.length);
  if (normalizedShape.length === 0 || last.join() !== normalizedShape.join()) {
    const expected = shapeText(['...', ...normalizedShape]);
    refuse('layerNorm', `inputs of shape ${expected}, got ${shapeText(x.shape)}`);
  }
  expectFloat('layerNorm', 'x', x);
  if (weight) expectShape('layerNorm', 'weight', weight, normalizedShape);
  if (bias) expectShape('layerNorm', 'bias', bias, normalizedShape);
  return normalizedShape.reduce((product, size) => product * size, 1);
}

/**
 * Normalizes over the last axes: (x − mean) / √(variance + epsilon) · weight + bias, as in
 * `torch.nn.functional.layer_norm`.
 * @param x `[..., ...normalizedShape]`
 * @returns x's shape
 * @throws RangeError when the sizes do not fit
 */
export function layerNorm(x: tf.Tensor, options: LayerNormOptions): tf.Tensor {
  const n = checkLayerNorm(x, options);
  const { normalizedShape, weight, bias, epsilon = 1e-5 } = options;
  const flat = (tensor: tf.Tensor | undefined): tf.Tensor1D | undefined =>
    tensor && tf.reshape(tensor, [n]);
  const rows = (tensor: tf.Tensor): tf.Tensor2D => tf.reshape(tensor, [tensor.size / n, n]);
  const likeRow = (tensor: tf.Tensor): tf.Tensor => tf.reshape(tensor, [...normalizedShape]);
  return differentiableOne({
    inputs: { x, weight, bias },
    forward(save) {
      const inputs = { x: rows(x), gamma: flat(weight), beta: flat(bias) };
      const [y, mean, invStd] = layerNormRows(inputs, epsilon) as tf.Tensor[];
      save([x, mean as tf.Tensor, invStd as tf.Tensor, ...(weight ? [weight] : [])]);
      return [tf.reshape(y as tf.Tensor, x.shape)];
    },
    backward([dy], [x, mean, invStd, weight]) {
      // Computed here, not when the tape asks: it disposes what the first gradient leaves.
      const [dx, dGamma, dBeta] = tf.tidy(() => {
        const inputs = {
          x: rows(x as tf.Tensor),
          dy: rows(dy as tf.Tensor),
          mean: mean as tf.Tensor1D,
          invStd: invStd as tf.Tensor1D,
          gamma: flat(weight),
        };
        return layerNormRowsGradient(inputs);
      }) as [tf.Tensor, tf.Tensor, tf.Tensor];
      return {
        x: () => tf.reshape(dx, (x as tf.Tensor).shape),
        weight: () => likeRow(dGamma),
        bias: () => likeRow(dBeta),
      };
    },
  });
}
