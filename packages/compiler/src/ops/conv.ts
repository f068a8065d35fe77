import * as tf from '@tensorflow/tfjs-core';
import { runFusedKernel } from '../fused-kernels';
import {
  type ConvAttrs,
  channelSums,
  convolve,
  filterGradient,
  inputGradient,
  NO_PADDING,
  reluGradient,
} from '../primitives';
import type { OperationKind } from '../program';

export interface ConvLayerAttrs {
  readonly strides: readonly [number, number];
  readonly dilations: readonly [number, number];
  /** TensorFlow's `same`, or explicit. */
  readonly padding: 'same' | ConvAttrs['padding'];
  readonly relu: boolean;
  /** @default 1 */
  readonly groups?: number;
  /** Only batch normalization reads the output, so that the bias's gradient is 0. */
  readonly normalized?: boolean;
}

/** The padding of TensorFlow's `same` for ⌈size / stride⌉ pixels; an odd row goes to the end. */
function sameAxis(
  size: number,
  kernel: number,
  stride: number,
  dilation: number,
): [number, number] {
  const total = Math.max(
    (Math.ceil(size / stride) - 1) * stride + (kernel - 1) * dilation + 1 - size,
    0,
  );
  return [Math.floor(total / 2), Math.ceil(total / 2)];
}

/** Resolves `same` to explicit padding, from the shapes of image and filter. */
export function resolvePadding(
  attrs: Pick<ConvLayerAttrs, 'strides' | 'dilations' | 'padding' | 'groups'>,
  x: readonly number[],
  filter: readonly number[],
): ConvAttrs {
  if (attrs.padding !== 'same') return { ...attrs, padding: attrs.padding ?? NO_PADDING };
  const [top, bottom] = sameAxis(x[1] ?? 1, filter[0] ?? 1, attrs.strides[0], attrs.dilations[0]);
  const [left, right] = sameAxis(x[2] ?? 1, filter[1] ?? 1, attrs.strides[1], attrs.dilations[1]);
  return { ...attrs, padding: { top, bottom, left, right } };
}

/**
 * Convolution, bias and, when fused, ReLU. Parameters: kernel `[kh, kw, in / groups, out]`, and
 * bias `[out]` if there is one.
 */
export const conv2d: OperationKind<ConvLayerAttrs> = {
  name: 'conv2d',
  reads: ({ relu }) => ({ inputs: true, output: relu }),
  forward({ attrs, inputs, params }) {
    const x = inputs[0] as tf.Tensor4D;
    const [filter, bias] = params as [tf.Tensor4D, tf.Tensor1D?];
    const conv = resolvePadding(attrs, x.shape, filter.shape);
    const fused = runFusedKernel(
      'deepend.conv2d',
      { x, filter, bias },
      { ...conv, relu: attrs.relu },
    );
    if (fused) return { output: fused[0], saved: fused.slice(1) as tf.Tensor[] };
    const linear = convolve(x, filter, conv);
    const biased = bias ? tf.add(linear, bias) : linear;
    return { output: attrs.relu ? tf.relu(biased) : biased };
  },
  backward({ attrs, inputs, params, output, dy, operation, wanted, saved }) {
    const x = inputs[0] as tf.Tensor4D;
    const filter = params[0] as tf.Tensor4D;
    const conv = resolvePadding(attrs, x.shape, filter.shape);
    const dz = (attrs.relu ? reluGradient(dy, output) : dy) as tf.Tensor4D;
    const gradients = [
      () => filterGradient(x, dz, filter.shape, conv),
      () => (attrs.normalized ? tf.zeros([filter.shape[3]]) : channelSums(dz)),
    ];
    return {
      inputs: [
        wanted[0] ? inputGradient(dz, filter, { conv, xShape: x.shape, context: saved[0] }) : null,
      ],
      params: gradients
        .filter((_, i) => operation.params[i]?.trainable)
        .map((gradient) => gradient()),
    };
  },
};
