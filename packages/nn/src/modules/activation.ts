/** Activations and dropout: modules without parameters. */
import { checkOptions, formatValue, rule } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import { rectify } from '../functional/activations';
import { dropout, gelu, silu, softmax } from '../functional/index';
import { Module } from '../module';
import { checkTensor } from './checks';

/** Gives its input. */
export class Identity extends Module {
  override config(): readonly unknown[] {
    return [];
  }

  override forward(x: tf.Tensor): tf.Tensor {
    return tf.clone(x);
  }
}

/** max(x, 0). */
export class ReLU extends Identity {
  override forward(x: tf.Tensor): tf.Tensor {
    return rectify(x);
  }
}

/** The hyperbolic tangent. */
export class Tanh extends Identity {
  override forward(x: tf.Tensor): tf.Tensor {
    return tf.tanh(x);
  }
}

/** 1 / (1 + e⁻ˣ). */
export class Sigmoid extends Identity {
  override forward(x: tf.Tensor): tf.Tensor {
    return tf.sigmoid(x);
  }
}

/** x·sigmoid(x). */
export class SiLU extends Identity {
  override forward(x: tf.Tensor): tf.Tensor {
    return silu(x);
  }
}

/** log(1 + eˣ). */
export class Softplus extends Identity {
  override forward(x: tf.Tensor): tf.Tensor {
    return tf.softplus(x);
  }
}

/** x where it is positive, else `negativeSlope`·x. @default 0.01 */
export class LeakyReLU extends Module {
  readonly negativeSlope: number;

  constructor(negativeSlope = 0.01) {
    super();
    this.negativeSlope = checkedNumber('[nn] LeakyReLU', 'negativeSlope', negativeSlope);
  }

  override config() {
    return [this.negativeSlope];
  }

  override forward(x: tf.Tensor): tf.Tensor {
    return tf.leakyRelu(x, this.negativeSlope);
  }
}

const geluRules = rule.object({ approximate: rule.oneOf(['none', 'tanh']).optional() });

/** x·Φ(x). Hendrycks & Gimpel 2016, https://arxiv.org/abs/1606.08415. */
export class GELU extends Module {
  readonly approximate: 'none' | 'tanh';

  /** @param options.approximate exact, or by the hyperbolic tangent @default 'none' */
  constructor(options: { approximate?: 'none' | 'tanh' } = {}) {
    super();
    this.approximate = checkOptions('[nn] GELU', geluRules, options).approximate ?? 'none';
  }

  override config() {
    return [{ approximate: this.approximate }];
  }

  override forward(x: tf.Tensor): tf.Tensor {
    return gelu(x, { approximate: this.approximate });
  }
}

/** Softmax over one axis. @default the last */
export class Softmax extends Module {
  readonly axis: number;

  constructor(axis = -1) {
    super();
    this.axis = checkedAxis('[nn] Softmax', axis);
  }

  override config() {
    return [this.axis];
  }

  override forward(x: tf.Tensor): tf.Tensor {
    return softmax(x, { axis: this.axis });
  }
}

/** The logarithm of the softmax over one axis. @default the last */
export class LogSoftmax extends Module {
  readonly axis: number;

  constructor(axis = -1) {
    super();
    this.axis = checkedAxis('[nn] LogSoftmax', axis);
  }

  override config() {
    return [this.axis];
  }

  override forward(x: tf.Tensor): tf.Tensor {
    return alongLast(x, this.axis, (last) => tf.logSoftmax(last));
  }
}

/** Applies a function over the last axis to another one. */
function alongLast(x: tf.Tensor, axis: number, apply: (last: tf.Tensor) => tf.Tensor): tf.Tensor {
  const at = axis < 0 ? axis + x.rank : axis;
  if (at === x.rank - 1) return apply(x);
  return tf.tidy(() => {
    const order = x.shape.map((_, i) => i);
    [order[at], order[x.rank - 1]] = [x.rank - 1, at]; // swaps two axes: its own inverse
    return tf.transpose(apply(tf.transpose(x, order)), order);
  });
}

/**
 * Zeroes each element with probability `p` in training, and scales the others by 1 / (1 − p). Each
 * call draws other elements, the same ones for the same seed of the step. Srivastava et al. 2014.
 */
export class Dropout extends Module {
  readonly p: number;

  /** @param p probability of an element to be zeroed. @default 0.5 */
  constructor(p = 0.5) {
    super();
    this.p = checkedNumber('[nn] Dropout', 'p', p, { min: 0, max: 1 });
  }

  override config() {
    return [this.p];
  }

  override forward(x: tf.Tensor): tf.Tensor {
    checkTensor(`[nn] ${this.name}`, x);
    return dropped(x, this.training ? this.p : 0);
  }
}

/** Dropout with the next seed; the input's clone where nothing is dropped. */
export function dropped(x: tf.Tensor, p: number): tf.Tensor {
  return p === 0 ? tf.clone(x) : dropout(x, p);
}

export function checkedNumber(
  where: string,
  name: string,
  value: unknown,
  { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY } = {},
): number {
  if (typeof value === 'number' && Number.isFinite(value) && value >= min && value <= max)
    return value;
  const range = [
    Number.isFinite(min) && ` of at least ${min}`,
    Number.isFinite(max) && ` of at most ${max}`,
  ];
  throw new RangeError(
    `${where}: ${name} must be a number${range.filter(Boolean).join(' and')}, got ` +
      `${formatValue(value)}`,
  );
}

function checkedAxis(where: string, axis: unknown): number {
  if (Number.isInteger(axis)) return axis as number;
  throw new RangeError(`${where}: the axis must be an integer, got ${formatValue(axis)}`);
}
