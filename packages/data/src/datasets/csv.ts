/**
 * csvDataset: images as rows of a CSV file, one number for each pixel, as Kaggle distributes MNIST
 * and Fashion-MNIST.
 */
import { stat } from 'node:fs/promises';
import { checkOptions, rule } from '@deepend/core';
import { DataError, reason } from '../errors';
import type { Dataset, ImageShape } from '../types';
import { CsvParser } from './csv-parser';
import { readTextFile } from './files/text';
import { absolutePath, givenOptions, recordOrigin } from './origin';

export interface CsvOptions {
  /**
   * Column of the label in the file, from 0; -1 is the last.
   * @default the column that the header calls `label`, `class`, `target` or `y`; else the first one
   *   that is not an index
   */
  labelColumn?: number;
  /**
   * Shape of an image: pixels in row-major order, the channels of a pixel together.
   * @default `[side, side, 1]`
   */
  imageShape?: ImageShape;
  /**
   * Whether the first row has names.
   * @default true if its pixels are words, or the column numbers 0, 1, 2, ... that pandas writes
   */
  header?: boolean;
  /**
   * Names of the classes. Labels are indices below their number, or the names themselves; another
   * label is an error. @default the words among the labels, sorted, if labels are words
   */
  classNames?: readonly string[];
}

const OPTIONS = rule.object({
  labelColumn: rule
    .custom<number>(
      (value) => Number.isInteger(value) && (value as number) >= -1,
      'an integer of at least -1',
    )
    .optional(),
  imageShape: rule.imageShape().optional(),
  header: rule.boolean().optional(),
  classNames: rule.list(rule.string(), 'a list of at least one string', { min: 1 }).optional(),
});

/**
 * Reads a dataset from a CSV file of pixels, gzipped or not, without loading the text into memory.
 * Cells are separated by commas, semicolons or tabs; numbers may be written as floats (`255.0`);
 * labels are numbers or words. An index column is left out if its name in the header is empty,
 * `Unnamed: 0`, `index` or `id`. The text is UTF-8, or UTF-16 with a byte order mark. Blank lines
 * are skipped.
 * @returns images uint8 `[numSamples, height, width, channels]`, labels int32
 * @throws DataError that names the line, for a pixel that is not an integer from 0 to 255, a label
 *   that is neither a class index nor a name, a row of another length, or bytes that are not text
 * @example
 * const train = await csvDataset('fashion-mnist_train.csv');
 */
export async function csvDataset(file: string, options: CsvOptions = {}): Promise<Dataset> {
  const format = checkOptions('[data] csvDataset', OPTIONS, options);
  const parser = new CsvParser(file, format);
  try {
    if (!(await stat(file)).isFile())
      throw new DataError(file, 'a file', 'a folder or device', 'name another file');
    for await (const piece of readTextFile(file)) parser.add(piece);
  } catch (cause) {
    if (cause instanceof DataError) throw cause;
    const expected = 'a CSV file that can be read';
    throw new DataError(file, expected, reason(cause), 'get the file again', { cause });
  }
  return recordOrigin(
    { ...parser.finish(), source: file },
    { kind: 'csv', file: absolutePath(file), options: givenOptions(format) },
  );
}
