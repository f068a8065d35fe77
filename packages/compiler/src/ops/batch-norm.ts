import * as tf from '@tensorflow/tfjs-core';
import { ensureUnique, hasFusedKernel, runFusedKernel } from '../fused-kernels';
import { channelSums, reluGradient } from '../primitives';
import type { Backward, BackwardCall, Operation, OperationKind, Parameter } from '../program';

export interface BatchNormAttrs {
  readonly epsilon: number;
  /** How much of the moving statistics stays at each step: 0.9 is PyTorch's momentum of 0.1. */
  readonly momentum: number;
  readonly scale: boolean;
  readonly center: boolean;
  readonly relu: boolean;
  /**
   * Its layer is not trainable: it normalizes by its moving statistics in training too, as Keras's
   * does, and keeps them.
   */
  readonly frozen: boolean;
  /** The second input is added before the ReLU: the end of a residual block. */
  readonly residual: boolean;
}

/** gamma, beta (each if present), moving mean, moving variance. */
function unpack(attrs: BatchNormAttrs, params: readonly tf.Tensor[]) {
  const rest = [...params];
  const gamma = attrs.scale ? rest.shift() : undefined;
  const beta = attrs.center ? rest.shift() : undefined;
  return { gamma, beta, movingMean: rest[0] as tf.Tensor, movingVariance: rest[1] as tf.Tensor };
}

/**
 * Batch normalization over the last axis (Ioffe & Szegedy 2015), then, when fused, the sum with a
 * shortcut, then ReLU.
 * It normalizes with the biased variance of the batch and moves the statistics with the unbiased
 * one, as PyTorch does.
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
      const [y, ...saved] = runFusedKernel(
        'deepend.batchNorm',
        { x, gamma, beta, movingMean, movingVariance, residual },
        attrs,
      ) as tf.Tensor[];
      return { output: y as tf.Tensor, saved };
    }
    if (!training) {
      const places = { x, gamma, beta, mean: movingMean, variance: movingVariance, residual };
      const own = runFusedKernel('deepend.normalize', places, attrs);
      if (own) return { output: own[0] as tf.Tensor };
    }
    const count = x.size / (x.shape[x.rank - 1] ?? 1); // batch·height·width
    const mean = training ? tf.div(channelSums(x), count) : movingMean;
    // Two passes: the mean of squares minus the squared mean would cancel.
    const variance = training
      ? tf.div(channelSums(tf.squaredDifference(x, mean)), count)
      : movingVariance;
    const deviation = tf.rsqrt(tf.add(variance, attrs.epsilon)); // 1 / √(variance + ε), [channels]
    const factor = gamma ? tf.mul(gamma, deviation) : deviation;
    const shift = tf.sub(beta ?? 0, tf.mul(mean, factor));
    let y = tf.add(tf.mul(x, factor), shift);
    if (residual) y = tf.add(y, residual);
    if (attrs.relu) y = tf.relu(y);
    if (!training) return { output: y };
    const statistics = operation.params.slice(-2).map((param) => param.variable);
    move(statistics[0] as tf.Variable, mean, attrs.momentum);
    move(
      statistics[1] as tf.Variable,
      tf.mul(variance, count / Math.max(count - 1, 1)),
      attrs.momentum,
    );
    return { output: y, saved: [mean, deviation] };
  },
  backward({ attrs, inputs, params, output, saved, dy, operation, wanted }) {
    if (attrs.frozen) return frozenGradients(attrs, { params, output, dy, wanted });
    const [x] = inputs as [tf.Tensor];
    const { gamma } = unpack(attrs, params);
    const [mean, deviation, extra] = saved as [tf.Tensor, tf.Tensor, tf.Tensor?];
    const own = runFusedKernel(
      'deepend.batchNormGradient',
      { x, y: output, dy, mean, deviation, extra, gamma },
      attrs,
    );
    if (own) return gradients(own, attrs, operation);
    const count = x.size / (x.shape[x.rank - 1] ?? 1);
    const dz = attrs.relu ? reluGradient(dy, output) : dy;
    const dBeta = channelSums(dz);
    const dGamma = tf.mul(channelSums(tf.mul(dz, tf.sub(x, mean))), deviation);
    // dx = γ·d·(dz − Σdz/n − x̂·Σ(dz·x̂)/n), gathered by powers of x: a·dz + b·x + c, each of a, b,
    // c [channels]
    const a = gamma ? tf.mul(gamma, deviation) : deviation;
    const b = tf.mul(tf.mul(a, tf.mul(deviation, dGamma)), -1 / count);
    const c = tf.sub(tf.mul(tf.mul(a, dBeta), -1 / count), tf.mul(b, mean));
    const dx = wanted[0] ? tf.add(tf.add(tf.mul(dz, a), tf.mul(x, b)), c) : null;
    return gradients([dx, dGamma, dBeta, wanted[1] ? tf.clone(dz) : null], attrs, operation);
  },
};

/** The moving mean and variance, where a training step moves them. */
export function statisticsOf({ kind, attrs, params }: Operation): readonly Parameter[] {
  return kind.name === batchNorm.name && !(attrs as BatchNormAttrs).frozen ? params.slice(-2) : [];
}

/** By constants, normalization is a linear map: dx = dz·γ / √(variance + ε). */
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
  const deviation = tf.rsqrt(tf.add(movingVariance, attrs.epsilon)); // [channels]
  const dz = attrs.relu ? reluGradient(dy, output) : dy;
  const dx = wanted[0] ? tf.mul(dz, gamma ? tf.mul(gamma, deviation) : deviation) : null;
  return { inputs: attrs.residual ? [dx, wanted[1] ? tf.clone(dz) : null] : [dx], params: [] };
}

/** Sorts dx, dGamma, dBeta and the shortcut's gradient by inputs and parameters. */
function gradients(
  [dx = null, dGamma, dBeta, dz = null]: readonly (tf.Tensor | null)[],
  { scale, center, residual }: BatchNormAttrs,
  { params }: Operation<BatchNormAttrs>,
): Backward {
  const found = [...(scale ? [dGamma] : []), ...(center ? [dBeta] : [])] as tf.Tensor[];
  return {
    inputs: residual ? [dx, dz] : [dx],
    params: found.filter((_, i) => params[i]?.trainable),
  };
}

function move(statistic: tf.Variable, batch: tf.Tensor, momentum: number): void {
  statistic.assign(tf.add(tf.mul(statistic, momentum), tf.mul(batch, 1 - momentum)));
}
