/**
 * Updates weights in place: all of them in one pass on backends with a fused kernel, else one by
 * one in core ops.
 */

import type {
  ParameterGradient,
  UpdateCoefficients,
  UpdateEntry,
  UpdateRule,
} from '@deepend/compiler';
import { ensureUnique, hasFusedKernel, runFusedKernel } from '@deepend/compiler';
import * as tf from '@tensorflow/tfjs-core';
import { isComposed, type RuleName, ruleNamed } from './rules';

/** The update of one weight; nadam has factors besides. */
export interface RuleEntry extends UpdateEntry {
  readonly factors?: readonly [gradient: number, mean: number];
}

/** Updates every entry's weight and slots in place; gradients stay as they are. */
export function update(
  rule: RuleName,
  entries: readonly RuleEntry[],
  coefficients: UpdateCoefficients = {},
): void {
  if (entries.length === 0) return;
  if (isComposed(rule)) {
    composed(rule, entries, coefficients);
    return;
  }
  const attrs = { rule, entries, ...coefficients };
  if (hasFusedKernel('deepend.update', { inputs: {}, attrs })) fused(rule, entries, coefficients);
  else composed(rule, entries, coefficients);
}

function fused(
  rule: UpdateRule,
  entries: readonly UpdateEntry[],
  coefficients: UpdateCoefficients,
): void {
  for (const { weight, slots = [] } of entries)
    for (const variable of [weight, ...slots]) ensureUnique(variable);
  runFusedKernel('deepend.update', {}, { rule, entries, ...coefficients });
}

/** The definition in core ops, which fused kernels must match. */
export function composed(
  rule: RuleName,
  entries: readonly RuleEntry[],
  coefficients: UpdateCoefficients,
): void {
  const { beta1 = 0, beta2 = 0, epsilon = 0 } = coefficients;
  const { move } = ruleNamed(rule);
  for (const {
    weight,
    gradient,
    slots = [],
    lr,
    decay = 0,
    shrink = 1,
    correction = 1,
    factors = [0, 0] as const,
  } of entries) {
    tf.tidy(() => {
      const g = decay === 0 ? gradient : tf.add(gradient, tf.mul(weight, decay));
      const moved = move(g, slots, { beta1, beta2, epsilon, correction, factors });
      moved.slots.forEach((slot, i) => {
        slots[i]?.assign(slot);
      });
      const kept = shrink === 1 ? weight : tf.mul(weight, shrink);
      weight.assign(tf.sub(kept, tf.mul(moved.change, lr)));
    });
  }
}

/**
 * Stochastic gradient descent: w ← w − lr·g, in place.
 * @param options.lr the learning rate
 * @example
 * sgdStep(gradients, { lr: 0.1 });
 */
export function sgdStep(gradients: readonly ParameterGradient[], { lr }: { lr: number }): void {
  update(
    'sgd',
    gradients.map(({ parameter, gradient }) => ({ weight: parameter.variable, gradient, lr })),
  );
}
