/** Calls a loss so that TensorFlow.js's tape can go back through it. */
import { backendTraits } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import type { AnyLoss } from './program';
import { checkValues } from './recording/hooks';
import { likeTensors, listTensors, type Tensors } from './tensors';

/** The loss and the number of correct answers. Call it inside `tf.tidy`, which disposes both. */
export function lossOnTape(
  loss: AnyLoss,
  outputs: Tensors,
  labels: Tensors,
): { loss: tf.Scalar; correct: tf.Scalar | null } {
  if (!backendTraits(tf.getBackend()).isAsynchronous) checkLabels(loss, outputs, labels);
  if (loss.onTape) return loss.onTape(outputs, labels);
  let correct: tf.Scalar | null = null;
  const differentiable = tf.customGrad((...args) => {
    const save = args.pop() as unknown as tf.GradSaveFunc;
    const result = loss(likeTensors(outputs, args as tf.Tensor[]), labels);
    correct = result.correct && tf.keep(result.correct.clone());
    save(listTensors(result.dLogits));
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]) =>
      saved.map((dOutput) => tf.mul(dOutput, dy));
    return { value: result.loss, gradFunc };
  });
  const value = differentiable(...listTensors(outputs)) as tf.Scalar;
  const kept = correct as tf.Scalar | null;
  const inScope = kept && tf.clone(kept);
  kept?.dispose();
  return { loss: value, correct: inScope };
}

function checkLabels({ checkLabels: check }: AnyLoss, outputs: Tensors, labels: Tensors): void {
  if (!check) return;
  const count = listTensors(outputs).length;
  checkValues([...listTensors(outputs), ...listTensors(labels)], (tensors) =>
    check(likeTensors(outputs, tensors.slice(0, count)), likeTensors(labels, tensors.slice(count))),
  );
}
