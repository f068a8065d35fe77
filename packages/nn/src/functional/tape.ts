/** Operations with their own gradients on TensorFlow.js's tape. */
import * as tf from '@tensorflow/tfjs-core';

/** Computes the gradient of one input when the tape asks for it. */
export type Gradient = () => tf.Tensor;

export interface Operation<Name extends string> {
  /** The tensors that have gradients. Those that are absent are left out. */
  readonly inputs: Readonly<Partial<Record<Name, tf.Tensor | undefined>>>;
  /** Computes the outputs. `save` keeps tensors for `backward`; call it at most once. */
  forward(save: (tensors: tf.Tensor[]) => void): tf.Tensor[];
  /**
   * The gradients of the inputs, from those of the outputs. The tape asks only for those that it
   * needs, so that a gradient that nobody reads costs nothing. It disposes what one of the
   * functions makes, so what they share is computed before them.
   */
  backward(dys: tf.Tensor[], saved: tf.Tensor[]): Readonly<Record<Name, Gradient>>;
}

/**
 * What `tf.customGrad` calls, which is public only there: `customGrad` takes one output, and has no
 * inputs without a gradient.
 */
interface Engine {
  runKernelFunc(params: {
    forwardFunc(backend: unknown, save: (tensors: tf.Tensor[]) => void): tf.Tensor[];
    backwardsFunc(dys: tf.Tensor | tf.Tensor[], saved: tf.Tensor[]): Record<string, Gradient>;
    inputs: tf.NamedTensorMap;
  }): tf.Tensor[];
}

/** Runs an operation and records it on the tape. Intermediate tensors are disposed. */
export function differentiable<Name extends string>(operation: Operation<Name>): tf.Tensor[] {
  const inputs: tf.NamedTensorMap = {};
  for (const [name, tensor] of Object.entries(operation.inputs))
    if (tensor) inputs[name] = tensor as tf.Tensor;
  return (tf.engine() as unknown as Engine).runKernelFunc({
    forwardFunc: (_, save) => operation.forward(save),
    backwardsFunc: (dys, saved) =>
      operation.backward(Array.isArray(dys) ? dys : [dys], saved) as Record<string, Gradient>,
    inputs,
  });
}

/** The same for one output. */
export const differentiableOne = <T extends tf.Tensor>(operation: Operation<string>): T =>
  differentiable(operation)[0] as T;
