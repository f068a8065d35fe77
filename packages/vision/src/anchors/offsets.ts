/** Offsets of boxes from their anchors: d2l 14.4.3, zh 13.4.3. */
import { isTensor } from '@deepend/compiler';
import { isFloat32Array } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import { boxCenterToCorner, boxCornerToCenter } from '../boxes/convert';
import { type Boxes, type BoxesLike, readBoxes, toRows } from '../boxes/format';

/** Standard deviations of offsets of centers and of sizes are about 1 / 10 and 1 / 5. */
const CENTER_SCALE = 10;
const SIZE_SCALE = 5;
/** Keeps the logarithm of a box without width finite. */
const EPSILON = 1e-6;

/**
 * The offset of each box from its anchor: for an anchor with center (xa, ya), width wa and height
 * ha `[10 (x − xa) / wa, 10 (y − ya) / ha, 5 log(ε + w / wa), 5 log(ε + h / ha)]` with ε = 1e-6.
 * d2l 14.4.3, zh 13.4.3.
 * @param anchors `n` boxes [x1, y1, x2, y2]
 * @param boxes `n` boxes in the same form, the one that belongs to each anchor
 * @returns `n` offsets in the same form; the caller disposes a tensor
 * @throws TypeError or RangeError for another number of boxes than anchors or another form, and in
 *   arrays for x1 > x2 and an anchor without width or height
 */
export function offsetBoxes<T extends Boxes>(anchors: T, boxes: T): BoxesLike<T> {
  return pairwise('[vision] offsetBoxes', [anchors, boxes], {
    tensor: (a, b) => {
      const [anchor, box] = [halves(boxCornerToCenter(a)), halves(boxCornerToCenter(b))];
      const center = tf.div(tf.sub(box.center, anchor.center), anchor.size);
      const size = tf.log(tf.add(tf.div(box.size, anchor.size), EPSILON));
      return tf.concat([tf.mul(center, CENTER_SCALE), tf.mul(size, SIZE_SCALE)], -1);
    },
    array: (a, b) => {
      requireArea('[vision] offsetBoxes', a);
      return offsetsOf(a, readBoxes('[vision] offsetBoxes', b, { corners: true }));
    },
  });
}

/**
 * The box that lies at each offset from its anchor: the inverse of `offsetBoxes`. d2l 14.4.4,
 * zh 13.4.4.
 * @param anchors `n` boxes [x1, y1, x2, y2]
 * @param offsets `n` offsets in the same form; a tensor may also be `[batch, n, 4]`
 * @returns boxes [x1, y1, x2, y2] in the same form; the caller disposes a tensor
 * @throws TypeError or RangeError for another number of offsets than anchors or another form
 */
export function offsetInverse<T extends Boxes>(anchors: T, offsets: T): BoxesLike<T> {
  return pairwise('[vision] offsetInverse', [anchors, offsets], {
    tensor: (a, b) => {
      const [anchor, offset] = [halves(boxCornerToCenter(a)), halves(b)];
      const center = tf.add(
        tf.mul(tf.div(offset.center, CENTER_SCALE), anchor.size),
        anchor.center,
      );
      const size = tf.mul(tf.exp(tf.div(offset.size, SIZE_SCALE)), anchor.size);
      return boxCenterToCorner(tf.concat([center, size], -1));
    },
    array: (a, b) => boxesAt(a, b),
  });
}

/** The first two and the last two of four columns, each `[..., 2]`. */
function halves(boxes: tf.Tensor): { center: tf.Tensor; size: tf.Tensor } {
  const [center, size] = tf.split(boxes, 2, -1) as [tf.Tensor, tf.Tensor];
  return { center, size };
}

/** @throws RangeError for an anchor without width or height, by which offsets are divided */
export function requireArea(where: string, anchors: Float32Array): void {
  for (let i = 0; i < anchors.length; i += 4) {
    const [x1 = 0, y1 = 0, x2 = 0, y2 = 0] = anchors.subarray(i, i + 4);
    if (x1 < x2 && y1 < y2) continue;
    const box = [x1, y1, x2, y2].join(', ');
    throw new RangeError(
      `${where}: expected anchors with a width and a height, got [${box}] at ${i / 4}; remove ` +
        'it, or take other sizes for multiboxPrior',
    );
  }
}

/** `offsetBoxes` of flat arrays. */
export function offsetsOf(anchors: Float32Array, boxes: Float32Array): Float32Array {
  const [from, to] = [boxCornerToCenter(anchors), boxCornerToCenter(boxes)];
  return to.map((value, i) => {
    const anchor = from[i] as number;
    if (i % 4 < 2) return (CENTER_SCALE * (value - anchor)) / (from[i + 2] as number);
    return SIZE_SCALE * Math.log(EPSILON + value / anchor);
  });
}

/** `offsetInverse` of flat arrays. */
export function boxesAt(anchors: Float32Array, offsets: Float32Array): Float32Array {
  const from = boxCornerToCenter(anchors);
  const centers = offsets.map((offset, i) => {
    const anchor = from[i] as number;
    if (i % 4 < 2) return (offset * (from[i + 2] as number)) / CENTER_SCALE + anchor;
    return Math.exp(offset / SIZE_SCALE) * anchor;
  });
  return boxCenterToCorner(centers);
}

interface PairFunction {
  readonly tensor: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor;
  readonly array: (a: Float32Array, b: Float32Array) => Float32Array;
}

function pairwise<T extends Boxes>(
  where: string,
  [first, second]: readonly [T, T],
  { tensor, array }: PairFunction,
): BoxesLike<T> {
  if (isTensor(first) && isTensor(second)) return tf.tidy(() => tensor(first, second)) as never;
  if (isTensor(first) !== isTensor(second) || isFloat32Array(first) !== isFloat32Array(second))
    throw new TypeError(`${where}: expected both arguments in one form, got two; convert one`);
  const [a, b] = [
    readBoxes(where, first, { what: 'anchors', corners: true }),
    readBoxes(where, second),
  ];
  if (a.length !== b.length)
    throw new RangeError(
      `${where}: expected as many anchors as boxes, got ${a.length / 4} and ${b.length / 4}`,
    );
  const values = array(a, b);
  return (isFloat32Array(first) ? values : toRows(values, 4)) as never;
}
