/** Batch normalization and its gradient by libtensorflow's fused operations. */
import type { ReluAttrs } from '@deepend/compiler';
import * as tf from '@tensorflow/tfjs-core';
import { attributes, FLOAT, type Kernel, type NodeBackend } from './native';

/** The operation takes only images: `[..., channels]` → `[rows, 1, 1, channels]`. */
const asImages = (x: tf.Tensor): tf.Tensor =>
  x.rank === 4 ? x : tf.reshape(x, [-1, 1, 1, x.shape.at(-1) ?? 1]);

const shapedAs = (y: tf.Tensor, { shape, rank }: tf.Tensor): tf.Tensor =>
  rank === 4 ? y : tf.reshape(y, shape);

const channelsOf = (x: tf.Tensor) => x.shape.at(-1) ?? 1;

interface Mode {
  readonly epsilon: number;
  readonly training: boolean;
  /** The fraction of the batch's statistics in the moving ones: 1 − momentum. */
  readonly factor: number;
}

interface NormTensors {
  readonly x: tf.Tensor;
  readonly gamma?: tf.Tensor | undefined;
  readonly beta?: tf.Tensor | undefined;
  readonly residual?: tf.Tensor | undefined;
}

interface Statistics {
  readonly mean: tf.Tensor;
  readonly variance: tf.Tensor;
}

/**
 * libtensorflow's batch normalization.
 * @returns y, moving mean, moving variance (unbiased), the batch's mean, its variance, and what a
 *   GPU
 *   saves for the gradient
 */
function fusedBatchNorm(
  backend: NodeBackend,
  { x, gamma, beta }: NormTensors,
  { mean, variance, epsilon, training, factor }: Statistics & Mode,
): tf.Tensor[] {
  const channels = [channelsOf(x)];
  const attrs = attributes(backend, {
    T: FLOAT,
    U: FLOAT,
    epsilon: ['float', epsilon],
    exponential_avg_factor: ['float', factor],
    data_format: ['string', 'NHWC'],
    is_training: ['bool', training],
  });
  const inputs = [
    asImages(x),
    gamma ?? tf.ones(channels),
    beta ?? tf.zeros(channels),
    mean,
    variance,
  ];
  return backend.executeMultipleOutputs('FusedBatchNormV3', attrs, inputs, 6);
}

/** Adds the shortcut and applies the ReLU that are fused after a normalization. */
function finish(
  y: tf.Tensor,
  { x, residual }: NormTensors,
  { relu, ceiling }: ReluAttrs,
): tf.Tensor {
  const shaped = shapedAs(y, x);
  const sum = residual ? tf.add(shaped, residual) : shaped;
  if (!relu) return sum;
  return ceiling === undefined ? tf.relu(sum) : tf.relu6(sum);
}

/**
 * Gives `statistic` the memory of `updated`, which is disposed. Tensors that share the statistic
 * see
 * the new values, as after an update in place.
 */
function replaceInPlace(backend: NodeBackend, statistic: tf.Tensor, updated: tf.Tensor): void {
  const before = backend.tensorMap.get(statistic.dataId);
  const after = backend.tensorMap.get(updated.dataId);
  backend.getInputTensorIds([statistic]); // uploads values that have not been sent yet
  const { id } = before;
  before.id = after.id;
  after.id = id;
  updated.dispose();
}

/** Its mean, invStd and context are libtensorflow's three reserve spaces. */
export const batchNorm: Kernel<'deepend.batchNorm'> = {
  run({ backend, inputs, attrs }) {
    const { movingMean, movingVariance } = inputs;
    const { epsilon, momentum } = attrs;
    const factor = 1 - momentum;
    // At a factor of 1 the operation takes no statistics, since it would keep nothing of them.
    const statistics =
      factor === 1
        ? { mean: tf.zeros([0]), variance: tf.zeros([0]) }
        : { mean: movingMean, variance: movingVariance };
    const mode = { epsilon, training: true, factor };
    const [y, nextMean, nextVariance, mean, variance, context] = fusedBatchNorm(backend, inputs, {
      ...statistics,
      ...mode,
    }) as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
    replaceInPlace(backend, movingMean, nextMean);
    replaceInPlace(backend, movingVariance, nextVariance);
    return [finish(y, inputs, attrs), mean, variance, context];
  },
};

export const normalize: Kernel<'deepend.normalize'> = {
  run({ backend, inputs, attrs }) {
    const { mean, variance } = inputs;
    const mode = { mean, variance, epsilon: attrs.epsilon, training: false, factor: 1 };
    const [y] = fusedBatchNorm(backend, inputs, mode) as [tf.Tensor];
    return [finish(y, inputs, attrs)];
  },
};

export const batchNormGradient: Kernel<'deepend.batchNormGradient'> = {
  run({ backend, inputs, attrs: { epsilon, relu, ceiling, residual } }) {
    const { x, y, dy, mean, invStd, context, gamma } = inputs;
    const dz = relu
      ? backend.executeSingleOutput(
          ceiling === undefined ? 'ReluGrad' : 'Relu6Grad',
          attributes(backend, { T: FLOAT }),
          [dy, y],
        )
      : dy;
    const options = attributes(backend, {
      T: FLOAT,
      U: FLOAT,
      epsilon: ['float', epsilon],
      data_format: ['string', 'NHWC'],
      is_training: ['bool', true],
    });
    const scale = gamma ?? tf.ones([channelsOf(x)]);
    const tensors = [asImages(dz), asImages(x), scale, mean, invStd, context as tf.Tensor];
    const [dx, dGamma, dBeta] = backend.executeMultipleOutputs(
      'FusedBatchNormGradV3',
      options,
      tensors,
      5,
    ) as [tf.Tensor, tf.Tensor, tf.Tensor];
    const shaped = shapedAs(dx, x);
    return residual ? [shaped, dGamma, dBeta, tf.clone(dz)] : [shaped, dGamma, dBeta];
  },
};
