/**
 * An engine's own forms of the fused operations. An engine offers one by registering a
 * TensorFlow.js kernel under the name below; the plan asks
 * for it there, so neither package knows the other. Where none is registered, the operation is
 * composed of core ops.
 */
import * as tf from '@tensorflow/tfjs-core';

/**
 * Inputs in braces (`?`: may be missing), then what the kernel gives. `conv` is a `ConvAttrs`; with
 * `groups` beside it the filter has one
 * group's input channels, `[kh, kw, in / groups, out]`.
 */
export type FusedKernel =
  | 'deepend.conv2d' //                 {x, filter, bias?} + conv, relu → y, extra?: what its gradient is given
  | 'deepend.conv2dInputGradient' //    {dy, filter, extra?} + conv, xShape → dx
  | 'deepend.conv2dFilterGradient' //   {x, dy} + conv, filterShape → dFilter
  | 'deepend.channelSums' //            {x} → [channels]
  | 'deepend.activationGradient' //     {dy, y} + name: relu, relu6, sigmoid or tanh → dx
  | 'deepend.batchNorm' //              {x, gamma?, beta?, movingMean, movingVariance, residual?} + epsilon, momentum, relu → y, mean, deviation, extra?: what its gradient is given; moves the statistics in place
  | 'deepend.normalize' //              {x, gamma?, beta?, mean, variance, residual?} + epsilon, relu → y
  | 'deepend.batchNormGradient' //      {x, y, dy, mean, deviation, extra?, gamma?} + epsilon, relu, residual → dx, dGamma, dBeta, dz where residual
  | 'deepend.maxPool' //                {x} + size, strides, padding → y
  | 'deepend.maxPoolGradient' //        {x, y, dy} + size, strides, padding → dx
  | 'deepend.dense' //                  {x, kernel, bias?} + relu → y
  | 'deepend.dropout' //                {x} + rate, seed → y; its gradient is the same of dy
  | 'deepend.softmaxCrossEntropy' //    {logits, labels} → loss, correct, dLogits
  | 'deepend.update'; //                rule, entries and coefficients (optimizers/update.ts) as attributes; in place, gives nothing

type Inputs = Readonly<Record<string, tf.Tensor | undefined>>;

/** Whether the current engine has its own form. */
export const hasFusedKernel = (name: FusedKernel): boolean =>
  tf.getKernel(name, tf.getBackend()) !== undefined;

/** Runs the current engine's own form; undefined where it has none. */
export function runFusedKernel(
  name: FusedKernel,
  inputs: Inputs,
  attrs: object = {},
): tf.Tensor[] | undefined {
  if (!hasFusedKernel(name)) return undefined;
  const present = Object.fromEntries(
    Object.entries(inputs).filter(([, tensor]) => tensor),
  ) as tf.NamedTensorMap;
  const result = tf.engine().runKernel(name, present, attrs as tf.NamedAttrMap) as
    | tf.Tensor
    | tf.Tensor[];
  return Array.isArray(result) ? result : [result];
}

/**
 * Gives a variable numbers of its own on this engine where a clone shares them, or another engine
 * has them, so that it may be written in place.
 */
export function ensureUnique(variable: tf.Variable): void {
  if (tf.backend().refCount(variable.dataId) !== 1)
    tf.tidy(() => variable.assign(tf.add(variable, 0)));
}
