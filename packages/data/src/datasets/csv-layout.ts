/** Finds out from the first row of a CSV file what its columns are. */
import type { DataError } from '../errors';
import type { ImageShape } from '../types';
import type { CsvFormat } from './csv-parser';

export interface CsvLayout {
  /** The byte between cells. */
  readonly separator: number;
  readonly columns: number;
  /** Column of the label. */
  readonly labelAt: number;
  /** Column of pandas' index, or -1. */
  readonly indexAt: number;
  readonly numPixels: number;
  readonly imageShape: ImageShape;
  /** Whether the first row has names. */
  readonly header: boolean;
}

/** Makes the error for the first row. */
type Fail = (expected: string, got: string, next?: string) => DataError;

const SEPARATORS = [...';\t,'].map((separator) => separator.charCodeAt(0));
const INDEX_NAMES = ['', 'unnamed: 0', 'index', 'id'];
const LABEL_NAMES = ['label', 'labels', 'class', 'target', 'y'];
/** A row 0, 1, 2, ... of fewer columns is taken for a sample. */
const FEWEST_NUMBERED_COLUMNS = 5;

/** @throws DataError when the row is neither names nor a sample, or no image fits its columns */
export function findLayout(row: Uint8Array, format: CsvFormat, fail: Fail): CsvLayout {
  const separator = findSeparator(row);
  const cells = splitCells(row, separator);
  const columns = cells.length;
  const { labelColumn } = format;
  if (labelColumn !== undefined && labelColumn >= columns)
    throw fail(`more than ${labelColumn} columns, for the label`, `${columns}`);
  const header = format.header ?? isHeader(cells, labelColumn, fail);
  const indexAt = header && INDEX_NAMES.includes((cells[0] as string).toLowerCase()) ? 0 : -1;
  const labelAt = findLabelColumn(cells, { labelColumn, header, indexAt });
  if (labelAt === indexAt)
    throw fail('a label', `an index in column ${labelAt + 1}`, 'correct "labelColumn"');
  const numPixels = columns - 1 - (indexAt < 0 ? 0 : 1);
  const imageShape = findShape({ columns, numPixels, indexAt }, format, fail);
  return { separator, columns, labelAt, indexAt, numPixels, imageShape, header };
}

/** Returns the separator that the row has most often; not a comma if another is as frequent. */
function findSeparator(row: Uint8Array): number {
  const counts = SEPARATORS.map((separator) => splitCells(row, separator).length);
  return SEPARATORS[counts.indexOf(Math.max(...counts))] as number;
}

/** Splits a row at a byte that is not in quotes, and removes spaces and quotes around cells. */
export function splitCells(row: Uint8Array, separator: number): string[] {
  const cells: string[] = [];
  let quoted = false;
  let start = 0;
  for (let i = 0; i <= row.length; i++) {
    if (row[i] === 0x22) quoted = !quoted;
    if (i < row.length && (quoted || row[i] !== separator)) continue;
    const text = Buffer.from(row.subarray(start, i)).toString('utf8').trim();
    const inQuotes = /^"(.*)"$/s.exec(text)?.[1];
    cells.push(inQuotes?.replaceAll('""', '"').trim() ?? text);
    start = i + 1;
  }
  return cells;
}

/** @returns undefined for anything but a number in decimal digits; infinite if it is too large */
export function parseNumber(cell: string): number | undefined {
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(cell) ? Number(cell) : undefined;
}

/** Whether cells are 0, 1, 2, ... or 1, 2, 3, ... */
function countsUp(cells: readonly string[]): boolean {
  const first = cells[0] === '1' ? 1 : 0;
  return cells.every((cell, i) => cell === `${first + i}`);
}

const isWord = (cell: string) => parseNumber(cell) === undefined && !/^(nan|null|na|)$/i.test(cell);

function isHeader(cells: readonly string[], labelColumn: number | undefined, fail: Fail): boolean {
  const numbers = cells.filter((cell) => parseNumber(cell) !== undefined);
  const words = cells.filter(isWord);
  const named = words.some((word) => LABEL_NAMES.includes(word.toLowerCase()));
  const numbered =
    countsUp(numbers) &&
    (named || numbers.length === 0 || numbers.length >= FEWEST_NUMBERED_COLUMNS - 1);
  if (words.length === 0) {
    // pandas writes 0, 1, 2, ..., and with its index an empty cell before them.
    if (numbers.length === cells.length)
      return numbers.length >= FEWEST_NUMBERED_COLUMNS && numbers[0] === '0' && countsUp(numbers);
    return numbered && cells[0] === '' && numbers.length === cells.length - 1;
  }
  if (numbered) return true;
  const label = cells.at(labelColumn ?? 0) as string;
  if (words.length === 1 && isWord(label)) return false; // a sample whose label is a word
  const got = `'${words.find((word) => word !== label) ?? label}' among numbers`;
  const next = 'correct it, or pass "header: true" if it has names';
  throw fail('names in all cells, or numbers in all but the label', got, next);
}

function findLabelColumn(
  cells: readonly string[],
  options: { labelColumn: number | undefined; header: boolean; indexAt: number },
): number {
  const { labelColumn, header, indexAt } = options;
  if (labelColumn !== undefined) return labelColumn < 0 ? cells.length - 1 : labelColumn;
  const named = cells.findIndex((cell) => LABEL_NAMES.includes(cell.toLowerCase()));
  return header && named >= 0 ? named : indexAt + 1;
}

function findShape(
  { columns, numPixels, indexAt }: Pick<CsvLayout, 'columns' | 'numPixels' | 'indexAt'>,
  { imageShape }: CsvFormat,
  fail: Fail,
): ImageShape {
  const size = imageShape ? imageShape[0] * imageShape[1] * imageShape[2] : undefined;
  const fits = (count: number) =>
    size === undefined ? count > 0 && Number.isInteger(Math.sqrt(count)) : count === size;
  const side = Math.sqrt(numPixels);
  if (fits(numPixels)) return imageShape ?? [side, side, 1];
  const index = indexAt < 0 ? '' : ' and an index';
  const expected = imageShape
    ? `a label and ${size} pixels for images of [${imageShape.join(', ')}]`
    : 'a label and the pixels of a gray square, unless "imageShape" is given';
  const next =
    columns === 1
      ? 'separate cells by commas, semicolons or tabs'
      : indexAt < 0 && fits(numPixels - 1)
        ? 'if one column is an index, name it "index" in the header or write the file without it'
        : undefined;
  throw fail(expected, `${columns} columns${index && `, with${index.slice(4)}`}`, next);
}
