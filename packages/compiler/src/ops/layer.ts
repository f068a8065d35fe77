import * as tf from '@tensorflow/tfjs-core';
import type * as tfl from '@tensorflow/tfjs-layers';
import type { OperationKind } from '../program';

/**
 * A layer without a lowering: runs unfused, and gets its gradient from TensorFlow.js's tape, for
 * which the forward pass is computed a second time.
 */
export const layer: OperationKind<tfl.layers.Layer> = {
  name: 'layer',
  reads: () => ({ inputs: true, output: false }),
  forward: ({ attrs, inputs, training }) => ({ output: compute(attrs, inputs, training) }),
  backward({ attrs, inputs, operation, dy }) {
    const weights = operation.params
      .filter((param) => param.trainable)
      .map((param) => param.variable);
    const run = () => compute(attrs, inputs, true);
    const { grads } = tf.engine().gradients(run, [...inputs, ...weights], dy, true);
    return { inputs: grads.slice(0, inputs.length), params: grads.slice(inputs.length) };
  },
};

function compute(
  layer: tfl.layers.Layer,
  inputs: readonly tf.Tensor[],
  training: boolean,
): tf.Tensor {
  const result = layer.call([...inputs], { training });
  return (Array.isArray(result) ? result[0] : result) as tf.Tensor;
}
