/** Normalization of channels-last data, with PyTorch's numbers. */
import { type Moments, normSync, syncedNorm } from '@deepend/compiler';
import { checkOptions, formatValue, rule } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import { layerNorm } from '../functional/index';
import { Module } from '../module';
import { bufferOf, parameter } from '../parameter';
import { checkLastAxis, checkSize, checkTensor, shown } from './checks';
import { given } from './seeded';

export interface LayerNormModuleOptions {
  /** Added to the variance. @default 1e-5 */
  epsilon?: number;
  /** Whether it scales and shifts by parameters. @default true */
  elementwiseAffine?: boolean;
  /** Whether it shifts where it scales. @default true */
  bias?: boolean;
}

const layerNormRules = rule.object({
  epsilon: rule.nonNegativeNumber().optional(),
  elementwiseAffine: rule.boolean().optional(),
  bias: rule.boolean().optional(),
});

/**
 * Normalizes over the last axes. `torch.nn.LayerNorm`: `weight` and `bias` of the normalized shape.
 * Ba et al. 2016, https://arxiv.org/abs/1607.06450.
 * @throws RangeError for inputs with other last axes
 */
export class LayerNorm extends Module {
  readonly normalizedShape: readonly number[];
  weight: tf.Variable | null = null;
  bias: tf.Variable | null = null;
  readonly #options: LayerNormModuleOptions;

  /** @param normalizedShape the last axes' sizes, or the last one's */
  constructor(normalizedShape: number | readonly number[], options: LayerNormModuleOptions = {}) {
    super();
    const shape = [normalizedShape].flat();
    for (const size of shape) checkSize('[nn] LayerNorm', 'normalizedShape', size);
    this.#options = checkOptions('[nn] LayerNorm', layerNormRules, options);
    this.normalizedShape = shape;
    const { elementwiseAffine = true, bias = true } = this.#options;
    if (!elementwiseAffine) return;
    this.weight = parameter(shape, { init: 'ones' });
    if (bias) this.bias = parameter(shape, { init: 'zeros' });
  }

  override config() {
    return [this.normalizedShape, given(this.#options)];
  }

  override forward(x: tf.Tensor): tf.Tensor {
    checkTensor(`[nn] ${this.name}`, x);
    const shape = this.normalizedShape;
    if (!tf.util.arraysEqual(x.shape.slice(-shape.length), [...shape])) {
      throw new RangeError(
        `[nn] ${this.name}: expected inputs whose last axes are [${shape.join(', ')}], got ` +
          `${shown(x)}; build the module for that size, or reshape its inputs`,
      );
    }
    const { epsilon = 1e-5 } = this.#options;
    const [weight, bias] = [this.weight ?? undefined, this.bias ?? undefined];
    return layerNorm(x, { normalizedShape: [...shape], weight, bias, epsilon });
  }
}

export interface BatchNormModuleOptions {
  /** Added to the variance. @default 1e-5 */
  epsilon?: number;
  /**
   * The share of the new batch in the running statistics; null for their plain average.
   * @default 0.1
   */
  momentum?: number | null;
  /** Whether it scales and shifts by parameters. @default true */
  affine?: boolean;
  /**
   * Whether it keeps running statistics, which `eval` mode uses; without them it always uses the
   * batch's. @default true
   */
  trackRunningStats?: boolean;
}

const batchNormRules = rule.object({
  epsilon: rule.nonNegativeNumber().optional(),
  momentum: rule
    .custom<number | null>(
      (value) => value === null || (typeof value === 'number' && value >= 0 && value <= 1),
      'a number from 0 to 1, or null',
    )
    .optional(),
  affine: rule.boolean().optional(),
  trackRunningStats: rule.boolean().optional(),
});

interface Statistics {
  mean: tf.Tensor;
  variance: tf.Tensor;
}

/** Batch normalization over all axes but the last. */
abstract class BatchNorm extends Module {
  readonly numFeatures: number;
  weight: tf.Variable | null = null;
  bias: tf.Variable | null = null;
  // PyTorch's names, which the state dict has.
  running_mean: tf.Variable | null = null;
  running_var: tf.Variable | null = null;
  num_batches_tracked: tf.Variable | null = null;
  readonly #options: BatchNormModuleOptions;
  readonly #axes: readonly (readonly string[])[];

  /** @param axes the names of the axes of what it takes; the last ones are features */
  constructor(
    numFeatures: number,
    options: BatchNormModuleOptions,
    axes: readonly (readonly string[])[],
  ) {
    super();
    const where = `[nn] ${new.target.name}`;
    checkSize(where, 'numFeatures', numFeatures);
    this.#options = checkOptions(where, batchNormRules, options);
    this.#axes = axes;
    this.numFeatures = numFeatures;
    const { affine = true, trackRunningStats = true } = this.#options;
    if (affine) {
      this.weight = parameter([numFeatures], { init: 'ones' });
      this.bias = parameter([numFeatures], { init: 'zeros' });
    }
    if (!trackRunningStats) return;
    this.running_mean = bufferOf(() => tf.zeros([numFeatures]));
    this.running_var = bufferOf(() => tf.ones([numFeatures]));
    this.num_batches_tracked = bufferOf(() => tf.scalar(0, 'int32'));
  }

  override config(): readonly unknown[] {
    return [this.numFeatures, given(this.#options)];
  }

  override forward(x: tf.Tensor): tf.Tensor {
    const where = `[nn] ${this.name}`;
    checkTensor(where, x);
    if (!this.#axes.some(({ length }) => length === x.rank)) {
      const shapes = this.#axes.map((axes) => `[${axes.join(', ')}]`).join(' or ');
      throw new RangeError(`${where}: expected inputs ${shapes}, got ${shown(x)}`);
    }
    checkLastAxis(where, x, this.numFeatures, 'features');
    const { epsilon = 1e-5 } = this.#options;
    if (this.training && normSync()) return this.#synced(x, epsilon);
    return tf.tidy(() => {
      const { mean, variance } = this.#statistics(x);
      const scale = tf.rsqrt(tf.add(variance, epsilon));
      const factor = this.weight ? tf.mul(scale, this.weight) : scale;
      const y = tf.mul(tf.sub(x, mean), factor);
      return this.bias ? tf.add(y, this.bias) : y;
    });
  }

  #statistics(x: tf.Tensor): Statistics {
    const { running_mean: mean, running_var: variance } = this;
    if (!this.training && mean && variance) return { mean, variance };
    const count = x.size / this.numFeatures;
    if (this.training && count < 2) {
      throw new RangeError(
        `[nn] ${this.name}: expected more than one value for each feature in training, got ` +
          `${shown(x)}; use larger batches (\`dropLast\` leaves out a last one), or eval()`,
      );
    }
    const axes = x.shape.slice(0, -1).map((_, axis) => axis);
    const batch = tf.moments(x, axes);
    if (this.training) {
      const unbiased = tf.mul(batch.variance, count / (count - 1));
      this.#track({ mean: batch.mean, unbiased });
    }
    return batch;
  }

  /** Normalizes over the samples of several processes. */
  #synced(x: tf.Tensor, epsilon: number): tf.Tensor {
    const { weight, bias, running_var: variance } = this;
    return syncedNorm(x, {
      ...{ gamma: weight ?? undefined, beta: bias ?? undefined, epsilon },
      variable: (variance ?? weight)?.id ?? -1,
      where: `[nn] ${this.name}`,
      onMoments: (moments) => this.#track(moments),
    });
  }

  /** Moves the running statistics, with the unbiased variance as PyTorch does. */
  #track({ mean, unbiased }: Pick<Moments, 'mean' | 'unbiased'>): void {
    const { momentum = 0.1 } = this.#options;
    const { running_mean, running_var, num_batches_tracked: tracked } = this;
    if (!running_mean || !running_var || !tracked) return;
    tracked.assign(tf.add(tracked, tf.scalar(1, 'int32')));
    const share = momentum === null ? tf.div(1, tf.cast(tracked, 'float32')) : momentum;
    const toward = (running: tf.Variable, value: tf.Tensor) =>
      running.assign(tf.add(running, tf.mul(tf.sub(value, running), share)));
    toward(running_mean, mean);
    toward(running_var, unbiased);
  }
}

/**
 * Batch normalization of images `[batch, height, width, numFeatures]`. `torch.nn.BatchNorm2d`.
 * Ioffe & Szegedy 2015, https://arxiv.org/abs/1502.03167.
 * @throws RangeError for inputs of other features, and in training for one value a feature
 */
export class BatchNorm2d extends BatchNorm {
  constructor(numFeatures: number, options: BatchNormModuleOptions = {}) {
    super(numFeatures, options, [['batch', 'height', 'width', 'features']]);
  }
}

/**
 * Batch normalization of `[batch, numFeatures]` or sequences `[batch, length, numFeatures]`.
 * `torch.nn.BatchNorm1d`, which has a sequence's length in the last axis.
 * @throws RangeError for inputs of other features, and in training for one value a feature
 */
export class BatchNorm1d extends BatchNorm {
  constructor(numFeatures: number, options: BatchNormModuleOptions = {}) {
    super(numFeatures, options, [
      ['batch', 'features'],
      ['batch', 'length', 'features'],
    ]);
  }
}

export interface GroupNormOptions {
  /** Added to the variance. @default 1e-5 */
  epsilon?: number;
  /** Whether it scales and shifts by parameters. @default true */
  affine?: boolean;
}

const groupNormRules = rule.object({
  epsilon: rule.nonNegativeNumber().optional(),
  affine: rule.boolean().optional(),
});

/**
 * Normalizes groups of channels of each sample, channels last. `torch.nn.GroupNorm`. Wu & He 2018,
 * https://arxiv.org/abs/1803.08494.
 */
export class GroupNorm extends Module {
  readonly numGroups: number;
  readonly numChannels: number;
  weight: tf.Variable | null = null;
  bias: tf.Variable | null = null;
  readonly #options: GroupNormOptions;

  constructor(numGroups: number, numChannels: number, options: GroupNormOptions = {}) {
    super();
    checkSize('[nn] GroupNorm', 'numGroups', numGroups);
    checkSize('[nn] GroupNorm', 'numChannels', numChannels);
    if (numChannels % numGroups !== 0) {
      throw new RangeError(
        `[nn] GroupNorm: numGroups must divide the ${numChannels} channels, got ` +
          `${formatValue(numGroups)}`,
      );
    }
    this.#options = checkOptions('[nn] GroupNorm', groupNormRules, options);
    this.numGroups = numGroups;
    this.numChannels = numChannels;
    if (this.#options.affine === false) return;
    this.weight = parameter([numChannels], { init: 'ones' });
    this.bias = parameter([numChannels], { init: 'zeros' });
  }

  override config() {
    return [this.numGroups, this.numChannels, given(this.#options)];
  }

  override forward(x: tf.Tensor): tf.Tensor {
    checkLastAxis(`[nn] ${this.name}`, x, this.numChannels, 'channels');
    const { epsilon = 1e-5 } = this.#options;
    const size = this.numChannels / this.numGroups;
    return tf.tidy(() => {
      const [batch = 0] = x.shape;
      const groups = tf.reshape(x, [batch, -1, this.numGroups, size]);
      const { mean, variance } = tf.moments(groups, [1, 3], true);
      const normal = tf.mul(tf.sub(groups, mean), tf.rsqrt(tf.add(variance, epsilon)));
      const y = tf.reshape(normal, x.shape);
      const scaled = this.weight ? tf.mul(y, this.weight) : y;
      return this.bias ? tf.add(scaled, this.bias) : scaled;
    });
  }
}
