/** Gradients from TensorFlow.js's tape, which leave nothing behind when the function fails. */
import * as tf from '@tensorflow/tfjs-core';

interface TapeState {
  readonly gradientDepth: number;
  activeTape: { readonly saved?: readonly tf.Tensor[] }[] | null;
}

/**
 * The value of a function and its gradients with respect to `xs`; undefined where the value does
 * not depend on an x. The caller disposes them.
 * @param run computes a scalar; what it makes on the way is disposed
 */
export function gradientsOf(
  run: () => tf.Scalar,
  xs: readonly tf.Tensor[],
): { value: tf.Scalar; gradients: (tf.Tensor | undefined)[] } {
  try {
    const { value, grads } = tf.engine().gradients(run, [...xs], undefined as never, true);
    return { value: value as tf.Scalar, gradients: grads };
  } catch (error) {
    // TensorFlow.js frees what operations saved for their gradients only when all went well.
    const { state } = tf.engine() as unknown as { state: TapeState };
    if (state.gradientDepth === 0) {
      tf.dispose((state.activeTape ?? []).flatMap(({ saved }) => [...(saved ?? [])]));
      state.activeTape = null;
    }
    throw error;
  }
}
