/** Sets in pairs of IDX files, one's own or anyone's. */
import { checkOptions, rule } from '@deepend/core';
import { datasetFault } from '../dataset';
import { DataError } from '../errors';
import { type ReadIdxOptions, readIdx } from '../idx-file';
import type { Dataset } from '../types';

export interface IdxDatasetOptions {
  /**
   * File of uint8 `[numSamples, height, width]` or `[numSamples, height, width, channels]`, gzipped
   * or not.
   */
  images: string;
  /** File of uint8 `[numSamples]`, gzipped or not. */
  labels: string;
  /** What the labels mean; a label beyond them is an error. */
  classNames?: readonly string[];
}

const OPTIONS = rule.object({
  images: rule.string(),
  labels: rule.string(),
  classNames: rule
    .list(rule.string(), 'a list of strings')
    .min(1, 'a list of at least one string')
    .optional(),
});

/**
 * Reads a set from a pair of IDX files, one's own or anyone's.
 * @throws DataError when a file is missing, foreign or damaged, or when the two do not belong
 *   together
 */
export async function readIdxDataset(options: IdxDatasetOptions): Promise<Dataset> {
  const { images, labels, classNames } = checkOptions('[data] readIdxDataset', OPTIONS, options);
  return readPair({ file: images }, { file: labels }, { ...(classNames && { classNames }) });
}

export interface IdxSource extends ReadIdxOptions {
  file: string;
}

export interface PairOptions extends Pick<Dataset, 'classNames' | 'source' | 'mean' | 'std'> {
  /** The label of class 0 in the file. @default 0 */
  firstLabel?: number;
  /** Whether the file holds each image column by column. @default false */
  transposed?: boolean;
}

/** Reads images and labels side by side and checks them against each other. */
export async function readPair(
  images: IdxSource,
  labels: IdxSource,
  options: PairOptions,
): Promise<Dataset> {
  const { firstLabel = 0, transposed = false, ...about } = options;
  const [pixels, classes] = await Promise.all([
    readIdx(images.file, images),
    readIdx(labels.file, labels),
  ]);
  const [, height, width, channels = 1] = pixels.shape;
  const next = (at: IdxSource) => at.next ?? 'get both files again from one source';
  if (height === undefined || width === undefined || pixels.shape.length > 4) {
    const expected = 'images of the shape [numSamples, height, width]';
    throw new DataError(images.file, expected, `[${pixels.shape.join(', ')}]`, next(images));
  }
  if (classes.shape.length !== 1) {
    throw new DataError(
      labels.file,
      'labels of the shape [numSamples]',
      `[${classes.shape.join(', ')}]`,
      next(labels),
    );
  }
  // A label below the first becomes negative, and is then out of range.
  const shifted =
    firstLabel === 0
      ? classes.values
      : Int32Array.from(classes.values, (label) => label - firstLabel);
  const dataset: Dataset = {
    images: transposed
      ? upright(pixels.values, { rows: height, columns: width, channels })
      : pixels.values,
    labels: shifted,
    imageShape: transposed ? [width, height, channels] : [height, width, channels],
    ...about,
  };
  const fault = datasetFault(dataset);
  if (fault) throw new DataError(labels.file, fault.expected, fault.got, next(labels));
  return firstLabel === 0 ? dataset : { ...dataset, labels: Uint8Array.from(shifted) };
}

/** `[numSamples, rows, columns, channels]` → `[numSamples, columns, rows, channels]`. */
function upright(
  images: Uint8Array,
  { rows, columns, channels }: Record<'rows' | 'columns' | 'channels', number>,
): Uint8Array {
  const size = rows * columns * channels;
  const turned = new Uint8Array(images.length);
  for (let at = 0; at < images.length; at += size) {
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const from = at + (row * columns + column) * channels;
        const to = at + (column * rows + row) * channels;
        for (let channel = 0; channel < channels; channel++)
          turned[to + channel] = images[from + channel] as number;
      }
    }
  }
  return turned;
}
