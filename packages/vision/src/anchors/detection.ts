/** From class probabilities and offsets to boxes: d2l 14.4.4, zh 13.4.4. */
import { checkOptions, rule } from '@deepend/core';
import type { Tensor } from '@tensorflow/tfjs-core';
import { type Box, type Boxes, readBoxes, toRows } from '../boxes/format';
import { suppress } from '../boxes/nms';
import { boxesAt } from './offsets';

/** Objects in one image, best first. */
export interface Detections {
  /** [x1, y1, x2, y2] of each object. */
  readonly boxes: readonly Box[];
  /** Class of each object, from 0. */
  readonly labels: readonly number[];
  /** Probability of each object's class. */
  readonly scores: readonly number[];
}

export interface DetectionOptions {
  /** A box goes when its IoU with a better one is greater. @default 0.5 */
  iouThreshold?: number;
  /** Least probability of a detection. @default 0.01 */
  scoreThreshold?: number;
  /** Most detections in an image. @default 100 */
  maxDetections?: number;
  /** Whether boxes of different classes do not suppress each other. @default false */
  perClass?: boolean;
}

const WHERE = '[vision] multiboxDetection';
const OPTIONS = rule.object({
  iouThreshold: rule.number({ min: 0, max: 1 }).optional(),
  scoreThreshold: rule.number({ min: 0, max: 1 }).optional(),
  maxDetections: rule.positiveInteger().optional(),
  perClass: rule.boolean().optional(),
});

/**
 * Finds the objects in images from a detector's outputs: takes each anchor's most probable class
 * other than the background, moves the anchor by its offset, and applies non-maximum suppression.
 * d2l 14.4.4, zh 13.4.4. `d2l.multiboxDetection` returns all boxes in the book's form.
 * @param classProbs `[batch, anchors, classes + 1]`: probabilities, the background first
 * @param offsets `[batch, 4 * anchors]`
 * @param anchors boxes [x1, y1, x2, y2], the same for all images
 * @returns the detections of each image, best first, in the unit of the anchors
 * @throws TypeError or RangeError for shapes that do not match, and an option out of range
 * @example
 * const [first] = multiboxDetection(tf.softmax(classes), offsets, net.anchors);
 */
export function multiboxDetection(
  classProbs: Tensor,
  offsets: Tensor,
  ...[anchors, options = {}]: [anchors: Boxes, options?: DetectionOptions]
): Detections[] {
  const { perClass = false, maxDetections = 100, ...rest } = checkOptions(WHERE, OPTIONS, options);
  const { scoreThreshold = 0.01, iouThreshold = 0.5 } = rest;
  return predictBoxes(WHERE, { classProbs, offsets, anchors }).map(({ boxes, labels, scores }) => {
    const kept = suppress(boxes, scores, {
      iouThreshold,
      scoreThreshold,
      maxDetections,
      ...(perClass && { labels }),
    });
    const chosen = Array.from(kept);
    return {
      boxes: chosen.flatMap((i) => toRows(boxes.subarray(4 * i, 4 * i + 4), 4)) as unknown as Box[],
      labels: chosen.map((i) => labels[i] as number),
      scores: chosen.map((i) => scores[i] as number),
    };
  });
}

interface Outputs {
  readonly classProbs: Tensor;
  readonly offsets: Tensor;
  readonly anchors: Boxes;
}

/** The box of each anchor of one image, its most probable class and that class's probability. */
export interface Predicted {
  readonly boxes: Float32Array;
  readonly labels: Int32Array;
  readonly scores: Float32Array;
}

/** Five times the logarithm of a size's ratio; not far above it a size overflows float32. */
const LARGEST_SIZE_OFFSET = 400;

/** @returns for each image what each anchor predicts, before suppression */
export function predictBoxes(where: string, outputs: Outputs): Predicted[] {
  const { classProbs, offsets, anchors } = outputs;
  const flat = readBoxes(where, anchors, { what: 'anchors', corners: true });
  const n = flat.length / 4;
  const [batch = 0, , classes = 0] = classProbs.shape;
  const isValid =
    classProbs.rank === 3 &&
    classProbs.shape[1] === n &&
    classes >= 2 &&
    offsets.size === batch * n * 4;
  if (!isValid)
    throw new RangeError(
      `${where}: expected probabilities [batch, ${n}, classes + 1] and offsets [batch, ${4 * n}] ` +
        `for ${n} anchors, got [${classProbs.shape.join(', ')}] and [${offsets.shape.join(', ')}]`,
    );
  const [probs, moves] = [classProbs.dataSync(), Float32Array.from(offsets.dataSync())];
  const wild = moves.findIndex(
    (move, i) => !Number.isFinite(move) || (i % 4 >= 2 && move > LARGEST_SIZE_OFFSET),
  );
  if (wild >= 0)
    throw new RangeError(
      `${where}: expected offsets of a trained detector, got ${moves[wild]} for anchor ` +
        `${Math.floor(wild / 4) % n}; its training may have diverged, try a smaller "lr"`,
    );
  return Array.from({ length: batch }, (_, image) => {
    const own = probs.subarray(image * n * classes, (image + 1) * n * classes);
    const boxes = boxesAt(flat, moves.subarray(image * n * 4, (image + 1) * n * 4));
    const bad = own.findIndex((value) => !(value >= 0 && value <= 1 + 1e-5));
    if (bad >= 0)
      throw new RangeError(
        `${where}: expected probabilities from 0 to 1, got ${own[bad]}; apply tf.softmax to logits`,
      );
    return { boxes, ...bestClasses(own, classes) };
  });
}

function bestClasses(probs: ArrayLike<number>, classes: number) {
  const n = probs.length / classes;
  const [labels, scores] = [new Int32Array(n), new Float32Array(n)];
  for (let i = 0; i < n; i++) {
    let best = 1; // class 0 is the background
    for (let c = 2; c < classes; c++)
      if ((probs[i * classes + c] as number) > (probs[i * classes + best] as number)) best = c;
    labels[i] = best - 1;
    scores[i] = probs[i * classes + best] as number;
  }
  return { labels, scores };
}
