/** Data sets in memory: made from arrays or from a pair of IDX files, checked once, cut to size. */
import { checkOptions, rule, show } from '@deepend/checks';
import { DataError } from './errors';
import { type ReadIdxOptions, readIdx } from './idx-file';
import type { Dataset, ImageShape } from './types';

/** The number of samples of a set. */
export function numSamplesOf(dataset: Dataset): number {
  return dataset.labels.length;
}

/**
 * A set from bytes already in memory; nothing is copied.
 * @throws RangeError when images, labels, shape and class names do not fit together
 */
export function arrayDataset(dataset: Dataset): Dataset {
  const fault = datasetFault(dataset);
  if (fault) throw new RangeError(`[data] arrayDataset: expected ${fault.expected}, got ${fault.got}`);
  return dataset;
}

/** The first `count` samples of a set, as a view of the same bytes. @throws RangeError when it has fewer */
export function take(dataset: Dataset, count: number): Dataset {
  const numSamples = numSamplesOf(dataset);
  if (!Number.isInteger(count) || count < 1 || count > numSamples) {
    throw new RangeError(`[data] take: expected a whole number from 1 to ${numSamples}, got ${show(count)}`);
  }
  const [height, width, channels] = dataset.imageShape;
  const images = dataset.images.subarray(0, count * height * width * channels);
  return { ...dataset, images, labels: dataset.labels.subarray(0, count) };
}

export interface IdxDatasetOptions {
  /** File of uint8 `[numSamples, height, width]` or `[numSamples, height, width, channels]`, gzipped or not. */
  images: string;
  /** File of uint8 `[numSamples]`, gzipped or not. */
  labels: string;
  /** What the labels mean; a label beyond them is an error. */
  classNames?: readonly string[];
}

const OPTIONS = rule.options({
  images: rule.text(),
  labels: rule.text(),
  classNames: rule.list(rule.text(), 'a list of texts').min(1, 'a list of at least one text').optional(),
});

/**
 * Reads a set from a pair of IDX files, one's own or anyone's.
 * @throws DataError when a file is missing, foreign or damaged, or when the two do not belong together
 */
export async function readIdxDataset(options: IdxDatasetOptions): Promise<Dataset> {
  const { images, labels, classNames } = checkOptions('[data] readIdxDataset', OPTIONS, options);
  return readPair({ file: images }, { file: labels }, { classNames });
}

interface IdxSource extends ReadIdxOptions {
  file: string;
}

/** Reads images and labels side by side and checks them against each other. */
export async function readPair(
  images: IdxSource,
  labels: IdxSource,
  { classNames, source }: Pick<Dataset, 'classNames' | 'source'>,
): Promise<Dataset> {
  const [pixels, classes] = await Promise.all([readIdx(images.file, images), readIdx(labels.file, labels)]);
  const [, height, width, channels = 1] = pixels.shape;
  const next = (at: IdxSource) => at.next ?? 'get both files again from one source';
  if (height === undefined || width === undefined || pixels.shape.length > 4) {
    const expected = 'images of the shape [numSamples, height, width]';
    throw new DataError(images.file, expected, `[${pixels.shape.join(', ')}]`, next(images));
  }
  if (classes.shape.length !== 1) {
    throw new DataError(labels.file, 'labels of the shape [numSamples]', `[${classes.shape.join(', ')}]`, next(labels));
  }
  const dataset: Dataset = {
    images: pixels.values,
    labels: classes.values,
    imageShape: [height, width, channels],
    ...(classNames && { classNames }),
    ...(source !== undefined && { source }),
  };
  const fault = datasetFault(dataset);
  if (fault) throw new DataError(labels.file, fault.expected, fault.got, next(labels));
  return dataset;
}

interface Fault {
  expected: string;
  got: string;
}

/** What keeps a set from being used; undefined for a sound one. */
export function datasetFault({ images, labels, imageShape, classNames }: Dataset): Fault | undefined {
  if (!isImageShape(imageShape)) return { expected: 'an image shape [height, width, channels]', got: show(imageShape) };
  const size = imageShape[0] * imageShape[1] * imageShape[2];
  if (labels.length === 0) return { expected: 'at least one sample', got: 'none' };
  if (images.length % size !== 0) return { expected: `images of ${size} bytes each`, got: `${images.length} bytes in all` };
  if (images.length !== size * labels.length) {
    return { expected: `a label for each of the ${images.length / size} images`, got: `${labels.length} labels` };
  }
  if (!classNames) return undefined;
  const at = labels.findIndex((label) => !(label >= 0 && label < classNames.length));
  if (at < 0) return undefined;
  return { expected: `labels from 0 to ${classNames.length - 1}`, got: `${labels[at]} for sample ${at}` };
}

function isImageShape(shape: ImageShape): boolean {
  return Array.isArray(shape) && shape.length === 3 && shape.every((size) => Number.isInteger(size) && size >= 1);
}
