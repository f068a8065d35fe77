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
export type SlotName = 'momentum' | 'mean' | 'square' | 'sum' | 'delta' | 'largest';

/** Rules without a fused kernel: they are composed from core ops on every backend. */
export type ComposedRule = 'adadelta' | 'yogi' | 'adamax' | 'nadam';
export type RuleName = UpdateRule | ComposedRule;

/** What a rule reads besides the gradient and its slots. */
export interface RuleCoefficients extends Required<UpdateCoefficients> {
  /** √(1 − β₂ᵗ) */
  readonly correction: number;
  /** nadam: the factors of the gradient and of the mean. */
  readonly factors: readonly [gradient: number, mean: number];
}

interface Moved {
  /** The weight moves by −lr times this. */
  readonly change: tf.Tensor;
  /** The slots after the step, in order. */
  readonly slots: readonly tf.Tensor[];
}

interface Rule {
  readonly slots: readonly SlotName[];
  /** In core ops, for backends without a fused kernel. */
  move(g: tf.Tensor, slots: readonly tf.Tensor[], at: RuleCoefficients): Moved;
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
  /** Zeiler 2012, https://arxiv.org/abs/1212.5701; β₂ is ρ. */
  adadelta: {
    slots: ['square', 'delta'],
    move(g, before, { beta2, epsilon }) {
      const square = average(beta2, before[0] as tf.Tensor, tf.square(g));
      const root = (x: tf.Tensor) => tf.sqrt(tf.add(x, epsilon));
      const change = tf.mul(tf.div(root(before[1] as tf.Tensor), root(square)), g);
      return {
        change,
        slots: [square, average(beta2, before[1] as tf.Tensor, tf.square(change))],
      };
    },
  },
  /**
   * Zaheer et al. 2018, https://papers.nips.cc/paper/8186: Adam whose squares move by
   * (1 − β₂)·sign(g² − s)·g², as in section 12.10 of the book.
   */
  yogi: {
    slots: ['mean', 'square'],
    move(g, before, { beta1, beta2, epsilon, correction }) {
      const mean = average(beta1, before[0] as tf.Tensor, g);
      const now = tf.square(g);
      const toward = tf.mul(sign(tf.sub(now, before[1] as tf.Tensor)), now);
      const square = tf.add(before[1] as tf.Tensor, tf.mul(toward, 1 - beta2));
      return {
        change: tf.div(mean, tf.add(tf.div(tf.sqrt(square), correction), epsilon)),
        slots: [mean, square],
      };
    },
  },
  /** Kingma & Ba 2014, https://arxiv.org/abs/1412.6980, algorithm 2. */
  adamax: {
    slots: ['mean', 'largest'],
    move(g, before, { beta1, beta2, epsilon }) {
      const mean = average(beta1, before[0] as tf.Tensor, g);
      const kept = tf.mul(before[1] as tf.Tensor, beta2);
      const largest = tf.maximum(kept, tf.add(tf.abs(g), epsilon));
      return { change: tf.div(mean, largest), slots: [mean, largest] };
    },
  },
  /** Dozat 2016, https://openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ. */
  nadam: {
    slots: ['mean', 'square'],
    move(g, before, { beta1, beta2, epsilon, correction, factors }) {
      const mean = average(beta1, before[0] as tf.Tensor, g);
      const square = average(beta2, before[1] as tf.Tensor, tf.square(g));
      const ahead = tf.add(tf.mul(g, factors[0]), tf.mul(mean, factors[1]));
      return {
        change: tf.div(ahead, tf.add(tf.div(tf.sqrt(square), correction), epsilon)),
        slots: [mean, square],
      };
    },
  },
} as const satisfies Record<RuleName, Rule>;

const COMPOSED: readonly string[] = ['adadelta', 'yogi', 'adamax', 'nadam'];
export const isComposed = (name: RuleName): name is ComposedRule => COMPOSED.includes(name);

export const ruleNamed = (name: RuleName): Rule => RULES[name];
