/** The operations with no more to them than a line forward and a line back. */
import * as tf from '@tensorflow/tfjs-core';
import { fast } from '../fast';
import { channelSums, type Padding, reluGradient, zeroPad } from '../primitives';
import type { OperationKind } from '../program';

/** Each from its output alone, so that the input can be freed. */
const ACTIVATIONS = {
  relu: { forward: tf.relu, gradient: reluGradient },
  sigmoid: { forward: tf.sigmoid, gradient: (dy: tf.Tensor, y: tf.Tensor) => tf.mul(dy, tf.mul(y, tf.sub(1, y))) },
  tanh: { forward: tf.tanh, gradient: (dy: tf.Tensor, y: tf.Tensor) => tf.mul(dy, tf.sub(1, tf.square(y))) },
};

function activationGradient(name: ActivationName, dy: tf.Tensor, y: tf.Tensor): tf.Tensor {
  return fast('deepend.activationGradient', { dy, y }, { name })?.[0] ?? ACTIVATIONS[name].gradient(dy, y);
}

export type ActivationName = keyof typeof ACTIVATIONS;
export const isActivation = (name: unknown): name is ActivationName =>
  typeof name === 'string' && Object.hasOwn(ACTIVATIONS, name);

export const activation: OperationKind<{ name: ActivationName }> = {
  name: 'activation',
  reads: () => ({ inputs: false, output: true }),
  forward: ({ inputs, attrs }) => ({ output: ACTIVATIONS[attrs.name].forward(inputs[0] as tf.Tensor) }),
  backward: ({ dy, output, attrs }) => ({ inputs: [activationGradient(attrs.name, dy, output)], params: [] }),
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

/** Another shape for the same numbers; the batch stays first. */
export const reshape: OperationKind<{ from: readonly number[]; to: readonly number[] }> = {
  name: 'reshape',
  reads: () => ({ inputs: false, output: false }),
  forward: ({ inputs, attrs }) => ({ output: tf.reshape(inputs[0] as tf.Tensor, [-1, ...attrs.to]) }),
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

/** Linear layer, then, when fused, ReLU. Parameters: kernel `[in, out]`, and bias `[out]` if there is one. */
export const dense: OperationKind<{ relu: boolean }> = {
  name: 'dense',
  reads: ({ relu }) => ({ inputs: true, output: relu }),
  forward({ inputs, params, attrs }) {
    const [kernel, bias] = params as [tf.Tensor2D, tf.Tensor1D?];
    const own = fast('deepend.dense', { x: inputs[0], kernel, bias }, attrs);
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
      params: gradients.filter((_, i) => operation.params[i]?.trainable).map((gradient) => gradient()),
    };
  },
};

/** Srivastava et al. 2014: in training each number is dropped with probability `rate` and the others grow by 1 / (1 − rate). */
export const dropout: OperationKind<{ rate: number }> = {
  name: 'dropout',
  reads: () => ({ inputs: false, output: false }),
  forward({ inputs, attrs: { rate }, training, seed }) {
    const x = inputs[0] as tf.Tensor;
    if (!training || rate === 0) return { output: tf.clone(x) };
    const own = fast('deepend.dropout', { x }, { rate, seed });
    if (own) return { output: own[0] as tf.Tensor };
    const kept = tf.cast(tf.greaterEqual(tf.randomUniform(x.shape, 0, 1, 'float32', seed), rate), 'float32');
    const mask = tf.div(kept, 1 - rate);
    return { output: tf.mul(x, mask), saved: [mask] };
  },
  backward({ dy, saved: [mask], attrs: { rate }, seed }) {
    if (mask) return { inputs: [tf.mul(dy, mask)], params: [] };
    return { inputs: [(rate > 0 && fast('deepend.dropout', { x: dy }, { rate, seed })?.[0]) || tf.clone(dy)], params: [] };
  },
};

/** Joins along the last axis. */
export const concat: OperationKind<{ sizes: readonly number[] }> = {
  name: 'concat',
  reads: () => ({ inputs: false, output: false }),
  forward: ({ inputs }) => ({ output: tf.concat([...inputs], -1) }),
  backward: ({ dy, attrs }) => ({ inputs: tf.split(dy, [...attrs.sizes], -1), params: [] }),
};
