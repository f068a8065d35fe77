import * as tf from '@tensorflow/tfjs-core';
import { channelSums } from '../primitives';
import type { OperationKind } from '../program';
import { transposedConv, transposedConvGradients } from '../transposed-conv';
import { resolvePadding } from './conv';

export interface ConvTransposeAttrs {
  readonly strides: readonly [number, number];
  /** `[height, width, channels]` of the output. */
  readonly shape: readonly [number, number, number];
  readonly padding: 'same' | { top: number; bottom: number; left: number; right: number };
}

/** The convolution that is transposed, and the shape of its images. */
function optionsOf({ shape, ...attrs }: ConvTransposeAttrs, x: tf.Tensor, filter: tf.Tensor) {
  const images = [x.shape[0] as number, ...shape];
  const conv = resolvePadding({ ...attrs, dilations: [1, 1] }, images, filter.shape);
  return { conv, shape: images };
}

/**
 * Transposed convolution and bias. Parameters: kernel `[kh, kw, out, in]`, and bias `[out]` if
 * there is one.
 */
export const convTranspose2d: OperationKind<ConvTransposeAttrs> = {
  name: 'convTranspose2d',
  reads: () => ({ inputs: true, output: false }),
  forward({ attrs, inputs, params }) {
    const x = inputs[0] as tf.Tensor4D;
    const [filter, bias] = params as [tf.Tensor4D, tf.Tensor1D?];
    const y = transposedConv(x, filter, optionsOf(attrs, x, filter));
    return { output: bias ? tf.add(y, bias) : y };
  },
  backward({ attrs, inputs, params, dy, operation, wanted }) {
    const x = inputs[0] as tf.Tensor4D;
    const filter = params[0] as tf.Tensor4D;
    const [trainable, biasTrainable] = operation.params.map((param) => param.trainable);
    const found = transposedConvGradients(
      { x, filter, dy: dy as tf.Tensor4D },
      optionsOf(attrs, x, filter),
      { x: wanted[0] === true, filter: trainable === true },
    );
    return {
      inputs: [found.x ?? null],
      params: [
        ...(found.filter ? [found.filter] : []),
        ...(biasTrainable ? [channelSums(dy)] : []),
      ],
    };
  },
};
