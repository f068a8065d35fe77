/** Average precision as COCO computes it: d2l 14.7, zh 13.7; Lin et al. 2014. */
import { checkOptions, rule } from '@deepend/core';
import type { Detections } from '../anchors/detection';
import { type Box, readBoxes } from '../boxes/format';
import { matchImage } from './match';

/** The true objects of one image. */
export interface Truth {
  /** [x1, y1, x2, y2] of each object, in the unit of the detections. */
  readonly boxes: readonly Box[];
  /** Class of each object, from 0. */
  readonly labels: readonly number[];
}

export interface MeanAveragePrecisionOptions {
  /**
   * IoU that a detection and an object need at least to match; `map` is the mean over them.
   * @default 0.5, 0.55, …, 0.95
   */
  iouThresholds?: readonly number[];
  /** Most detections of a class in an image; those with the highest scores count. @default 100 */
  maxDetections?: number;
}

export interface MeanAveragePrecision {
  /** Mean over classes and IoU thresholds, 0 to 1. */
  readonly map: number;
  /** Mean over classes at IoU 0.5. */
  readonly map50: number;
  /** Mean over classes at IoU 0.75. */
  readonly map75: number;
  /** Mean over the thresholds for each class; NaN for a class without objects. */
  readonly perClass: readonly number[];
  /** Part of the objects that are found, as a mean over classes and thresholds (COCO's AR). */
  readonly recall: number;
}

const WHERE = '[vision] meanAveragePrecision';
const OPTIONS = rule.object({
  iouThresholds: rule
    .list(rule.number({ above: 0, max: 1 }), 'a list of numbers, at least one', { min: 1 })
    .optional(),
  maxDetections: rule.positiveInteger().optional(),
});
const COCO_THRESHOLDS = Array.from({ length: 10 }, (_, i) => 0.5 + 0.05 * i);

/**
 * Mean average precision of detections, as COCO's evaluation computes it: detections are matched to
 * objects of their class by score, precision is made to fall with recall and read at 101 recalls
 * (0, 0.01, …, 1). Classes without objects do not count in the means.
 * @param detections of each image, as `multiboxDetection` returns them
 * @param truths of each image, in the same order
 * @throws RangeError for another number of images, boxes with x1 > x2, labels that are not integers
 *   from 0, and when no image has an object
 * @example
 * const { map50, map } = meanAveragePrecision(detections, truths);
 */
export function meanAveragePrecision(
  detections: readonly Detections[],
  truths: readonly Truth[],
  options: MeanAveragePrecisionOptions = {},
): MeanAveragePrecision {
  const { iouThresholds = COCO_THRESHOLDS, maxDetections = 100 } = checkOptions(
    WHERE,
    OPTIONS,
    options,
  );
  checkImages(detections, truths);
  const numClasses = 1 + [...truths, ...detections].map(largestLabel).reduce(greater, -1);
  const thresholds = [...iouThresholds, 0.5, 0.75];
  const curves = Array.from({ length: numClasses }, (_, label) =>
    curvesOf(label, { detections, truths, thresholds, maxDetections }),
  );
  const asked = iouThresholds.map((_, i) => i);
  const known = curves.filter((curve) => curve !== undefined);
  const meanOf = (field: 'precision' | 'recall', places: readonly number[]) =>
    mean(known.flatMap((curve) => places.map((place) => curve[place]?.[field] as number)));
  return {
    map: meanOf('precision', asked),
    map50: meanOf('precision', [iouThresholds.length]),
    map75: meanOf('precision', [iouThresholds.length + 1]),
    perClass: curves.map((curve) =>
      curve ? mean(asked.map((place) => curve[place]?.precision as number)) : Number.NaN,
    ),
    recall: meanOf('recall', asked),
  };
}

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
const greater = (a: number, b: number) => Math.max(a, b);
const largestLabel = ({ labels }: Truth) => labels.reduce(greater, -1);

interface Curve {
  /** Average precision. */
  readonly precision: number;
  /** Part of the objects that all detections find. */
  readonly recall: number;
}

interface CurveOptions {
  readonly detections: readonly Detections[];
  readonly truths: readonly Truth[];
  readonly thresholds: readonly number[];
  readonly maxDetections: number;
}

/** Average precision and recall of a class at each threshold; undefined without an object. */
function curvesOf(label: number, options: CurveOptions): Curve[] | undefined {
  const { detections, truths, thresholds, maxDetections } = options;
  const numObjects = truths.reduce(
    (sum, { labels }) => sum + labels.filter((other) => other === label).length,
    0,
  );
  if (numObjects === 0) return undefined;
  const images = detections.map((found, image) =>
    matchImage(found, truths[image] as Truth, { label, thresholds, maxDetections }),
  );
  const scores = images.flatMap((image) => image.scores);
  const order = scores.map((_, i) => i).sort((a, b) => (scores[b] ?? 0) - (scores[a] ?? 0));
  return thresholds.map((_, i) => {
    const matched = images.flatMap((image) => image.matched[i] as boolean[]);
    return averagePrecision(
      order.map((at) => matched[at] as boolean),
      numObjects,
    );
  });
}

const RECALLS = 101;

/** @param hits whether each detection finds an object, by falling score */
function averagePrecision(hits: readonly boolean[], numObjects: number): Curve {
  let found = 0;
  const precisions = hits.map((hit, i) => {
    found += hit ? 1 : 0;
    return found / (i + 1);
  });
  for (let i = precisions.length - 2; i >= 0; i--)
    precisions[i] = Math.max(precisions[i] as number, precisions[i + 1] as number);
  let [sum, at, sofar] = [0, -1, 0];
  for (let step = 0; step < RECALLS; step++) {
    while (at < hits.length && (at < 0 || sofar / numObjects < step * 0.01)) {
      at++;
      sofar += hits[at] ? 1 : 0;
    }
    sum += precisions[at] ?? 0; // recalls that are not reached count as 0
  }
  return { precision: sum / RECALLS, recall: found / numObjects };
}

function checkImages(detections: readonly Detections[], truths: readonly Truth[]): void {
  if (detections?.length !== truths?.length)
    throw new RangeError(
      `${WHERE}: expected detections and truths of the same images, got ${detections?.length} ` +
        `and ${truths?.length}`,
    );
  truths.forEach((truth, i) => {
    checkObjects(truth, `truths of image ${i}`);
  });
  detections.forEach((found, i) => {
    checkObjects(found, `detections of image ${i}`);
    const { scores, labels } = found;
    if (scores?.length !== labels.length || !scores.every(Number.isFinite))
      throw new RangeError(
        `${WHERE}: expected a score for each of the ${labels.length} detections of image ` +
          `${i}, got [${Array.from(scores ?? []).join(', ')}]`,
      );
  });
  if (truths.every(({ labels }) => labels.length === 0))
    throw new RangeError(`${WHERE}: expected at least one true object, got none in all images`);
}

/** `perClass` has a place for each label up to the largest one. */
const LARGEST_LABEL = 65_535;

function checkObjects({ boxes, labels }: Truth, what: string): void {
  readBoxes(WHERE, boxes, { what, corners: true });
  const isLabel = (label: number) =>
    Number.isInteger(label) && label >= 0 && label <= LARGEST_LABEL;
  if (labels?.length !== boxes.length || !labels.every(isLabel))
    throw new RangeError(
      `${WHERE}: expected ${what} with an integer from 0 to ${LARGEST_LABEL} as the ` +
        `class of each of the ${boxes.length} boxes, got [${Array.from(labels ?? []).join(', ')}]`,
    );
}
