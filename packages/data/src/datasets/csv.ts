/**
 * csvDataset: images as rows of a CSV file, one number for each pixel, as Kaggle distributes MNIST
 * and Fashion-MNIST.
 */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createGunzip } from 'node:zlib';
import { checkOptions, rule } from '@deepend/core';
import { DataError, reason } from '../errors';
import type { Dataset, ImageShape } from '../types';
import { CsvParser } from './csv-parser';
import { gzipError } from './files/read';
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
    for await (const piece of decodeText(file, readUnpacked(file))) parser.add(piece);
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

async function* readUnpacked(file: string): AsyncGenerator<Uint8Array> {
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
    throw gzipError(file, error, 'get the file again');
  } finally {
    stream.destroy();
  }
}

/** Beginnings of files, in hexadecimal, that are not UTF-8. */
const BEGINNINGS = [
  { hex: 'fffe0000', refused: 'UTF-32' },
  { hex: '0000feff', refused: 'UTF-32' },
  { hex: 'fffe', encoding: 'utf-16le' },
  { hex: 'feff', encoding: 'utf-16be' },
  { hex: '504b0304', refused: 'a zip archive or an Excel workbook' },
  { hex: 'd0cf11e0', refused: 'an Excel workbook' },
] as const;

/** Converts the text to UTF-8, as Excel's and PowerShell's UTF-16 needs. */
async function* decodeText(
  file: string,
  pieces: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  let head = Buffer.alloc(0);
  let decode: ((piece?: Uint8Array) => Uint8Array) | undefined;
  for await (const piece of pieces) {
    if (decode) {
      yield decode(piece);
      continue;
    }
    head = Buffer.concat([head, piece]);
    if (head.length < 4) continue;
    decode = textDecoder(file, head);
    yield decode(head);
  }
  decode ??= textDecoder(file, head);
  if (head.length < 4) yield decode(head);
  yield decode();
}

/** @returns a function that converts the next bytes, or without bytes ends the text */
function textDecoder(file: string, head: Buffer): (piece?: Uint8Array) => Uint8Array {
  const hex = head.toString('hex', 0, 4);
  const known = BEGINNINGS.find((beginning) => hex.startsWith(beginning.hex));
  if (!known) return (piece = Buffer.alloc(0)) => piece;
  const next = 'save it as CSV in UTF-8';
  if ('refused' in known) throw new DataError(file, 'a CSV file', known.refused, next);
  const decoder = new TextDecoder(known.encoding, { fatal: true });
  return (piece) => {
    try {
      return Buffer.from(piece ? decoder.decode(piece, { stream: true }) : decoder.decode());
    } catch (cause) {
      throw new DataError(file, 'text in UTF-16', 'other bytes', next, { cause });
    }
  };
}
