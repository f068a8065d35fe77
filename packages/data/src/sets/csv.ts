/**
 * Images as rows of a CSV file, a number for each pixel: the form in which Kaggle has MNIST and
 * Fashion-MNIST.
 */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createGunzip } from 'node:zlib';
import { checkOptions, rule } from '@deepend/core';
import { DataError, reason } from '../errors';
import { gzipFault } from '../idx-file';
import type { Dataset, ImageShape } from '../types';
import { CsvParser } from './csv-parser';

export interface CsvOptions {
  /** Which column has the label, from 0; -1 is the last. @default 0 */
  labelColumn?: number;
  /**
   * Shape of an image, whose pixels stand row by row, the channels of a pixel together. @default a
   * gray square
   */
  imageShape?: ImageShape;
  /** Whether the first row has names. @default true when a cell of it is no number */
  header?: boolean;
  /** What the labels mean; a label beyond them is an error. */
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
  classNames: rule
    .list(rule.string(), 'a list of strings')
    .min(1, 'a list of at least one string')
    .optional(),
});

/**
 * Reads a set from a CSV file of pixels, gzipped or not, a piece at a time.
 * @returns images uint8 `[numSamples, height, width, channels]`, labels int32
 * @throws DataError that names the line, for a cell that is no integer from 0 to 255 (labels:
 *   from 0), a row of another length, or
 * bytes that are no text
 * @example
 * const train = await csvDataset('fashion-mnist_train.csv');
 */
export async function csvDataset(file: string, options: CsvOptions = {}): Promise<Dataset> {
  const { classNames, ...form } = checkOptions('[data] csvDataset', OPTIONS, options);
  const parser = new CsvParser(file, {
    ...form,
    ...(classNames && { numClasses: classNames.length }),
  });
  try {
    if (!(await stat(file)).isFile())
      throw new DataError(file, 'a file', 'a folder or device', 'name another file');
    for await (const piece of unpacked(file)) parser.add(piece);
  } catch (error) {
    if (error instanceof DataError) throw error;
    throw new DataError(file, 'a CSV file that can be read', reason(error), 'get the file again', {
      cause: error,
    });
  }
  return { ...parser.finish(), ...(classNames && { classNames }), source: file };
}

async function* unpacked(file: string): AsyncGenerator<Uint8Array> {
  const peek = createReadStream(file, { end: 1 });
  let magic = '';
  for await (const piece of peek) magic += (piece as Buffer).toString('hex');
  const stream = createReadStream(file, { highWaterMark: 2 ** 20 });
  if (magic !== '1f8b') {
    yield* stream as AsyncIterable<Buffer>;
    return;
  }
  const gunzip = createGunzip();
  stream.on('error', (error) => gunzip.destroy(error));
  try {
    yield* stream.pipe(gunzip) as AsyncIterable<Buffer>;
  } catch (error) {
    throw new DataError(
      file,
      'a whole gzip file',
      `a damaged one (${gzipFault(error)})`,
      'get the file again',
      { cause: error },
    );
  } finally {
    stream.destroy();
  }
}
