/** Parses CSV of integers as it comes in, piece by piece, with the line of each fault. */
import { DataError } from '../errors';
import type { ImageShape } from '../types';

export interface CsvForm {
  labelColumn?: number | undefined;
  imageShape?: ImageShape | undefined;
  header?: boolean | undefined;
  /** Labels must be below it. */
  numClasses?: number;
}

/** Samples as a `Dataset` holds them. */
export interface CsvSamples {
  images: Uint8Array;
  labels: Int32Array;
  imageShape: ImageShape;
}

const [COMMA, NEWLINE] = [0x2c, 0x0a];
/** No row of pixels is longer; a file without line ends is not kept in memory. */
const MAX_ROW = 2 ** 24;
const MAX_BYTES = 2 ** 31 - 1;

export class CsvParser {
  readonly #file: string;
  readonly #form: CsvForm;
  #rest: Uint8Array = new Uint8Array(0);
  #line = 0;
  #columns = 0;
  #images = new Uint8Array(0);
  #labels: number[] = [];

  constructor(file: string, form: CsvForm) {
    this.#file = file;
    this.#form = form;
  }

  /** Takes the next bytes of the file. @throws DataError at the first fault */
  add(piece: Uint8Array): void {
    const bytes = this.#rest.length === 0 ? piece : Buffer.concat([this.#rest, piece]);
    let start = 0;
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
      this.#row(bytes.subarray(start, end));
      start = end + 1;
    }
    this.#rest = bytes.subarray(start);
    if (this.#rest.length > MAX_ROW)
      throw this.#fault(`lines of at most ${MAX_ROW} bytes`, 'a longer one');
  }

  /** Ends the file. @throws DataError when it had no rows */
  finish(): CsvSamples {
    if (this.#rest.length > 0) this.#row(this.#rest);
    this.#rest = new Uint8Array(0);
    if (this.#labels.length === 0)
      throw new DataError(this.#file, 'rows of a label and pixels', 'none', 'get the file again');
    const imageShape = this.#shape();
    const size = this.#columns - 1;
    return {
      images: this.#images.slice(0, this.#labels.length * size),
      labels: Int32Array.from(this.#labels),
      imageShape,
    };
  }

  #row(bytes: Uint8Array): void {
    this.#line++;
    const row = trimmed(bytes, this.#line === 1);
    if (row.length === 0) return; // an empty line, as at the end of many files
    if (this.#columns === 0) {
      this.#columns = 1 + row.reduce((commas, byte) => commas + (byte === COMMA ? 1 : 0), 0);
      this.#shape();
      if (this.#form.header ?? !isNumbers(row)) return;
    }
    this.#sample(row);
  }

  #sample(row: Uint8Array): void {
    const { labelColumn = 0, numClasses = 2 ** 31 } = this.#form;
    const labelAt = labelColumn < 0 ? this.#columns - 1 : labelColumn;
    const at = this.#room();
    let [column, pixel, start] = [0, 0, 0];
    for (let i = 0; i <= row.length; i++) {
      if (i < row.length && row[i] !== COMMA) continue;
      if (column === this.#columns)
        throw this.#fault(`${this.#columns} columns, as in the first row`, 'more');
      const most = column === labelAt ? numClasses - 1 : 255;
      const value = wholeNumber(row, start, i);
      if (value === undefined || value > most)
        throw this.#cellFault(row.subarray(start, i), column, most);
      if (column === labelAt) this.#labels.push(value);
      else this.#images[at + pixel++] = value;
      column++;
      start = i + 1;
    }
    if (column < this.#columns)
      throw this.#fault(`${this.#columns} columns, as in the first row`, `${column}`);
  }

  /** Where the next image begins, in an array that doubles when it is full. */
  #room(): number {
    const size = this.#columns - 1;
    const at = this.#labels.length * size;
    if (at + size > MAX_BYTES) throw this.#fault(`at most ${MAX_BYTES} pixels in all`, 'more');
    if (at + size > this.#images.length) {
      const larger = new Uint8Array(
        Math.min(MAX_BYTES, Math.max(64 * size, 2 * this.#images.length)),
      );
      larger.set(this.#images);
      this.#images = larger;
    }
    return at;
  }

  #shape(): ImageShape {
    const { imageShape, labelColumn = 0 } = this.#form;
    const pixels = this.#columns - 1;
    if (labelColumn >= this.#columns)
      throw this.#fault(`more than ${labelColumn} columns, for the label`, `${this.#columns}`);
    if (imageShape) {
      const [height, width, channels] = imageShape;
      const size = height * width * channels;
      if (size === pixels) return imageShape;
      throw this.#fault(
        `a label and ${size} pixels for images of [${imageShape.join(', ')}]`,
        `${this.#columns} columns`,
      );
    }
    const side = Math.round(Math.sqrt(pixels));
    if (pixels > 0 && side * side === pixels) return [side, side, 1];
    throw this.#fault(
      'a label and the pixels of a gray square, unless "imageShape" is given',
      `${this.#columns} columns`,
    );
  }

  #cellFault(cell: Uint8Array, column: number, most: number): DataError {
    const text = Buffer.from(cell.subarray(0, 20)).toString('utf8');
    return this.#fault(`an integer from 0 to ${most} in column ${column + 1}`, `'${text}'`);
  }

  #fault(expected: string, got: string): DataError {
    return new DataError(
      `${this.#file}, line ${Math.max(1, this.#line)}`,
      expected,
      got,
      'correct it or get the file again',
    );
  }
}

/**
 * Without a carriage return at the end, and without the mark that some programs put at the
 * beginning of UTF-8.
 */
function trimmed(bytes: Uint8Array, first: boolean): Uint8Array {
  const start = first && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
  return bytes.subarray(start, bytes.at(-1) === 0x0d ? -1 : undefined);
}

function isNumbers(row: Uint8Array): boolean {
  let start = 0;
  for (let i = 0; i <= row.length; i++) {
    if (i < row.length && row[i] !== COMMA) continue;
    if (wholeNumber(row, start, i) === undefined) return false;
    start = i + 1;
  }
  return true;
}

/**
 * The number in a cell of digits, which may stand in quotes or among spaces; undefined for anything
 * else.
 */
function wholeNumber(row: Uint8Array, from: number, to: number): number | undefined {
  let [start, end] = [from, to];
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
