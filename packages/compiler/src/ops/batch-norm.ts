import * as tf from '@tensorflow/tfjs-core';
import { ensureUnique, hasFusedKernel, runFusedKernel } from '../fused-kernels';
import { batchMoments, normalizeBy, normGradient, reluOf } from '../norm-parts';
import type { Backward, BackwardCall, Operation, OperationKind, Parameter } from '../program';
import { normSync } from '../synced-norm';
import { activationGradient } from './simple';

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

/** Id of the moving variance, which each layer has. */
const variableOf = ({ params }: Operation<BatchNormAttrs>) =>
  (params.at(-1) as Parameter).variable.id;

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
    // Over several processes it takes parts, between which they add up their sums.
    if (training && !normSync() && hasFusedKernel('deepend.batchNorm')) {
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
      return { output: normalizeBy(tensors, attrs) };
    }
    const { mean, variance, unbiased } = batchMoments(x, variableOf(operation));
    const output = normalizeBy({ x, gamma, beta, mean, variance, residual }, attrs);
    const [movedMean, movedVariance] = operation.params.slice(-2).map((param) => param.variable);
    updateMoving(movedMean as tf.Variable, mean, attrs.momentum);
    updateMoving(movedVariance as tf.Variable, unbiased, attrs.momentum);
    const invStd = tf.rsqrt(tf.add(variance, attrs.epsilon)); // 1 / √(variance + ε), [channels]
    return { output, saved: [mean, invStd] };
  },
  backward({ attrs, inputs, params, output, saved, dy, operation, wanted }) {
    if (attrs.frozen) return frozenGradients(attrs, { params, output, dy, wanted });
    const [x] = inputs as [tf.Tensor];
    const { gamma } = unpack(attrs, params);
    const [mean, invStd, context] = saved as [tf.Tensor, tf.Tensor, tf.Tensor?];
    const given = { x, y: output, dy, mean, invStd, gamma };
    const fused = normSync()
      ? undefined
      : runFusedKernel('deepend.batchNormGradient', { ...given, context }, attrs);
    if (fused) return sortGradients(fused, attrs, operation);
    const [dx, dGamma, dBeta, dz] = normGradient(given, {
      ...attrs,
      variable: variableOf(operation),
    });
    const found = [wanted[0] ? dx : null, dGamma, dBeta, wanted[1] ? dz : null];
    return sortGradients(found, attrs, operation);
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
