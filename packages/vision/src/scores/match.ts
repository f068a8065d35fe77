/** Which detections of an image find an object, as in COCO's evaluation. */
import type { Detections } from '../anchors/detection';
import { iouOf } from '../boxes/iou';
import type { Truth } from './mean-average-precision';

interface MatchOptions {
  readonly label: number;
  readonly thresholds: readonly number[];
  readonly maxDetections: number;
}

/** The detections of one class in one image, by falling score. */
export interface Matched {
  readonly scores: readonly number[];
  /** For each threshold whether each detection finds an object. */
  readonly matched: readonly (readonly boolean[])[];
}

/**
 * Each detection in turn takes the free object with the greatest IoU, if it reaches the threshold.
 */
export function matchImage(found: Detections, truth: Truth, options: MatchOptions): Matched {
  const { label, thresholds, maxDetections } = options;
  const scoreOf = (i: number) => found.scores[i] as number;
  const own = placesOf(found.labels, label)
    .sort((a, b) => scoreOf(b) - scoreOf(a))
    .slice(0, maxDetections);
  const objects = placesOf(truth.labels, label).map((i) => Float64Array.from(truth.boxes[i] ?? []));
  const overlaps = own.map((i) => {
    const box = Float64Array.from(found.boxes[i] ?? []);
    return objects.map((object) => iouOf(box, 0, object, 0));
  });
  return {
    scores: own.map(scoreOf),
    matched: thresholds.map((threshold) => matchAt(overlaps, objects.length, threshold)),
  };
}

const placesOf = (labels: readonly number[], label: number): number[] =>
  labels.flatMap((other, i) => (other === label ? [i] : []));

function matchAt(overlaps: readonly number[][], count: number, threshold: number): boolean[] {
  const taken = new Array<boolean>(count).fill(false);
  return overlaps.map((ious) => {
    let [best, at] = [Math.min(threshold, 1 - 1e-10), -1];
    ious.forEach((iou, i) => {
      if (taken[i] || iou < best) return; // of equal ones COCO takes the last
      [best, at] = [iou, i];
    });
    if (at >= 0) taken[at] = true;
    return at >= 0;
  });
}
