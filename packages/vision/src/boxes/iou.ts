/** Intersection over union: d2l 14.4, zh 13.4. */
import { isTensor } from '@deepend/compiler';
import { isFloat32Array } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import { type Boxes, readBoxes, toRows } from './format';

const WHERE = '[vision] boxIou';
/** Added to areas, so that one of 0 divides nothing; in float32 it changes no other. */
const TINY = 1e-30;

/**
 * The intersection over union of each pair of boxes [x1, y1, x2, y2], 0 to 1 (the Jaccard index).
 * d2l 14.4, zh 13.4; torchvision's `box_iou`. Two boxes without area have 0. The gradient flows
 * through tensors.
 * @param boxes1 `n` boxes
 * @param boxes2 `m` boxes in the same form
 * @returns `[n, m]` in the form of the boxes: a tensor, which the caller disposes; a Float32Array
 *   of `n * m` numbers, row by row; or a list of `n` lists
 * @throws TypeError or RangeError for boxes of two forms, and in arrays for x1 > x2 or y1 > y2
 * @example boxIou([[0, 0, 2, 2]], [[1, 0, 3, 2], [0, 0, 2, 1]]) // [[0.333…, 0.5]]
 */
export function boxIou(boxes1: tf.Tensor, boxes2: tf.Tensor): tf.Tensor2D;
export function boxIou(boxes1: Float32Array, boxes2: Float32Array): Float32Array;
export function boxIou(
  boxes1: readonly (readonly number[])[],
  boxes2: readonly (readonly number[])[],
): number[][];
export function boxIou(boxes1: Boxes, boxes2: Boxes): tf.Tensor2D | Float32Array | number[][] {
  if (isTensor(boxes1) !== isTensor(boxes2) || isFloat32Array(boxes1) !== isFloat32Array(boxes2))
    throw new TypeError(`${WHERE}: expected both boxes in one form, got two; convert one of them`);
  if (isTensor(boxes1) && isTensor(boxes2)) return iouOfTensors(boxes1, boxes2);
  const first = readBoxes(WHERE, boxes1, { what: 'boxes1', corners: true });
  const second = readBoxes(WHERE, boxes2, { what: 'boxes2', corners: true });
  const values = pairwiseIou(first, second);
  if (isFloat32Array(boxes1)) return values;
  return toRows(values, second.length / 4).concat(
    second.length === 0 ? Array.from({ length: first.length / 4 }, () => []) : [],
  );
}

/** `[n, 4]`, `[m, 4]` → `[n, m]` */
function iouOfTensors(boxes1: tf.Tensor, boxes2: tf.Tensor): tf.Tensor2D {
  return tf.tidy(() => {
    const columns = (boxes: tf.Tensor, shape: [number, number]) => {
      if (boxes.rank !== 2 || boxes.shape[1] !== 4)
        throw new TypeError(
          `${WHERE}: expected tensors [n, 4], got one of [${boxes.shape.join(', ')}]`,
        );
      return tf.split(boxes, 4, 1).map((column) => tf.reshape(column, shape)) as Columns;
    };
    const a = columns(boxes1, [-1, 1]); // each [n, 1]
    const b = columns(boxes2, [1, -1]); // each [1, m]
    const area = ([x1, y1, x2, y2]: Columns) => tf.mul(tf.sub(x2, x1), tf.sub(y2, y1));
    const shared = (from: 0 | 1, to: 2 | 3) =>
      tf.relu(tf.sub(least(a[to], b[to]), greatest(a[from], b[from])));
    const inter = tf.mul(shared(0, 2), shared(1, 3)); // [n, m]
    const union = tf.sub(tf.add(area(a), area(b)), inter);
    return tf.div(inter, tf.add(union, TINY)) as tf.Tensor2D; // divNoNan has no gradient
  });
}

/**
 * Like `tf.maximum`, whose gradient fails where shapes are broadcast; so does that of `tf.minimum`.
 */
const greatest = (a: tf.Tensor, b: tf.Tensor) => tf.add(a, tf.relu(tf.sub(b, a)));
const least = (a: tf.Tensor, b: tf.Tensor) => tf.sub(a, tf.relu(tf.sub(a, b)));

type Columns = [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];

/**
 * IoU of each pair of checked boxes.
 * @returns `n * m` numbers, row by row
 */
export function pairwiseIou(first: Float32Array, second: Float32Array): Float32Array {
  const [n, m] = [first.length / 4, second.length / 4];
  const values = new Float32Array(n * m);
  for (let i = 0; i < n; i++)
    for (let j = 0; j < m; j++) values[i * m + j] = iouOf(first, 4 * i, second, 4 * j);
  return values;
}

/** IoU of the boxes that begin at `i` of `a` and at `j` of `b`. */
export function iouOf(a: Numbers, i: number, ...[b, j]: [b: Numbers, j: number]): number {
  const { x1, y1, x2, y2 } = corners(a, i);
  const { x1: u1, y1: v1, x2: u2, y2: v2 } = corners(b, j);
  const width = Math.min(x2, u2) - Math.max(x1, u1);
  const height = Math.min(y2, v2) - Math.max(y1, v1);
  if (!(width > 0 && height > 0)) return 0;
  const inter = width * height;
  return inter / ((x2 - x1) * (y2 - y1) + (u2 - u1) * (v2 - v1) - inter);
}

type Numbers = ArrayLike<number>;

const corners = (boxes: Numbers, at: number) => ({
  x1: boxes[at] as number,
  y1: boxes[at + 1] as number,
  x2: boxes[at + 2] as number,
  y2: boxes[at + 3] as number,
});
