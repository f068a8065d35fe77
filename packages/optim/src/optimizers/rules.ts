/**
 * The update rules: the slots of each, and the change of a weight by its gradient. The formulas are
 * PyTorch's (torch.optim).
 */

import type { UpdateCoefficients, UpdateRule } from '@deepend/compiler';
import * as tf from '@tensorflow/tfjs-core';

/**
 * The tensors that a rule keeps for each weight, of the weight's shape: a velocity, running means
 * of gradients and of their squares, a sum of squares.
 */
export type SlotName = 'momentum' | 'mean' | 'square' | 'sum';

interface Moved {
  /** The weight moves by −lr times this. */
  readonly change: tf.Tensor;
  /** The slots after the step, in order. */
  readonly slots: readonly tf.Tensor[];
}

interface Rule {
  readonly slots: readonly SlotName[];
  /** In core ops, for backends without a fused kernel. `correction` is Adam's √(1 − β₂ᵗ). */
  move(
    g: tf.Tensor,
    slots: readonly tf.Tensor[],
    at: Required<UpdateCoefficients> & { correction: number },
  ): Moved;
}

/** keep·before + (1 − keep)·now */
const average = (keep: number, before: tf.Tensor, now: tf.Tensor) =>
  tf.add(tf.mul(before, keep), tf.mul(now, 1 - keep));
const velocity = (keep: number, before: tf.Tensor, now: tf.Tensor) =>
  tf.add(tf.mul(before, keep), now);
/** −1, 0 or 1. */
const sign = (x: tf.Tensor) => tf.sub(tf.step(x), tf.step(tf.neg(x)));

/**
 * RMSProp (Hinton 2012, lecture 6e); centered (Graves 2013, https://arxiv.org/abs/1308.0850) it
 * divides by the deviation.
 */
function rmsprop({ centered, momentum }: { centered: boolean; momentum: boolean }): Rule {
  const slots: SlotName[] = [
    'square',
    ...(centered ? (['mean'] as const) : []),
    ...(momentum ? (['momentum'] as const) : []),
  ];
  return {
    slots,
    move(g, before, { beta1, beta2, epsilon }) {
      const square = average(beta2, before[0] as tf.Tensor, tf.square(g));
      const mean = centered ? average(beta2, before[1] as tf.Tensor, g) : undefined;
      // When all gradients were equal, rounding can make the variance negative.
      const variance = mean ? tf.relu(tf.sub(square, tf.square(mean))) : square;
      const scaled = tf.div(g, tf.add(tf.sqrt(variance), epsilon));
      const change = momentum ? velocity(beta1, before.at(-1) as tf.Tensor, scaled) : scaled;
      return { change, slots: [square, ...(mean ? [mean] : []), ...(momentum ? [change] : [])] };
    },
  };
}

export const RULES = {
  sgd: { slots: [], move: (g) => ({ change: g, slots: [] }) },
  /** Sutskever et al. 2013, with the learning rate outside of the velocity. */
  momentum: {
    slots: ['momentum'],
    move(g, [before], { beta1 }) {
      const change = velocity(beta1, before as tf.Tensor, g);
      return { change, slots: [change] };
    },
  },
  nesterov: {
    slots: ['momentum'],
    move(g, [before], { beta1 }) {
      const now = velocity(beta1, before as tf.Tensor, g);
      return { change: velocity(beta1, now, g), slots: [now] };
    },
  },
  /**
   * Kingma & Ba 2014, https://arxiv.org/abs/1412.6980, algorithm 1. The mean's correction is in the
   * learning rate.
   */
  adam: {
    slots: ['mean', 'square'],
    move(g, before, { beta1, beta2, epsilon, correction }) {
      const mean = average(beta1, before[0] as tf.Tensor, g);
      const square = average(beta2, before[1] as tf.Tensor, tf.square(g));
      return {
        change: tf.div(mean, tf.add(tf.div(tf.sqrt(square), correction), epsilon)),
        slots: [mean, square],
      };
    },
  },
  rmsprop: rmsprop({ centered: false, momentum: false }),
  rmspropMomentum: rmsprop({ centered: false, momentum: true }),
  rmspropCentered: rmsprop({ centered: true, momentum: false }),
  rmspropCenteredMomentum: rmsprop({ centered: true, momentum: true }),
  /** Duchi et al. 2011, https://jmlr.org/papers/v12/duchi11a.html. */
  adagrad: {
    slots: ['sum'],
    move(g, [before], { epsilon }) {
      const sum = tf.add(before as tf.Tensor, tf.square(g));
      return { change: tf.div(g, tf.add(tf.sqrt(sum), epsilon)), slots: [sum] };
    },
  },
  /** Chen et al. 2023, https://arxiv.org/abs/2302.06675, algorithm 2. */
  lion: {
    slots: ['mean'],
    move(g, [before], { beta1, beta2 }) {
      const change = sign(average(beta1, before as tf.Tensor, g));
      return { change, slots: [average(beta2, before as tf.Tensor, g)] };
    },
  },
} as const satisfies Record<UpdateRule, Rule>;

export const ruleNamed = (name: UpdateRule): Rule => RULES[name];
