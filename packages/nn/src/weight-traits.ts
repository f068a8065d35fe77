/** How variables of modules are marked, and how they are laid out in a state dict. */
import { isTensor } from '@deepend/compiler';
import * as tf from '@tensorflow/tfjs-core';

export { isTensor };

/** Marks weights of modules. A registered symbol: a process may hold two copies of the package. */
const WEIGHT = Symbol.for('deepend.weight');

/** How a variable of a module is stored. */
export interface WeightTraits {
  readonly kind: 'parameter' | 'buffer';
  /**
   * The axes of the state dict's tensor in the order in which the variable has them:
   * `[2, 3, 1, 0]` where PyTorch's `[out, in, height, width]` is `[height, width, in, out]` here.
   */
  readonly layout?: readonly number[] | undefined;
}

type Marked = tf.Variable & { [WEIGHT]?: WeightTraits };

/** A variable that `parameter` and `buffer` did not make is a parameter. */
const UNMARKED: WeightTraits = { kind: 'parameter' };

export const traitsOf = (variable: tf.Variable): WeightTraits =>
  (variable as Marked)[WEIGHT] ?? UNMARKED;

export const isVariable = (value: unknown): value is tf.Variable =>
  isTensor(value) && 'assign' in value;

export function mark(variable: tf.Variable, traits: WeightTraits): tf.Variable {
  Object.defineProperty(variable, WEIGHT, { value: traits });
  return variable;
}

/** From the state dict's order of axes to the variable's. */
export const toLayout = (tensor: tf.Tensor, layout: readonly number[] | undefined): tf.Tensor =>
  layout ? tf.transpose(tensor, [...layout]) : tensor;

/** The variable's values in the state dict's order of axes: a new tensor. */
export function toState(variable: tf.Variable): tf.Tensor {
  const { layout } = traitsOf(variable);
  return layout ? tf.transpose(variable, inverse(layout)) : tf.clone(variable);
}

/** The shape of `toState`. */
export function stateShape(variable: tf.Variable): number[] {
  const { layout } = traitsOf(variable);
  return layout ? inverse(layout).map((axis) => variable.shape[axis] as number) : variable.shape;
}

/** Sets the variable's values from a tensor in the state dict's order of axes. */
export function fromState(variable: tf.Variable, value: tf.Tensor): void {
  tf.tidy(() => {
    const cast = value.dtype === variable.dtype ? value : tf.cast(value, variable.dtype);
    variable.assign(toLayout(cast, traitsOf(variable).layout));
  });
}

/** The place of each of the state dict's axes in the variable. */
const inverse = (layout: readonly number[]): number[] =>
  layout.map((_, axis) => layout.indexOf(axis));
