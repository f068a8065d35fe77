/**
 * The gradient of a strided convolution's input without a zero between the pixels: the rows and
 * columns of the image fall into
 * strides[0]·strides[1] phases, and each is a plain convolution of dy with those taps of the filter
 * that reach it.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { ConvAttrs, Padding } from './primitives';

interface Phase {
  /**
   * The filter's rows that reach these rows of the image, in the order in which dy's rows meet
   * them.
   */
  readonly taps: readonly number[];
  /** Rows of zeros before and after dy; below 0: rows that are left out. */
  readonly before: number;
  readonly after: number;
}

interface AxisGeometry {
  /** Of the image. */
  readonly size: number;
  /** Of dy. */
  readonly count: number;
  readonly kernel: number;
  readonly stride: number;
  /** Padding before the image. */
  readonly padding: number;
}

/**
 * Row stride·j + p of the image, which dy's row j + reach − u meets with the filter's row first +
 * stride·u.
 */
function phase(p: number, { size, count, kernel, stride, padding }: AxisGeometry): Phase {
  const first = (p + padding) % stride;
  const reach = Math.floor((p + padding) / stride);
  const numTaps = Math.max(0, Math.ceil((kernel - first) / stride));
  const taps = Array.from({ length: numTaps }, (_, u) => first + stride * (numTaps - 1 - u));
  const rows = Math.ceil(size / stride); // of every phase alike: what is beyond the image is cut off at the end
  const before = numTaps - 1 - reach;
  return { taps, before, after: rows + numTaps - 1 - before - count };
}

/** `filter` `[kh, kw, out, in]` with these rows and columns alone. */
function pick(
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

/** dy with rows and columns cut off where padding is negative, and the padding that is left. */
function cut(dy: tf.Tensor4D, down: Phase, across: Phase): [tf.Tensor4D, Padding] {
  const [batch, height, width, channels] = dy.shape;
  const [top, bottom, left, right] = [down.before, down.after, across.before, across.after];
  const off = (rows: number) => Math.max(-rows, 0);
  const whole = [top, bottom, left, right].every((rows) => rows >= 0);
  const size: [number, number, number, number] = [
    batch,
    height - off(top) - off(bottom),
    width - off(left) - off(right),
    channels,
  ];
  const part = whole ? dy : tf.slice(dy, [0, off(top), off(left), 0], size);
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

/** @param use convolves at stride 1 → the image's gradient `[batch, h, w, in]` */
export function throughPhases(
  dy: tf.Tensor4D,
  filter: tf.Tensor4D,
  {
    xShape,
    attrs,
    use,
  }: {
    xShape: readonly number[];
    attrs: ConvAttrs;
    use: (dy: tf.Tensor4D, filter: tf.Tensor4D, conv: ConvAttrs) => tf.Tensor4D;
  },
): tf.Tensor4D {
  const [batch, countDown, countAcross] = dy.shape;
  const [kh, kw, channels] = filter.shape;
  const [, height = 1, width = 1] = xShape;
  const {
    strides: [sy, sx],
    padding,
  } = attrs;
  const turned: tf.Tensor4D = tf.transpose(filter, [0, 1, 3, 2]); // [kh, kw, out, in]
  const rows = Array.from({ length: sy }, (_, p) =>
    phase(p, { size: height, count: countDown, kernel: kh, stride: sy, padding: padding.top }),
  );
  const columns = Array.from({ length: sx }, (_, p) =>
    phase(p, { size: width, count: countAcross, kernel: kw, stride: sx, padding: padding.left }),
  );
  const [tall, wide] = [Math.ceil(height / sy), Math.ceil(width / sx)];
  const plane = (down: Phase, across: Phase): tf.Tensor4D => {
    const nothing = () => tf.fill([batch, tall, wide, channels], 0) as tf.Tensor4D; // made where it is read: zeros() come from the host
    if (down.taps.length === 0 || across.taps.length === 0) return nothing();
    const [part, padded] = cut(dy, down, across);
    if (part.size === 0) return nothing(); // WebGPU reads no tensor without a number
    return use(part, pick(turned, down.taps, across.taps), {
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
