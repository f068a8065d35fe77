/** What the fused weight update is given: the rule, its coefficients, and an entry per weight. */
import type * as tf from '@tensorflow/tfjs-core';

export type UpdateRule =
  | 'sgd'
  | 'momentum'
  | 'nesterov'
  | 'adam'
  | 'rmsprop'
  | 'rmspropMomentum'
  | 'rmspropCentered'
  | 'rmspropCenteredMomentum'
  | 'adagrad'
  | 'lion';

export interface UpdateCoefficients {
  /** How much of a velocity, or of the first running mean, stays at each step. */
  readonly beta1?: number;
  /** The same of the running mean of squares. */
  readonly beta2?: number;
  readonly epsilon?: number;
}

/** One weight's part: w ← shrink·w − lr·change(gradient + decay·w). */
export interface UpdateEntry {
  readonly weight: tf.Variable;
  readonly gradient: tf.Tensor;
  /** The rule's slots, in order. @default none */
  readonly slots?: readonly tf.Variable[];
  readonly lr: number;
  /** Weight decay that goes through the rule. @default 0 */
  readonly decay?: number;
  /**
   * Weight decay that does not (Loshchilov & Hutter 2017, https://arxiv.org/abs/1711.05101): 1 −
   * lr·λ. @default 1
   */
  readonly shrink?: number;
  /** Adam's √(1 − β₂ᵗ). @default 1 */
  readonly correction?: number;
}
