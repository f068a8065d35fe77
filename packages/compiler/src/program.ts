/** The types that operations and plans share. */
import type { Scalar, Tensor, Tensor2D, Variable } from '@tensorflow/tfjs-core';
import type { Value } from './graph';
import type { Tensors } from './tensors';

/** A weight of a model: a layer's variable or a module's, with the tfjs variable of its value. */
export interface Parameter {
  /** Its name within the model, which is the same in every process: `conv1/kernel`, `fc.weight`. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly trainable: boolean;
  /** The current value. tfjs keeps it private; the plan reads it and updates it in place. */
  readonly variable: Variable;
}

/**
 * A parameter and the gradient of the loss with respect to it, of the same shape. Clipping replaces
 * the gradient.
 */
export interface ParameterGradient {
  readonly parameter: Parameter;
  gradient: Tensor;
}

/** One operation of a program: an operation kind, applied to values and parameters. */
export interface Operation<A = unknown> {
  readonly kind: OperationKind<A>;
  readonly attrs: A;
  readonly inputs: readonly Value[];
  readonly params: readonly Parameter[];
  readonly output: Value;
  /** The layers that it computes, for messages and `describe`. */
  readonly layers: readonly string[];
}

/** The arguments of an operation's forward pass. */
export interface Call<A> {
  readonly attrs: A;
  readonly inputs: readonly Tensor[];
  /** The values of its parameters. */
  readonly params: readonly Tensor[];
  readonly operation: Operation<A>;
  /** True in a training step: batch statistics, dropout. */
  readonly training: boolean;
  /** Seed of this call's random numbers; differs between steps and between operations. */
  readonly seed: number;
}

export interface Forward {
  readonly output: Tensor;
  /** What the backward pass needs besides inputs and output; disposed after it. */
  readonly saved?: readonly Tensor[];
}

export interface BackwardCall<A> extends Omit<Call<A>, 'training'> {
  /** The loss's gradient with respect to the output; the plan disposes it. */
  readonly dy: Tensor;
  /** Valid only if `kind.reads` says so; the plan has freed it otherwise. Inputs likewise. */
  readonly output: Tensor;
  readonly saved: readonly Tensor[];
  /** Which inputs' gradients are needed; the others may be null. */
  readonly wanted: readonly boolean[];
}

export interface Backward {
  readonly inputs: readonly (Tensor | null)[];
  /** One per trainable parameter, in order. */
  readonly params: readonly Tensor[];
}

/**
 * The definition of a fused operation, in core ops that every backend has. A backend's fused kernel
 * replaces functions that these call (`primitives.ts`), never the definition. Both run inside
 * `tf.tidy`, which disposes what they do not return.
 */
export interface OperationKind<A = unknown> {
  readonly name: string;
  /** What the backward pass reads; the plan frees everything else during the forward pass. */
  reads(attrs: A): { readonly inputs: boolean; readonly output: boolean };
  forward(call: Call<A>): Forward;
  backward(call: BackwardCall<A>): Backward;
}

/** The result of a loss on a batch. The caller disposes it. */
export interface LossResult<
  Correct extends Scalar | null = Scalar | null,
  Outputs extends Tensors = Tensor2D,
> {
  /** Mean loss over the batch, a scalar. */
  readonly loss: Scalar;
  /** Number of correct predictions, a scalar; null for a loss without that notion. */
  readonly correct: Correct;
  /** The loss's gradient with respect to the model's outputs, in their structure and shapes. */
  readonly dLogits: Outputs;
}

/** An activation at the end of a model that a loss may look through. */
export type FinalActivation = 'softmax' | 'sigmoid';

/**
 * Computes the mean loss and its gradient from the model's outputs `[batch, outputs]` and labels.
 * It
 * runs inside no `tf.tidy`: it disposes its intermediate tensors itself.
 */
export interface Loss<
  Correct extends Scalar | null = Scalar | null,
  Outputs extends Tensors = Tensor2D,
  Labels extends Tensors = Tensor,
> {
  (outputs: Outputs, labels: Labels): LossResult<Correct, Outputs>;
  /**
   * The loss applies this activation itself, in a stable form: when the model ends with it, the
   * loss
   * gets the logits before it. Any other loss gets what `model.predict` gives.
   * @default none
   */
  readonly appliesActivation?: FinalActivation;
  /** The same by output, for a loss of several outputs. @default none */
  readonly appliesActivations?: Readonly<Record<string, FinalActivation>>;
  /**
   * The loss and its options as plain JSON: a run is resumed only with the same loss.
   * @default the function's name
   */
  readonly config?: object;
  /**
   * What the loss is of a batch. Gradients of a sum are not averaged over parts and accumulated
   * batches; `'none'`, a loss of each position, trains nothing. @default 'mean'
   */
  readonly reduction?: 'mean' | 'sum' | 'none';
  /**
   * The mass of a batch, above 0: the mean loss is a sum divided by it. Means of several batches,
   * or of the parts of one, are joined in proportion to their masses. The caller disposes a scalar.
   * @default the number of samples
   */
  readonly mass?: (labels: Labels) => Scalar | number;
  /**
   * The number of answers of which `correct` are right, such as the positions of sequences. The
   * caller disposes a scalar.
   * @default the number of samples
   */
  readonly answers?: (labels: Labels) => Scalar | number;
  /**
   * Checks labels that only their values show to be wrong, such as a class that the outputs do not
   * have. Reads them from the device. @default nothing is checked
   * @throws RangeError that names the label and its place
   */
  readonly checkLabels?: (outputs: Outputs, labels: Labels) => void;
  /**
   * The loss as a function that TensorFlow.js's tape can differentiate: for modules, which are
   * computed on the tape, where a gradient given by hand is not needed. Runs inside `tf.tidy`.
   * @default the loss itself, whose `dLogits` is the gradient
   */
  readonly onTape?: (
    outputs: Outputs,
    labels: Labels,
  ) => { readonly loss: Scalar; readonly correct: Scalar | null };
}

/** A loss of any outputs and labels; which ones fit is checked when it is called. */
// biome-ignore lint/suspicious/noExplicitAny: losses take their own tensors, lists or records
export type AnyLoss<Correct extends Scalar | null = Scalar | null> = Loss<Correct, any, any>;

/** What a step of any model takes besides its batch. */
export interface AnyStepOptions<C extends Scalar | null = Scalar | null> {
  /** Seed of this step's random numbers. @default 0 */
  readonly seed?: number;
  readonly loss: AnyLoss<C>;
  /**
   * Gets gradients while others are still computed, from plans that can tell when one is complete:
   * all, some or none. @default gradients come at the end only
   */
  readonly stream?: GradientStream | undefined;
}

/** Who gets gradients while a backward pass still computes others. */
export interface GradientStream {
  /**
   * Called once for a gradient that is complete, which is also among the results of the step. The
   * plan itself reads it no more.
   */
  onGradient(entry: ParameterGradient): void;
  /** What the gradients that it gets are multiplied by; others are not, nor is the loss. */
  readonly scale: number;
}
