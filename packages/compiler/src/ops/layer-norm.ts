/**
 * Layer normalization over the last axis, Ba, Kiros & Hinton 2016,
 * https://arxiv.org/abs/1607.06450.
 */
import * as tf from '@tensorflow/tfjs-core';
import { runFusedKernel } from '../fused-kernels';
import { channelSums } from '../primitives';
import type { OperationKind } from '../program';

/** Rows that are normalized, with `gamma` and `beta` of one row. */
interface Rows {
  readonly x: tf.Tensor2D; // [rows, n]
  readonly gamma?: tf.Tensor1D | undefined; // [n]
  readonly beta?: tf.Tensor1D | undefined; // [n]
}

/** → [y [rows, n], mean [rows], 1 / √(variance + epsilon) [rows]] */
function composedLayerNorm({ x, gamma, beta }: Rows, epsilon: number): tf.Tensor[] {
  const { mean, variance } = tf.moments(x, 1, true); // [rows, 1]
  const invStd = tf.rsqrt(tf.add(variance, epsilon));
  let y: tf.Tensor = tf.mul(tf.sub(x, mean), invStd);
  if (gamma) y = tf.mul(y, gamma);
  if (beta) y = tf.add(y, beta);
  return [y, tf.reshape(mean, [-1]), tf.reshape(invStd, [-1])];
}

interface GradientInputs {
  readonly x: tf.Tensor2D; // [rows, n]
  readonly dy: tf.Tensor2D; // [rows, n]
  readonly mean: tf.Tensor1D; // [rows]
  readonly invStd: tf.Tensor1D; // [rows]
  readonly gamma?: tf.Tensor1D | undefined; // [n]
}

/** → [dx [rows, n], dGamma [n], dBeta [n]] */
function composedLayerNormGradient(inputs: GradientInputs): tf.Tensor[] {
  const { x, dy, mean, invStd, gamma } = inputs;
  const scale: tf.Tensor = tf.reshape(invStd, [-1, 1]);
  const normalized = tf.mul(tf.sub(x, tf.reshape(mean, [-1, 1])), scale);
  const dNormalized = gamma ? tf.mul(dy, gamma) : dy;
  const along = tf.mean(tf.mul(dNormalized, normalized), 1, true);
  const centered = tf.sub(dNormalized, tf.mean(dNormalized, 1, true));
  const dx = tf.mul(tf.sub(centered, tf.mul(normalized, along)), scale);
  return [dx, channelSums(tf.mul(dy, normalized)), channelSums(dy)];
}

/**
 * → [y [rows, n], mean [rows], 1 / √(variance + epsilon) [rows]], in one kernel where there is one.
 */
export const layerNormRows = (rows: Rows, epsilon: number): tf.Tensor[] => [
  ...(runFusedKernel('deepend.layerNorm', rows, { epsilon }) ?? composedLayerNorm(rows, epsilon)),
];

/** → [dx [rows, n], dGamma [n], dBeta [n]] */
export const layerNormRowsGradient = (inputs: GradientInputs): tf.Tensor[] => [
  ...(runFusedKernel('deepend.layerNormGradient', inputs, {}) ?? composedLayerNormGradient(inputs)),
];

export interface LayerNormAttrs {
  readonly epsilon: number;
  readonly scale: boolean;
  readonly center: boolean;
}

/** `[..., n]` → `[rows, n]` */
const rowsOf = (x: tf.Tensor): tf.Tensor2D => tf.reshape(x, [-1, x.shape.at(-1) ?? 1]);

/** Parameters: gamma `[n]` with `scale`, beta `[n]` with `center`. */
export const layerNorm: OperationKind<LayerNormAttrs> = {
  name: 'layerNorm',
  reads: () => ({ inputs: true, output: false }),
  forward({ inputs, params, attrs: { epsilon, scale, center }, training }) {
    const x = inputs[0] as tf.Tensor;
    const [gamma, beta] = (scale ? params : [undefined, ...params]) as tf.Tensor1D[];
    const rows = { x: rowsOf(x), gamma, ...(center && { beta }) };
    const [y, mean, invStd] = layerNormRows(rows, epsilon) as [tf.Tensor, tf.Tensor, tf.Tensor];
    const output = tf.reshape(y, x.shape);
    return training ? { output, saved: [mean, invStd] } : { output };
  },
  backward({ dy, inputs, params, saved, attrs: { scale, center }, operation }) {
    const x = inputs[0] as tf.Tensor;
    const [mean, invStd] = saved as [tf.Tensor1D, tf.Tensor1D];
    const gamma = scale ? (params[0] as tf.Tensor1D) : undefined;
    const given = { x: rowsOf(x), dy: rowsOf(dy), mean, invStd, gamma };
    const [dx, dGamma, dBeta] = layerNormRowsGradient(given) as tf.Tensor[];
    const found = [...(scale ? [dGamma] : []), ...(center ? [dBeta] : [])] as tf.Tensor[];
    return {
      inputs: [tf.reshape(dx as tf.Tensor, x.shape)],
      params: found.filter((_, i) => operation.params[i]?.trainable),
    };
  },
};
