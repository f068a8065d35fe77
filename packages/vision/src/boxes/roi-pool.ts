/** Region of interest pooling: d2l 14.8.2, zh 13.8.2. */
import { isTensor } from '@deepend/compiler';
import { checkOptions, formatValue, rule } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import { type Boxes, readBoxes } from './format';

export interface RoiPoolOptions {
  /**
   * Height and width of each result, or one number for both.
   * @example [7, 7]
   */
  outputSize: number | readonly [height: number, width: number];
  /** Pixels of the features for one unit of the boxes: 1 / 32 after five halvings. @default 1 */
  spatialScale?: number;
}

const WHERE = '[vision] roiPool';
const isSize = (value: unknown) => Number.isInteger(value) && (value as number) > 0;
const OPTIONS = rule.object({
  outputSize: rule.custom<RoiPoolOptions['outputSize']>(
    (value) => isSize(value) || (Array.isArray(value) && value.length === 2 && value.every(isSize)),
    'an integer of at least 1, or [height, width] of two of them',
  ),
  spatialScale: rule.positiveNumber().default(1),
});

/**
 * The largest values of each box's parts: a box is scaled to the features, rounded to pixels and
 * divided into `outputSize` parts. torchvision's `roi_pool`, with its rounding; d2l 14.8, zh 13.8;
 * Girshick 2015, https://arxiv.org/abs/1504.08083. A part outside the image is 0. It has a gradient
 * with respect to the features.
 * @param features float32 `[batch, height, width, channels]`; the caller still owns them
 * @param boxes for each image, `n` boxes [x1, y1, x2, y2] in pixels of the image
 * @returns `[boxes of all images, height, width, channels]`, the first image's first
 * @throws TypeError or RangeError for other features, boxes of other numbers of images, x1 > x2
 * @example
 * const x = tf.reshape(tf.range(0, 16), [1, 4, 4, 1]);
 * const boxes = [[[0, 0, 20, 20], [0, 10, 30, 30]]];
 * const y = roiPool(x, boxes, { outputSize: 2, spatialScale: 0.1 });
 * y.print(); // [[5, 6], [9, 10]] and [[9, 11], [13, 15]]
 */
export function roiPool(
  features: tf.Tensor,
  boxes: readonly Boxes[],
  options: RoiPoolOptions,
): tf.Tensor4D {
  const { outputSize, spatialScale } = checkOptions(WHERE, OPTIONS, options);
  checkFeatures(features, boxes);
  const [height, width] = typeof outputSize === 'number' ? [outputSize, outputSize] : outputSize;
  const [, rows = 0, columns = 0, channels = 0] = features.shape;
  const values = features.dataSync();
  const regions = boxes.flatMap((each, image) => regionsOf(each, { image, scale: spatialScale }));
  const shape: [number, number, number, number] = [regions.length, height, width, channels];
  const indices = new Int32Array(tf.util.sizeFromShape(shape)).fill(-1);
  let at = 0;
  for (const { image, y, x } of regions) {
    for (let i = 0; i < height; i++) {
      const [top, bottom] = part(y, { index: i, count: height, size: rows });
      for (let j = 0; j < width; j++, at += channels) {
        const [left, right] = part(x, { index: j, count: width, size: columns });
        for (let row = top; row < bottom; row++) {
          const from = (image * rows + row) * columns;
          for (let pixel = from + left; pixel < from + right; pixel++)
            keepLargest(indices, { at, values, pixel: pixel * channels, channels });
        }
      }
    }
  }
  return gathered(features, indices, shape);
}

function checkFeatures(features: tf.Tensor, boxes: readonly Boxes[]): void {
  if (!isTensor(features) || features.rank !== 4 || features.dtype !== 'float32') {
    const got = isTensor(features) ? `${features.dtype} [${features.shape.join(', ')}]` : features;
    throw new TypeError(
      `${WHERE}: expected float32 features [batch, height, width, channels], got ` +
        (typeof got === 'string' ? got : formatValue(got)),
    );
  }
  if (Array.isArray(boxes) && boxes.length === features.shape[0]) return;
  throw new RangeError(
    `${WHERE}: expected a list of boxes for each of ${features.shape[0]} images, got ` +
      `${Array.isArray(boxes) ? `${boxes.length} lists` : formatValue(boxes)}`,
  );
}

/** The first pixel and the number of pixels along an axis. */
type Span = readonly [start: number, size: number];

interface Region {
  readonly image: number;
  readonly y: Span;
  readonly x: Span;
}

/** As C's `round`: halves go away from zero. */
const round = (value: number): number => Math.sign(value) * Math.round(Math.abs(value));

function regionsOf(
  boxes: Boxes,
  { image, scale }: { image: number; scale: number },
): readonly Region[] {
  const corners = readBoxes(WHERE, boxes, { corners: true, what: `boxes of image ${image}` });
  const span = (from: number, to: number): Span => {
    const [start, end] = [round(Math.fround(from * scale)), round(Math.fround(to * scale))];
    return [start, Math.max(end - start + 1, 1)];
  };
  return Array.from({ length: corners.length / 4 }, (_, i) => {
    const [x1 = 0, y1 = 0, x2 = 0, y2 = 0] = corners.subarray(4 * i, 4 * i + 4);
    return { image, y: span(y1, y2), x: span(x1, x2) };
  });
}

/** The pixels of one part of a span, from the first to the one after the last. */
function part(
  [start, length]: Span,
  { index, count, size }: { index: number; count: number; size: number },
): [number, number] {
  const inside = (pixel: number) => Math.min(Math.max(pixel + start, 0), size);
  const step = Math.fround(length / count); // in float32 throughout, as torchvision
  const edge = (i: number) => Math.fround(i * step);
  return [inside(Math.floor(edge(index))), inside(Math.ceil(edge(index + 1)))];
}

interface Compared {
  /** Where the part's channels begin in `indices`. */
  readonly at: number;
  readonly values: ArrayLike<number>;
  /** Where the pixel's channels begin in `values`. */
  readonly pixel: number;
  readonly channels: number;
}

function keepLargest(indices: Int32Array, { at, values, pixel, channels }: Compared): void {
  for (let c = 0; c < channels; c++) {
    const best = indices[at + c] as number;
    if (best < 0 || (values[pixel + c] as number) > (values[best] as number))
      indices[at + c] = pixel + c;
  }
}

/** The features at these places of their memory; 0 at −1. */
function gathered(
  features: tf.Tensor,
  indices: Int32Array,
  shape: [number, number, number, number],
): tf.Tensor4D {
  return tf.tidy(() => {
    if (indices.length === 0) return tf.zeros(shape);
    const places = tf.tensor1d(
      indices.map((index) => Math.max(index, 0)),
      'int32',
    );
    const present = tf.tensor1d(Float32Array.from(indices, (index) => Number(index >= 0)));
    const found = tf.gather(tf.reshape(features, [-1]), places);
    return tf.reshape(tf.mul(found, present), shape) as tf.Tensor4D;
  });
}
