/** Non-maximum suppression: d2l 14.4.4, zh 13.4.4. */
import { isTensor } from '@deepend/compiler';
import { checkOptions, formatValue, rule } from '@deepend/core';
import type { Tensor } from '@tensorflow/tfjs-core';
import { type Boxes, readBoxes } from './format';
import { KeptBoxes } from './kept-boxes';

export interface NmsOptions {
  /** A box goes when its IoU with a better one is greater. @default 0.5 */
  iouThreshold?: number;
  /** Boxes with a smaller score go first. @default none */
  scoreThreshold?: number;
  /** Most boxes to keep. @default all */
  maxDetections?: number;
  /**
   * The class of each box: boxes of different classes do not suppress each other, as in
   * torchvision's `batched_nms`. @default all boxes are of one class
   */
  labels?: ArrayLike<number>;
}

const WHERE = '[vision] nms';
const OPTIONS = rule.object({
  iouThreshold: rule.number({ min: 0, max: 1 }).optional(),
  scoreThreshold: rule.finiteNumber().optional(),
  maxDetections: rule.positiveInteger().optional(),
  labels: rule.custom<ArrayLike<number>>((value) => isList(value), 'a list of integers').optional(),
});
const isList = (value: unknown): value is ArrayLike<number> =>
  typeof value === 'object' && value !== null && 'length' in value;

/**
 * Non-maximum suppression: takes the box with the highest score, removes all that overlap it by
 * more than `iouThreshold`, and continues with the rest. d2l 14.4, zh 13.4; torchvision's `nms`.
 * Boxes with equal scores keep their order. Kept boxes are looked up on a grid, so that time grows
 * with the number of neighbors, not with the square of the number of boxes.
 * @param boxes `n` boxes [x1, y1, x2, y2]
 * @param scores `n` numbers
 * @returns indices of the boxes that are kept, best first
 * @throws TypeError or RangeError for x1 > x2, scores that are not numbers, and another number of
 *   scores or labels than boxes
 * @example nms([[0, 0, 2, 2], [0, 0, 2, 1.9], [3, 3, 4, 4]], [0.8, 0.9, 0.7]) // [1, 2]
 */
export function nms(
  boxes: Boxes,
  scores: Tensor | ArrayLike<number>,
  options: NmsOptions = {},
): Int32Array {
  const checked = checkOptions(WHERE, OPTIONS, options);
  const corners = readBoxes(WHERE, boxes, { corners: true });
  const values = isTensor(scores) ? scores.dataSync() : scores;
  const n = corners.length / 4;
  checkLength('scores', values, n);
  if (checked.labels) checkLength('labels', checked.labels, n);
  return suppress(corners, values, checked);
}

function checkLength(what: string, values: ArrayLike<number>, n: number): void {
  if (values?.length !== n)
    throw new RangeError(
      `${WHERE}: expected ${what} for ${n} boxes, got ${values?.length ?? formatValue(values)}`,
    );
  for (let i = 0; i < n; i++)
    if (!Number.isFinite(values[i]))
      throw new RangeError(`${WHERE}: expected ${what} that are numbers, got ${values[i]} at ${i}`);
}

/** `nms` of checked arguments. */
export function suppress(
  corners: Float32Array,
  scores: ArrayLike<number>,
  { iouThreshold = 0.5, scoreThreshold, maxDetections, labels }: NmsOptions,
): Int32Array {
  const order = descending(scores, scoreThreshold);
  const most = Math.min(maxDetections ?? order.length, order.length);
  const kept = new Int32Array(most);
  const grid = new KeptBoxes(corners, iouThreshold, labels);
  let count = 0;
  for (let at = 0; at < order.length && count < most; at++) {
    const box = order[at] as number;
    if (grid.overlaps(box)) continue;
    kept[count++] = box;
    grid.add(box);
  }
  return kept.slice(0, count);
}

/** Indices of the scores that reach the threshold, from high to low; equal ones in their order. */
function descending(scores: ArrayLike<number>, threshold = Number.NEGATIVE_INFINITY): Int32Array {
  const order = new Int32Array(scores.length);
  let count = 0;
  for (let i = 0; i < scores.length; i++)
    if ((scores[i] as number) >= threshold) order[count++] = i;
  return order
    .subarray(0, count)
    .sort((a, b) => (scores[b] as number) - (scores[a] as number) || a - b);
}
