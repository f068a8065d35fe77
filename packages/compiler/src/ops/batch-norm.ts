import * as tf from '@tensorflow/tfjs-core';
import { ensureUnique, hasFusedKernel, runFusedKernel } from '../fused-kernels';
import { channelSums } from '../primitives';
import type { Backward, BackwardCall, Operation, OperationKind, Parameter } from '../program';
import { ACTIVATIONS, activationGradient } from './simple';

export interface BatchNormAttrs {
  readonly epsilon: number;
  /** Decay rate of the moving statistics: 0.9 is PyTorch's momentum of 0.1. */
  readonly momentum: number;
  readonly scale: boolean;
  readonly center: boolean;
  readonly relu: boolean;
  /** ReLU's upper bound: 6 for ReLU6. */
  readonly ceiling?: 6;
  /**
   * The layer is not trainable. As in Keras, it then normalizes by its moving statistics in
   * training
   * too, and does not update them.
   */
  readonly frozen: boolean;
  /** The second input is added before the ReLU: the end of a residual block. */
  readonly residual: boolean;
}

const reluOf = ({ ceiling }: BatchNormAttrs) => (ceiling === undefined ? 'relu' : 'relu6');

/** gamma, beta (each if present), moving mean, moving variance. */
function unpack(attrs: BatchNormAttrs, params: readonly tf.Tensor[]) {
  const rest = [...params];
  const gamma = attrs.scale ? rest.shift() : undefined;
  const beta = attrs.center ? rest.shift() : undefined;
  return { gamma, beta, movingMean: rest[0] as tf.Tensor, movingVariance: rest[1] as tf.Tensor };
}

/**
 * Batch normalization over the last axis (Ioffe & Szegedy 2015, https://arxiv.org/abs/1502.03167);
 * when fused, then the sum with a shortcut, then ReLU or ReLU6. As in PyTorch, it normalizes with
 * the biased variance of the batch and updates the moving variance with the unbiased one.
 */
export const batchNorm: OperationKind<BatchNormAttrs> = {
  name: 'batchNorm',
  reads: ({ relu, frozen }) => ({ inputs: !frozen, output: relu }),
  forward({ attrs, inputs, params, training: inTraining, operation }) {
    const training = inTraining && !attrs.frozen;
    const [x, residual] = inputs as [tf.Tensor, tf.Tensor?];
    const { gamma, beta, movingMean, movingVariance } = unpack(attrs, params);
    if (training && hasFusedKernel('deepend.batchNorm')) {
      for (const param of operation.params.slice(-2)) ensureUnique(param.variable);
      const fused = runFusedKernel(
        'deepend.batchNorm',
        { x, gamma, beta, movingMean, movingVariance, residual },
        attrs,
      );
      if (fused) return { output: fused[0], saved: fused.slice(1) as tf.Tensor[] };
    }
    if (!training) {
      const tensors = { x, gamma, beta, mean: movingMean, variance: movingVariance, residual };
      const fused = runFusedKernel('deepend.normalize', tensors, attrs);
      if (fused) return { output: fused[0] };
    }
    const count = x.size / (x.shape[x.rank - 1] ?? 1); // batch·height·width
    const mean = training ? tf.div(channelSums(x), count) : movingMean;
    // Two passes: the mean of squares minus the squared mean would cancel.
    const variance = training
      ? tf.div(channelSums(tf.squaredDifference(x, mean)), count)
      : movingVariance;
    const invStd = tf.rsqrt(tf.add(variance, attrs.epsilon)); // 1 / √(variance + ε), [channels]
    const factor = gamma ? tf.mul(gamma, invStd) : invStd;
    const shift = tf.sub(beta ?? 0, tf.mul(mean, factor));
    let y = tf.add(tf.mul(x, factor), shift);
    if (residual) y = tf.add(y, residual);
    if (attrs.relu) y = ACTIVATIONS[reluOf(attrs)].forward(y);
    if (!training) return { output: y };
    const statistics = operation.params.slice(-2).map((param) => param.variable);
    updateMoving(statistics[0] as tf.Variable, mean, attrs.momentum);
    updateMoving(
      statistics[1] as tf.Variable,
      tf.mul(variance, count / Math.max(count - 1, 1)),
      attrs.momentum,
    );
    return { output: y, saved: [mean, invStd] };
  },
  backward({ attrs, inputs, params, output, saved, dy, operation, wanted }) {
    if (attrs.frozen) return frozenGradients(attrs, { params, output, dy, wanted });
    const [x] = inputs as [tf.Tensor];
    const { gamma } = unpack(attrs, params);
    const [mean, invStd, context] = saved as [tf.Tensor, tf.Tensor, tf.Tensor?];
    const fused = runFusedKernel(
      'deepend.batchNormGradient',
      { x, y: output, dy, mean, invStd, context, gamma },
      attrs,
    );
    if (fused) return sortGradients(fused, attrs, operation);
    const count = x.size / (x.shape[x.rank - 1] ?? 1);
    const dz = attrs.relu ? activationGradient(reluOf(attrs), dy, output) : dy;
    const dBeta = channelSums(dz);
    const dGamma = tf.mul(channelSums(tf.mul(dz, tf.sub(x, mean))), invStd);
    // dx = γ·invStd·(dz − Σdz/n − x̂·Σ(dz·x̂)/n), as a·dz + b·x + c with a, b, c [channels]
    const a = gamma ? tf.mul(gamma, invStd) : invStd;
    const b = tf.mul(tf.mul(a, tf.mul(invStd, dGamma)), -1 / count);
    const c = tf.sub(tf.mul(tf.mul(a, dBeta), -1 / count), tf.mul(b, mean));
    const dx = wanted[0] ? tf.add(tf.add(tf.mul(dz, a), tf.mul(x, b)), c) : null;
    return sortGradients([dx, dGamma, dBeta, wanted[1] ? tf.clone(dz) : null], attrs, operation);
  },
};

/** The moving mean and variance, if a training step updates them. */
export function statisticsOf({ kind, attrs, params }: Operation): readonly Parameter[] {
  return kind.name === batchNorm.name && !(attrs as BatchNormAttrs).frozen ? params.slice(-2) : [];
}

/** With constant statistics, normalization is linear: dx = dz·γ / √(variance + ε). */
function frozenGradients(
  attrs: BatchNormAttrs,
  {
    params,
    output,
    dy,
    wanted,
  }: Pick<BackwardCall<BatchNormAttrs>, 'params' | 'output' | 'dy' | 'wanted'>,
): Backward {
  const { gamma, movingVariance } = unpack(attrs, params);
  const invStd = tf.rsqrt(tf.add(movingVariance, attrs.epsilon)); // [channels]
  const dz = attrs.relu ? activationGradient(reluOf(attrs), dy, output) : dy;
  const dx = wanted[0] ? tf.mul(dz, gamma ? tf.mul(gamma, invStd) : invStd) : null;
  return { inputs: attrs.residual ? [dx, wanted[1] ? tf.clone(dz) : null] : [dx], params: [] };
}

/** Sorts dx, dGamma, dBeta and the shortcut's gradient by inputs and parameters. */
function sortGradients(
  [dx = null, dGamma, dBeta, dz = null]: readonly (tf.Tensor | null | undefined)[],
  { scale, center, residual }: BatchNormAttrs,
  { params }: Operation<BatchNormAttrs>,
): Backward {
  const found = [...(scale ? [dGamma] : []), ...(center ? [dBeta] : [])] as tf.Tensor[];
  return {
    inputs: residual ? [dx, dz] : [dx],
    params: found.filter((_, i) => params[i]?.trainable),
  };
}

function updateMoving(statistic: tf.Variable, batch: tf.Tensor, momentum: number): void {
  statistic.assign(tf.add(tf.mul(statistic, momentum), tf.mul(batch, 1 - momentum)));
}
