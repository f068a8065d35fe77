/**
 * Transposed convolution and its gradients. With a large stride, as in fully convolutional networks
 * (Long et al. 2015, https://arxiv.org/abs/1411.4038), the image is cut into cells of one stride:
 * all pixels of a cell are channels of one convolution at stride 1, which needs one call where the
 * sub-pixel decomposition needs one for each pixel of a cell (1,024 at stride 32).
 */
import * as tf from '@tensorflow/tfjs-core';
import { runFusedKernel } from './fused-kernels';
import { type ConvAttrs, convolve, filterGradient, inputGradient } from './primitives';

/** From this many pixels in a cell, cells cost less than one convolution for each of its pixels. */
const CELL_PIXELS = 64;

interface Options {
  /** Of the convolution that is transposed: it makes `x` from images of `shape`. */
  readonly conv: ConvAttrs;
  /** `[batch, height, width, out]`, the images. */
  readonly shape: readonly number[];
}

const usesCells = ({ strides, dilations, groups = 1 }: ConvAttrs): boolean =>
  groups === 1 && dilations.every((rate) => rate === 1) && strides[0] * strides[1] >= CELL_PIXELS;

/** The sizes of a transposed convolution in cells. */
class Cells {
  readonly #stride: readonly [number, number];
  readonly #kernel: readonly [number, number];
  readonly #shape: readonly number[];
  /** Cells that the kernel reaches over. */
  readonly #taps: readonly [number, number];
  /** Cells of an image, down and across. */
  readonly #grid: readonly [number, number];
  readonly #before: readonly [number, number];
  readonly #channels: readonly [out: number, inputs: number];

  constructor(x: readonly number[], filter: readonly number[], { conv, shape }: Options) {
    const [kh = 1, kw = 1, out = 1, inputs = 1] = filter;
    const [sy, sx] = conv.strides;
    this.#stride = conv.strides;
    this.#kernel = [kh, kw];
    this.#shape = shape;
    this.#taps = [Math.ceil(kh / sy), Math.ceil(kw / sx)];
    this.#grid = [(x[1] ?? 0) + this.#taps[0] - 1, (x[2] ?? 0) + this.#taps[1] - 1];
    this.#before = [conv.padding.top, conv.padding.left];
    this.#channels = [out, inputs];
  }

  /** Of the convolution that makes cells: each sees the pixels that reach it. */
  get conv(): ConvAttrs {
    const [down, across] = this.#taps.map((count) => count - 1) as [number, number];
    const padding = { top: down, bottom: down, left: across, right: across };
    return { strides: [1, 1], dilations: [1, 1], padding };
  }

  /** Numbers of a cell. */
  get #numbers(): number {
    return this.#stride[0] * this.#stride[1] * this.#channels[0];
  }

  /** `[kh, kw, out, in]` → `[taps, taps, in, cell]`, the last taps first. */
  filter(filter: tf.Tensor4D): tf.Tensor4D {
    const [[ty, tx], [sy, sx], [out, inputs]] = [this.#taps, this.#stride, this.#channels];
    const [kh, kw] = this.#kernel;
    const whole = padEnds(filter, [ty * sy - kh, tx * sx - kw, 0, 0]);
    const split = tf.reshape(whole, [ty, sy, tx, sx * out * inputs]);
    const cells = tf.reverse(tf.transpose(split, [0, 2, 1, 3]), [0, 1]); // [ty, tx, sy, …]
    const rows: tf.Tensor3D = tf.reshape(cells, [ty * tx, this.#numbers, inputs]);
    return tf.reshape(tf.transpose(rows, [0, 2, 1]), [ty, tx, inputs, this.#numbers]);
  }

  /** The inverse of `filter`. */
  filterFrom(cells: tf.Tensor4D): tf.Tensor4D {
    const [[ty, tx], [sy, sx], [out, inputs]] = [this.#taps, this.#stride, this.#channels];
    const rows = tf.transpose(tf.reshape(cells, [ty * tx, inputs, this.#numbers]), [0, 2, 1]);
    const split = tf.reverse(tf.reshape(rows, [ty, tx, sy, sx * out * inputs]), [0, 1]);
    const whole = tf.transpose(split, [0, 2, 1, 3]); // [ty, sy, tx, …]
    const filter: tf.Tensor4D = tf.reshape(whole, [ty * sy, tx * sx, out, inputs]);
    return tf.slice(filter, [0, 0, 0, 0], [...this.#kernel, out, inputs]);
  }

  /** `[batch, down, across, cell]` → the images. */
  toImages(cells: tf.Tensor4D): tf.Tensor4D {
    const [batch = 0, height = 0, width = 0, out = 0] = this.#shape;
    const [[down, across], [sy, sx], [top, left]] = [this.#grid, this.#stride, this.#before];
    const split = tf.reshape(cells, [batch * down, across, sy, sx * out]);
    const rows = tf.transpose(split, [0, 2, 1, 3]); // [batch · down, sy, across, sx · out]
    const whole: tf.Tensor4D = tf.reshape(rows, [batch, down * sy, across * sx, out]);
    const [lower, right] = this.#beyond.map((count) => Math.max(count, 0)) as [number, number];
    const padded = padEnds(whole, [0, lower, right, 0]);
    return tf.slice(padded, [0, top, left, 0], [batch, height, width, out]);
  }

  /** The inverse of `toImages`; pixels of no cell are left out. */
  toCells(images: tf.Tensor4D): tf.Tensor4D {
    const [batch = 0, height = 0, width = 0, out = 0] = this.#shape;
    const [[down, across], [sy, sx], [top, left]] = [this.#grid, this.#stride, this.#before];
    const [missing, absent] = this.#beyond;
    const inside = tf.slice(
      images,
      [0, 0, 0, 0],
      [batch, height - Math.max(missing, 0), width - Math.max(absent, 0), out],
    );
    const whole = tf.pad(inside, [
      [0, 0],
      [top, Math.max(-missing, 0)],
      [left, Math.max(-absent, 0)],
      [0, 0],
    ]);
    const split = tf.reshape(whole, [batch * down, sy, across, sx * out]);
    return tf.reshape(tf.transpose(split, [0, 2, 1, 3]), [batch, down, across, this.#numbers]);
  }

  /** Rows and columns of the images after the last cell: below 0 where cells reach further. */
  get #beyond(): [number, number] {
    const [, height = 0, width = 0] = this.#shape;
    const [[down, across], [sy, sx], [top, left]] = [this.#grid, this.#stride, this.#before];
    return [top + height - down * sy, left + width - across * sx];
  }
}

/** Zeros at the end of each axis. */
const padEnds = (x: tf.Tensor4D, after: readonly number[]): tf.Tensor4D =>
  after.every((count) => count === 0)
    ? x
    : tf.pad(
        x,
        after.map((count): [number, number] => [0, count]),
      );

/**
 * Transposed convolution: x `[batch, h, w, in]`, filter `[kh, kw, out, in]` → `options.shape`. Call
 * it inside `tf.tidy`.
 */
export function transposedConv(x: tf.Tensor4D, filter: tf.Tensor4D, options: Options): tf.Tensor4D {
  const { conv, shape } = options;
  if (!usesCells(conv)) return inputGradient(x, filter, { conv, xShape: shape });
  const cells = new Cells(x.shape, filter.shape, options);
  const kernel = cells.filter(filter);
  const fused = runFusedKernel(
    'deepend.conv2d',
    { x, filter: kernel },
    { ...cells.conv, relu: false },
  );
  return cells.toImages(fused ? fused[0] : convolve(x, kernel, cells.conv));
}

/** The gradients of a transposed convolution; undefined for those that are not wanted. */
export interface TransposedConvGradients {
  readonly x: tf.Tensor4D | undefined;
  readonly filter: tf.Tensor4D | undefined;
}

/**
 * The gradients of `transposedConv`. Call it inside `tf.tidy`.
 * @param inputs dy has the images' shape
 * @param wanted which of the two are computed
 */
export function transposedConvGradients(
  { x, filter, dy }: { x: tf.Tensor4D; filter: tf.Tensor4D; dy: tf.Tensor4D },
  options: Options,
  wanted: { readonly x: boolean; readonly filter: boolean },
): TransposedConvGradients {
  const { conv } = options;
  if (!usesCells(conv)) {
    return {
      x: wanted.x ? convolve(dy, filter, conv) : undefined,
      filter: wanted.filter ? filterGradient(dy, x, filter.shape, conv) : undefined,
    };
  }
  const cells = new Cells(x.shape, filter.shape, options);
  const dCells = cells.toCells(dy);
  const kernel = cells.filter(filter);
  const dKernel = () => filterGradient(x, dCells, kernel.shape, cells.conv);
  return {
    x: wanted.x ? inputGradient(dCells, kernel, { conv: cells.conv, xShape: x.shape }) : undefined,
    filter: wanted.filter ? cells.filterFrom(dKernel()) : undefined,
  };
}
