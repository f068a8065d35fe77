/**
 * Depthwise convolution: each channel has its own filters. Its gradients use the backend's stock
 * kernels if it has them, and core ops otherwise, as on `wasm`.
 */
import { backendTraits } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import {
  type ConvAttrs,
  channelSums,
  dilate,
  isEmpty,
  NO_PADDING,
  pairs,
  transposedConvByDilation,
  zeroPad,
} from '../primitives';
import type { OperationKind } from '../program';
import { type ConvLayerAttrs, resolvePadding } from './conv';

export type DepthwiseAttrs = Pick<
  ConvLayerAttrs,
  'strides' | 'dilations' | 'padding' | 'normalized'
>;

type Shape4D = [number, number, number, number];

const has = (kernel: string) => tf.getKernel(kernel, tf.getBackend()) !== undefined;
const run = (kernel: string, tensors: tf.NamedTensorMap, attrs: object) =>
  tf.engine().runKernel(kernel, tensors, attrs as tf.NamedAttrMap) as tf.Tensor4D;

const padOf = ({ padding }: ConvAttrs) => (isEmpty(padding) ? 'valid' : pairs(padding));
/** The attributes of a stock gradient kernel. */
const stockAttrs = (conv: ConvAttrs) => ({
  strides: [...conv.strides],
  dilations: [1, 1],
  pad: padOf(conv),
});

/** x `[batch, h, w, in]`, filter `[kh, kw, in, multiplier]` → `[batch, h', w', in·multiplier]` */
const convolve = (x: tf.Tensor4D, filter: tf.Tensor4D, conv: ConvAttrs): tf.Tensor4D =>
  tf.depthwiseConv2d(x, filter, [...conv.strides], padOf(conv));

function inputGradient(
  dy: tf.Tensor4D,
  filter: tf.Tensor4D,
  { conv, inputShape }: { conv: ConvAttrs; inputShape: Shape4D },
): tf.Tensor4D {
  const kernel = tf.DepthwiseConv2dNativeBackpropInput;
  if (has(kernel)) return run(kernel, { dy, filter }, { ...stockAttrs(conv), inputShape });
  const [kh, kw, channels, multiplier] = filter.shape;
  const flipped: tf.Tensor4D = tf.reverse(
    tf.reshape(filter, [kh, kw, channels * multiplier, 1]),
    [0, 1],
  );
  const geometry = { xShape: inputShape, kernel: [kh, kw] as const, attrs: conv };
  // [batch, h, w, in·multiplier]
  const each = transposedConvByDilation(dy, geometry, (dilated, at) =>
    convolve(dilated, flipped, at),
  );
  return multiplier === 1
    ? each
    : tf.reshape(tf.sum(tf.reshape(each, [-1, multiplier]), 1), inputShape);
}

/**
 * Without a stock kernel it is computed tap by tap: the pixels that a tap sees, times dy, summed
 * over the pixels.
 */
function filterGradient(
  x: tf.Tensor4D,
  dy: tf.Tensor4D,
  { conv, filterShape }: { conv: ConvAttrs; filterShape: Shape4D },
): tf.Tensor4D {
  const kernel = tf.DepthwiseConv2dNativeBackpropFilter;
  if (has(kernel)) return run(kernel, { x, dy }, { ...stockAttrs(conv), filterShape });
  const [kh, kw, channels, multiplier] = filterShape;
  const [batch, height, width] = dy.shape;
  const [down, across] = conv.strides;
  const image = isEmpty(conv.padding) ? x : zeroPad(x, conv.padding);
  const each = tf.reshape(dy, [-1, channels, multiplier]); // [batch·h'·w', in, multiplier]
  const tap = (ky: number, kx: number) => {
    const end = [batch, ky + (height - 1) * down + 1, kx + (width - 1) * across + 1, channels];
    // [batch, h', w', in].
    const seen = tf.stridedSlice(image, [0, ky, kx, 0], end, [1, down, across, 1]);
    const products = tf.mul(tf.reshape(seen, [-1, channels, 1]), each);
    return channelSums(tf.reshape(products, [-1, channels * multiplier]));
  };
  // One tidy per tap: a tap's products are as large as dy.
  const taps = Array.from({ length: kh * kw }, (_, i) =>
    tf.tidy(() => tap(Math.floor(i / kw), i % kw)),
  );
  return tf.reshape(tf.stack(taps), filterShape);
}

/**
 * Inserts zeros between a filter's taps, since the stock gradients of `cpu` and TensorFlow ignore
 * dilation: `[kh, kw, in, multiplier]` → `[(kh − 1)·dilation + 1, …, in, multiplier]`.
 */
function dilateFilter(filter: tf.Tensor4D, dilations: readonly [number, number]): tf.Tensor4D {
  const [kh, kw, channels, multiplier] = filter.shape;
  const wide = dilate(tf.reshape(filter, [1, kh, kw, channels * multiplier]), dilations);
  return tf.reshape(wide, [wide.shape[1], wide.shape[2], channels, multiplier]);
}

/** The gradient of the filter from that of the dilated filter. */
const contractFilter = (
  gradient: tf.Tensor,
  [down, across]: readonly [number, number],
): tf.Tensor =>
  down === 1 && across === 1
    ? gradient
    : tf.stridedSlice(gradient, [0, 0, 0, 0], gradient.shape, [down, across, 1, 1]);

/**
 * The image, filter and geometry that forward and backward compute with. Where the backend's
 * gradient kernels take no explicit padding, the image is padded in memory, and `crop` undoes that.
 */
function prepare(
  x: tf.Tensor4D,
  kernel: tf.Tensor4D,
  { strides, dilations, padding }: DepthwiseAttrs,
) {
  const filter = dilateFilter(kernel, dilations);
  const conv = resolvePadding({ strides, dilations: [1, 1], padding }, x.shape, filter.shape);
  const { explicitPadding } = backendTraits(tf.getBackend());
  if (explicitPadding || isEmpty(conv.padding))
    return { image: x, filter, conv, crop: (dx: tf.Tensor4D) => dx };
  const crop = (dx: tf.Tensor4D): tf.Tensor4D =>
    tf.slice(dx, [0, conv.padding.top, conv.padding.left, 0], x.shape);
  return { image: zeroPad(x, conv.padding), filter, conv: { ...conv, padding: NO_PADDING }, crop };
}

/**
 * Depthwise convolution and bias. Parameters: kernel `[kh, kw, in, multiplier]`, and bias
 * `[in·multiplier]` if there is one.
 */
export const depthwiseConv2d: OperationKind<DepthwiseAttrs> = {
  name: 'depthwiseConv2d',
  reads: () => ({ inputs: true, output: false }),
  forward({ attrs, inputs, params }) {
    const [kernel, bias] = params as [tf.Tensor4D, tf.Tensor1D?];
    const { image, filter, conv } = prepare(inputs[0] as tf.Tensor4D, kernel, attrs);
    const linear = convolve(image, filter, conv);
    return { output: bias ? tf.add(linear, bias) : linear };
  },
  backward({ attrs, inputs, params, dy, operation, wanted }) {
    const { image, filter, conv, crop } = prepare(
      inputs[0] as tf.Tensor4D,
      params[0] as tf.Tensor4D,
      attrs,
    );
    const dz = dy as tf.Tensor4D;
    const gradients = [
      () =>
        contractFilter(
          filterGradient(image, dz, { conv, filterShape: filter.shape }),
          attrs.dilations,
        ),
      () => (attrs.normalized ? tf.zeros([dz.shape[3]]) : channelSums(dz)),
    ];
    return {
      inputs: [
        wanted[0] ? crop(inputGradient(dz, filter, { conv, inputShape: image.shape })) : null,
      ],
      params: gradients
        .filter((_, i) => operation.params[i]?.trainable)
        .map((gradient) => gradient()),
    };
  },
};
