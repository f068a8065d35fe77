/**
 * Convolution of images of a few pixels as one matrix product: `[batch, pixels·in] × [pixels·in, pixels'·out]`. A 3×3 filter on one pixel
 * multiplies one tap of nine by data and eight by padding, and on 2×2 pixels four of nine; here none meets padding.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { ConvAttrs } from '../../primitives';

const MOST_PIXELS = 4;

export interface Geometry extends ConvAttrs {
  /** `[batch, h, w, in]` */
  readonly x: readonly number[];
  /** `[kh, kw, in, out]` */
  readonly filter: readonly number[];
}

/** Whether the matrix has fewer products than the convolution. */
export function isSmall({ x, filter, groups = 1 }: Geometry): boolean {
  const [pixels, taps] = [(x[1] ?? 1) * (x[2] ?? 1), (filter[0] ?? 1) * (filter[1] ?? 1)];
  return groups === 1 && pixels <= MOST_PIXELS && pixels < taps;
}

const outSize = ({ x, filter, strides, dilations, padding }: Geometry): [number, number] =>
  [padding.top + padding.bottom, padding.left + padding.right].map((pad, axis) => {
    const reach = ((filter[axis] ?? 1) - 1) * (dilations[axis] as number) + 1;
    return Math.floor(((x[axis + 1] ?? 1) + pad - reach) / (strides[axis] as number)) + 1;
  }) as [number, number];

/** For each pixel of the image and, within, each of the output: the filter's tap between them, or −1. */
function taps(geometry: Geometry): number[] {
  const { x: [, height = 1, width = 1], filter: [kh = 1, kw = 1], strides, dilations, padding } = geometry; // biome-ignore format: one line
  const [outHeight, outWidth] = outSize(geometry);
  const tap = (pixel: number, out: number, { axis, before, count }: { axis: 0 | 1; before: number; count: number }) => {
    const at = (pixel + before - out * strides[axis]) / dilations[axis];
    return Number.isInteger(at) && at >= 0 && at < count ? at : -1;
  };
  const found: number[] = [];
  for (let pixel = 0; pixel < height * width; pixel++) {
    for (let out = 0; out < outHeight * outWidth; out++) {
      const ky = tap(Math.floor(pixel / width), Math.floor(out / outWidth), { axis: 0, before: padding.top, count: kh });
      const kx = tap(pixel % width, out % outWidth, { axis: 1, before: padding.left, count: kw });
      found.push(ky < 0 || kx < 0 ? -1 : ky * kw + kx);
    }
  }
  return found;
}

const sizes = ({ x: [batch = 1, height = 1, width = 1, ins = 1], filter }: Geometry) => ({ batch, pixels: height * width, ins, outs: filter[3] ?? 1 }); // biome-ignore format: one line

/** The matrix `[pixels·in, pixels'·out]` of a filter. */
function matrixOf(filter: tf.Tensor4D, geometry: Geometry): tf.Tensor2D {
  const { pixels, ins, outs } = sizes(geometry);
  const places = taps(geometry);
  const numOut = places.length / pixels;
  const each: tf.Tensor3D = tf.reshape(filter, [-1, ins, outs]);
  const none = places.includes(-1) ? tf.zeros<tf.Rank.R3>([1, ins, outs]) : undefined;
  const blocks = places.map((tap) => (tap < 0 ? (none as tf.Tensor3D) : tf.slice(each, [tap, 0, 0], [1, ins, outs])));
  if (blocks.length === 1) return tf.reshape(blocks[0] as tf.Tensor3D, [ins, outs]);
  const rows = Array.from({ length: pixels }, (_, pixel) => tf.concat(blocks.slice(pixel * numOut, (pixel + 1) * numOut), 2)); // biome-ignore format: one call
  return tf.reshape(tf.concat(rows, 0), [pixels * ins, numOut * outs]); // [pixels, in, pixels'·out] until here
}

export function smallConvolve(x: tf.Tensor4D, filter: tf.Tensor4D, geometry: Geometry): tf.Tensor4D {
  const { batch, pixels, ins, outs } = sizes(geometry);
  const y = tf.matMul(tf.reshape(x, [batch, pixels * ins]), matrixOf(filter, geometry));
  return tf.reshape(y, [batch, ...outSize(geometry), outs]);
}

export function smallInputGradient(dy: tf.Tensor4D, filter: tf.Tensor4D, geometry: Geometry): tf.Tensor4D {
  const { batch } = sizes(geometry);
  const dx: tf.Tensor = tf.matMul(tf.reshape(dy, [batch, -1]), matrixOf(filter, geometry), false, true);
  return tf.reshape(dx, geometry.x as [number, number, number, number]);
}

/** Each tap's gradient is the sum of its blocks of the matrix's. */
export function smallFilterGradient(x: tf.Tensor4D, dy: tf.Tensor4D, geometry: Geometry): tf.Tensor4D {
  const { batch, pixels, ins, outs } = sizes(geometry);
  const places = taps(geometry);
  const numOut = places.length / pixels;
  const matrix: tf.Tensor = tf.matMul(tf.reshape(x, [batch, -1]), tf.reshape(dy, [batch, -1]), true, false);
  const blocks: tf.Tensor3D = tf.reshape(matrix, [pixels * ins, numOut, outs]);
  const [kh = 1, kw = 1] = geometry.filter;
  const gradients = Array.from({ length: kh * kw }, (_, tap) => {
    const own = places.flatMap((at, i) => (at === tap ? [[Math.floor(i / numOut), i % numOut] as const] : []));
    const parts = own.map(([pixel, out]) => tf.slice(blocks, [pixel * ins, out, 0], [ins, 1, outs]));
    return tf.reshape(parts.length > 1 ? tf.addN(parts) : (parts[0] ?? tf.zeros([ins, 1, outs])), [1, ins, outs]);
  });
  return tf.reshape(tf.concat(gradients, 0), geometry.filter as [number, number, number, number]);
}
