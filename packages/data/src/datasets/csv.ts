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
import { gzipError, MAX_BYTES } from './files/read';

export interface CsvOptions {
  /** Column of the label, from 0; -1 is the last. @default 0 */
  labelColumn?: number;
  /**
   * Shape of an image: pixels in row-major order, the channels of a pixel together.
   * @default `[side, side, 1]`
   */
  imageShape?: ImageShape;
  /** Whether the first row has names. @default true if one of its cells is not a number */
  header?: boolean;
  /** Names of the classes; a label beyond them is an error. */
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
 * @returns images uint8 `[numSamples, height, width, channels]`, labels int32
 * @throws DataError that names the line, for a cell that is not an integer from 0 to 255 (for
 *   labels: from 0), a row of another length, or bytes that are not text
 * @example
 * const train = await csvDataset('fashion-mnist_train.csv');
 */
export async function csvDataset(file: string, options: CsvOptions = {}): Promise<Dataset> {
  const { classNames, ...format } = checkOptions('[data] csvDataset', OPTIONS, options);
  const parser = new CsvParser(file, {
    ...format,
    ...(classNames && { numClasses: classNames.length }),
  });
  try {
    if (!(await stat(file)).isFile())
      throw new DataError(file, 'a file', 'a folder or device', 'name another file');
    for await (const piece of readUnpacked(file)) parser.add(piece);
  } catch (cause) {
    if (cause instanceof DataError) throw cause;
    const expected = 'a CSV file that can be read';
    throw new DataError(file, expected, reason(cause), 'get the file again', { cause });
  }
  return { ...parser.finish(), ...(classNames && { classNames }), source: file };
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

interface CsvFormat {
  labelColumn?: number | undefined;
  imageShape?: ImageShape | undefined;
  header?: boolean | undefined;
  /** Every label must be below it. */
  numClasses?: number;
}

/** Samples as in a `Dataset`. */
interface CsvSamples {
  images: Uint8Array;
  labels: Int32Array;
  imageShape: ImageShape;
}

const COMMA = 0x2c;
const NEWLINE = 0x0a;
/** No row of pixels is longer. The limit keeps a file without line breaks out of memory. */
const MAX_ROW_BYTES = 2 ** 24;

/** Parses CSV of integers piece by piece; its errors name the line. */
export class CsvParser {
  readonly #file: string;
  readonly #format: CsvFormat;
  #rest: Uint8Array = new Uint8Array(0);
  #line = 0;
  #columns = 0;
  #images = new Uint8Array(0);
  #labels: number[] = [];

  constructor(file: string, format: CsvFormat) {
    this.#file = file;
    this.#format = format;
  }

  /** Parses the next bytes of the file. @throws DataError at the first error */
  add(piece: Uint8Array): void {
    const bytes = this.#rest.length === 0 ? piece : Buffer.concat([this.#rest, piece]);
    let start = 0;
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
      this.#parseRow(bytes.subarray(start, end));
      start = end + 1;
    }
    this.#rest = bytes.subarray(start);
    if (this.#rest.length > MAX_ROW_BYTES)
      throw this.#error(`lines of at most ${MAX_ROW_BYTES} bytes`, 'a longer one');
  }

  /** Ends the file and returns its samples. @throws DataError when it had no rows */
  finish(): CsvSamples {
    if (this.#rest.length > 0) this.#parseRow(this.#rest);
    this.#rest = new Uint8Array(0);
    if (this.#labels.length === 0)
      throw new DataError(this.#file, 'rows of a label and pixels', 'none', 'get the file again');
    const imageShape = this.#findShape();
    const size = this.#columns - 1;
    return {
      images: this.#images.slice(0, this.#labels.length * size),
      labels: Int32Array.from(this.#labels),
      imageShape,
    };
  }

  #parseRow(bytes: Uint8Array): void {
    this.#line++;
    const row = trimRow(bytes, this.#line === 1);
    if (row.length === 0) return; // many files end with an empty line
    if (this.#columns === 0) {
      this.#columns = 1 + row.reduce((commas, byte) => commas + (byte === COMMA ? 1 : 0), 0);
      this.#findShape();
      if (this.#format.header ?? !hasOnlyIntegers(row)) return;
    }
    this.#parseSample(row);
  }

  #parseSample(row: Uint8Array): void {
    const { labelColumn = 0, numClasses = 2 ** 31 } = this.#format;
    const labelAt = labelColumn < 0 ? this.#columns - 1 : labelColumn;
    const at = this.#reserveImage();
    let column = 0;
    let pixel = 0;
    let start = 0;
    for (let i = 0; i <= row.length; i++) {
      if (i < row.length && row[i] !== COMMA) continue;
      if (column === this.#columns)
        throw this.#error(`${this.#columns} columns, as in the first row`, 'more');
      const most = column === labelAt ? numClasses - 1 : 255;
      const value = parseInteger(row, start, i);
      if (value === undefined || value > most)
        throw this.#cellError(row.subarray(start, i), column, most);
      if (column === labelAt) this.#labels.push(value);
      else this.#images[at + pixel++] = value;
      column++;
      start = i + 1;
    }
    if (column < this.#columns)
      throw this.#error(`${this.#columns} columns, as in the first row`, `${column}`);
  }

  /** Returns the position of the next image; doubles the array when it is full. */
  #reserveImage(): number {
    const size = this.#columns - 1;
    const at = this.#labels.length * size;
    if (at + size > MAX_BYTES) throw this.#error(`at most ${MAX_BYTES} pixels in all`, 'more');
    if (at + size > this.#images.length) {
      const wanted = Math.max(64 * size, 2 * this.#images.length);
      const larger = new Uint8Array(Math.min(MAX_BYTES, wanted));
      larger.set(this.#images);
      this.#images = larger;
    }
    return at;
  }

  #findShape(): ImageShape {
    const { imageShape, labelColumn = 0 } = this.#format;
    const pixels = this.#columns - 1;
    if (labelColumn >= this.#columns)
      throw this.#error(`more than ${labelColumn} columns, for the label`, `${this.#columns}`);
    if (imageShape) {
      const [height, width, channels] = imageShape;
      const size = height * width * channels;
      if (size === pixels) return imageShape;
      const expected = `a label and ${size} pixels for images of [${imageShape.join(', ')}]`;
      throw this.#error(expected, `${this.#columns} columns`);
    }
    const side = Math.round(Math.sqrt(pixels));
    if (pixels > 0 && side * side === pixels) return [side, side, 1];
    const expected = 'a label and the pixels of a gray square, unless "imageShape" is given';
    throw this.#error(expected, `${this.#columns} columns`);
  }

  #cellError(cell: Uint8Array, column: number, most: number): DataError {
    const text = Buffer.from(cell.subarray(0, 20)).toString('utf8');
    return this.#error(`an integer from 0 to ${most} in column ${column + 1}`, `'${text}'`);
  }

  #error(expected: string, got: string): DataError {
    const where = `${this.#file}, line ${Math.max(1, this.#line)}`;
    return new DataError(where, expected, got, 'correct it or get the file again');
  }
}

/** Removes a carriage return at the end, and a byte order mark at the beginning of the file. */
function trimRow(bytes: Uint8Array, first: boolean): Uint8Array {
  const start = first && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
  return bytes.subarray(start, bytes.at(-1) === 0x0d ? -1 : undefined);
}

function hasOnlyIntegers(row: Uint8Array): boolean {
  let start = 0;
  for (let i = 0; i <= row.length; i++) {
    if (i < row.length && row[i] !== COMMA) continue;
    if (parseInteger(row, start, i) === undefined) return false;
    start = i + 1;
  }
  return true;
}

/**
 * Parses a cell of digits, which may have spaces and quotes around them.
 * @returns undefined for anything else
 */
function parseInteger(row: Uint8Array, from: number, to: number): number | undefined {
  let start = from;
  let end = to;
  while (start < end && row[start] === 0x20) start++;
  while (end > start && row[end - 1] === 0x20) end--;
  if (end - start >= 2 && row[start] === 0x22 && row[end - 1] === 0x22) {
    start++;
    end--;
  }
  if (start === end || end - start > 10) return undefined;
  let value = 0;
  for (let i = start; i < end; i++) {
    const digit = (row[i] as number) - 0x30;
    if (digit < 0 || digit > 9) return undefined;
    value = 10 * value + digit;
  }
  return value;
}
