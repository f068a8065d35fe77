/**
 * Convolution gradients and sums composed of core ops, so that every engine trains. The stock wasm
 * engine has no
 * `Conv2DBackpropFilter`, and its `Conv2DBackpropInput` and axis-0 sums are slow: forward
 * convolutions and matrix products serve.
 */
import * as tf from '@tensorflow/tfjs-core';
import { runFusedKernel } from './fused-kernels';
import { throughPhases } from './phases';

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
  /** Cuts input and output channels into so many groups, each convolved by itself. @default 1 */
  readonly groups?: number;
}

export const NO_PADDING: Padding = { top: 0, bottom: 0, left: 0, right: 0 };

type Pair = [number, number];
/** As TensorFlow.js's `pad` takes them. */
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
 * Core ops convolve one group: each has its turn, and what they give is put side by side. All three
 * tensors hold groups in their last axis.
 */
function eachGroup(
  [a, b]: readonly [tf.Tensor4D, tf.Tensor4D],
  groups: number,
  use: (a: tf.Tensor4D, b: tf.Tensor4D) => tf.Tensor4D,
): tf.Tensor4D {
  const first: tf.Tensor4D[] = tf.split(a, groups, 3);
  const second: tf.Tensor4D[] = tf.split(b, groups, 3);
  return tf.concat(
    first.map((part, group) => use(part, second[group] as tf.Tensor4D)),
    3,
  );
}

const oneGroup = (attrs: ConvAttrs): ConvAttrs => ({ ...attrs, groups: 1 });

/**
 * Convolution: x `[batch, h, w, in]`, filter `[kh, kw, in / groups, out]` → `[batch, h', w', out]`.
 */
export function convolve(x: tf.Tensor4D, filter: tf.Tensor4D, attrs: ConvAttrs): tf.Tensor4D {
  const { strides, dilations, padding, groups = 1 } = attrs;
  if (groups > 1)
    return eachGroup([x, filter], groups, (part, own) => convolve(part, own, oneGroup(attrs)));
  return tf.conv2d(x, filter, [...strides], isEmpty(padding) ? 'valid' : pairs(padding), 'NHWC', [
    ...dilations,
  ]);
}

const isPlain = (filter: readonly number[], { strides, padding }: ConvAttrs) =>
  filter[0] === 1 && filter[1] === 1 && strides[0] === 1 && strides[1] === 1 && isEmpty(padding);

/**
 * The gradient of a convolution's filter, as a convolution: input channels play the batch, the
 * batch plays the channels, dy is the
 * filter, and stride and dilation change places. On the wasm engine four to eight times faster than
 * a matrix product for each tap.
 */
export function filterGradient(
  x: tf.Tensor4D,
  dy: tf.Tensor4D,
  filterShape: readonly number[],
  attrs: ConvAttrs,
): tf.Tensor4D {
  return (runFusedKernel(
    'deepend.conv2dFilterGradient',
    { x, dy },
    { ...attrs, filterShape },
  )?.[0] ?? composedFilterGradient(x, dy, filterShape, attrs)) as tf.Tensor4D;
}

/** In core ops. */
export function composedFilterGradient(
  x: tf.Tensor4D,
  dy: tf.Tensor4D,
  filterShape: readonly number[],
  attrs: ConvAttrs,
): tf.Tensor4D {
  const [kh = 1, kw = 1, channels = 1, filters = 1] = filterShape;
  const { groups = 1 } = attrs;
  if (groups > 1) {
    const own = [kh, kw, channels, filters / groups];
    return eachGroup([x, dy], groups, (part, dPart) =>
      filterGradient(part, dPart, own, oneGroup(attrs)),
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
  const gradient = convolve(images, kernel, swapped); // [in, ≥ kh, ≥ kw, out]: rows past kh come from pixels that no stride reached
  return tf.transpose(tf.slice(gradient, [0, 0, 0, 0], [channels, kh, kw, filters]), [1, 2, 0, 3]);
}

/**
 * The gradient of a convolution's input, as a convolution of dy with the filter turned by 180°; as
 * several where there is a stride.
 */
export function inputGradient(
  dy: tf.Tensor4D,
  filter: tf.Tensor4D,
  xShape: readonly number[],
  { extra, ...attrs }: ConvAttrs & { extra?: tf.Tensor | undefined }, // what the engine's own forward form kept for it
): tf.Tensor4D {
  return (runFusedKernel(
    'deepend.conv2dInputGradient',
    { dy, filter, extra },
    { ...attrs, xShape },
  )?.[0] ?? composedInputGradient(dy, filter, xShape, attrs)) as tf.Tensor4D;
}

/** In core ops. */
export function composedInputGradient(
  dy: tf.Tensor4D,
  filter: tf.Tensor4D,
  xShape: readonly number[],
  attrs: ConvAttrs,
): tf.Tensor4D {
  const { groups = 1 } = attrs;
  if (groups > 1)
    return eachGroup([dy, filter], groups, (part, its) =>
      inputGradient(part, its, xShape, oneGroup(attrs)),
    );
  const [kh, kw, channels, filters] = filter.shape;
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
    return throughPhases(dy, filter, { xShape, attrs, use: convolve });
  const turned: tf.Tensor4D = tf.transpose(tf.reverse(filter, [0, 1]), [0, 1, 3, 2]); // [kh, kw, out, in]
  return throughTurned(dy, { xShape, kernel: [kh, kw], attrs }, (spread, conv) =>
    convolve(spread, turned, conv),
  );
}

/**
 * The pixels of a convolution's input, `[batch, h, w, …]`, from those of its output.
 * @param use convolves at stride 1 with the filter turned by 180°
 */
export function throughTurned(
  dy: tf.Tensor4D,
  {
    xShape,
    kernel: [kh, kw],
    attrs,
  }: { xShape: readonly number[]; kernel: readonly [number, number]; attrs: ConvAttrs },
  use: (spread: tf.Tensor4D, conv: ConvAttrs) => tf.Tensor4D,
): tf.Tensor4D {
  const [, height = 1, width = 1] = xShape;
  const spread = spreadBy(dy, attrs.strides); // [batch, (h' − 1)·stride + 1, …, out]
  const [top, bottom] = mirrored(
    height,
    spread.shape[1],
    (kh - 1) * attrs.dilations[0],
    attrs.padding.top,
  );
  const [left, right] = mirrored(
    width,
    spread.shape[2],
    (kw - 1) * attrs.dilations[1],
    attrs.padding.left,
  );
  const padding = {
    top: Math.max(top, 0),
    bottom: Math.max(bottom, 0),
    left: Math.max(left, 0),
    right: Math.max(right, 0),
  };
  const full = use(spread, { strides: [1, 1], dilations: attrs.dilations, padding });
  // Padding wider than the kernel reaches: those rows of dy met zeros alone.
  const whole = [top, bottom, left, right].every((rows) => rows >= 0);
  return whole
    ? full
    : tf.slice(full, [0, Math.max(-top, 0), Math.max(-left, 0), 0], [-1, height, width, -1]);
}

/**
 * The padding on both ends of an axis with which the turned filter (reach = its size − 1) gives
 * `size` pixels back.
 */
function mirrored(
  size: number,
  spreadSize: number,
  reach: number,
  before: number,
): [number, number] {
  const first = reach - before;
  return [first, size + reach - spreadSize - first];
}

/**
 * Puts stride − 1 zeros between the pixels: by padding the last axis, since no engine has an op for
 * it.
 */
export function spreadBy(dy: tf.Tensor4D, [down, across]: readonly [number, number]): tf.Tensor4D {
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
 * engines do faster than sums.
 */
export function channelSums(x: tf.Tensor): tf.Tensor1D {
  const own = runFusedKernel('deepend.channelSums', { x });
  if (own) return own[0] as tf.Tensor1D;
  const channels = x.shape[x.rank - 1] ?? 1;
  const rows = x.size / channels;
  return tf.reshape(tf.matMul(tf.ones([1, rows]), tf.reshape(x, [rows, channels])), [channels]);
}

/**
 * dy where the ReLU let its input through, and 0 elsewhere. The output tells: it is above 0 there
 * alone.
 */
export function reluGradient(dy: tf.Tensor, output: tf.Tensor): tf.Tensor {
  return (
    runFusedKernel('deepend.activationGradient', { dy, y: output }, { name: 'relu' })?.[0] ??
    tf.mul(dy, tf.step(output))
  );
}
