/**
 * Convolution and its gradients. libtensorflow's own gradient of the input is pathologically slow
 * for small images, but fast as a forward convolution or a matrix product. Its filter gradient is
 * fast for TensorFlow's `same` padding, and slow for explicit padding.
 */
import {
  type ConvAttrs,
  composedInputGradient,
  convolve,
  isEmpty,
  resolvePadding,
  zeroPad,
} from '@deepend/compiler';
import * as tf from '@tensorflow/tfjs-core';
import { attributes, FLOAT, type Kernel, type NodeBackend } from './native';
import {
  filterMatrix,
  type Geometry,
  isSmall,
  smallConvolve,
  smallFilterGradient,
  smallInputGradient,
} from './small-image';

type Shape = readonly number[];

/** Whether the padding is what TensorFlow calls `same`. */
function isSame(conv: ConvAttrs, x: Shape, filter: Shape): boolean {
  const same = resolvePadding({ ...conv, padding: 'same' }, x, filter).padding;
  const sides = ['top', 'bottom', 'left', 'right'] as const;
  return sides.every((side) => conv.padding[side] === same[side]);
}

const convAttributes = (backend: NodeBackend, { strides, dilations }: ConvAttrs, padding: string) =>
  attributes(backend, {
    T: FLOAT,
    strides: ['int', [1, ...strides, 1]],
    padding: ['string', padding],
    data_format: ['string', 'NHWC'],
    use_cudnn_on_gpu: ['bool', true],
    dilations: ['int', [1, ...dilations, 1]],
  });

/** The geometry of images so small that one matrix product replaces the convolution. */
const smallGeometry = (conv: ConvAttrs, x: Shape, filter: Shape): Geometry | undefined => {
  const geometry = { ...conv, x, filter };
  return isSmall(geometry) ? geometry : undefined;
};

/** The `context` is a small image's filter as a matrix, which the input's gradient reads again. */
export const conv2d: Kernel<'deepend.conv2d'> = {
  run({ backend, inputs: { x, filter, bias }, attrs: { relu, ...conv } }) {
    const geometry = smallGeometry(conv, x.shape, filter.shape);
    const matrix = geometry && filterMatrix(filter, geometry);
    const linear = matrix ? smallConvolve(backend, x, matrix, geometry) : convolve(x, filter, conv);
    const biasAdd = attributes(backend, { T: FLOAT, data_format: ['string', 'NHWC'] });
    const biased = bias ? backend.executeSingleOutput('BiasAdd', biasAdd, [linear, bias]) : linear;
    const y = relu ? tf.relu(biased) : biased;
    return matrix ? [y, matrix] : [y];
  },
};

export const conv2dInputGradient: Kernel<'deepend.conv2dInputGradient'> = {
  run({ backend, inputs: { dy, filter, context }, attrs: { xShape, ...conv } }) {
    const geometry = smallGeometry(conv, xShape, filter.shape);
    if (!geometry) return [composedInputGradient(dy, filter, xShape, conv)];
    const matrix = context ?? filterMatrix(filter, geometry);
    return [smallInputGradient(backend, dy, matrix, geometry)];
  },
};

export const conv2dFilterGradient: Kernel<'deepend.conv2dFilterGradient'> = {
  supports({ inputs: { x }, attrs: { filterShape, ...conv } }) {
    if (smallGeometry(conv, x.shape, filterShape)) return true;
    const { strides, dilations, padding, groups = 1 } = conv;
    const isPointwise = filterShape[0] === 1 && filterShape[1] === 1;
    const isPlain = isPointwise && strides[0] * strides[1] === 1 && isEmpty(padding);
    // libtensorflow has no gradient for dilation on the CPU.
    return !isPlain && groups === 1 && dilations.every((rate) => rate === 1);
  },
  run({ backend, inputs: { x, dy }, attrs: { filterShape, ...conv } }) {
    const geometry = smallGeometry(conv, x.shape, filterShape);
    if (geometry) return [smallFilterGradient(backend, x, dy, geometry)];
    const same = isSame(conv, x.shape, filterShape);
    const image = same || isEmpty(conv.padding) ? x : zeroPad(x, conv.padding);
    const size = tf.tensor1d([...filterShape], 'int32');
    const attrs = convAttributes(backend, conv, same ? 'SAME' : 'VALID');
    return [backend.executeSingleOutput('Conv2DBackpropFilter', attrs, [image, size, dy])];
  },
};
