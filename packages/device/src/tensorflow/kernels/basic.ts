/** The gradients of activations and pools, sums over channels, and the loss. */
import type { ActivationName, FusedPoolAttrs } from '@deepend/compiler';
import * as tf from '@tensorflow/tfjs-core';
import { attributes, FLOAT, type Kernel, type NodeBackend } from './native';

/** Those of sigmoid and tanh take the output first. */
const ACTIVATION_GRADIENTS: Readonly<Record<ActivationName, string>> = {
  relu: 'ReluGrad',
  relu6: 'Relu6Grad',
  sigmoid: 'SigmoidGrad',
  tanh: 'TanhGrad',
};

export const activationGradient: Kernel<'deepend.activationGradient'> = {
  run({ backend, inputs: { dy, y }, attrs: { name } }) {
    const order = name.startsWith('relu') ? [dy, y] : [y, dy];
    const attrs = attributes(backend, { T: FLOAT });
    return [backend.executeSingleOutput(ACTIVATION_GRADIENTS[name], attrs, order)];
  },
};

export const channelSums: Kernel<'deepend.channelSums'> = {
  run({ backend, inputs: { x } }) {
    const rows = x.rank === 1 ? tf.reshape(x, [1, -1]) : x;
    const attrs = attributes(backend, { T: FLOAT, data_format: ['string', 'NHWC'] });
    return [backend.executeSingleOutput('BiasAddGrad', attrs, [rows])];
  },
};

function poolAttributes(backend: NodeBackend, { size, strides, padding }: FusedPoolAttrs) {
  const { top, bottom, left, right } = padding;
  return attributes(backend, {
    T: FLOAT,
    ksize: ['int', [1, ...size, 1]],
    strides: ['int', [1, ...strides, 1]],
    padding: ['string', 'EXPLICIT'],
    explicit_paddings: ['int', [0, 0, top, bottom, left, right, 0, 0]],
    data_format: ['string', 'NHWC'],
  });
}

export const maxPool: Kernel<'deepend.maxPool'> = {
  run({ backend, inputs: { x }, attrs }) {
    return [backend.executeSingleOutput('MaxPool', poolAttributes(backend, attrs), [x])];
  },
};

export const maxPoolGradient: Kernel<'deepend.maxPoolGradient'> = {
  run({ backend, inputs: { x, y, dy }, attrs }) {
    return [backend.executeSingleOutput('MaxPoolGrad', poolAttributes(backend, attrs), [x, y, dy])];
  },
};

export const softmaxCrossEntropy: Kernel<'deepend.softmaxCrossEntropy'> = {
  run({ backend, inputs: { logits, labels } }) {
    const isSparse = labels.rank === 1;
    const name = isSparse ? 'SparseSoftmaxCrossEntropyWithLogits' : 'SoftmaxCrossEntropyWithLogits';
    const attrs = attributes(
      backend,
      isSparse ? { T: FLOAT, Tlabels: ['type', 'int32'] } : { T: FLOAT },
    );
    const [losses, gradients] = backend.executeMultipleOutputs(
      name,
      attrs,
      [logits, labels],
      2,
    ) as [tf.Tensor, tf.Tensor];
    const truth = isSparse ? labels : tf.argMax(labels, 1);
    const correct = tf.sum(tf.cast(tf.equal(tf.argMax(logits, 1), truth), 'float32'));
    return [tf.mean(losses), correct, tf.div(gradients, logits.shape[0])];
  },
};
