/**
 * Labels for anchors: which box belongs to each, its class and its offset. d2l 14.4.3, zh 13.4.3.
 */
import { isTensor } from '@deepend/compiler';
import { checkOptions, formatValue, rule } from '@deepend/core';
import { type Tensor, type Tensor2D, tensor2d } from '@tensorflow/tfjs-core';
import { type Boxes, readBoxes } from '../boxes/format';
import { pairwiseIou } from '../boxes/iou';
import { offsetsOf, requireArea } from './offsets';

export interface AssignOptions {
  /** An anchor whose IoU with a box is at least this belongs to the box. @default 0.5 */
  iouThreshold?: number;
}

export const ASSIGN_OPTIONS = rule.object({
  iouThreshold: rule.number({ min: 0, max: 1 }).optional(),
});

export interface TargetOptions extends AssignOptions {
  /** Number of classes without the background; a label of another is an error. @default any */
  numClasses?: number;
}

const TARGET_OPTIONS = ASSIGN_OPTIONS.extend({ numClasses: rule.positiveInteger().optional() });

/**
 * Assigns boxes to anchors: first to each anchor the box with the greatest IoU if that is at least
 * `iouThreshold`, then to each box the anchor with the greatest IoU of those that are left, so that
 * no box is without one. d2l 14.4.3, zh 13.4.3.
 * @param anchors `n` boxes [x1, y1, x2, y2]
 * @param boxes `m` true boxes in any form; m may be 0
 * @returns the index of each anchor's box, −1 for none
 * @throws TypeError or RangeError for x1 > x2 or y1 > y2, and for a threshold out of range
 * @example assignAnchors([[0, 0, 1, 1], [2, 2, 3, 3]], [[2, 2, 3, 2.9]]) // [-1, 0]
 */
export function assignAnchors(
  anchors: Boxes,
  boxes: Boxes,
  options: AssignOptions = {},
): Int32Array {
  const where = '[vision] assignAnchors';
  const { iouThreshold = 0.5 } = checkOptions(where, ASSIGN_OPTIONS, options);
  return assign(
    readBoxes(where, anchors, { what: 'anchors', corners: true }),
    readBoxes(where, boxes, { corners: true }),
    iouThreshold,
  );
}

function assign(anchors: Float32Array, boxes: Float32Array, threshold: number): Int32Array {
  const [n, m] = [anchors.length / 4, boxes.length / 4];
  const iou = pairwiseIou(anchors, boxes); // [n, m]
  const assigned = new Int32Array(n).fill(-1);
  for (let i = 0; i < n; i++) {
    const best = argMax(iou, i * m, (i + 1) * m);
    if (best >= 0 && (iou[best] as number) >= threshold) assigned[i] = best - i * m;
  }
  for (let round = 0; round < Math.min(n, m); round++) {
    const best = argMax(iou, 0, iou.length);
    const [anchor, box] = [Math.floor(best / m), best % m];
    assigned[anchor] = box;
    for (let i = 0; i < n; i++) iou[i * m + box] = -1;
    iou.fill(-1, anchor * m, (anchor + 1) * m);
  }
  return assigned;
}

/** The place of the first greatest value; −1 when there is none. */
function argMax(values: Float32Array, start: number, end: number): number {
  let best = start < end ? start : -1;
  for (let i = start + 1; i < end; i++)
    if ((values[i] as number) > (values[best] as number)) best = i;
  return best;
}

/** What a detector learns for each anchor. The caller disposes the tensors. */
export interface MultiboxTarget {
  readonly [name: string]: Tensor2D;
  /** float32 `[batch, 4 * anchors]`: offsets of the assigned boxes, 0 where there is none. */
  readonly offsets: Tensor2D;
  /** float32 `[batch, 4 * anchors]`: 1 where a box is assigned, 0 elsewhere. */
  readonly masks: Tensor2D;
  /** int32 `[batch, anchors]`: class + 1 of the assigned box, 0 for the background. */
  readonly classes: Tensor2D;
}

/**
 * Labels anchors with the boxes of each image: d2l 14.4.3, zh 13.4.3. Rows of −1 are padding and
 * left out; the book's function gives each such row an anchor.
 * @param anchors `n` boxes [x1, y1, x2, y2], the same for all images
 * @param labels float32 `[batch, m, 5]`: class, x1, y1, x2, y2 of each object
 * @throws TypeError or RangeError for labels of another shape, classes that are not integers or not
 *   below `numClasses`, x1 > x2, an anchor without area, and boxes in other units than the anchors
 * @example
 * const { offsets, masks, classes } = multiboxTarget(anchors, batch.labels);
 */
export function multiboxTarget(
  anchors: Boxes,
  labels: Tensor,
  options: TargetOptions = {},
): MultiboxTarget {
  const where = '[vision] multiboxTarget';
  const { iouThreshold = 0.5, numClasses } = checkOptions(where, TARGET_OPTIONS, options);
  const flat = readBoxes(where, anchors, { what: 'anchors', corners: true });
  requireArea(where, flat);
  const n = flat.length / 4;
  const objects = readLabels(where, labels, numClasses);
  const batch = objects.length;
  const [offsets, masks] = [new Float32Array(batch * n * 4), new Float32Array(batch * n * 4)];
  const classes = new Int32Array(batch * n);
  requireSameUnit(where, flat, objects);
  objects.forEach(({ ids, boxes }, image) => {
    const assigned = assign(flat, boxes, iouThreshold);
    assigned.forEach((box, i) => {
      if (box < 0) return;
      const at = image * n + i;
      const offset = offsetsOf(
        flat.subarray(4 * i, 4 * i + 4),
        boxes.subarray(4 * box, 4 * box + 4),
      );
      offsets.set(offset, 4 * at);
      masks.fill(1, 4 * at, 4 * at + 4);
      classes[at] = (ids[box] as number) + 1;
    });
  });
  return {
    offsets: tensor2d(offsets, [batch, 4 * n]),
    masks: tensor2d(masks, [batch, 4 * n]),
    classes: tensor2d(classes, [batch, n], 'int32'),
  };
}

const FRACTION = 2; // anchors may reach beyond the image; a pixel is far beyond this

/** Pixels and fractions of the image are easily mixed up, and a detector then learns nothing. */
function requireSameUnit(
  where: string,
  anchors: Float32Array,
  objects: readonly LabeledBoxes[],
): void {
  const largest = (values: Float32Array) => values.reduce((most, one) => Math.max(most, one), 0);
  const boxes = Math.max(0, ...objects.map((object) => largest(object.boxes)));
  const [inPixels, areInPixels] = [largest(anchors) > FRACTION, boxes > FRACTION];
  if (inPixels === areInPixels || boxes === 0 || anchors.length === 0) return;
  const unit = (pixels: boolean) => (pixels ? 'pixels' : 'fractions of the image');
  throw new RangeError(
    `${where}: expected boxes in the unit of the anchors, ${unit(inPixels)}, got a coordinate of ` +
      `${boxes}; divide pixels by the image's width and height`,
  );
}

/** The objects of one image. */
export interface LabeledBoxes {
  /** Class of each box. */
  readonly ids: readonly number[];
  /** `4 * n` numbers. */
  readonly boxes: Float32Array;
}

/** Reads labels `[batch, m, 5]`; rows of −1 are left out. */
export function readLabels(
  where: string,
  labels: Tensor,
  numClasses = Number.POSITIVE_INFINITY,
): LabeledBoxes[] {
  const shape = isTensor(labels) ? labels.shape : undefined;
  const [batch = 0, m = 0, width] = shape ?? [];
  if (shape?.length !== 3 || width !== 5)
    throw new TypeError(
      `${where}: expected labels [batch, objects, 5] of class, x1, y1, x2, y2, got ` +
        (shape ? `[${shape.join(', ')}]` : formatValue(labels)),
    );
  const values = labels.dataSync();
  return Array.from({ length: batch }, (_, image) => {
    const ids: number[] = [];
    const boxes: number[] = [];
    for (let i = 0; i < m; i++) {
      const [id, ...box] = values.subarray((image * m + i) * 5, (image * m + i + 1) * 5);
      if (id === -1) continue;
      if (!Number.isInteger(id) || (id as number) < 0 || (id as number) >= numClasses) {
        const range = Number.isFinite(numClasses) ? `from 0 to ${numClasses - 1}` : 'from 0';
        throw new RangeError(
          `${where}: expected classes ${range}, or −1 for padding, got ${id} for object ${i} of ` +
            `image ${image}`,
        );
      }
      ids.push(id as number);
      boxes.push(...box);
    }
    const what = `boxes of image ${image}`;
    const checked = readBoxes(where, Float32Array.from(boxes), { what, corners: true });
    return { ids, boxes: checked };
  });
}
