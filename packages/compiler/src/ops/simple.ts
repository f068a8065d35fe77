/** The operations with a line forward and a few lines backward. */
import * as tf from '@tensorflow/tfjs-core';
import { runFusedKernel } from '../fused-kernels';
import { channelSums, type Padding, reluGradient, zeroPad } from '../primitives';
import type { OperationKind } from '../program';

/** Gradients read only the output, so that the input can be freed. */
export const ACTIVATIONS = {
  relu: { forward: tf.relu, gradient: reluGradient },
  // Howard et al. 2017, https://arxiv.org/abs/1704.04861. As in PyTorch, the gradient is 0 at 0 and
  // 6.
  relu6: {
    forward: tf.relu6,
    gradient: (dy: tf.Tensor, y: tf.Tensor) =>
      tf.mul(dy, tf.mul(tf.step(y), tf.step(tf.sub(6, y)))),
  },
  sigmoid: {
    forward: tf.sigmoid,
    gradient: (dy: tf.Tensor, y: tf.Tensor) => tf.mul(dy, tf.mul(y, tf.sub(1, y))),
  },
  tanh: {
    forward: tf.tanh,
    gradient: (dy: tf.Tensor, y: tf.Tensor) => tf.mul(dy, tf.sub(1, tf.square(y))),
  },
};

export function activationGradient(name: ActivationName, dy: tf.Tensor, y: tf.Tensor): tf.Tensor {
  const fused = runFusedKernel('deepend.activationGradient', { dy, y }, { name });
  return fused ? fused[0] : ACTIVATIONS[name].gradient(dy, y);
}

export type ActivationName = keyof typeof ACTIVATIONS;
export const isActivation = (name: unknown): name is ActivationName =>
  typeof name === 'string' && Object.hasOwn(ACTIVATIONS, name);

export const activation: OperationKind<{ name: ActivationName }> = {
  name: 'activation',
  reads: () => ({ inputs: false, output: true }),
  forward: ({ inputs, attrs }) => ({
    output: ACTIVATIONS[attrs.name].forward(inputs[0] as tf.Tensor),
  }),
  backward: ({ dy, output, attrs }) => ({
    inputs: [activationGradient(attrs.name, dy, output)],
    params: [],
  }),
};

/** The sum of two or more inputs; when fused, then ReLU. */
export const add: OperationKind<{ relu: boolean }> = {
  name: 'add',
  reads: ({ relu }) => ({ inputs: false, output: relu }),
  forward({ inputs, attrs }) {
    const sum = inputs.slice(1).reduce((total, x) => tf.add(total, x), inputs[0] as tf.Tensor);
    return { output: attrs.relu ? tf.relu(sum) : sum };
  },
  backward({ dy, output, attrs, wanted }) {
    const dz = attrs.relu ? reluGradient(dy, output) : dy;
    return { inputs: wanted.map((want) => (want ? tf.clone(dz) : null)), params: [] };
  },
};

/**
 * Sums a gradient over broadcast axes: `[batch, height, width, channels]` → `[batch, 1, 1,
 * channels]`.
 */
const sumTo = (gradient: tf.Tensor, { shape }: tf.Tensor): tf.Tensor =>
  tf.util.arraysEqual(gradient.shape, shape) ? gradient : tf.sum(gradient, [1, 2], true);

/** The product of two inputs of one shape, or of an image and a gate `[batch, 1, 1, channels]`. */
export const multiply: OperationKind<Record<string, never>> = {
  name: 'multiply',
  reads: () => ({ inputs: true, output: false }),
  forward: ({ inputs }) => ({ output: tf.mul(inputs[0] as tf.Tensor, inputs[1] as tf.Tensor) }),
  backward({ dy, inputs, wanted }) {
    const [a, b] = inputs as [tf.Tensor, tf.Tensor];
    const gradients = [() => sumTo(tf.mul(dy, b), a), () => sumTo(tf.mul(dy, a), b)];
    return { inputs: gradients.map((gradient, i) => (wanted[i] ? gradient() : null)), params: [] };
  },
};

/** Zero padding that no convolution or pool absorbed. */
export const pad: OperationKind<Padding> = {
  name: 'pad',
  reads: () => ({ inputs: false, output: false }),
  forward: ({ inputs, attrs }) => ({ output: zeroPad(inputs[0] as tf.Tensor4D, attrs) }),
  backward({ dy, attrs: { top, bottom, left, right } }) {
    const [batch = 1, height = 1, width = 1, channels = 1] = dy.shape;
    const size = [batch, height - top - bottom, width - left - right, channels];
    return { inputs: [tf.slice(dy, [0, top, left, 0], size)], params: [] };
  },
};

type Ends = readonly [before: number, after: number];

/**
 * Zeros before and after the channels of a pixel, and the pixels of a row: the effect of
 * `channelsFirst` padding on a channels-last image. The parameter-free shortcut (option A) of He et
 * al. 2015, https://arxiv.org/abs/1512.03385, adds its new channels this way.
 */
export const padChannels: OperationKind<{ width: Ends; channels: Ends }> = {
  name: 'padChannels',
  reads: () => ({ inputs: false, output: false }),
  forward({ inputs, attrs: { width, channels } }) {
    return {
      output: tf.pad(inputs[0] as tf.Tensor4D, [[0, 0], [0, 0], [...width], [...channels]]),
    };
  },
  backward({ dy, attrs: { width, channels } }) {
    const [batch = 1, rows = 1, columns = 1, depth = 1] = dy.shape;
    const size = [batch, rows, columns - width[0] - width[1], depth - channels[0] - channels[1]];
    return { inputs: [tf.slice(dy, [0, 0, width[0], channels[0]], size)], params: [] };
  },
};

/** Reshape; the batch axis stays first. */
export const reshape: OperationKind<{ from: readonly number[]; to: readonly number[] }> = {
  name: 'reshape',
  reads: () => ({ inputs: false, output: false }),
  forward: ({ inputs, attrs }) => ({
    output: tf.reshape(inputs[0] as tf.Tensor, [-1, ...attrs.to]),
  }),
  backward: ({ dy, attrs }) => ({ inputs: [tf.reshape(dy, [-1, ...attrs.from])], params: [] }),
};

/** `[batch, height, width, channels]` → `[batch, channels]`. */
export const globalAveragePool: OperationKind<{ height: number; width: number }> = {
  name: 'globalAveragePool',
  reads: () => ({ inputs: false, output: false }),
  forward: ({ inputs }) => ({ output: tf.mean(inputs[0] as tf.Tensor, [1, 2]) }),
  backward({ dy, attrs: { height, width } }) {
    const pixel = tf.reshape(tf.div(dy, height * width), [-1, 1, 1, dy.shape[1] ?? 1]);
    return { inputs: [tf.tile(pixel, [1, height, width, 1])], params: [] };
  },
};

/** `[..., n]` → `[rows, n]` */
const rowsOf = (x: tf.Tensor): tf.Tensor2D =>
  x.rank === 2 ? (x as tf.Tensor2D) : tf.reshape(x, [-1, x.shape.at(-1) ?? 1]);
const withAxesOf = (rows: tf.Tensor, { rank, shape }: tf.Tensor): tf.Tensor =>
  rank === 2 ? rows : tf.reshape(rows, [...shape.slice(0, -1), rows.shape[1] ?? 1]);

/**
 * Linear layer over the last axis; when fused, then ReLU. Parameters: kernel `[in, out]`, optional
 * bias `[out]`.
 */
export const dense: OperationKind<{ relu: boolean }> = {
  name: 'dense',
  reads: ({ relu }) => ({ inputs: true, output: relu }),
  forward({ inputs, params, attrs }) {
    const from = inputs[0] as tf.Tensor;
    const x = rowsOf(from);
    const [kernel, bias] = params as [tf.Tensor2D, tf.Tensor1D?];
    const fused = runFusedKernel('deepend.dense', { x, kernel, bias }, attrs);
    if (fused) return { output: withAxesOf(fused[0], from) };
    const linear = tf.matMul(x, kernel);
    const biased = bias ? tf.add(linear, bias) : linear;
    return { output: withAxesOf(attrs.relu ? tf.relu(biased) : biased, from) };
  },
  backward({ inputs, params, output, dy, attrs, operation, wanted }) {
    const from = inputs[0] as tf.Tensor;
    const x = rowsOf(from);
    const kernel = params[0] as tf.Tensor2D;
    const dz = rowsOf(attrs.relu ? reluGradient(dy, output) : dy);
    const gradients = [() => tf.matMul(x, dz, true, false), () => channelSums(dz)];
    return {
      inputs: [wanted[0] ? withAxesOf(tf.matMul(dz, kernel, false, true), from) : null],
      params: gradients
        .filter((_, i) => operation.params[i]?.trainable)
        .map((gradient) => gradient()),
    };
  },
};

/** Concatenation along the last axis. */
export const concat: OperationKind<{ sizes: readonly number[] }> = {
  name: 'concat',
  reads: () => ({ inputs: false, output: false }),
  forward: ({ inputs }) => ({ output: tf.concat([...inputs], -1) }),
  backward: ({ dy, attrs }) => ({ inputs: tf.split(dy, [...attrs.sizes], -1), params: [] }),
};
