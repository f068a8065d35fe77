import * as tf from '@tensorflow/tfjs-core';
import type { OperationKind } from '../program';

export interface PoolAttrs {
  readonly size: readonly [number, number];
  readonly strides: readonly [number, number];
  readonly padding: 'valid' | 'same';
}

/** The kernel's own name for an average pool's or a max-pool's gradient; it gives dx. */
function gradient(kernel: string, tensors: Record<string, tf.Tensor>, { size, strides, padding }: PoolAttrs): tf.Tensor {
  return tf.engine().runKernel(kernel, tensors, { filterSize: [...size], strides: [...strides], pad: padding });
}

/**
 * Stock wasm's MaxPoolGrad takes the first pixel of the image for the largest of a window without a positive number. Moved above
 * zero, each window keeps its largest.
 */
function aboveZero(x: tf.Tensor): tf.Tensor {
  return tf.getBackend() === 'wasm' ? tf.add(tf.sub(x, tf.min(x)), 1) : x;
}

export const maxPool: OperationKind<PoolAttrs> = {
  name: 'maxPool',
  reads: () => ({ inputs: true, output: true }),
  forward: ({ inputs, attrs }) => ({
    output: tf.maxPool(inputs[0] as tf.Tensor4D, [...attrs.size], [...attrs.strides], attrs.padding),
  }),
  backward({ dy, inputs, output, attrs }) {
    const named = { dy, input: aboveZero(inputs[0] as tf.Tensor), output };
    return { inputs: [gradient(tf.MaxPoolGrad, named, attrs)], params: [] };
  },
};

export const averagePool: OperationKind<PoolAttrs> = {
  name: 'averagePool',
  reads: () => ({ inputs: true, output: false }),
  forward: ({ inputs, attrs }) => ({
    output: tf.avgPool(inputs[0] as tf.Tensor4D, [...attrs.size], [...attrs.strides], attrs.padding),
  }),
  backward({ dy, inputs, attrs }) {
    return { inputs: [gradient(tf.AvgPoolGrad, { dy, input: inputs[0] as tf.Tensor }, attrs)], params: [] };
  },
};
