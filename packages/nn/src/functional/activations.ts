/** Activations with gradients of one kernel, and softmax with a mask. */
import {
  activationGradient,
  type CurveName,
  curveGradient,
  curve as curveOf,
} from '@deepend/compiler';
import { formatValue } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import { expectAxis, expectFloat, refuse } from './checks';
import { differentiableOne } from './tape';

/**
 * max(x, 0), with a gradient of one kernel on backends that have it; that of stock TensorFlow.js
 * computes two.
 */
export function rectify(x: tf.Tensor): tf.Tensor {
  if (x.dtype !== 'float32') return tf.relu(x);
  return differentiableOne({
    inputs: { x },
    forward(save) {
      save([x]);
      return [tf.relu(x)];
    },
    // x is positive where the output is.
    backward: ([dy], [input]) => ({
      x: () => activationGradient('relu', dy as tf.Tensor, input as tf.Tensor),
    }),
  });
}

// The second derivative, such as that of a gradient penalty. ReLU's curve has none of its own.
tf.registerGradient({
  kernelName: 'deepend.activationGradient',
  inputsToSave: ['y'],
  gradFunc: (dy, [y], attrs) => {
    if (attrs.name !== 'relu')
      refuse('activationGradient', `second derivatives of 'relu' only, got ${attrs.name}`);
    return {
      dy: () => activationGradient('relu', dy as tf.Tensor, y as tf.Tensor),
      y: () => tf.zerosLike(y as tf.Tensor),
    };
  },
});

function curve(where: string, name: CurveName, x: tf.Tensor): tf.Tensor {
  expectFloat(where, 'x', x);
  return differentiableOne({
    inputs: { x },
    forward(save) {
      save([x]);
      return [curveOf(name, x)];
    },
    backward: ([dy], [input]) => ({
      x: () => curveGradient(name, dy as tf.Tensor, input as tf.Tensor),
    }),
  });
}

export interface GeluOptions {
  /** `'tanh'` approximates Φ, as GPT-2 does. @default 'none' */
  readonly approximate?: 'none' | 'tanh' | undefined;
}

/**
 * x · Φ(x), Hendrycks & Gimpel 2016, https://arxiv.org/abs/1606.08415.
 * @throws RangeError when `approximate` is neither 'none' nor 'tanh'
 */
export function gelu(x: tf.Tensor, options: GeluOptions = {}): tf.Tensor {
  const { approximate = 'none' } = options;
  if (approximate !== 'none' && approximate !== 'tanh')
    refuse('gelu', `approximate 'none' or 'tanh', got ${formatValue(approximate)}`);
  return curve('gelu', approximate === 'tanh' ? 'geluTanh' : 'gelu', x);
}

/** x · sigmoid(x), or swish, Ramachandran et al. 2017, https://arxiv.org/abs/1710.05941. */
export const silu = (x: tf.Tensor): tf.Tensor => curve('silu', 'silu', x);

export interface SoftmaxOptions {
  /** @default -1 */
  readonly axis?: number | undefined;
  /**
   * Bool or int32, which broadcasts to x's shape: where it is 0, the probability is 0. A row
   * without any other gives zeros. @default none
   */
  readonly mask?: tf.Tensor | undefined;
}

/** The largest negative number: less than every logit, and not infinite. */
const LOWEST = -3.4028234663852886e38;

/** Softmax over the last axis; `allowed` is a bool tensor of x's shape. */
function composedSoftmax(x: tf.Tensor, allowed: tf.Tensor | undefined): tf.Tensor {
  if (!allowed) return tf.softmax(x);
  const p = tf.softmax(tf.where(allowed, x, tf.fill(x.shape, LOWEST)));
  return tf.where(allowed, p, tf.zerosLike(p));
}

/** Softmax over the last axis, with its gradient. */
function softmaxRows(x: tf.Tensor, allowed: tf.Tensor | undefined): tf.Tensor {
  return differentiableOne({
    inputs: { x },
    forward(save) {
      const p = composedSoftmax(x, allowed);
      save([p]);
      return [p];
    },
    backward: ([dy], [p]) => ({
      x: () => {
        const weighted = tf.mul(dy as tf.Tensor, p as tf.Tensor);
        return tf.sub(weighted, tf.mul(p as tf.Tensor, tf.sum(weighted, -1, true)));
      },
    }),
  });
}

/** @throws RangeError when a mask does not broadcast to a shape */
export function checkMaskShape(where: string, mask: tf.Tensor, shape: readonly number[]): void {
  const skip = shape.length - mask.rank;
  const fits = skip >= 0 && mask.shape.every((size, i) => size === 1 || size === shape[skip + i]);
  if (fits) return;
  const [expected, given] = [shape, mask.shape].map((sizes) => `[${sizes.join(', ')}]`);
  refuse(where, `a mask that broadcasts to ${expected}, got ${given}`);
}

/** A mask of bool or int32 as bool. */
export function boolMask(where: string, mask: tf.Tensor): tf.Tensor {
  if (mask.dtype === 'bool') return mask;
  if (mask.dtype !== 'int32') refuse(where, `a mask of bool or int32, got ${mask.dtype}`);
  return tf.notEqual(mask, 0);
}

/** A bool tensor of a shape, by a comparison: backends have no fast copies of bool. */
export const spread = (bool: tf.Tensor, shape: readonly number[]): tf.Tensor =>
  bool.shape.join() === shape.join()
    ? tf.clone(bool)
    : tf.greater(tf.cast(bool, 'float32'), tf.zeros([...shape]));

/** A mask as a bool tensor of a shape. */
export function allowedBy(where: string, mask: tf.Tensor, shape: readonly number[]): tf.Tensor {
  const bool = boolMask(where, mask);
  checkMaskShape(where, mask, shape);
  return spread(bool, shape);
}

/**
 * Softmax over an axis, in which masked places get the probability 0.
 * @throws RangeError when the axis or the mask does not fit
 */
export function softmax(x: tf.Tensor, options: SoftmaxOptions = {}): tf.Tensor {
  const { axis = -1, mask } = options;
  expectAxis('softmax', axis, x.rank);
  expectFloat('softmax', 'x', x);
  return tf.tidy(() => {
    const allowed = mask && allowedBy('softmax', mask, x.shape);
    if ((axis + x.rank) % x.rank === x.rank - 1) return softmaxRows(x, allowed);
    const order = x.shape.map((_, i) => i);
    const swapped = (axis + x.rank) % x.rank;
    [order[swapped], order[x.rank - 1]] = [x.rank - 1, swapped]; // its own inverse
    const rows = softmaxRows(tf.transpose(x, order), allowed && tf.transpose(allowed, order));
    return tf.transpose(rows, order);
  });
}
