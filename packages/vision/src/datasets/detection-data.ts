/** Images with boxes in memory, and their loader. */
import { checkOptions, formatValue, type ImageShape, isUint8Array, rule } from '@deepend/core';
import { permutation } from '@deepend/data';
import { type Tensor3D, tensor3d, tensor4d } from '@tensorflow/tfjs-core';
import { makeLoader, type VisionLoader } from '../loader';
import type { Truth } from '../scores/mean-average-precision';

/** Images of one size and the objects in each. */
export interface DetectionData {
  /** `[numImages, height, width, channels]`. */
  readonly images: Uint8Array;
  readonly imageShape: ImageShape;
  /** Objects of each image; boxes are fractions of the image. */
  readonly objects: readonly Truth[];
  readonly classNames: readonly string[];
}

export interface DetectionLoaderOptions {
  /** Images in a batch; the last batch of an epoch may have fewer. @example 32 */
  batchSize: number;
  /** Whether the order of the images is random in each epoch. @default true */
  shuffle?: boolean;
  /** Seeds the order of each epoch: any safe integer. @default 0 */
  seed?: number;
}

const WHERE = '[vision] detectionLoader';
const OPTIONS = rule.object({
  batchSize: rule.positiveInteger(),
  shuffle: rule.boolean().optional(),
  seed: rule.seed().optional(),
});

/**
 * Loads images with boxes.
 * @returns batches of features float32 `[batch, height, width, channels]` in [0, 1] and labels
 *   float32 `[batch, maxObjects, 5]`: class, x1, y1, x2, y2; rows of −1 are padding
 * @throws TypeError or RangeError for images and objects that do not match, a box outside the
 *   image, x1 > x2, and a class without a name
 * @example
 * const iter = detectionLoader({ images, imageShape, objects, classNames }, { batchSize: 32 });
 */
export function detectionLoader(
  data: DetectionData,
  options: DetectionLoaderOptions,
): VisionLoader<Tensor3D> {
  const { batchSize, shuffle = true, seed = 0 } = checkOptions(WHERE, OPTIONS, options);
  checkData(WHERE, data);
  const { images, imageShape, objects, classNames } = data;
  const most = objects.reduce((count, { labels }) => Math.max(count, labels.length), 1);
  const size = images.length / objects.length;
  return makeLoader(WHERE, {
    numSamples: objects.length,
    batchSize,
    inputShape: imageShape,
    classNames,
    config: { shuffle, seed },
    prepare: (epoch) => ({
      order: shuffle
        ? permutation(objects.length, seed, epoch)
        : Uint32Array.from({ length: objects.length }, (_, i) => i),
      batchOf: (samples) => {
        const features = new Float32Array(samples.length * size);
        const labels = new Float32Array(samples.length * most * 5).fill(-1);
        samples.forEach((sample, i) => {
          const pixels = images.subarray(sample * size, (sample + 1) * size);
          for (let j = 0; j < size; j++) features[i * size + j] = (pixels[j] as number) / 255;
          const { boxes, labels: ids } = objects[sample] as Truth;
          boxes.forEach((box, j) => {
            labels.set([ids[j] as number, ...box], (i * most + j) * 5);
          });
        });
        return {
          features: tensor4d(features, [samples.length, ...imageShape]),
          labels: tensor3d(labels, [samples.length, most, 5]),
        };
      },
    }),
  });
}

function checkData(where: string, data: DetectionData): void {
  const { images, imageShape, objects, classNames } = data ?? {};
  if (!isUint8Array(images) || !Array.isArray(objects) || !Array.isArray(classNames))
    throw new TypeError(
      `${where}: expected { images, imageShape, objects, classNames } with images in a ` +
        `Uint8Array, got ${formatValue(data)}`,
    );
  if (!(Array.isArray(imageShape) && imageShape.length === 3))
    throw new TypeError(
      `${where}: expected imageShape [height, width, channels], got ${formatValue(imageShape)}`,
    );
  const size = imageShape[0] * imageShape[1] * imageShape[2];
  if (objects.length === 0 || images.length !== size * objects.length)
    throw new RangeError(
      `${where}: expected objects for each of the ${images.length / size} images, got ` +
        `${objects.length}`,
    );
  objects.forEach((truth: Truth, i) => {
    const problem = findObjectProblem(truth, classNames);
    if (problem) throw new RangeError(`${where}: image ${i}: ${problem}`);
  });
}

/**
 * Why an image's objects are invalid.
 * @returns undefined for valid ones
 */
export function findObjectProblem(truth: Truth, classNames: readonly string[]): string | undefined {
  const { boxes, labels } = truth ?? {};
  if (!Array.isArray(boxes))
    return `expected { boxes, labels } with a list of boxes, got ${formatValue(truth)}`;
  if (boxes.length !== labels?.length)
    return `expected a class for each of the ${boxes.length} boxes, got ${labels?.length}`;
  for (const [i, box] of boxes.entries()) {
    const label = labels[i] as number;
    const [x1, y1, x2, y2] = box ?? [];
    const shown = `[${Array.from(box ?? []).join(', ')}]`;
    if (classNames[label] === undefined)
      return `expected a class from 0 to ${classNames.length - 1}, which have names, got ${label}`;
    if (!(box?.length === 4 && x1 <= x2 && y1 <= y2))
      return `expected a box [x1, y1, x2, y2] with x1 ≤ x2 and y1 ≤ y2, got ${shown}`;
    if (!(x1 >= 0 && y1 >= 0 && x2 <= 1 && y2 <= 1))
      return (
        'expected a box within the image, as fractions from 0 to 1 of its width and height, ' +
        `got ${shown}; divide pixels by the image's size, or use clipBoxes`
      );
  }
  return undefined;
}
