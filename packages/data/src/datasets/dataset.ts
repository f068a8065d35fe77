/** Datasets: their sizes, what makes one valid, and datasets from arrays in memory. */
import { formatValue, isFloat32Array, isUint8Array } from '@deepend/core';
import type { AnyDataset, Dataset, FileDataset, ImageShape } from '../types';

/**
 * Class indices are below it. Counts and soft labels take memory for each class, so a label of two
 * billion, such as a hash or an id, must not count as a class.
 */
export const MAX_CLASSES = 2 ** 20;

/** Whether a dataset's images are files, which are decoded when their batch is prepared. */
export function isFileDataset(dataset: AnyDataset): dataset is FileDataset {
  return 'files' in dataset;
}

/** Returns the number of samples of a dataset. */
export function numSamplesOf(dataset: AnyDataset): number {
  return isFileDataset(dataset) ? dataset.files.length : dataset.labels.length / labelSize(dataset);
}

/** Values in the label of one image: 1, unless labels are continuous and have `labelSize`. */
export function labelSize(dataset: AnyDataset): number {
  return isFileDataset(dataset) ? 1 : (dataset.labelSize ?? 1);
}

/**
 * Returns the number of classes: the number of class names, or one more than the largest label.
 * @throws RangeError when labels are continuous values
 */
export function numClassesOf(dataset: AnyDataset): number {
  if (isFloat32Array(dataset.labels)) {
    throw new RangeError(
      '[data] numClassesOf: expected labels that are class indices, got float32 values',
    );
  }
  if (dataset.classNames) return dataset.classNames.length;
  let most = -1;
  for (const label of dataset.labels) most = Math.max(most, label);
  return most + 1;
}

/**
 * Makes a dataset of arrays in memory; nothing is copied.
 * @throws RangeError when images, labels, shape and class names do not match
 */
export function arrayDataset(dataset: Dataset): Dataset {
  checkDataset('[data] arrayDataset', dataset);
  return dataset;
}

/** @throws RangeError for an invalid dataset */
export function checkDataset(where: string, dataset: AnyDataset): void {
  const problem = findDatasetProblem(dataset);
  if (problem) throw new RangeError(`${where}: expected ${problem.expected}, got ${problem.got}`);
}

interface Problem {
  expected: string;
  got: string;
}

/** Finds out why a dataset is invalid. @returns undefined for a valid one */
export function findDatasetProblem(dataset: AnyDataset): Problem | undefined {
  if (typeof dataset !== 'object' || dataset === null || !('labels' in dataset)) {
    return {
      expected: 'a dataset with "labels" and "images" or "files"',
      got: formatValue(dataset),
    };
  }
  const problem = isFileDataset(dataset) ? findFilesProblem(dataset) : findImagesProblem(dataset);
  return problem ?? findLabelsProblem(dataset);
}

function findFilesProblem({ files, labels, channels }: FileDataset): Problem | undefined {
  if (channels !== 1 && channels !== 3)
    return { expected: '1 or 3 channels', got: formatValue(channels) };
  if (files.length === 0) return { expected: 'at least one sample', got: 'none' };
  if (files.length === labels.length) return undefined;
  const expected = `a label for each of the ${files.length} files`;
  return { expected, got: `${labels.length} labels` };
}

function findImagesProblem(dataset: Dataset): Problem | undefined {
  const { images, labels, imageShape, labelSize = 1 } = dataset;
  if (!(isUint8Array(images) || isFloat32Array(images)))
    return { expected: 'images in a Uint8Array or a Float32Array', got: formatValue(images) };
  if (!isImageShape(imageShape))
    return { expected: 'an image shape [height, width, channels]', got: formatValue(imageShape) };
  const size = imageShape[0] * imageShape[1] * imageShape[2];
  const unit = isUint8Array(images) ? 'bytes' : 'numbers';
  if (labels.length === 0) return { expected: 'at least one sample', got: 'none' };
  if (images.length % size !== 0)
    return { expected: `images of ${size} ${unit} each`, got: `${images.length} ${unit} in all` };
  const continuous = isFloat32Array(labels);
  if (!Number.isInteger(labelSize) || labelSize < 1 || (labelSize > 1 && !continuous)) {
    const expected = 'a "labelSize" of 1, or more if labels are float32';
    return { expected, got: formatValue(labelSize) };
  }
  if (images.length * labelSize === size * labels.length) return undefined;
  const expected = `a label for each of the ${images.length / size} images`;
  return { expected, got: `${labels.length / labelSize} labels` };
}

/** Class indices must be below the number of class names, continuous labels finite. */
function findLabelsProblem({ labels, classNames }: AnyDataset): Problem | undefined {
  if (isFloat32Array(labels)) {
    const at = labels.findIndex((label) => !Number.isFinite(label));
    if (at < 0) return undefined;
    return { expected: 'labels that are finite numbers', got: `${labels[at]} at index ${at}` };
  }
  const most = (classNames?.length ?? MAX_CLASSES) - 1;
  const at = labels.findIndex((label) => !(label >= 0 && label <= most));
  if (at < 0) return undefined;
  const expected =
    classNames || (labels[at] as number) > most
      ? `labels from 0 to ${most}`
      : 'labels of at least 0';
  return { expected, got: `${labels[at]} for sample ${at}` };
}

/** Whether a value is `[height, width, channels]`, each an integer of at least 1. */
function isImageShape(shape: unknown): shape is ImageShape {
  return (
    Array.isArray(shape) &&
    shape.length === 3 &&
    shape.every((size) => Number.isInteger(size) && size >= 1)
  );
}
