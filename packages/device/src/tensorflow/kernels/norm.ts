/**
 * Batch normalization by libtensorflow's fused operations: forward, in inference, and its gradient.
 */
import * as tf from '@tensorflow/tfjs-core';
import { attributes, FLOAT, type Form, type Given, type NodeBackend } from './native';

/**
 * The operation wants images: `[..., channels]` → `[rows, 1, 1, channels]` where there are none.
 */
const asImages = (x: tf.Tensor): tf.Tensor =>
  x.rank === 4 ? x : tf.reshape(x, [-1, 1, 1, x.shape.at(-1) ?? 1]);

const shapedAs = (y: tf.Tensor, { shape, rank }: tf.Tensor): tf.Tensor =>
  rank === 4 ? y : tf.reshape(y, shape);

const channelsOf = (x: tf.Tensor) => x.shape.at(-1) ?? 1;

interface Mode {
  readonly epsilon: number;
  readonly training: boolean;
  /** How much of the batch's statistics goes into the moving ones. */
  readonly factor: number;
}

/**
 * y, moving mean, moving variance (the unbiased one's), the batch's mean, its variance, and what a
 * GPU keeps for the gradient.
 */
function normalize(
  { backend, inputs }: Given,
  mean: tf.Tensor,
  variance: tf.Tensor,
  mode: Mode,
): tf.Tensor[] {
  const { x, gamma, beta } = inputs as { x: tf.Tensor; gamma?: tf.Tensor; beta?: tf.Tensor };
  const channels = [channelsOf(x)];
  const attrs = attributes(backend, {
    T: FLOAT,
    U: FLOAT,
    epsilon: ['float', mode.epsilon],
    exponential_avg_factor: ['float', mode.factor],
    data_format: ['string', 'NHWC'],
    is_training: ['bool', mode.training],
  });
  const given = [
    asImages(x),
    gamma ?? tf.ones(channels),
    beta ?? tf.zeros(channels),
    mean,
    variance,
  ];
  return backend.executeMultipleOutputs('FusedBatchNormV3', attrs, given, 6);
}

/** The sum with a shortcut and the ReLU that are fused behind a normalization. */
function finish(y: tf.Tensor, { inputs: { x, residual }, attrs }: Given): tf.Tensor {
  const shaped = shapedAs(y, x as tf.Tensor);
  const sum = residual ? tf.add(shaped, residual) : shaped;
  return attrs.relu ? tf.relu(sum) : sum;
}

/**
 * Gives `statistic` the numbers of `moved`, which is disposed: tensors that others hold see them
 * too, as after an update in place.
 */
function replace(backend: NodeBackend, statistic: tf.Tensor, moved: tf.Tensor): void {
  const [old, fresh] = [
    backend.tensorMap.get(statistic.dataId),
    backend.tensorMap.get(moved.dataId),
  ];
  backend.getInputTensorIds([statistic]); // numbers that have not been sent yet get a place first
  [old.id, fresh.id] = [fresh.id, old.id];
  moved.dispose();
}

/**
 * {x, gamma?, beta?, movingMean, movingVariance, residual?} → y, mean, variance and a GPU's own;
 * moves the statistics in place.
 */
export const batchNorm: Form = (given) => {
  const { backend, attrs } = given;
  const { movingMean, movingVariance } = given.inputs as {
    movingMean: tf.Tensor;
    movingVariance: tf.Tensor;
  };
  const factor = 1 - attrs.momentum;
  // At a factor of 1 the operation wants no statistics: nothing of them would stay.
  const before = factor === 1 ? [tf.zeros([0]), tf.zeros([0])] : [movingMean, movingVariance];
  const made = normalize(given, before[0] as tf.Tensor, before[1] as tf.Tensor, {
    epsilon: attrs.epsilon,
    training: true,
    factor,
  });
  const [y, nextMean, nextVariance, ...saved] = made as [
    tf.Tensor,
    tf.Tensor,
    tf.Tensor,
    ...tf.Tensor[],
  ];
  replace(backend, movingMean, nextMean);
  replace(backend, movingVariance, nextVariance);
  return [finish(y, given), ...saved];
};

/** {x, gamma?, beta?, mean, variance, residual?} → y. */
export const normalizeBy: Form = (given) => {
  const { mean, variance } = given.inputs as { mean: tf.Tensor; variance: tf.Tensor };
  const [y] = normalize(given, mean, variance, {
    epsilon: given.attrs.epsilon,
    training: false,
    factor: 1,
  });
  return finish(y as tf.Tensor, given);
};

/**
 * {x, y, dy, mean, deviation, gamma?} as `batchNorm` gave them → dx, dGamma, dBeta, and the
 * shortcut's gradient.
 */
export const batchNormGradient: Form = ({ backend, inputs, attrs }) => {
  const { x, y, dy, mean, deviation, extra, gamma } = inputs as Record<
    'x' | 'y' | 'dy' | 'mean' | 'deviation' | 'extra',
    tf.Tensor
  > & {
    gamma?: tf.Tensor;
  };
  const dz = attrs.relu
    ? backend.executeSingleOutput('ReluGrad', attributes(backend, { T: FLOAT }), [dy, y])
    : dy;
  const options = attributes(backend, {
    T: FLOAT,
    U: FLOAT,
    epsilon: ['float', attrs.epsilon],
    data_format: ['string', 'NHWC'],
    is_training: ['bool', true],
  });
  const given = [
    asImages(dz),
    asImages(x),
    gamma ?? tf.ones([channelsOf(x)]),
    mean,
    deviation,
    extra,
  ];
  const [dx, dGamma, dBeta] = backend.executeMultipleOutputs(
    'FusedBatchNormGradV3',
    options,
    given,
    5,
  ) as [tf.Tensor, tf.Tensor, tf.Tensor];
  const found = [shapedAs(dx, x), dGamma, dBeta];
  return attrs.residual ? [...found, tf.clone(dz)] : found;
};
