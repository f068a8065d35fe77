/**
 * Transposed convolution by sub-pixel decomposition (Shi et al. 2016,
 * https://arxiv.org/abs/1609.07009): the pixels of a strided convolution's input fall into
 * strides[0]·strides[1] phases, and each phase is a stride-1 convolution of dy with the filter taps
 * that reach it. Compared with dilating dy, no product meets an inserted zero.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { ConvAttrs, Padding } from './primitives';

interface Phase {
  /** The filter rows that reach this phase's image rows, in the order of dy's rows. */
  readonly taps: readonly number[];
  /** Rows of zeros before and after dy; a negative number crops rows. */
  readonly before: number;
  readonly after: number;
}

interface AxisGeometry {
  /** Rows of the image. */
  readonly size: number;
  /** Rows of dy. */
  readonly count: number;
  readonly kernel: number;
  readonly stride: number;
  /** Padding before the image. */
  readonly padding: number;
}

/**
 * The phase of image rows stride·j + p: dy's row j + reach − u reaches them through the filter's
 * row
 * first + stride·u.
 */
function makePhase(p: number, { size, count, kernel, stride, padding }: AxisGeometry): Phase {
  const first = (p + padding) % stride;
  const reach = Math.floor((p + padding) / stride);
  const numTaps = Math.max(0, Math.ceil((kernel - first) / stride));
  const taps = Array.from({ length: numTaps }, (_, u) => first + stride * (numTaps - 1 - u));
  const rows = Math.ceil(size / stride); // the same for every phase; rows outside are cropped last
  const before = numTaps - 1 - reach;
  return { taps, before, after: rows + numTaps - 1 - before - count };
}

/** Some rows and columns of a filter `[kh, kw, out, in]`. */
function selectTaps(
  filter: tf.Tensor4D,
  rows: readonly number[],
  columns: readonly number[],
): tf.Tensor4D {
  const [, , outs, ins] = filter.shape;
  const tap = (row: number, column: number) =>
    tf.slice(filter, [row, column, 0, 0], [1, 1, outs, ins]);
  const whole = rows.map((row) =>
    tf.concat(
      columns.map((column) => tap(row, column)),
      1,
    ),
  );
  return tf.concat(whole, 0) as tf.Tensor4D;
}

/** Crops dy where padding is negative. @returns the rest of dy, and the rest of the padding */
function crop(dy: tf.Tensor4D, down: Phase, across: Phase): [tf.Tensor4D, Padding] {
  const [batch, height, width, channels] = dy.shape;
  const [top, bottom, left, right] = [down.before, down.after, across.before, across.after];
  const cropped = (rows: number) => Math.max(-rows, 0);
  const whole = [top, bottom, left, right].every((rows) => rows >= 0);
  const size: [number, number, number, number] = [
    batch,
    height - cropped(top) - cropped(bottom),
    width - cropped(left) - cropped(right),
    channels,
  ];
  const part = whole ? dy : tf.slice(dy, [0, cropped(top), cropped(left), 0], size);
  return [
    part,
    {
      top: Math.max(top, 0),
      bottom: Math.max(bottom, 0),
      left: Math.max(left, 0),
      right: Math.max(right, 0),
    },
  ];
}

/**
 * The transposed convolution of dy.
 * @param options.convolve convolves at stride 1
 * @returns the gradient of the convolution's input, `[batch, h, w, in]`
 */
export function transposedConvBySubpixels(
  dy: tf.Tensor4D,
  filter: tf.Tensor4D,
  {
    xShape,
    attrs,
    convolve,
  }: {
    xShape: readonly number[];
    attrs: ConvAttrs;
    convolve: (dy: tf.Tensor4D, filter: tf.Tensor4D, conv: ConvAttrs) => tf.Tensor4D;
  },
): tf.Tensor4D {
  const [batch, countDown, countAcross] = dy.shape;
  const [kh, kw, channels] = filter.shape;
  const [, height = 1, width = 1] = xShape;
  const {
    strides: [sy, sx],
    padding,
  } = attrs;
  const swapped: tf.Tensor4D = tf.transpose(filter, [0, 1, 3, 2]); // [kh, kw, out, in]
  const rows = Array.from({ length: sy }, (_, p) =>
    makePhase(p, { size: height, count: countDown, kernel: kh, stride: sy, padding: padding.top }),
  );
  const columns = Array.from({ length: sx }, (_, p) =>
    makePhase(p, {
      size: width,
      count: countAcross,
      kernel: kw,
      stride: sx,
      padding: padding.left,
    }),
  );
  const [tall, wide] = [Math.ceil(height / sy), Math.ceil(width / sx)];
  const plane = (down: Phase, across: Phase): tf.Tensor4D => {
    // tf.fill computes on the device; tf.zeros uploads.
    const zeros = () => tf.fill([batch, tall, wide, channels], 0) as tf.Tensor4D;
    if (down.taps.length === 0 || across.taps.length === 0) return zeros();
    const [part, padded] = crop(dy, down, across);
    if (part.size === 0) return zeros(); // WebGPU cannot read an empty tensor
    return convolve(part, selectTaps(swapped, down.taps, across.taps), {
      strides: [1, 1],
      dilations: [1, 1],
      padding: padded,
    });
  };
  const bands = rows.map((down) => {
    const planes = columns.map((across) => plane(down, across));
    return tf.reshape(tf.stack(planes, 3), [batch, tall, sx * wide, channels]);
  });
  const whole: tf.Tensor4D = tf.reshape(tf.stack(bands, 2), [
    batch,
    sy * tall,
    sx * wide,
    channels,
  ]);
  return sy * tall === height && sx * wide === width
    ? whole
    : tf.slice(whole, [0, 0, 0, 0], [batch, height, width, channels]);
}
