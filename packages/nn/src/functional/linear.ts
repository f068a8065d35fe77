/** The linear layer. */
import { channelSums, runFusedKernel } from '@deepend/compiler';
import * as tf from '@tensorflow/tfjs-core';
import { expectFloat, expectShape, refuse, shapeText, sizeOf } from './checks';
import { differentiableOne } from './tape';

/** Rows of the last axis: `[..., n]` → `[rows, n]`. */
export const rowsOf = (x: tf.Tensor, columns: number): tf.Tensor2D =>
  tf.reshape(x, [columns === 0 ? 0 : x.size / columns, columns]);

/**
 * x · weightᵀ + bias for rows: `[rows, in]`, `[out, in]`, `[out]` → `[rows, out]`. In core ops in
 * two steps: with a transposed weight and a bias, the fused product of stock `wasm` is wrong.
 */
export function project(x: tf.Tensor2D, weight: tf.Tensor2D, bias?: tf.Tensor): tf.Tensor2D {
  if (!bias) return tf.matMul(x, weight, false, true);
  const inputs = { x, weight, bias: bias as tf.Tensor1D };
  const fused = runFusedKernel('deepend.linear', inputs, {});
  return fused?.[0] ?? tf.add(tf.matMul(x, weight, false, true), bias);
}

/**
 * x · weightᵀ + bias, as in `torch.nn.functional.linear`.
 * @param x `[..., in]`
 * @param weight `[out, in]`
 * @param bias `[out]` @default none
 * @returns `[..., out]`
 * @throws RangeError when the sizes do not fit
 */
export function linear(x: tf.Tensor, weight: tf.Tensor2D, bias?: tf.Tensor1D): tf.Tensor {
  expectShape('linear', 'weight', weight, ['out', 'in']);
  const [out, inputs] = weight.shape;
  if (x.rank < 1 || sizeOf(x.shape, -1) !== inputs) {
    refuse(
      'linear',
      `inputs of ${inputs} features in the last axis, as weight ${shapeText(weight.shape)} ` +
        `takes, got ${shapeText(x.shape)}`,
    );
  }
  expectFloat('linear', 'x', x);
  if (bias) expectShape('linear', 'bias', bias, [out]);
  return differentiableOne({
    inputs: { x, weight, bias },
    forward(save) {
      save([x, weight]);
      const y = project(rowsOf(x, inputs), weight, bias);
      return [tf.reshape(y, [...x.shape.slice(0, -1), out])];
    },
    backward([dy], [x, weight]) {
      const dRows = rowsOf(dy as tf.Tensor, out);
      const rows = rowsOf(x as tf.Tensor, inputs);
      return {
        x: () => tf.reshape(tf.matMul(dRows, weight as tf.Tensor), (x as tf.Tensor).shape),
        weight: () => tf.matMul(dRows, rows, true, false),
        bias: () => channelSums(dRows),
      };
    },
  });
}
