/**
 * Convolution gradients and sums composed of core ops, so that every backend trains. The stock
 * `wasm` backend has no `Conv2DBackpropFilter`, and its `Conv2DBackpropInput` and axis-0 sums are
 * slow. Forward convolutions and matrix products replace them.
 */
import { backendTraits } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import { runFusedKernel } from './fused-kernels';
import { transposedConvBySubpixels } from './subpixel';

/** Rows and columns of zeros around an image. */
export interface Padding {
  readonly top: number;
  readonly bottom: number;
  readonly left: number;
  readonly right: number;
}

export interface ConvAttrs {
  readonly strides: readonly [number, number];
  readonly dilations: readonly [number, number];
  readonly padding: Padding;
  /** Number of groups of input and output channels, each convolved separately. @default 1 */
  readonly groups?: number;
}

export const NO_PADDING: Padding = { top: 0, bottom: 0, left: 0, right: 0 };

type Pair = [number, number];
/** The padding as `tf.pad` takes it. */
export const pairs = ({ top, bottom, left, right }: Padding): [Pair, Pair, Pair, Pair] => [
  [0, 0],
  [top, bottom],
  [left, right],
  [0, 0],
];

/** Zeros around images `[batch, height, width, channels]`. */
export const zeroPad = (x: tf.Tensor4D, padding: Padding): tf.Tensor4D => tf.pad(x, pairs(padding));

export const isEmpty = ({ top, bottom, left, right }: Padding): boolean =>
  top + bottom + left + right === 0;

/**
 * Core ops have no groups: splits both tensors into their groups, computes each, and concatenates
 * the results. All three tensors have the groups in their last axis.
 */
function mapGroups(
  [a, b]: readonly [tf.Tensor4D, tf.Tensor4D],
  groups: number,
  compute: (a: tf.Tensor4D, b: tf.Tensor4D) => tf.Tensor4D,
): tf.Tensor4D {
  const first: tf.Tensor4D[] = tf.split(a, groups, 3);
  const second: tf.Tensor4D[] = tf.split(b, groups, 3);
  return tf.concat(
    first.map((part, group) => compute(part, second[group] as tf.Tensor4D)),
    3,
  );
}

const oneGroup = (attrs: ConvAttrs): ConvAttrs => ({ ...attrs, groups: 1 });

/**
 * Convolution: x `[batch, h, w, in]`, filter `[kh, kw, in / groups, out]` → `[batch, h', w', out]`.
 */
export function convolve(x: tf.Tensor4D, filter: tf.Tensor4D, attrs: ConvAttrs): tf.Tensor4D {
  const { strides, dilations, padding, groups = 1 } = attrs;
  if (groups > 1) return mapGroups([x, filter], groups, (a, b) => convolve(a, b, oneGroup(attrs)));
  const [sh, sw] = strides;
  if (sh !== sw && !backendTraits(tf.getBackend()).unequalStrides) {
    const all = convolve(x, filter, { ...attrs, strides: [1, 1] });
    return tf.stridedSlice(all, [0, 0, 0, 0], all.shape, [1, sh, sw, 1]) as tf.Tensor4D;
  }
  return tf.conv2d(x, filter, [...strides], isEmpty(padding) ? 'valid' : pairs(padding), 'NHWC', [
    ...dilations,
  ]);
}

const isPlain = (filter: readonly number[], { strides, padding }: ConvAttrs) =>
  filter[0] === 1 && filter[1] === 1 && strides[0] === 1 && strides[1] === 1 && isEmpty(padding);

/** The gradient of a convolution's filter, `[kh, kw, in / groups, out]`. */
export function filterGradient(
  x: tf.Tensor4D,
  dy: tf.Tensor4D,
  filterShape: readonly number[],
  attrs: ConvAttrs,
): tf.Tensor4D {
  const fused = runFusedKernel(
    'deepend.conv2dFilterGradient',
    { x, dy },
    { ...attrs, filterShape },
  );
  return fused ? fused[0] : composedFilterGradient(x, dy, filterShape, attrs);
}

/**
 * In core ops, as a convolution: input channels play the batch, the batch plays the channels, dy is
 * the filter, and stride and dilation change places. On `wasm` this is four to eight times faster
 * than a matrix product for each tap.
 */
export function composedFilterGradient(
  x: tf.Tensor4D,
  dy: tf.Tensor4D,
  filterShape: readonly number[],
  attrs: ConvAttrs,
): tf.Tensor4D {
  const [kh = 1, kw = 1, channels = 1, filters = 1] = filterShape;
  const { groups = 1 } = attrs;
  if (groups > 1) {
    const groupShape = [kh, kw, channels, filters / groups];
    return mapGroups([x, dy], groups, (part, dPart) =>
      filterGradient(part, dPart, groupShape, oneGroup(attrs)),
    );
  }
  if (isPlain(filterShape, attrs)) {
    const rows = tf.reshape(x, [-1, channels]); // [batch·h·w, in]
    return tf.reshape(tf.matMul(rows, tf.reshape(dy, [-1, filters]), true, false), [
      1,
      1,
      channels,
      filters,
    ]);
  }
  const images: tf.Tensor4D = tf.transpose(x, [3, 1, 2, 0]); // [in, h, w, batch]
  const kernel: tf.Tensor4D = tf.transpose(dy, [1, 2, 0, 3]); // [h', w', batch, out]
  const swapped = { strides: attrs.dilations, dilations: attrs.strides, padding: attrs.padding };
  // [in, ≥ kh, ≥ kw, out]: rows after kh come from pixels that no stride reached.
  const gradient = convolve(images, kernel, swapped);
  return tf.transpose(tf.slice(gradient, [0, 0, 0, 0], [channels, kh, kw, filters]), [1, 2, 0, 3]);
}

interface InputGradientOptions {
  readonly conv: ConvAttrs;
  /** `[batch, height, width, in]` */
  readonly xShape: readonly number[];
  /** From the backend's forward kernel. */
  readonly context?: tf.Tensor | undefined;
}

/** The gradient of a convolution's input: a transposed convolution of dy, `[batch, h, w, in]`. */
export function inputGradient(
  dy: tf.Tensor4D,
  filter: tf.Tensor4D,
  { conv, xShape, context }: InputGradientOptions,
): tf.Tensor4D {
  const inputs = { dy, filter, context };
  const fused = runFusedKernel('deepend.conv2dInputGradient', inputs, { ...conv, xShape });
  return fused ? fused[0] : composedInputGradient(dy, filter, xShape, conv);
}

/** In core ops. */
export function composedInputGradient(
  dy: tf.Tensor4D,
  filter: tf.Tensor4D,
  xShape: readonly number[],
  attrs: ConvAttrs,
): tf.Tensor4D {
  const { groups = 1 } = attrs;
  const [kh, kw, channels, filters] = filter.shape;
  if (groups > 1) {
    const groupShape = [...xShape.slice(0, 3), channels];
    return mapGroups([dy, filter], groups, (part, filterPart) =>
      inputGradient(part, filterPart, { conv: oneGroup(attrs), xShape: groupShape }),
    );
  }
  const [, height = 1, width = 1] = xShape;
  if (isPlain(filter.shape, attrs)) {
    const rows: tf.Tensor = tf.matMul(
      tf.reshape(dy, [-1, filters]),
      tf.reshape(filter, [channels, filters]),
      false,
      true,
    );
    return tf.reshape(rows, [-1, height, width, channels]);
  }
  if (attrs.strides[0] * attrs.strides[1] > 1)
    return transposedConvBySubpixels(dy, filter, { xShape, attrs, convolve });
  // [kh, kw, out, in].
  const flipped: tf.Tensor4D = tf.transpose(tf.reverse(filter, [0, 1]), [0, 1, 3, 2]);
  return transposedConvByDilation(dy, { xShape, kernel: [kh, kw], attrs }, (dilated, conv) =>
    convolve(dilated, flipped, conv),
  );
}

/**
 * Transposed convolution: dy is dilated by the stride and convolved with the flipped kernel.
 * @param convolveFlipped convolves at stride 1 with the kernel flipped in both axes
 * @returns `[batch, h, w, …]`, the pixels of the convolution's input
 */
export function transposedConvByDilation(
  dy: tf.Tensor4D,
  {
    xShape,
    kernel: [kh, kw],
    attrs,
  }: { xShape: readonly number[]; kernel: readonly [number, number]; attrs: ConvAttrs },
  convolveFlipped: (dilated: tf.Tensor4D, conv: ConvAttrs) => tf.Tensor4D,
): tf.Tensor4D {
  const [, height = 1, width = 1] = xShape;
  const dilated = dilate(dy, attrs.strides); // [batch, (h' − 1)·stride + 1, …, out]
  const [top, bottom] = transposedPadding(
    height,
    dilated.shape[1],
    (kh - 1) * attrs.dilations[0],
    attrs.padding.top,
  );
  const [left, right] = transposedPadding(
    width,
    dilated.shape[2],
    (kw - 1) * attrs.dilations[1],
    attrs.padding.left,
  );
  const padding = {
    top: Math.max(top, 0),
    bottom: Math.max(bottom, 0),
    left: Math.max(left, 0),
    right: Math.max(right, 0),
  };
  const full = convolveFlipped(dilated, { strides: [1, 1], dilations: attrs.dilations, padding });
  // Where the padding was wider than the kernel reaches, rows of dy saw only zeros.
  const whole = [top, bottom, left, right].every((rows) => rows >= 0);
  return whole
    ? full
    : tf.slice(full, [0, Math.max(-top, 0), Math.max(-left, 0), 0], [-1, height, width, -1]);
}

/**
 * The padding at both ends of an axis with which a flipped kernel (reach = size − 1) restores it.
 */
function transposedPadding(
  size: number,
  dilatedSize: number,
  reach: number,
  before: number,
): [number, number] {
  const first = reach - before;
  return [first, size + reach - dilatedSize - first];
}

/**
 * Inserts stride − 1 zeros between the pixels. It pads the last axis, since TensorFlow.js has no
 * operation for it.
 */
export function dilate(dy: tf.Tensor4D, [down, across]: readonly [number, number]): tf.Tensor4D {
  if (down === 1 && across === 1) return dy;
  const [batch, height, width, channels] = dy.shape;
  const columns = tf.pad(tf.reshape(dy, [-1, channels]), [
    [0, 0],
    [0, (across - 1) * channels],
  ]);
  const row = across * width * channels;
  const rows = tf.pad(tf.reshape(columns, [-1, row]), [
    [0, 0],
    [0, (down - 1) * row],
  ]);
  const wide: tf.Tensor4D = tf.reshape(rows, [batch, down * height, across * width, channels]);
  return tf.slice(
    wide,
    [0, 0, 0, 0],
    [batch, (height - 1) * down + 1, (width - 1) * across + 1, channels],
  );
}

/**
 * Sums over all axes but the last: `[..., channels]` → `[channels]`. A product with ones, which
 * backends compute faster than sums.
 */
export function channelSums(x: tf.Tensor): tf.Tensor1D {
  const fused = runFusedKernel('deepend.channelSums', { x }, {});
  if (fused) return fused[0];
  const channels = x.shape[x.rank - 1] ?? 1;
  const rows = x.size / channels;
  return tf.reshape(tf.matMul(tf.ones([1, rows]), tf.reshape(x, [rows, channels])), [channels]);
}

/** ReLU's gradient from its output: dy where the output is above 0, and 0 elsewhere. */
export function reluGradient(dy: tf.Tensor, output: tf.Tensor): tf.Tensor {
  const fused = runFusedKernel('deepend.activationGradient', { dy, y: output }, { name: 'relu' });
  return fused ? fused[0] : tf.mul(dy, tf.step(output));
}
