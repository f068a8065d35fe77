/**
 * The book's names of object detection, chapter 14 (zh 13), each a line or two over
 * `@deepend/vision`. Images and feature maps are `[batch, height, width, channels]`.
 */
import { type Figure, showBoxes } from '@deepend/plot';
import * as vision from '@deepend/vision';
import * as tf from '@tensorflow/tfjs-core';

export {
  boxCenterToCorner,
  boxCornerToCenter,
  boxIou,
  loadDataBananas,
  offsetBoxes,
  offsetInverse,
  readDataBananas,
} from '@deepend/vision';

/**
 * Section 14.3 (zh 13.3): a box as a rectangle of a chart.
 * @param bbox [x1, y1, x2, y2]
 */
export const bboxToRect = (bbox: readonly number[], color: string) => {
  const [x1, y1, x2, y2] = bbox as [number, number, number, number];
  return { xy: [x1, y1] as const, width: x2 - x1, height: y2 - y1, edgecolor: color };
};

/**
 * Section 14.4 (zh 13.4): draws boxes, in pixels, on an image. The book's function draws on axes
 * that already show the image; here the image comes first.
 * @param image `[height, width]` or `[height, width, channels]`
 */
export const showBboxes = (
  image: Parameters<typeof showBoxes>[0],
  bboxes: tf.Tensor2D | readonly (readonly number[])[],
  ...[labels, colors]: [labels?: readonly string[], colors?: readonly string[]]
): Promise<Figure> =>
  showBoxes(image, bboxes instanceof tf.Tensor ? bboxes.arraySync() : bboxes, {
    ...(labels && { labels }),
    ...(colors && { colors }),
  });

/**
 * Section 14.4 (zh 13.4): anchor boxes around each place of a feature map.
 * @param data `[batch, height, width, channels]`; only its shape counts
 * @returns float32 `[1, anchors, 4]`; the caller disposes it
 */
export function multiboxPrior(
  data: tf.Tensor,
  sizes: readonly number[],
  ratios: readonly number[],
): tf.Tensor3D {
  const [height, width] = data.shape.slice(-3) as [number, number];
  const anchors = vision.multiboxPrior([height, width], { sizes, ratios });
  return tf.tensor3d(anchors, [1, anchors.length / 4, 4]);
}

/**
 * Section 14.4 (zh 13.4): the box of each anchor, −1 for none.
 * @param groundTruth `[boxes, 4]`
 * @param anchors `[anchors, 4]`
 */
export const assignAnchorToBbox = (
  groundTruth: vision.Boxes,
  anchors: vision.Boxes,
  iouThreshold = 0.5,
): Int32Array => vision.assignAnchors(anchors, groundTruth, { iouThreshold });

/**
 * Section 14.4 (zh 13.4): labels anchors. Rows of −1 are padding.
 * @param anchors `[1, anchors, 4]`
 * @param labels `[batch, objects, 5]`: class, x1, y1, x2, y2
 * @returns offsets and masks float32 `[batch, 4 * anchors]`, classes int32 `[batch, anchors]`
 */
export function multiboxTarget(
  anchors: tf.Tensor,
  labels: tf.Tensor,
): [bboxOffset: tf.Tensor2D, bboxMask: tf.Tensor2D, classLabels: tf.Tensor2D] {
  const { offsets, masks, classes } = vision.multiboxTarget(anchors, labels);
  return [offsets, masks, classes];
}

/** Section 14.4 (zh 13.4): indices of the boxes that suppression keeps, best first. */
export const nms = (
  boxes: vision.Boxes,
  scores: tf.Tensor | ArrayLike<number>,
  iouThreshold: number,
): Int32Array => vision.nms(boxes, scores, { iouThreshold });

/**
 * Section 14.4 (zh 13.4): what each anchor predicts, the boxes that suppression keeps first.
 * @param clsProbs `[batch, classes + 1, anchors]`
 * @param offsetPreds `[batch, 4 * anchors]`
 * @param anchors `[1, anchors, 4]`
 * @returns float32 `[batch, anchors, 6]`: class, −1 for background and suppressed boxes; its
 *   probability, that of the background below `posThreshold`; x1, y1, x2, y2
 */
export function multiboxDetection(
  clsProbs: tf.Tensor,
  offsetPreds: tf.Tensor,
  ...[anchors, nmsThreshold = 0.5, posThreshold = 0.009999999]: [
    anchors: tf.Tensor,
    nmsThreshold?: number,
    posThreshold?: number,
  ]
): tf.Tensor3D {
  const classProbs = tf.tidy(() => tf.transpose(clsProbs, [0, 2, 1]));
  const images = vision.predictBoxes('[deepend] d2l.multiboxDetection', {
    classProbs,
    offsets: offsetPreds,
    anchors,
  });
  classProbs.dispose();
  const rows = images.map(({ boxes, labels, scores }) => {
    const kept = Array.from(vision.nms(boxes, scores, { iouThreshold: nmsThreshold }));
    const isKept = new Set(kept);
    const others = Array.from(scores, (_, i) => i).filter((i) => !isKept.has(i));
    return [...kept, ...others].map((i) => {
      const score = scores[i] as number;
      const isPositive = score >= posThreshold;
      const label = isKept.has(i) && isPositive ? (labels[i] as number) : -1;
      return [label, isPositive ? score : 1 - score, ...boxes.subarray(4 * i, 4 * i + 4)];
    });
  });
  return tf.tensor3d(rows);
}

/**
 * Section 14.6 (zh 13.6): the bananas, one by one. The book's constructor reads the files; here
 * `await BananasDataset.read(true)` does.
 */
export class BananasDataset {
  readonly #data: vision.DetectionData;

  private constructor(data: vision.DetectionData) {
    this.#data = data;
  }

  /** @throws DataError when the files are not here and cannot be downloaded */
  static async read(
    isTrain: boolean,
    options: Omit<vision.BananasOptions, 'isTrain'> = {},
  ): Promise<BananasDataset> {
    return new BananasDataset(await vision.readDataBananas({ ...options, isTrain }));
  }

  get length(): number {
    return this.#data.objects.length;
  }

  /**
   * @returns the image, float32 `[height, width, 3]` in [0, 1], and its label, float32 `[1, 5]`:
   *   class, x1, y1, x2, y2; the caller disposes both
   * @throws RangeError when there is no such image
   */
  get(index: number): [features: tf.Tensor3D, label: tf.Tensor2D] {
    const { images, imageShape, objects } = this.#data;
    const truth = objects[index];
    if (!truth)
      throw new RangeError(
        `[deepend] d2l.BananasDataset: expected an index from 0 to ${this.length - 1}, got ${index}`,
      );
    const size = images.length / objects.length;
    const pixels = images.subarray(index * size, (index + 1) * size);
    const rows = truth.boxes.map((box, i) => [truth.labels[i] as number, ...box]);
    return [
      tf.tensor3d(
        Float32Array.from(pixels, (v) => v / 255),
        imageShape,
      ),
      tf.tensor2d(rows),
    ];
  }
}
