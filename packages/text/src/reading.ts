/** Reads text files: whole, by lines, by tab-separated pairs, by rows of CSV. */
import { open } from 'node:fs/promises';
import { checkOptions, rule } from '@deepend/core';
import { DataError } from '@deepend/data';

/** No string of V8 is longer, and a character takes at least one byte. */
const MAX_TEXT_BYTES = 2 ** 29 - 25;
const MAX_LINE_BYTES = 2 ** 24;
const NEWLINE = 0x0a;
const CORRECT = 'correct the file';

/**
 * Reads a file of UTF-8. A byte order mark at its start is left out.
 * @throws DataError for a file that cannot be read, is empty, is larger than 512 MiB or is not
 *   UTF-8: the error names the first wrong byte
 */
export async function readText(file: string): Promise<string> {
  return decodeUtf8(await readBytes(file), file);
}

export interface ReadLinesOptions {
  /**
   * Longest line in bytes. A file without line breaks is usually not what was meant; `readText`
   * reads it whole. @default 16777216
   */
  maxLineBytes?: number;
}

const LINE_OPTIONS = rule.object({ maxLineBytes: rule.positiveInteger().optional() });

/**
 * Reads the lines of a file of UTF-8, without their ends (`\n` or `\r\n`).
 * @throws DataError as `readText` does, and for a line longer than `maxLineBytes`
 */
export async function readLines(file: string, options: ReadLinesOptions = {}): Promise<string[]> {
  const { maxLineBytes = MAX_LINE_BYTES } = checkOptions('[text] readLines', LINE_OPTIONS, options);
  const bytes = await readBytes(file);
  checkLineLengths(bytes, file, maxLineBytes);
  return splitLines(decodeUtf8(bytes, file));
}

/** The lines of a string; an end of the last line begins no further line. */
export function splitLines(text: string): string[] {
  const lines = text.split(/\r?\n/);
  if (lines.at(-1) === '') lines.pop();
  return lines;
}

/** A sentence and its translation. */
export type Pair = readonly [source: string, target: string];

/**
 * Reads pairs of sentences from a file of UTF-8 with one pair in each line, separated by a tab.
 * Further columns, such as the sources of a sentence, are left out.
 * @throws DataError as `readLines` does, and for a line without a tab or with an empty half
 */
export async function readPairs(file: string, options: ReadLinesOptions = {}): Promise<Pair[]> {
  const lines = await readLines(file, options);
  return lines.map((line, i) => {
    const [source = '', target = ''] = line.split('\t');
    if (source !== '' && target !== '') return [source, target];
    const got = line.includes('\t') ? 'an empty one' : 'no tab';
    throw new DataError(
      file,
      `two sentences with a tab between them in line ${i + 1}`,
      got,
      CORRECT,
    );
  });
}

export interface ReadCsvOptions extends ReadLinesOptions {
  /** Character between the cells: `'\t'` for TSV. @default ',' */
  separator?: string;
}

const CSV_OPTIONS = rule.object({
  maxLineBytes: rule.positiveInteger().optional(),
  separator: rule.string({ pattern: /^[^"\r\n]$/, expected: 'one character' }).optional(),
});

/**
 * Reads the rows of a CSV file of strings (RFC 4180: cells in quotes may contain separators, line
 * breaks and doubled quotes). The first row, if it has names, is a row too. For pixels and numbers
 * see `csvDataset`.
 * @throws DataError as `readLines` does, for quotes that do not close, and for a row with another
 *   number of cells than the first
 */
export async function readCsv(file: string, options: ReadCsvOptions = {}): Promise<string[][]> {
  const checked = checkOptions('[text] readCsv', CSV_OPTIONS, options);
  const { maxLineBytes = MAX_LINE_BYTES, separator = ',' } = checked;
  const bytes = await readBytes(file);
  checkLineLengths(bytes, file, maxLineBytes);
  const rows = parseCsv(decodeUtf8(bytes, file), separator, file);
  const width = rows[0]?.length;
  const bad = rows.findIndex((row) => row.length !== width);
  if (bad < 0) return rows;
  const got = `${rows[bad]?.length}`;
  throw new DataError(file, `${width} cells in row ${bad + 1}, as in the first`, got, CORRECT);
}

function parseCsv(text: string, separator: string, file: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  for (let at = 0; at < text.length; ) {
    const { cell, end } = parseCell(text, at, { separator, file, row: rows.length + 1 });
    row.push(cell);
    at = end + 1;
    if (text[end] === separator) {
      if (at < text.length) continue;
      row.push('');
    } else if (text[end] === '\r') at++;
    rows.push(row);
    row = [];
  }
  return rows;
}

interface CellPlace {
  separator: string;
  file: string;
  /** From 1. */
  row: number;
}

/** @returns a cell, and the position of the separator or line end after it */
function parseCell(text: string, start: number, { separator, file, row }: CellPlace) {
  const isEnd = (at: number) =>
    at >= text.length ||
    text[at] === separator ||
    text[at] === '\n' ||
    (text[at] === '\r' && text[at + 1] === '\n');
  let end = start;
  if (text[start] !== '"') {
    while (!isEnd(end)) end++;
    return { cell: text.slice(start, end), end };
  }
  let cell = '';
  for (end = start + 1; ; end++) {
    const close = text.indexOf('"', end);
    if (close < 0)
      throw new DataError(file, `quotes that close in row ${row}`, 'the end of the file', CORRECT);
    cell += text.slice(end, close);
    end = close + 1;
    if (text[end] !== '"') break;
    cell += '"';
  }
  if (isEnd(end)) return { cell, end };
  const expected = `a separator after the closing quote in row ${row}`;
  throw new DataError(file, expected, `'${text[end]}'`, CORRECT);
}

async function readBytes(file: string): Promise<Buffer> {
  const next = 'pass the path of a text file';
  const failed = (got: string, cause?: unknown) =>
    new DataError(file, 'a file that can be read', got, next, { cause });
  const handle = await open(file).catch((error: NodeJS.ErrnoException) => {
    throw failed(error.code === 'ENOENT' ? 'nothing there (ENOENT)' : error.message, error);
  });
  try {
    const info = await handle.stat();
    if (!info.isFile()) throw failed(info.isDirectory() ? 'a folder' : 'a device or pipe');
    if (info.size > MAX_TEXT_BYTES) {
      const advice = 'split it, and read it part by part';
      throw new DataError(file, `at most ${MAX_TEXT_BYTES} bytes`, `${info.size}`, advice);
    }
    if (info.size === 0) throw new DataError(file, 'text', 'an empty file', next);
    return await handle.readFile();
  } finally {
    await handle.close();
  }
}

/** @throws DataError that names the first byte that is not UTF-8 */
export function decodeUtf8(bytes: Uint8Array, file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    const at = firstInvalidByte(bytes);
    const got = `0x${(bytes[at] ?? 0).toString(16).padStart(2, '0')} at byte ${at}`;
    const next = 'convert the file to UTF-8: iconv -f ENCODING -t UTF-8 FILE';
    throw new DataError(file, 'UTF-8', got, next, { cause });
  }
}

/** The position of the first byte that does not continue valid UTF-8. */
function firstInvalidByte(bytes: Uint8Array): number {
  const decodes = (from: number, to: number) => {
    try {
      new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(from, to));
      return true;
    } catch {
      return false;
    }
  };
  let start = 0; // all characters before it are valid
  for (let length = bytes.length; length > 4; ) {
    const half = characterStart(bytes, start + Math.ceil(length / 2));
    const end = half > start ? half : start + length;
    if (decodes(start, end)) {
      length -= end - start;
      start = end;
    } else if (end - start < length) length = end - start;
    else break;
  }
  while (start < bytes.length) {
    const size = [1, 2, 3, 4].find((count) => decodes(start, start + count));
    if (size === undefined || start + size > bytes.length) break;
    start += size;
  }
  return start;
}

/** The start of the character that `at` lies in, at most three bytes before it. */
function characterStart(bytes: Uint8Array, at: number): number {
  let start = at;
  while (start > at - 3 && ((bytes[start] ?? 0) & 0xc0) === 0x80) start--;
  return start;
}

function checkLineLengths(bytes: Buffer, file: string, most: number): void {
  let line = 1;
  for (let start = 0; start < bytes.length; line++) {
    const found = bytes.indexOf(NEWLINE, start);
    const end = found < 0 ? bytes.length : found;
    if (end - start > most) {
      const next = 'break the line, read the file with readText, or raise option "maxLineBytes"';
      throw new DataError(file, `at most ${most} bytes in line ${line}`, `${end - start}`, next);
    }
    start = end + 1;
  }
}
