/** Detectors: their loss, what they find in images, and their mAP over a loader. */
import { inMode, isTensor, type ModuleLike } from '@deepend/compiler';
import { checkOptions } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import { type DetectionOptions, type Detections, multiboxDetection } from '../anchors/detection';
import {
  ASSIGN_OPTIONS,
  type AssignOptions,
  type MultiboxTarget,
  multiboxTarget,
  readLabels,
} from '../anchors/target';
import { type Box, toRows } from '../boxes/format';
import type { VisionBatch, VisionLoader } from '../loader';
import {
  type MeanAveragePrecision,
  meanAveragePrecision,
  type Truth,
} from '../scores/mean-average-precision';

/** What a detector computes of a batch. */
export interface DetectorOutputs {
  readonly [name: string]: tf.Tensor;
  /** `[batch, anchors, classes + 1]`: logits, the background first. */
  readonly classes: tf.Tensor3D;
  /** `[batch, 4 * anchors]`. */
  readonly offsets: tf.Tensor2D;
}

/** A module that predicts classes and offsets of anchors: `TinySSD`, or one of your own. */
export interface Detector extends ModuleLike {
  /** [x1, y1, x2, y2] of all anchors, as fractions of the image. */
  readonly anchors: Float32Array;
  /** Number of classes without the background. */
  readonly numClasses?: number;
  forward(images: tf.Tensor): DetectorOutputs;
}

/**
 * The loss of single-shot detection: cross-entropy of the anchors' classes plus the absolute error
 * of the offsets of those that have a box, each as a mean over anchors and batch. d2l 14.7, zh
 * 13.7.
 * @param detector the model, or its `anchors`
 * @returns a loss function for `train`. Labels are those of `targetLoader`, or float32
 *   `[batch, objects, 5]` (class, x1, y1, x2, y2 as fractions of the image; rows of −1 are
 *   padding), which it assigns to the anchors itself; a module of `nn.compile` needs the first
 * @param options for labels that it assigns itself
 * @throws TypeError or RangeError for a bad option, and for options with labels of `targetLoader`,
 *   which are assigned already
 * @example
 * await train(net, trainIter, testIter, { numEpochs: 20, loss: vision.ssdLoss(net) });
 */
export function ssdLoss(
  detector: Pick<Detector, 'anchors'>,
  options: AssignOptions = {},
): (outputs: DetectorOutputs, labels: tf.Tensor | MultiboxTarget) => tf.Scalar {
  const where = '[vision] ssdLoss';
  const { iouThreshold } = checkOptions(where, ASSIGN_OPTIONS, options);
  return ({ classes, offsets }, labels) =>
    tf.tidy(() => {
      if (iouThreshold !== undefined && !isTensor(labels)) {
        throw new RangeError(
          `${where}: option "iouThreshold" does not change labels that targetLoader has ` +
            'assigned; give it to targetLoader',
        );
      }
      const numClasses = classes.shape[2] - 1;
      const target = isTensor(labels)
        ? multiboxTarget(detector.anchors, labels, { ...options, numClasses })
        : labels;
      // [batch, anchors, classes + 1]
      const wanted = tf.oneHot(target.classes as tf.Tensor2D, classes.shape[2]);
      const logProbs = tf.logSoftmax(classes);
      const classLoss = tf.neg(tf.mean(tf.sum(tf.mul(wanted, logProbs), -1)));
      const errors = tf.mul(tf.abs(tf.sub(offsets, target.offsets)), target.masks);
      return tf.add(classLoss, tf.mean(errors)) as tf.Scalar;
    });
}

/**
 * A loader whose labels are what a detector learns for each anchor: `multiboxTarget` of each batch.
 * With it the loss reads no values, so that `nn.compile` can record it.
 * @param loader batches with labels `[batch, objects, 5]`; their labels are disposed
 * @returns a loader with the same images, order and state
 * @example
 * const trainTargets = targetLoader(trainIter, net);
 * await train(nn.compile(net, images), trainTargets, null, { loss: ssdLoss(net), numEpochs: 12 });
 */
export function targetLoader(
  loader: VisionLoader,
  detector: Pick<Detector, 'anchors' | 'numClasses'>,
  options: AssignOptions = {},
): VisionLoader<MultiboxTarget> {
  const { numSamples, numBatches, batchSize, inputShape, classNames, numClasses } = loader;
  if (numClasses > (detector.numClasses ?? numClasses)) {
    throw new RangeError(
      `[vision] targetLoader: expected a detector of at least ${numClasses} classes for this ` +
        `loader, got one of ${detector.numClasses}; build it with "numClasses" ${numClasses}`,
    );
  }
  async function* batches() {
    for await (const { features, labels } of loader) {
      const target = multiboxTarget(detector.anchors, labels, { ...options, numClasses });
      labels.dispose();
      yield { features, labels: target };
    }
  }
  return {
    ...{ numSamples, numBatches, batchSize, inputShape, classNames, numClasses },
    state: () => loader.state(),
    restore: (state) => loader.restore(state),
    config: () => ({ ...loader.config(), target: 'anchors', ...options }),
    [Symbol.asyncIterator]: batches,
  };
}

/**
 * Finds the objects in images. The detector computes in evaluation mode and returns to its own.
 * @param images float32 `[batch, height, width, channels]`; the caller still owns them
 * @returns the detections of each image, with boxes as fractions of the image
 * @example const [found] = detectObjects(net, images, { scoreThreshold: 0.5 });
 */
export function detectObjects(
  detector: Detector,
  images: tf.Tensor,
  options: DetectionOptions = {},
): Detections[] {
  const { classes, offsets } = inMode(detector, false, () =>
    tf.tidy(() => {
      const outputs = detector.forward(images);
      return { classes: tf.softmax(outputs.classes), offsets: outputs.offsets };
    }),
  );
  try {
    return multiboxDetection(classes, offsets, detector.anchors, options);
  } finally {
    tf.dispose([classes, offsets]);
  }
}

/**
 * The true objects of each image of a batch, in the form of detections.
 * @param labels float32 `[batch, objects, 5]`: class, x1, y1, x2, y2; rows of −1 are left out
 * @throws TypeError or RangeError for labels of another shape, and x1 > x2
 */
export function truthsOf(labels: tf.Tensor): Truth[] {
  return readLabels('[vision] truthsOf', labels).map(({ ids, boxes }) => ({
    boxes: toRows(boxes, 4) as unknown as Box[],
    labels: ids,
  }));
}

/**
 * The mean average precision of a detector over a loader, as COCO computes it.
 * @param loader one epoch of batches with labels `[batch, objects, 5]`; the batches are disposed
 * @example const { map50, map } = await evaluateDetector(net, testIter);
 */
export async function evaluateDetector(
  detector: Detector,
  loader: AsyncIterable<VisionBatch>,
  options: DetectionOptions = {},
): Promise<MeanAveragePrecision> {
  const detections: Detections[] = [];
  const truths: Truth[] = [];
  for await (const { features, labels } of loader) {
    try {
      truths.push(...truthsOf(labels));
      detections.push(...detectObjects(detector, features, options));
    } finally {
      tf.dispose([features, labels]);
    }
  }
  return meanAveragePrecision(detections, truths);
}
