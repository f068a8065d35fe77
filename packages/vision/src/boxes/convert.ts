/** Boxes by their corners and by their center: d2l 14.3, zh 13.3. */
import { checkOptions, rule } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import { type Boxes, type BoxesLike, mapBoxes } from './format';

/**
 * Converts boxes from [x1, y1, x2, y2] to [x, y, width, height], where (x, y) is the center. d2l
 * 14.3, zh 13.3. The gradient flows through tensors.
 * @param boxes a tensor `[..., 4]`, a Float32Array of `4 * n` numbers, or a list of boxes
 * @returns boxes in the same form; the caller disposes a tensor
 * @throws TypeError or RangeError for anything but four finite numbers for each box
 * @example boxCornerToCenter([[0, 0, 4, 2]]) // [[2, 1, 4, 2]]
 */
export function boxCornerToCenter<T extends Boxes>(boxes: T): BoxesLike<T> {
  return mapBoxes('[vision] boxCornerToCenter', boxes, {
    one: ([x1, y1, x2, y2]) => [(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1],
    tensor: ([x1, y1, x2, y2]) => {
      const [left, top, right, bottom] = [x1, y1, x2, y2] as [Column, Column, Column, Column];
      const center = [tf.div(tf.add(left, right), 2), tf.div(tf.add(top, bottom), 2)];
      return tf.concat([...center, tf.sub(right, left), tf.sub(bottom, top)], -1);
    },
  });
}

type Column = tf.Tensor;

/**
 * Converts boxes from [x, y, width, height], where (x, y) is the center, to [x1, y1, x2, y2]. d2l
 * 14.3, zh 13.3. The gradient flows through tensors.
 * @param boxes a tensor `[..., 4]`, a Float32Array of `4 * n` numbers, or a list of boxes
 * @returns boxes in the same form; the caller disposes a tensor
 * @throws TypeError or RangeError for anything but four finite numbers for each box
 * @example boxCenterToCorner([[2, 1, 4, 2]]) // [[0, 0, 4, 2]]
 */
export function boxCenterToCorner<T extends Boxes>(boxes: T): BoxesLike<T> {
  return mapBoxes('[vision] boxCenterToCorner', boxes, {
    one: ([x, y, w, h]) => [x - w / 2, y - h / 2, x + w / 2, y + h / 2],
    tensor: ([x, y, width, height]) => {
      const center = tf.concat([x as Column, y as Column], -1);
      const half = tf.div(tf.concat([width as Column, height as Column], -1), 2);
      return tf.concat([tf.sub(center, half), tf.add(center, half)], -1);
    },
  });
}

export interface ClipOptions {
  /**
   * Height and width of the image, in the unit of the boxes.
   * @default [1, 1]: boxes are fractions of the image
   */
  size?: readonly [height: number, width: number];
}

const CLIP = rule.object({
  size: rule.list(rule.positiveNumber(), '[height, width]', { length: 2 }).optional(),
});

/**
 * Moves the corners of boxes [x1, y1, x2, y2] that lie outside the image to its border. As
 * torchvision's `clip_boxes_to_image`.
 * @returns boxes in the form of the argument; the caller disposes a tensor
 * @throws TypeError or RangeError for anything but four finite numbers for each box
 * @example clipBoxes([[-3, 5, 70, 40]], { size: [64, 64] }) // [[0, 5, 64, 40]]
 */
export function clipBoxes<T extends Boxes>(boxes: T, options: ClipOptions = {}): BoxesLike<T> {
  const where = '[vision] clipBoxes';
  const { size = [1, 1] } = checkOptions(where, CLIP, options);
  const [height, width] = size as [number, number];
  const within = (value: number, most: number) => Math.min(most, Math.max(0, value));
  return mapBoxes(where, boxes, {
    one: ([x1, y1, x2, y2]) => [
      within(x1, width),
      within(y1, height),
      within(x2, width),
      within(y2, height),
    ],
    tensor: (columns) =>
      tf.concat(
        columns.map((column, i) => tf.clipByValue(column, 0, i % 2 === 0 ? width : height)),
        -1,
      ),
  });
}
