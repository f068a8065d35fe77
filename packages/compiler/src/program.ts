/** The words that operations and plans share. */
import type { Tensor, Variable } from '@tensorflow/tfjs-core';
import type { LayerVariable } from '@tensorflow/tfjs-layers';
import type { Value } from './graph';

/** A weight of the net: a layer's variable, and the tfjs variable that holds it. */
export interface Parameter {
  readonly name: string;
  readonly shape: readonly number[];
  readonly trainable: boolean;
  readonly layerVariable: LayerVariable;
  /** Its present value. tfjs keeps it private; the plan reads and writes it in place. */
  readonly variable: Variable;
}

/**
 * A parameter and the gradient of the loss with respect to it, of the same shape. Clipping puts
 * another tensor in its place.
 */
export interface ParameterGradient {
  readonly parameter: Parameter;
  gradient: Tensor;
}

/** One operation of a program: a row of an operation's table, applied to values and parameters. */
export interface Operation<A = unknown> {
  readonly kind: OperationKind<A>;
  readonly attrs: A;
  readonly inputs: readonly Value[];
  readonly params: readonly Parameter[];
  readonly output: Value;
  /** The layers it stands for, for messages and `describe`. */
  readonly layers: readonly string[];
}

/** What an operation is given when it computes. */
export interface Call<A> {
  readonly attrs: A;
  readonly inputs: readonly Tensor[];
  /** The values of its parameters. */
  readonly params: readonly Tensor[];
  readonly operation: Operation<A>;
  /** True in a training step: batch statistics, dropout. */
  readonly training: boolean;
  /** Where this call's random numbers come from; another number in each step and operation. */
  readonly seed: number;
}

export interface Forward {
  readonly output: Tensor;
  /** What the backward pass needs beside inputs and output; disposed after it. */
  readonly saved?: readonly Tensor[];
}

export interface BackwardCall<A> extends Omit<Call<A>, 'training'> {
  /** The loss's gradient with respect to the output; stays the plan's own. */
  readonly dy: Tensor;
  /**
   * Read it only when `kind.reads` says so: the plan has freed it otherwise. The same holds for
   * inputs.
   */
  readonly output: Tensor;
  readonly saved: readonly Tensor[];
  /** Which inputs' gradients are wanted; the others may be null. */
  readonly wanted: readonly boolean[];
}

export interface Backward {
  readonly inputs: readonly (Tensor | null)[];
  /** One for each trainable parameter, in order. */
  readonly params: readonly Tensor[];
}

/**
 * One fused operation: its one definition, in core ops that every engine has. An engine's fast form
 * replaces the functions that
 * these call (`primitives.ts`), never the definition. Both run inside `tf.tidy`: what they do not
 * return is disposed.
 */
export interface OperationKind<A = unknown> {
  readonly name: string;
  /**
   * What the backward pass reads again, so that the plan can free all else during the forward pass.
   */
  reads(attrs: A): { readonly inputs: boolean; readonly output: boolean };
  forward(call: Call<A>): Forward;
  backward(call: BackwardCall<A>): Backward;
}
