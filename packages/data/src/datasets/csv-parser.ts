/** Parses CSV of pixels piece by piece: the layout from the first row, then one sample a row. */
import { DataError } from '../errors';
import type { ImageShape } from '../types';
import { type CsvLayout, findLayout, parseNumber, splitCells } from './csv-layout';
import { MAX_CLASSES } from './dataset';
import { MAX_BYTES } from './files/read';

export interface CsvFormat {
  labelColumn?: number | undefined;
  imageShape?: ImageShape | undefined;
  header?: boolean | undefined;
  classNames?: readonly string[] | undefined;
}

/** Samples as in a `Dataset`. */
interface CsvSamples {
  images: Uint8Array;
  labels: Int32Array;
  imageShape: ImageShape;
  classNames?: readonly string[];
}

const NEWLINE = 0x0a;
const RETURN = 0x0d;
const SPACE = 0x20;
const QUOTE = 0x22;
/** No row of pixels is longer. The limit keeps a file without line breaks out of memory. */
const MAX_ROW_BYTES = 2 ** 24;

/** Parses CSV of integers piece by piece; its errors name the line. */
export class CsvParser {
  readonly #file: string;
  readonly #format: CsvFormat;
  #rest: Uint8Array = new Uint8Array(0);
  #line = 0;
  #layout: CsvLayout | undefined;
  #images = new Uint8Array(0);
  #labels: number[] = [];
  /** Labels that are words, with the index at which each appeared. */
  #words: Map<string, number> | undefined;
  #hasFloats = false;
  /** The first line of empty cells after the last sample. */
  #emptyLine = 0;

  constructor(file: string, format: CsvFormat) {
    this.#file = file;
    this.#format = format;
  }

  /** Parses the next bytes of the file, in UTF-8. @throws DataError at the first error */
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
    if (!this.#layout || this.#labels.length === 0)
      throw new DataError(this.#file, 'rows of a label and pixels', 'none', 'get the file again');
    const { imageShape, numPixels } = this.#layout;
    const images = this.#images.slice(0, this.#labels.length * numPixels);
    if (this.#hasFloats && images.every((value) => value <= 1)) {
      const next = 'multiply pixels in [0, 1] by 255, or write 0 and 1 as integers';
      throw new DataError(this.#file, 'pixels from 0 to 255', 'floats from 0 to 1', next);
    }
    return { images, ...this.#finishLabels(), imageShape };
  }

  #finishLabels(): Pick<CsvSamples, 'labels' | 'classNames'> {
    const { classNames } = this.#format;
    const labels = Int32Array.from(this.#labels);
    if (classNames) return { labels, classNames };
    if (!this.#words) return { labels };
    const words = [...this.#words.keys()];
    const sorted = [...words].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    const positions = new Map(sorted.map((word, index) => [word, index]));
    const toIndex = words.map((word) => positions.get(word) as number);
    return { labels: labels.map((label) => toIndex[label] as number), classNames: sorted };
  }

  #parseRow(bytes: Uint8Array): void {
    this.#line++;
    const row = trimRow(bytes, this.#line === 1);
    if (row.every((byte) => byte === SPACE)) return; // many files end with empty lines
    if (row.includes(RETURN)) {
      const got = 'carriage returns without line feeds';
      throw this.#error('lines that end with a line feed', got, 'convert the ends of the lines');
    }
    if (!this.#layout) {
      const fail = (expected: string, got: string, next?: string) =>
        this.#error(expected, got, next);
      this.#layout = findLayout(row, this.#format, fail);
      if (this.#layout.header) return;
    }
    const { separator } = this.#layout;
    if (row.every((byte) => byte === separator || byte === SPACE)) {
      this.#emptyLine ||= this.#line; // Excel ends a file with rows of empty cells
      return;
    }
    if (this.#emptyLine > 0) {
      this.#line = this.#emptyLine;
      throw this.#error('a sample', 'a row of empty cells', 'fill or remove the row');
    }
    this.#parseSample(row, this.#layout);
  }

  #parseSample(row: Uint8Array, layout: CsvLayout): void {
    const { separator, columns, labelAt, indexAt, numPixels } = layout;
    const at = this.#reserveImage(numPixels);
    let column = 0;
    let pixel = 0;
    for (let start = 0; start <= row.length; ) {
      const end = findCellEnd(row, start, separator);
      if (column === columns) throw this.#error(`${columns} columns, as in the first row`, 'more');
      if (column === labelAt) this.#labels.push(this.#parseLabel(row, start, end, layout));
      else if (column !== indexAt)
        this.#images[at + pixel++] = this.#parsePixel(row, start, end, column);
      column++;
      start = end + 1;
    }
    if (column < columns) throw this.#error(`${columns} columns, as in the first row`, `${column}`);
  }

  #parsePixel(row: Uint8Array, start: number, end: number, column: number): number {
    const digits = parseDigits(row, start, end);
    if (digits !== undefined && digits <= 255) return digits;
    const cell = toText(row.subarray(start, end));
    const value = parseNumber(cell) ?? Number.NaN;
    if (Number.isInteger(value) && value >= 0 && value <= 255) {
      this.#hasFloats ||= /[.e]/i.test(cell);
      return value;
    }
    const next = value > 0 && value < 1 ? 'multiply pixels in [0, 1] by 255' : undefined;
    throw this.#cellError('an integer from 0 to 255', cell, column, next);
  }

  #parseLabel(row: Uint8Array, start: number, end: number, { labelAt }: CsvLayout): number {
    const { classNames } = this.#format;
    const most = (classNames?.length ?? MAX_CLASSES) - 1;
    const digits = parseDigits(row, start, end);
    const cell = digits === undefined ? toText(row.subarray(start, end)) : '';
    const value = digits ?? parseNumber(cell);
    if (value === undefined && cell !== '' && !/^nan$/i.test(cell) && !cell.includes('\0'))
      return this.#parseWord(cell, labelAt);
    if (this.#words && value !== undefined)
      throw this.#cellError('a word, as in the rows before,', `${value}`, labelAt);
    if (value !== undefined && Number.isInteger(value) && value >= 0 && value <= most) return value;
    const shown = digits === undefined ? cell : `${digits}`;
    throw this.#cellError(`an integer from 0 to ${most}`, shown, labelAt);
  }

  /** @returns the index of the class name, or without class names of the word's first use */
  #parseWord(word: string, column: number): number {
    const { classNames } = this.#format;
    if (!this.#words && this.#labels.length > 0)
      throw this.#cellError('an integer, as in the rows before,', word, column);
    this.#words ??= new Map();
    const index = classNames?.indexOf(word) ?? this.#words.get(word) ?? this.#words.size;
    if (index < 0) throw this.#cellError(`one of ${classNames?.join(', ')}`, word, column);
    if (index >= MAX_CLASSES)
      throw this.#cellError(`one of at most ${MAX_CLASSES} words`, 'one more', column);
    this.#words.set(word, index);
    return index;
  }

  /** Returns the position of the next image; doubles the array when it is full. */
  #reserveImage(size: number): number {
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

  #cellError(expected: string, cell: string, column: number, next?: string): DataError {
    const got = cell.includes('\0') ? 'bytes of zero' : `'${[...cell].slice(0, 20).join('')}'`;
    const advice = cell.includes('\0') ? 'save it as CSV in UTF-8' : next;
    return this.#error(`${expected} in column ${column + 1}`, got, advice);
  }

  #error(expected: string, got: string, next = 'correct it or get the file again'): DataError {
    const where = `${this.#file}, line ${Math.max(1, this.#line)}`;
    return new DataError(where, expected, got, next);
  }
}

/** Removes a carriage return at the end, and a byte order mark at the beginning of the file. */
function trimRow(bytes: Uint8Array, first: boolean): Uint8Array {
  const start = first && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
  return bytes.subarray(start, bytes.at(-1) === RETURN ? -1 : undefined);
}

/** Finds the separator after a cell, which may be quoted, or the end of the row. */
function findCellEnd(row: Uint8Array, start: number, separator: number): number {
  let quoted = false;
  for (let i = start; i < row.length; i++) {
    const byte = row[i];
    if (byte === QUOTE) quoted = !quoted;
    else if (byte === separator && !quoted) return i;
  }
  return row.length;
}

/** Decodes a cell without the spaces and quotes around it. */
const toText = (cell: Uint8Array): string => splitCells(cell, -1)[0] as string;

/**
 * Parses a cell of at most 10 digits, which may have spaces and quotes around them.
 * @returns undefined for anything else
 */
function parseDigits(row: Uint8Array, from: number, to: number): number | undefined {
  let start = from;
  let end = to;
  while (start < end && row[start] === SPACE) start++;
  while (end > start && row[end - 1] === SPACE) end--;
  if (end - start >= 2 && row[start] === QUOTE && row[end - 1] === QUOTE) {
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
