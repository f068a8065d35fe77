/** Convolutions of images and sequences, and their transposes. */
import {
  type ConvAttrs,
  channelSums,
  convolve,
  filterGradient,
  inputGradient,
  runFusedKernel,
  transposedConv,
  transposedConvGradients,
} from '@deepend/compiler';
import { formatValue } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import { expectFloat, expectShape, refuse, shapeText } from './checks';
import { differentiableOne } from './tape';

/** One number for both axes, or height and width. */
export type Size = number | readonly [height: number, width: number];

interface Common<S> {
  /** `[out]` @default none */
  readonly bias?: tf.Tensor1D | undefined;
  /** @default 1 */
  readonly stride?: S | undefined;
  /** Zeros on both sides. @default 0 */
  readonly padding?: S | undefined;
  /** @default 1 */
  readonly dilation?: S | undefined;
  /** @default 1 */
  readonly groups?: number | undefined;
}

export type Conv2dOptions = Common<Size>;
export type Conv1dOptions = Common<number>;

export interface ConvTranspose2dOptions extends Omit<Common<Size>, 'groups'> {
  /** Rows and columns that are added at the end, fewer than the stride. @default 0 */
  readonly outputPadding?: Size | undefined;
}

type Pair = readonly [number, number];

function pair(where: string, name: string, value: Size | undefined, least: number): Pair {
  const [height, width]: readonly number[] =
    value === undefined ? [least, least] : typeof value === 'number' ? [value, value] : value;
  for (const size of [height, width]) {
    if (!Number.isInteger(size) || (size as number) < least)
      refuse(where, `${name} of at least ${least}, got ${formatValue(value)}`);
  }
  return [height as number, width as number];
}

function attrsOf(where: string, options: Common<Size>): ConvAttrs {
  const [top, left] = pair(where, 'padding', options.padding, 0);
  const { groups = 1 } = options;
  if (!Number.isInteger(groups) || groups < 1)
    refuse(where, `groups of at least 1, got ${formatValue(groups)}`);
  return {
    strides: pair(where, 'stride', options.stride, 1),
    dilations: pair(where, 'dilation', options.dilation, 1),
    padding: { top, bottom: top, left, right: left },
    ...(groups > 1 && { groups }),
  };
}

/** Pixels that a kernel covers, less one. */
const reach = (kernel: number, dilation: number): number => (kernel - 1) * dilation;

function checkConv(where: string, x: tf.Tensor4D, filter: tf.Tensor4D, attrs: ConvAttrs): void {
  expectShape(where, 'x', x, ['batch', 'height', 'width', 'channels']);
  expectShape(where, 'filter', filter, ['kh', 'kw', 'in / groups', 'out']);
  expectFloat(where, 'x', x);
  const { groups = 1, padding, dilations } = attrs;
  const [kh, kw, channels, out] = filter.shape;
  if (x.shape[3] !== channels * groups || out % groups !== 0) {
    refuse(
      where,
      `${channels * groups} input channels, and output channels that ${groups} groups divide, as ` +
        `filter ${shapeText(filter.shape)} takes, got ${shapeText(x.shape)}`,
    );
  }
  const height = x.shape[1] + padding.top + padding.bottom;
  const width = x.shape[2] + padding.left + padding.right;
  const [rows, columns] = [reach(kh, dilations[0]) + 1, reach(kw, dilations[1]) + 1];
  if (height < rows || width < columns)
    refuse(where, `images of at least ${rows} × ${columns} with padding, got ${height} × ${width}`);
}

/**
 * Convolution of images, as in `torch.nn.functional.conv2d`, but in TensorFlow.js's layouts.
 * @param x `[batch, height, width, in]`
 * @param filter `[kh, kw, in / groups, out]`
 * @returns `[batch, height', width', out]`
 * @throws RangeError when the sizes do not fit
 */
export function conv2d(
  x: tf.Tensor4D,
  filter: tf.Tensor4D,
  options: Conv2dOptions = {},
): tf.Tensor4D {
  return convolution('conv2d', x, filter, options);
}

function convolution(
  where: string,
  x: tf.Tensor4D,
  filter: tf.Tensor4D,
  options: Conv2dOptions,
): tf.Tensor4D {
  const { bias } = options;
  const attrs = attrsOf(where, options);
  checkConv(where, x, filter, attrs);
  if (bias) expectShape(where, 'bias', bias, [filter.shape[3]]);
  return differentiableOne({
    inputs: { x, filter, bias },
    forward(save) {
      const fused = runFusedKernel(
        'deepend.conv2d',
        { x, filter, bias },
        { ...attrs, relu: false },
      );
      if (fused) {
        const [y, context] = fused;
        save(context ? [x, filter, context] : [x, filter]);
        return [y];
      }
      save([x, filter]);
      const y = convolve(x, filter, attrs);
      return [bias ? tf.add(y, bias) : y];
    },
    backward(dys, saved) {
      const dy = dys[0] as tf.Tensor4D;
      const [image, weights, context] = saved as [tf.Tensor4D, tf.Tensor4D, tf.Tensor?];
      return {
        x: () => inputGradient(dy, weights, { conv: attrs, xShape: image.shape, context }),
        filter: () => filterGradient(image, dy, weights.shape, attrs),
        bias: () => channelSums(dy),
      };
    },
  });
}

/**
 * Convolution of sequences, as in `torch.nn.functional.conv1d`, with the channels last.
 * @param x `[batch, time, in]`
 * @param filter `[k, in / groups, out]`
 * @returns `[batch, time', out]`
 * @throws RangeError when the sizes do not fit
 */
export function conv1d(
  x: tf.Tensor3D,
  filter: tf.Tensor3D,
  options: Conv1dOptions = {},
): tf.Tensor3D {
  expectShape('conv1d', 'x', x, ['batch', 'time', 'channels']);
  expectShape('conv1d', 'filter', filter, ['k', 'in / groups', 'out']);
  const { stride = 1, padding = 0, dilation = 1, bias, groups } = options;
  return tf.tidy(() => {
    const [batch, time, channels] = x.shape;
    const image: tf.Tensor4D = tf.reshape(x, [batch, 1, time, channels]);
    const y = convolution('conv1d', image, tf.expandDims(filter, 0), {
      bias,
      groups,
      stride: [1, stride],
      padding: [0, padding],
      dilation: [1, dilation],
    });
    return tf.reshape(y, [batch, y.shape[2], y.shape[3]]);
  });
}

/** The transpose's images: (size − 1) · stride − 2 · padding + reach + outputPadding + 1. */
function transposedShape(
  x: tf.Tensor4D,
  filter: tf.Tensor4D,
  { strides, dilations, padding }: ConvAttrs,
  extra: Pair,
): [number, number, number, number] {
  const before = [padding.top, padding.left];
  const [height, width] = [0, 1].map(
    (axis) =>
      ((x.shape[axis + 1] as number) - 1) * (strides[axis] as number) -
      2 * (before[axis] as number) +
      reach(filter.shape[axis] as number, dilations[axis] as number) +
      (extra[axis] as number) +
      1,
  ) as [number, number];
  return [x.shape[0], height, width, filter.shape[2]];
}

/**
 * Transposed convolution, as in `torch.nn.functional.conv_transpose2d`, but in TensorFlow.js's
 * layouts.
 * @param x `[batch, height, width, in]`
 * @param filter `[kh, kw, out, in]`
 * @returns `[batch, (height − 1) · stride − 2 · padding + kh + outputPadding, …, out]`
 * @throws RangeError when the sizes do not fit
 */
export function convTranspose2d(
  x: tf.Tensor4D,
  filter: tf.Tensor4D,
  options: ConvTranspose2dOptions = {},
): tf.Tensor4D {
  const where = 'convTranspose2d';
  expectShape(where, 'x', x, ['batch', 'height', 'width', 'channels']);
  expectShape(where, 'filter', filter, ['kh', 'kw', 'out', x.shape[3]]);
  expectFloat(where, 'x', x);
  const attrs = attrsOf(where, options);
  const extra = pair(where, 'outputPadding', options.outputPadding, 0);
  if (
    extra.some(
      (size, axis) =>
        size >= Math.max(...[attrs.strides, attrs.dilations].map((s) => s[axis] as number)),
    )
  )
    refuse(where, `outputPadding below the stride or the dilation, got ${shapeText(extra)}`);
  const { bias } = options;
  if (bias) expectShape(where, 'bias', bias, [filter.shape[2]]);
  const shape = transposedShape(x, filter, attrs, extra);
  if (shape[1] < 1 || shape[2] < 1)
    refuse(where, `a padding that leaves pixels, got images of ${shapeText(shape)}`);
  return differentiableOne({
    inputs: { x, filter, bias },
    forward(save) {
      save([x, filter]);
      const y = transposedConv(x, filter, { conv: attrs, shape });
      return [bias ? tf.add(y, bias) : y];
    },
    backward(dys, saved) {
      const dy = dys[0] as tf.Tensor4D;
      const [image, weights] = saved as [tf.Tensor4D, tf.Tensor4D];
      const gradient = (name: 'x' | 'filter') => () =>
        transposedConvGradients(
          { x: image, filter: weights, dy },
          { conv: attrs, shape },
          { x: name === 'x', filter: name === 'filter' },
        )[name] as tf.Tensor;
      return { x: gradient('x'), filter: gradient('filter'), bias: () => channelSums(dy) };
    },
  });
}
