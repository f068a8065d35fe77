import * as tf from '@tensorflow/tfjs-core';
import { runFusedKernel } from '../fused-kernels';
import { type Padding, zeroPad } from '../primitives';
import type { OperationKind } from '../program';

export interface PoolAttrs {
  readonly size: readonly [number, number];
  readonly strides: readonly [number, number];
  /** TensorFlow's, or explicit: no window counts what lies outside. */
  readonly padding: 'valid' | 'same' | Padding;
}

/** The kernel's own name for an average pool's or a max-pool's gradient; it gives dx. */
function gradient(kernel: string, tensors: Record<string, tf.Tensor>, attrs: PoolAttrs): tf.Tensor {
  const { size, strides } = attrs;
  return tf.engine().runKernel(kernel, tensors, {
    filterSize: [...size],
    strides: [...strides],
    pad: stockPadding(attrs),
  });
}

/**
 * Stock wasm's MaxPoolGrad takes the first pixel of the image for the largest of a window without a
 * positive number. Moved above
 * zero, each window keeps its largest.
 */
function aboveZero(x: tf.Tensor): tf.Tensor {
  return tf.getBackend() === 'wasm' ? tf.add(tf.sub(x, tf.min(x)), 1) : x;
}

/** What TensorFlow.js's own pools are told: images that need explicit padding have it by then. */
const stockPadding = ({ padding }: PoolAttrs) => (typeof padding === 'string' ? padding : 'valid');

/** Zeros around the image, which is never below zero where the padding is explicit. */
const padded = (x: tf.Tensor4D, { padding }: PoolAttrs): tf.Tensor4D =>
  typeof padding === 'string' ? x : zeroPad(x, padding);

export const maxPool: OperationKind<PoolAttrs> = {
  name: 'maxPool',
  reads: () => ({ inputs: true, output: true }),
  forward({ inputs, attrs }) {
    const x = inputs[0] as tf.Tensor4D;
    const own =
      typeof attrs.padding === 'string'
        ? undefined
        : runFusedKernel('deepend.maxPool', { x }, attrs);
    if (own) return { output: own[0] as tf.Tensor };
    return {
      output: tf.maxPool(
        padded(x, attrs),
        [...attrs.size],
        [...attrs.strides],
        stockPadding(attrs),
      ),
    };
  },
  backward({ dy, inputs, output, attrs }) {
    const x = inputs[0] as tf.Tensor4D;
    const { padding } = attrs;
    if (typeof padding === 'string') {
      return {
        inputs: [gradient(tf.MaxPoolGrad, { dy, input: aboveZero(x), output }, attrs)],
        params: [],
      };
    }
    const own = runFusedKernel('deepend.maxPoolGradient', { x, y: output, dy }, attrs);
    if (own) return { inputs: [own[0] as tf.Tensor], params: [] };
    const wide = gradient(
      tf.MaxPoolGrad,
      { dy, input: aboveZero(padded(x, attrs)), output },
      attrs,
    );
    return { inputs: [tf.slice(wide, [0, padding.top, padding.left, 0], x.shape)], params: [] };
  },
};

/** How many pixels of the image the windows of one axis take in. */
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
 * `[1, h', w', 1]`: the kernel's size over the pixels that a window has. Stock AvgPoolGrad divides
 * by the size, whatever is padding.
 */
function windowShares(
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
    const shared =
      attrs.padding === 'same' ? tf.mul(dy, windowShares(x.shape, dy.shape, attrs)) : dy;
    return { inputs: [gradient(tf.AvgPoolGrad, { dy: shared, input: x }, attrs)], params: [] };
  },
};
