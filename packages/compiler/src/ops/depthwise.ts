/**
 * Depthwise convolution: each channel by filters of its own. Engines' own gradient kernels serve
 * where there are any, and forms composed of
 * core ops where there are none, as on stock wasm.
 */
import * as tf from '@tensorflow/tfjs-core';
import {
  type ConvAttrs,
  channelSums,
  isEmpty,
  NO_PADDING,
  pairs,
  spreadBy,
  throughTurned,
  zeroPad,
} from '../primitives';
import type { OperationKind } from '../program';
import { type ConvLayerAttrs, resolve } from './conv';

export type DepthwiseAttrs = Pick<
  ConvLayerAttrs,
  'strides' | 'dilations' | 'padding' | 'normalized'
>;

type Shape4D = [number, number, number, number];

const has = (kernel: string) => tf.getKernel(kernel, tf.getBackend()) !== undefined;
const run = (kernel: string, tensors: tf.NamedTensorMap, attrs: object) =>
  tf.engine().runKernel(kernel, tensors, attrs as tf.NamedAttrMap) as tf.Tensor4D;

const padOf = ({ padding }: ConvAttrs) => (isEmpty(padding) ? 'valid' : pairs(padding));
/** What a stock gradient kernel is told. */
const stock = (conv: ConvAttrs) => ({
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
  const own = tf.DepthwiseConv2dNativeBackpropInput;
  if (has(own)) return run(own, { dy, filter }, { ...stock(conv), inputShape });
  const [kh, kw, channels, multiplier] = filter.shape;
  const turned: tf.Tensor4D = tf.reverse(
    tf.reshape(filter, [kh, kw, channels * multiplier, 1]),
    [0, 1],
  );
  const geometry = { xShape: inputShape, kernel: [kh, kw] as const, attrs: conv };
  const each = throughTurned(dy, geometry, (spread, at) => convolve(spread, turned, at)); // [batch, h, w, in·multiplier]
  return multiplier === 1
    ? each
    : tf.reshape(tf.sum(tf.reshape(each, [-1, multiplier]), 1), inputShape);
}

/**
 * Without a kernel for it, tap by tap: what a tap sees of the image, times dy, summed over the
 * pixels.
 */
function filterGradient(
  x: tf.Tensor4D,
  dy: tf.Tensor4D,
  { conv, filterShape }: { conv: ConvAttrs; filterShape: Shape4D },
): tf.Tensor4D {
  const own = tf.DepthwiseConv2dNativeBackpropFilter;
  if (has(own)) return run(own, { x, dy }, { ...stock(conv), filterShape });
  const [kh, kw, channels, multiplier] = filterShape;
  const [batch, height, width] = dy.shape;
  const [down, across] = conv.strides;
  const image = isEmpty(conv.padding) ? x : zeroPad(x, conv.padding);
  const each = tf.reshape(dy, [-1, channels, multiplier]); // [batch·h'·w', in, multiplier]
  const tap = (ky: number, kx: number) => {
    const end = [batch, ky + (height - 1) * down + 1, kx + (width - 1) * across + 1, channels];
    const seen = tf.stridedSlice(image, [0, ky, kx, 0], end, [1, down, across, 1]); // [batch, h', w', in]
    const products = tf.mul(tf.reshape(seen, [-1, channels, 1]), each);
    return channelSums(tf.reshape(products, [-1, channels * multiplier]));
  };
  // Each tap tidies up for itself: its products are as large as dy.
  const taps = Array.from({ length: kh * kw }, (_, i) =>
    tf.tidy(() => tap(Math.floor(i / kw), i % kw)),
  );
  return tf.reshape(tf.stack(taps), filterShape);
}

/**
 * The filter with zeros between its taps, so that nothing else need know of dilation: the stock
 * gradients of cpu and TensorFlow do not.
 * `[kh, kw, in, multiplier]` → `[(kh − 1)·dilation + 1, …, in, multiplier]`
 */
function dilate(filter: tf.Tensor4D, dilations: readonly [number, number]): tf.Tensor4D {
  const [kh, kw, channels, multiplier] = filter.shape;
  const wide: tf.Tensor4D = spreadBy(
    tf.reshape(filter, [1, kh, kw, channels * multiplier]),
    dilations,
  );
  return tf.reshape(wide, [wide.shape[1], wide.shape[2], channels, multiplier]);
}

/** The taps out of a dilated filter's gradient. */
const contract = (gradient: tf.Tensor, [down, across]: readonly [number, number]): tf.Tensor =>
  down === 1 && across === 1
    ? gradient
    : tf.stridedSlice(gradient, [0, 0, 0, 0], gradient.shape, [down, across, 1, 1]);

/**
 * What every part computes with. TensorFlow's gradients take no explicit padding: there the zeros
 * lie in memory.
 */
function prepare(
  x: tf.Tensor4D,
  kernel: tf.Tensor4D,
  { strides, dilations, padding }: DepthwiseAttrs,
) {
  const filter = dilate(kernel, dilations);
  const conv = resolve({ strides, dilations: [1, 1], padding }, x.shape, filter.shape);
  const inMemory = tf.getBackend() === 'tensorflow' && !isEmpty(conv.padding);
  if (!inMemory) return { image: x, filter, conv, crop: (dx: tf.Tensor4D) => dx };
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
        contract(filterGradient(image, dz, { conv, filterShape: filter.shape }), attrs.dilations),
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
