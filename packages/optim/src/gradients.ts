/** Clipping and accumulation of gradients, between the backward pass and the update. */

import type { Parameter, ParameterGradient } from '@deepend/compiler';
import * as tf from '@tensorflow/tfjs-core';
import { update } from './optimizers/update';

/** Replaces each gradient, and disposes the old one. */
function replace(
  gradients: readonly ParameterGradient[],
  by: (gradient: tf.Tensor) => tf.Tensor,
): void {
  for (const entry of gradients) {
    const before = entry.gradient;
    entry.gradient = by(before);
    before.dispose();
  }
}

/** PyTorch's, so that a norm of 0 is not divided by. */
const NORM_EPSILON = 1e-6;

/**
 * Scales all gradients by the same factor, so that the norm of all of them together is at most
 * `maxNorm` (Pascanu et al. 2012, https://arxiv.org/abs/1211.5063; PyTorch's `clip_grad_norm_`).
 * Nothing is read back from the device.
 * @param maxNorm above 0
 * @returns the norm before, a scalar on the device that the caller disposes
 */
export function clipByNorm(gradients: readonly ParameterGradient[], maxNorm: number): tf.Scalar {
  requireAbove0('[optim] clipByNorm: maxNorm', maxNorm);
  if (gradients.length === 0) return tf.scalar(0);
  const [norm, factor] = tf.tidy(() => {
    const squares = gradients.map(({ gradient }) => tf.sum(tf.square(gradient)));
    const whole = tf.sqrt(tf.sum(tf.stack(squares))) as tf.Scalar;
    return [
      whole,
      tf.minimum(tf.div(maxNorm, tf.add(whole, NORM_EPSILON)), 1) as tf.Scalar,
    ] as const;
  });
  replace(gradients, (gradient) => tf.mul(gradient, factor));
  factor.dispose();
  return norm;
}

/**
 * Limits every number of every gradient to −limit … limit: PyTorch's `clip_grad_value_`.
 * @param limit above 0
 */
export function clipByValue(gradients: readonly ParameterGradient[], limit: number): void {
  requireAbove0('[optim] clipByValue: limit', limit);
  replace(gradients, (gradient) => tf.clipByValue(gradient, -limit, limit));
}

function requireAbove0(where: string, value: number): void {
  if (!(value > 0 && Number.isFinite(value)))
    throw new RangeError(`${where} must be a number above 0, got ${value}`);
}

/**
 * Σ weight·gradient over several backward passes: one update from several batches, or from the
 * parts of a batch that does not fit the device's memory.
 * @example
 * const accumulator = new GradientAccumulator();
 * for (const { features, labels } of parts) {
 *   const { gradients } = plan.forwardBackward(features, labels, { loss });
 *   accumulator.add(gradients, 1 / parts.length);
 * }
 * optimizer.step(accumulator.take(), { lr: 0.1 });
 */
export class GradientAccumulator {
  readonly #sums = new Map<number, { parameter: Parameter; gradient: tf.Variable }>(); // by id

  /**
   * Adds the gradients, which stay the caller's.
   * @param weight what each is multiplied by, such as a part's fraction of the batch, so that the
   *   sum is the whole batch's gradient; a scalar stays the caller's
   */
  add(gradients: readonly ParameterGradient[], weight: number | tf.Scalar): void {
    if (typeof weight !== 'number') {
      this.#addScaled(gradients, weight);
      return;
    }
    if (!Number.isFinite(weight)) {
      throw new RangeError(
        `[optim] GradientAccumulator.add: weight must be a finite number, got ${weight}`,
      );
    }
    const known = gradients.filter(({ parameter }) => this.#sums.has(parameter.variable.id));
    update(
      'sgd',
      known.map(({ parameter, gradient }) => this.#entry(parameter, gradient, weight)),
    );
    for (const { parameter, gradient } of gradients.filter((entry) => !known.includes(entry))) {
      const first = tf.tidy(() => tf.variable(tf.mul(gradient, weight), false));
      this.#sums.set(parameter.variable.id, { parameter, gradient: first });
    }
  }

  /** Adds the gradients, multiplied by a number that is still on the device. */
  #addScaled(gradients: readonly ParameterGradient[], weight: tf.Scalar): void {
    const scaled = gradients.map(({ parameter, gradient }) => ({
      parameter,
      gradient: tf.mul(gradient, weight) as tf.Tensor,
    }));
    this.add(scaled, 1);
    tf.dispose(scaled.map(({ gradient }) => gradient));
  }

  /** The sums, which are the caller's from then on. The next `add` starts from zero. */
  take(): ParameterGradient[] {
    const taken = [...this.#sums.values()];
    this.#sums.clear();
    return taken;
  }

  dispose(): void {
    tf.dispose(this.take().map(({ gradient }) => gradient));
  }

  /** A sum moves by −(−weight)·gradient, as a weight does. */
  #entry({ variable }: Parameter, gradient: tf.Tensor, weight: number) {
    const { gradient: sum } = this.#sums.get(variable.id) as { gradient: tf.Variable };
    return { weight: sum, gradient, lr: -weight };
  }
}
