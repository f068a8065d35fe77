/** The operations with no more to them than a line forward and a line back. */
import * as tf from '@tensorflow/tfjs-core';
import { runFusedKernel } from '../fused-kernels';
import { channelSums, type Padding, reluGradient, zeroPad } from '../primitives';
import type { OperationKind } from '../program';

/** Each from its output alone, so that the input can be freed. */
const ACTIVATIONS = {
  relu: { forward: tf.relu, gradient: reluGradient },
  // Howard et al. 2017: ReLU that stops at 6. At 0 and at 6 the gradient is 0, as PyTorch has it.
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

function activationGradient(name: ActivationName, dy: tf.Tensor, y: tf.Tensor): tf.Tensor {
  return (
    runFusedKernel('deepend.activationGradient', { dy, y }, { name })?.[0] ??
    ACTIVATIONS[name].gradient(dy, y)
  );
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

/** Sum of two or more, then, when fused, ReLU. */
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
 * The sum of a gradient over what was broadcast: `[batch, height, width, channels]` → `[batch, 1,
 * 1, channels]`.
 */
const sumTo = (gradient: tf.Tensor, { shape }: tf.Tensor): tf.Tensor =>
  tf.util.arraysEqual(gradient.shape, shape) ? gradient : tf.sum(gradient, [1, 2], true);

/**
 * Product of two of one shape, or of an image with a number for each of its channels, `[batch, 1,
 * 1, channels]`.
 */
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

/** Zeros around an image, where no convolution takes them in. */
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
 * Zeros before and after the channels of a pixel, and the pixels of a row: what `channelsFirst`
 * padding does to a channels-last image.
 * The shortcut of He et al. 2015 that has no weights (option A) gets its new channels so.
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

/** Another shape for the same numbers; the batch stays first. */
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
    const share = tf.reshape(tf.div(dy, height * width), [-1, 1, 1, dy.shape[1] ?? 1]);
    return { inputs: [tf.tile(share, [1, height, width, 1])], params: [] };
  },
};

/**
 * Linear layer, then, when fused, ReLU. Parameters: kernel `[in, out]`, and bias `[out]` if there
 * is one.
 */
export const dense: OperationKind<{ relu: boolean }> = {
  name: 'dense',
  reads: ({ relu }) => ({ inputs: true, output: relu }),
  forward({ inputs, params, attrs }) {
    const [kernel, bias] = params as [tf.Tensor2D, tf.Tensor1D?];
    const own = runFusedKernel('deepend.dense', { x: inputs[0], kernel, bias }, attrs);
    if (own) return { output: own[0] as tf.Tensor };
    const linear = tf.matMul(inputs[0] as tf.Tensor2D, kernel);
    const biased = bias ? tf.add(linear, bias) : linear;
    return { output: attrs.relu ? tf.relu(biased) : biased };
  },
  backward({ inputs, params, output, dy, attrs, operation, wanted }) {
    const [x, kernel] = [inputs[0] as tf.Tensor2D, params[0] as tf.Tensor2D];
    const dz = (attrs.relu ? reluGradient(dy, output) : dy) as tf.Tensor2D;
    const gradients = [() => tf.matMul(x, dz, true, false), () => channelSums(dz)];
    return {
      inputs: [wanted[0] ? tf.matMul(dz, kernel, false, true) : null],
      params: gradients
        .filter((_, i) => operation.params[i]?.trainable)
        .map((gradient) => gradient()),
    };
  },
};

/** Joins along the last axis. */
export const concat: OperationKind<{ sizes: readonly number[] }> = {
  name: 'concat',
  reads: () => ({ inputs: false, output: false }),
  forward: ({ inputs }) => ({ output: tf.concat([...inputs], -1) }),
  backward: ({ dy, attrs }) => ({ inputs: tf.split(dy, [...attrs.sizes], -1), params: [] }),
};
