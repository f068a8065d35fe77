/**
 * Convolution and its gradients. libtensorflow's own gradient of the input is pathologically slow
 * for small images; as a forward
 * convolution, or as a matrix product, it is fast. Its filter gradient is fast for TensorFlow's
 * `same` padding and slow for explicit one.
 */

import {
  type ConvAttrs,
  composedFilterGradient,
  composedInputGradient,
  convolve,
  isEmpty,
  resolve,
  zeroPad,
} from '@deepend/compiler';
import * as tf from '@tensorflow/tfjs-core';
import { attributes, FLOAT, type Form, type NodeBackend } from './native';
import {
  type Geometry,
  isSmall,
  matrixOf,
  smallConvolve,
  smallFilterGradient,
  smallInputGradient,
} from './small-image';

type Shape = readonly number[];

/** Whether the padding is what TensorFlow calls `same`. */
function isSame(conv: ConvAttrs, x: Shape, filter: Shape): boolean {
  const same = resolve({ ...conv, padding: 'same' }, x, filter).padding;
  const sides = ['top', 'bottom', 'left', 'right'] as const;
  return sides.every((side) => conv.padding[side] === same[side]);
}

const options = (backend: NodeBackend, { strides, dilations }: ConvAttrs, padding: string) =>
  attributes(backend, {
    T: FLOAT,
    strides: ['int', [1, ...strides, 1]],
    padding: ['string', padding],
    data_format: ['string', 'NHWC'],
    use_cudnn_on_gpu: ['bool', true],
    dilations: ['int', [1, ...dilations, 1]],
  });

const geometryOf = (attrs: ConvAttrs, x: Shape, filter: Shape): Geometry => ({
  ...attrs,
  x,
  filter,
});

/**
 * {x, filter, bias?} + conv, relu → y, and for a few pixels the filter as a matrix, which the
 * input's gradient reads again.
 */
export const conv2d: Form = ({ backend, inputs, attrs }) => {
  const { x, filter, bias } = inputs as { x: tf.Tensor4D; filter: tf.Tensor4D; bias?: tf.Tensor1D };
  const conv = attrs as unknown as ConvAttrs;
  const geometry = geometryOf(conv, x.shape, filter.shape);
  const matrix = isSmall(geometry) ? matrixOf(filter, geometry) : undefined;
  const linear = matrix ? smallConvolve(backend, x, matrix, geometry) : convolve(x, filter, conv);
  const biasAdd = attributes(backend, { T: FLOAT, data_format: ['string', 'NHWC'] });
  const biased = bias ? backend.executeSingleOutput('BiasAdd', biasAdd, [linear, bias]) : linear;
  return [attrs.relu ? tf.relu(biased) : biased, ...(matrix ? [matrix] : [])];
};

/** {dy, filter, extra?} + conv, xShape → dx. */
export const conv2dInputGradient: Form = ({ backend, inputs, attrs: { xShape, ...attrs } }) => {
  const { dy, filter, extra } = inputs as {
    dy: tf.Tensor4D;
    filter: tf.Tensor4D;
    extra?: tf.Tensor2D;
  };
  const geometry = geometryOf(attrs as unknown as ConvAttrs, xShape, filter.shape);
  if (isSmall(geometry))
    return smallInputGradient(backend, dy, extra ?? matrixOf(filter, geometry), geometry);
  return composedInputGradient(dy, filter, xShape, attrs as unknown as ConvAttrs);
};

/** {x, dy} + conv, filterShape → dFilter. */
export const conv2dFilterGradient: Form = ({
  backend,
  inputs,
  attrs: { filterShape, ...attrs },
}) => {
  const { x, dy } = inputs as { x: tf.Tensor4D; dy: tf.Tensor4D };
  const conv = attrs as unknown as ConvAttrs;
  const geometry = geometryOf(conv, x.shape, filterShape);
  if (isSmall(geometry)) return smallFilterGradient(backend, x, dy, geometry);
  const [kh, kw] = filterShape as [number, number];
  const isPlain = kh * kw === 1 && conv.strides[0] * conv.strides[1] === 1 && isEmpty(conv.padding);
  // Dilation: libtensorflow's CPU has no gradient for it.
  if (isPlain || (conv.groups ?? 1) > 1 || conv.dilations.some((rate) => rate > 1)) {
    return composedFilterGradient(x, dy, filterShape, conv);
  }
  const same = isSame(conv, x.shape, filterShape);
  const image = same || isEmpty(conv.padding) ? x : zeroPad(x, conv.padding);
  const size = tf.tensor1d(filterShape as number[], 'int32');
  return backend.executeSingleOutput(
    'Conv2DBackpropFilter',
    options(backend, conv, same ? 'SAME' : 'VALID'),
    [image, size, dy],
  );
};
