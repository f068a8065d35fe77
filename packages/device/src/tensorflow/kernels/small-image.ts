/**
 * Convolution of images of a few pixels as one matrix product: `[batch, pixels·in] × [pixels·in,
 * pixels'·out]`. On one pixel, a 3×3 convolution multiplies eight of nine taps by padding, and on
 * 2×2
 * pixels five of nine; the matrix has no padding.
 */
import type { ConvAttrs } from '@deepend/compiler';
import * as tf from '@tensorflow/tfjs-core';
import { type NodeBackend, product } from './native';

const MOST_PIXELS = 4;

export interface Geometry extends ConvAttrs {
  /** `[batch, h, w, in]` */
  readonly x: readonly number[];
  /** `[kh, kw, in, out]` */
  readonly filter: readonly number[];
}

/** Whether the matrix has fewer products than the convolution. */
export function isSmall({ x, filter, groups = 1 }: Geometry): boolean {
  const pixels = (x[1] ?? 1) * (x[2] ?? 1);
  const taps = (filter[0] ?? 1) * (filter[1] ?? 1);
  return groups === 1 && pixels <= MOST_PIXELS && pixels < taps;
}

const outSize = ({ x, filter, strides, dilations, padding }: Geometry): [number, number] =>
  [padding.top + padding.bottom, padding.left + padding.right].map((pad, axis) => {
    const reach = ((filter[axis] ?? 1) - 1) * (dilations[axis] as number) + 1;
    return Math.floor(((x[axis + 1] ?? 1) + pad - reach) / (strides[axis] as number)) + 1;
  }) as [number, number];

/** For each input pixel and each output pixel: the filter tap that connects them, or −1. */
function taps(geometry: Geometry): number[] {
  const {
    x: [, height = 1, width = 1],
    filter: [kh = 1, kw = 1],
    strides,
    dilations,
    padding,
  } = geometry;
  const [outHeight, outWidth] = outSize(geometry);
  const tap = (
    pixel: number,
    out: number,
    { axis, before, count }: { axis: 0 | 1; before: number; count: number },
  ) => {
    const at = (pixel + before - out * strides[axis]) / dilations[axis];
    return Number.isInteger(at) && at >= 0 && at < count ? at : -1;
  };
  const found: number[] = [];
  for (let pixel = 0; pixel < height * width; pixel++) {
    for (let out = 0; out < outHeight * outWidth; out++) {
      const ky = tap(Math.floor(pixel / width), Math.floor(out / outWidth), {
        axis: 0,
        before: padding.top,
        count: kh,
      });
      const kx = tap(pixel % width, out % outWidth, { axis: 1, before: padding.left, count: kw });
      found.push(ky < 0 || kx < 0 ? -1 : ky * kw + kx);
    }
  }
  return found;
}

const sizes = ({ x: [, height = 1, width = 1, ins = 1], filter }: Geometry) => ({
  pixels: height * width,
  ins,
  outs: filter[3] ?? 1,
});

/** A filter as a matrix `[pixels·in, pixels'·out]`. */
export function filterMatrix(filter: tf.Tensor4D, geometry: Geometry): tf.Tensor2D {
  const { pixels, ins, outs } = sizes(geometry);
  const places = taps(geometry);
  const numOut = places.length / pixels;
  const each: tf.Tensor3D = tf.reshape(filter, [-1, ins, outs]);
  if (places.length === 1)
    return tf.reshape(tf.slice(each, [places[0] as number, 0, 0], [1, ins, outs]), [ins, outs]);
  const numTaps = each.shape[0];
  const whole = places.includes(-1)
    ? tf.pad(each, [
        [0, 1],
        [0, 0],
        [0, 0],
      ])
    : each;
  const indices = tf.tensor1d(
    places.map((tap) => (tap < 0 ? numTaps : tap)),
    'int32',
  );
  const blocks = tf.reshape(tf.gather(whole, indices), [pixels, numOut, ins, outs]);
  return tf.reshape(tf.transpose(blocks, [0, 2, 1, 3]), [pixels * ins, numOut * outs]);
}

/** `[batch, h, w, c]` → `[batch, h·w·c]` */
const rowsOf = (image: tf.Tensor4D): tf.Tensor => tf.reshape(image, [image.shape[0], -1]);

export function smallConvolve(
  backend: NodeBackend,
  x: tf.Tensor4D,
  matrix: tf.Tensor2D,
  geometry: Geometry,
): tf.Tensor4D {
  const y = product(backend, rowsOf(x), matrix);
  return tf.reshape(y, [x.shape[0], ...outSize(geometry), geometry.filter[3] ?? 1]);
}

export function smallInputGradient(
  backend: NodeBackend,
  dy: tf.Tensor4D,
  matrix: tf.Tensor,
  geometry: Geometry,
): tf.Tensor4D {
  const dx = product(backend, rowsOf(dy), matrix, { transposeB: true });
  return tf.reshape(dx, geometry.x as [number, number, number, number]);
}

/** A tap's gradient is the sum of its blocks in the matrix's gradient. */
export function smallFilterGradient(
  backend: NodeBackend,
  x: tf.Tensor4D,
  dy: tf.Tensor4D,
  geometry: Geometry,
): tf.Tensor4D {
  const { pixels, ins, outs } = sizes(geometry);
  const shape = geometry.filter as [number, number, number, number];
  const places = taps(geometry);
  const numTaps = shape[0] * shape[1];
  const matrix = product(backend, rowsOf(x), rowsOf(dy), { transposeA: true });
  if (places.length === 1) {
    const tap = places[0] as number;
    return tf.reshape(
      tf.pad(tf.reshape(matrix, [1, -1]), [
        [tap, numTaps - 1 - tap],
        [0, 0],
      ]),
      shape,
    );
  }
  const blocks = tf.transpose(
    tf.reshape(matrix, [pixels, ins, places.length / pixels, outs]),
    [0, 2, 1, 3],
  );
  const selected = Array.from({ length: numTaps }, (_, tap) =>
    places.map((at) => (at === tap ? 1 : 0)),
  );
  // A product with zeros and ones: libtensorflow's segment sum runs on one core.
  return tf.reshape(
    product(backend, tf.tensor2d(selected), tf.reshape(blocks, [places.length, -1])),
    shape,
  );
}
