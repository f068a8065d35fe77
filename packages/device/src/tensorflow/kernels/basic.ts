/** The gradients of activations and pools, sums over channels, and the loss. */
import * as tf from '@tensorflow/tfjs-core';
import { attributes, FLOAT, type Form, type Given, type NodeBackend } from './native';

const ACTIVATION_GRADIENTS: Record<string, string> = {
  relu: 'ReluGrad',
  relu6: 'Relu6Grad',
  sigmoid: 'SigmoidGrad',
  tanh: 'TanhGrad',
};

/** {dy, y} + name → dx. The operations of sigmoid and tanh take the output first. */
export const activationGradient: Form = ({ backend, inputs, attrs: { name } }) => {
  const { dy, y } = inputs as { dy: tf.Tensor; y: tf.Tensor };
  const order = name.startsWith('relu') ? [dy, y] : [y, dy];
  return backend.executeSingleOutput(
    ACTIVATION_GRADIENTS[name] as string,
    attributes(backend, { T: FLOAT }),
    order,
  );
};

/** {x} → [channels]. */
export const channelSums: Form = ({ backend, inputs }) => {
  const { x } = inputs as { x: tf.Tensor };
  const rows = x.rank === 1 ? tf.reshape(x, [1, -1]) : x;
  return backend.executeSingleOutput(
    'BiasAddGrad',
    attributes(backend, { T: FLOAT, data_format: ['string', 'NHWC'] }),
    [rows],
  );
};

function pooling(backend: NodeBackend, { size, strides, padding }: Given['attrs']) {
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

/** {x} + size, strides, padding → y. */
export const maxPool: Form = ({ backend, inputs, attrs }) =>
  backend.executeSingleOutput('MaxPool', pooling(backend, attrs), [inputs.x as tf.Tensor]);

/** {x, y, dy} + size, strides, padding → dx. */
export const maxPoolGradient: Form = ({ backend, inputs, attrs }) => {
  const { x, y, dy } = inputs as { x: tf.Tensor; y: tf.Tensor; dy: tf.Tensor };
  return backend.executeSingleOutput('MaxPoolGrad', pooling(backend, attrs), [x, y, dy]);
};

/** {logits, labels} → mean loss, number of right answers, the loss's gradient. */
export const softmaxCrossEntropy: Form = ({ backend, inputs }) => {
  const { logits, labels } = inputs as { logits: tf.Tensor2D; labels: tf.Tensor };
  const isSparse = labels.rank === 1;
  const name = isSparse ? 'SparseSoftmaxCrossEntropyWithLogits' : 'SoftmaxCrossEntropyWithLogits';
  const attrs = attributes(
    backend,
    isSparse ? { T: FLOAT, Tlabels: ['type', 'int32'] } : { T: FLOAT },
  );
  const [losses, slopes] = backend.executeMultipleOutputs(name, attrs, [logits, labels], 2) as [
    tf.Tensor,
    tf.Tensor,
  ];
  const truth = isSparse ? labels : tf.argMax(labels, 1);
  const correct = tf.sum(tf.cast(tf.equal(tf.argMax(logits, 1), truth), 'float32'));
  return [tf.mean(losses), correct, tf.div(slopes, logits.shape[0])];
};
