import { backendTraits } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import { runFusedKernel } from '../fused-kernels';
import { type Padding, zeroPad } from '../primitives';
import type { OperationKind } from '../program';

export interface PoolAttrs {
  readonly size: readonly [number, number];
  readonly strides: readonly [number, number];
  /** TensorFlow's, or explicit: windows then pass over the padding. */
  readonly padding: 'valid' | 'same' | Padding;
}

/** dx by a stock gradient kernel: `AvgPoolGrad` or `MaxPoolGrad`. */
function stockGradient(
  kernel: string,
  tensors: Record<string, tf.Tensor>,
  attrs: PoolAttrs,
): tf.Tensor {
  const { size, strides } = attrs;
  return tf.engine().runKernel(kernel, tensors, {
    filterSize: [...size],
    strides: [...strides],
    pad: stockPadding(attrs),
  });
}

/**
 * Stock wasm's MaxPoolGrad takes the image's first pixel for the maximum of a window that has no
 * positive number. Shifting the image above zero keeps each window's maximum where it is.
 */
function shiftAboveZero(x: tf.Tensor): tf.Tensor {
  const { maxPoolGradNeedsPositive } = backendTraits(tf.getBackend());
  return maxPoolGradNeedsPositive ? tf.add(tf.sub(x, tf.min(x)), 1) : x;
}

/** The padding for a stock kernel. Explicit padding is already in the image. */
const stockPadding = ({ padding }: PoolAttrs) => (typeof padding === 'string' ? padding : 'valid');

/** Pads with zeros. Explicit padding occurs only where the image is never below zero. */
const padded = (x: tf.Tensor4D, { padding }: PoolAttrs): tf.Tensor4D =>
  typeof padding === 'string' ? x : zeroPad(x, padding);

export const maxPool: OperationKind<PoolAttrs> = {
  name: 'maxPool',
  reads: () => ({ inputs: true, output: true }),
  forward({ inputs, attrs }) {
    const x = inputs[0] as tf.Tensor4D;
    const { size, strides, padding } = attrs;
    const fused =
      typeof padding === 'string'
        ? undefined
        : runFusedKernel('deepend.maxPool', { x }, { size, strides, padding });
    if (fused) return { output: fused[0] };
    return {
      output: tf.maxPool(padded(x, attrs), [...size], [...strides], stockPadding(attrs)),
    };
  },
  backward({ dy, inputs, output, attrs }) {
    const x = inputs[0] as tf.Tensor4D;
    const { size, strides, padding } = attrs;
    if (typeof padding === 'string') {
      const input = shiftAboveZero(x);
      return {
        inputs: [stockGradient(tf.MaxPoolGrad, { dy, input, output }, attrs)],
        params: [],
      };
    }
    const tensors = { x, y: output as tf.Tensor4D, dy: dy as tf.Tensor4D };
    const fused = runFusedKernel('deepend.maxPoolGradient', tensors, { size, strides, padding });
    if (fused) return { inputs: [fused[0]], params: [] };
    const input = shiftAboveZero(padded(x, attrs));
    const wide = stockGradient(tf.MaxPoolGrad, { dy, input, output }, attrs);
    return { inputs: [tf.slice(wide, [0, padding.top, padding.left, 0], x.shape)], params: [] };
  },
};

/** How many pixels of the image each window of one axis covers. */
function windowSizes(
  size: number,
  { kernel, stride, count }: { kernel: number; stride: number; count: number },
): number[] {
  const before = Math.floor(Math.max((count - 1) * stride + kernel - size, 0) / 2);
  return Array.from({ length: count }, (_, i) => {
    const first = i * stride - before;
    return Math.min(first + kernel, size) - Math.max(first, 0);
  });
}

/**
 * `[1, h', w', 1]`: the kernel's size divided by the pixels that a window covers. Stock AvgPoolGrad
 * always divides by the kernel's size, padding included.
 */
function windowScales(
  x: readonly number[],
  y: readonly number[],
  { size, strides }: PoolAttrs,
): tf.Tensor4D {
  const [rows, columns] = [0, 1].map((axis) =>
    windowSizes(x[axis + 1] as number, {
      kernel: size[axis] as number,
      stride: strides[axis] as number,
      count: y[axis + 1] as number,
    }).map((pixels) => (size[axis] as number) / pixels),
  ) as [number[], number[]];
  return tf.mul(
    tf.tensor4d(rows, [1, rows.length, 1, 1]),
    tf.tensor4d(columns, [1, 1, columns.length, 1]),
  );
}

export const averagePool: OperationKind<PoolAttrs> = {
  name: 'averagePool',
  reads: () => ({ inputs: true, output: false }),
  forward: ({ inputs, attrs }) => ({
    output: tf.avgPool(
      inputs[0] as tf.Tensor4D,
      [...attrs.size],
      [...attrs.strides],
      stockPadding(attrs),
    ),
  }),
  backward({ dy, inputs, attrs }) {
    const x = inputs[0] as tf.Tensor;
    const scaled =
      attrs.padding === 'same' ? tf.mul(dy, windowScales(x.shape, dy.shape, attrs)) : dy;
    return { inputs: [stockGradient(tf.AvgPoolGrad, { dy: scaled, input: x }, attrs)], params: [] };
  },
};
