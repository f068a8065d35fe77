/** Gradients from TensorFlow.js's tape, which leave nothing behind when the function fails. */
import * as tf from '@tensorflow/tfjs-core';
// Registers the gradients of core's operations: core has them, but only a deep import of its files
// or this package gives them to the tape, and Node.js does not load that deep import.
import '@tensorflow/tfjs-layers';
import type { Parameter, ParameterGradient } from './program';

/** A loss and the number of correct answers, which a tidy around them disposes. */
interface LossInScope {
  readonly loss: tf.Scalar;
  readonly correct: tf.Scalar | null;
}

/** Computes a loss, and keeps loss and number of correct answers for the caller. */
export function measureOnTape<C extends tf.Scalar | null>(
  compute: () => LossInScope,
): { loss: tf.Scalar; correct: C } {
  let correct: tf.Scalar | null = null;
  const loss = tf.tidy(() => {
    const found = compute();
    correct = found.correct && tf.keep(found.correct.clone());
    return found.loss;
  });
  return { loss, correct: correct as C };
}

/** `measureOnTape` with the gradients of parameters; those without one are left out. */
export function stepOnTape<C extends tf.Scalar | null>(
  parameters: readonly Parameter[],
  compute: () => LossInScope,
): { loss: tf.Scalar; correct: C; gradients: ParameterGradient[] } {
  let correct: tf.Scalar | null = null;
  const run = () => {
    const found = compute();
    correct = found.correct && tf.keep(found.correct.clone());
    return found.loss;
  };
  try {
    const variables = parameters.map(({ variable }) => variable);
    const { value, gradients: found } = gradientsOf(run, variables);
    const gradients = parameters.flatMap((parameter, i) =>
      found[i] ? [{ parameter, gradient: found[i] }] : [],
    );
    return { loss: value, correct: correct as C, gradients };
  } catch (error) {
    tf.dispose(correct ?? []);
    throw error;
  }
}

/** Disposes what `stepOnTape` gives. */
export function disposeStep(step: {
  readonly loss: tf.Scalar;
  readonly correct: tf.Scalar | null;
  readonly gradients: readonly ParameterGradient[];
}): void {
  const gradients = step.gradients.map(({ gradient }) => gradient);
  tf.dispose([step.loss, ...(step.correct ? [step.correct] : []), ...gradients]);
}

/** Restores the values of variables after `work`. */
export function keepingValues<T>(variables: readonly tf.Variable[], work: () => T): T {
  const kept = tf.tidy(() => variables.map((variable) => tf.add(variable, tf.zerosLike(variable))));
  try {
    return work();
  } finally {
    variables.forEach((variable, i) => {
      variable.assign(kept[i] as tf.Tensor);
    });
    tf.dispose(kept);
  }
}

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
