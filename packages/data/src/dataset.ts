/** Data sets: what a sound one is, and one made from arrays. */
import { formatValue } from '@deepend/core';
import type { AnyDataset, Dataset, FileDataset, ImageShape } from './types';

/** Whether a set's images lie in files that are decoded when they are wanted. */
export function isFileDataset(dataset: AnyDataset): dataset is FileDataset {
  return 'files' in dataset;
}

/** The number of samples of a set. */
export function numSamplesOf(dataset: AnyDataset): number {
  return isFileDataset(dataset)
    ? dataset.files.length
    : dataset.labels.length / labelSizeOf(dataset);
}

/** Numbers in the label of one image: 1, unless labels are float32 and the set says otherwise. */
export function labelSizeOf(dataset: AnyDataset): number {
  return isFileDataset(dataset) ? 1 : (dataset.labelSize ?? 1);
}

/**
 * The number of classes of a set: of its class names, else one more than its largest label. @throws
 * RangeError when labels are numbers
 */
export function numClassesOf(dataset: AnyDataset): number {
  if (dataset.labels instanceof Float32Array) {
    throw new RangeError(
      '[data] numClassesOf: expected labels that are class indices, got numbers (float32)',
    );
  }
  if (dataset.classNames) return dataset.classNames.length;
  let most = -1;
  for (const label of dataset.labels) most = Math.max(most, label);
  return most + 1;
}

/**
 * A set from arrays already in memory; nothing is copied.
 * @throws RangeError when images, labels, shape and class names do not fit together
 */
export function arrayDataset(dataset: Dataset): Dataset {
  checkDataset('[data] arrayDataset', dataset);
  return dataset;
}

/** @throws RangeError for a set that cannot be used */
export function checkDataset(where: string, dataset: AnyDataset): void {
  const fault = datasetFault(dataset);
  if (fault) throw new RangeError(`${where}: expected ${fault.expected}, got ${fault.got}`);
}

interface Fault {
  expected: string;
  got: string;
}

/** What keeps a set from being used; undefined for a sound one. */
export function datasetFault(dataset: AnyDataset): Fault | undefined {
  if (typeof dataset !== 'object' || dataset === null || !('labels' in dataset)) {
    return {
      expected: 'a data set with "labels" and "images" or "files"',
      got: formatValue(dataset),
    };
  }
  return (
    (isFileDataset(dataset) ? filesFault(dataset) : imagesFault(dataset)) ?? labelsFault(dataset)
  );
}

function filesFault({ files, labels, channels }: FileDataset): Fault | undefined {
  if (channels !== 1 && channels !== 3)
    return { expected: '1 or 3 channels', got: formatValue(channels) };
  if (files.length === 0) return { expected: 'at least one sample', got: 'none' };
  if (files.length === labels.length) return undefined;
  return {
    expected: `a label for each of the ${files.length} files`,
    got: `${labels.length} labels`,
  };
}

function imagesFault({ images, labels, imageShape, labelSize = 1 }: Dataset): Fault | undefined {
  if (!(images instanceof Uint8Array || images instanceof Float32Array)) {
    return { expected: 'images in a Uint8Array or a Float32Array', got: formatValue(images) };
  }
  if (!isImageShape(imageShape))
    return { expected: 'an image shape [height, width, channels]', got: formatValue(imageShape) };
  const size = imageShape[0] * imageShape[1] * imageShape[2];
  const unit = images instanceof Uint8Array ? 'bytes' : 'numbers';
  if (labels.length === 0) return { expected: 'at least one sample', got: 'none' };
  if (images.length % size !== 0)
    return { expected: `images of ${size} ${unit} each`, got: `${images.length} ${unit} in all` };
  if (
    !Number.isInteger(labelSize) ||
    labelSize < 1 ||
    (labelSize > 1 && !(labels instanceof Float32Array))
  ) {
    return {
      expected: 'a "labelSize" of 1, or more where labels are float32',
      got: formatValue(labelSize),
    };
  }
  if (images.length * labelSize === size * labels.length) return undefined;
  return {
    expected: `a label for each of the ${images.length / size} images`,
    got: `${labels.length / labelSize} labels`,
  };
}

/** Whole labels from 0 on, below the number of class names; labels that are numbers are finite. */
function labelsFault({ labels, classNames }: AnyDataset): Fault | undefined {
  if (labels instanceof Float32Array) {
    const at = labels.findIndex((label) => !Number.isFinite(label));
    return at < 0
      ? undefined
      : { expected: 'labels that are finite numbers', got: `${labels[at]} at place ${at}` };
  }
  const most = classNames ? classNames.length - 1 : 2 ** 31 - 1;
  const at = labels.findIndex((label) => !(label >= 0 && label <= most));
  if (at < 0) return undefined;
  return {
    expected: classNames ? `labels from 0 to ${most}` : 'labels of at least 0',
    got: `${labels[at]} for sample ${at}`,
  };
}

/** Whether a value is `[height, width, channels]`, each an integer of at least 1. */
export function isImageShape(shape: unknown): shape is ImageShape {
  return (
    Array.isArray(shape) &&
    shape.length === 3 &&
    shape.every((size) => Number.isInteger(size) && size >= 1)
  );
}
