/** The cells of a table in CSV or TSV, and the lines on which they are. */
import { stat } from 'node:fs/promises';
import type { CsvError } from 'csv-parse/sync';
import { DataError, reason } from '../../errors';
import { readTextFile } from '../files/text';

/** A table as it is written: names, and a row of cells for each sample. */
export interface Cells {
  /** The file for errors; 'the table' for text. */
  readonly file: string;
  readonly names: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** The line on which each row ends, from 1. */
  readonly lines: readonly number[];
}

export interface CellFormat {
  readonly separator: string | undefined;
  readonly header: boolean;
}

/** In this order where two are as frequent. */
const SEPARATORS = [',', ';', '\t', '|'];

/** @throws DataError that names the line, for anything that is no table */
export async function readCells(source: string, format: CellFormat): Promise<Cells> {
  const isText = /[\r\n]/.test(source);
  const file = isText ? 'the table' : source;
  const text = isText ? source : await readFile(source);
  const { separator = findSeparator(text), header } = format;
  const records = withoutEmptyEnd(await parseRecords(file, text, separator));
  const [first] = records;
  const next = 'get the file again';
  if (!first) throw new DataError(file, 'a table of at least one row', 'none', next);
  const rows = header ? records.slice(1) : records;
  if (rows.length === 0)
    throw new DataError(
      file,
      'rows below the names',
      'none',
      'pass "header: false" if it has none',
    );
  const names = header ? namesOf(file, first.cells) : first.cells.map((_, i) => `${i}`);
  for (const { cells, line } of rows) checkRow(`${file}, line ${line}`, cells, names.length);
  return { file, names, rows: rows.map(({ cells }) => cells), lines: rows.map(({ line }) => line) };
}

async function readFile(file: string): Promise<string> {
  const pieces: Uint8Array[] = [];
  try {
    if (!(await stat(file)).isFile())
      throw new DataError(file, 'a file', 'a folder or device', 'name another file');
    for await (const piece of readTextFile(file)) pieces.push(piece);
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(pieces));
  } catch (cause) {
    if (cause instanceof DataError) throw cause;
    const isEncoding = cause instanceof TypeError;
    const expected = isEncoding ? 'text in UTF-8' : 'a table that can be read';
    const next = isEncoding
      ? 'save it as CSV in UTF-8'
      : 'name another file, or pass the text of a table, which has line breaks';
    throw new DataError(file, expected, isEncoding ? 'other bytes' : reason(cause), next, {
      cause,
    });
  }
}

/** The separator that the first line has most often outside of quotes. */
function findSeparator(text: string): string {
  const counts = new Map(SEPARATORS.map((separator) => [separator, 0]));
  let quoted = false;
  for (const character of text) {
    if (character === '"') quoted = !quoted;
    else if (!quoted && /[\r\n]/.test(character)) break;
    else if (!quoted && counts.has(character))
      counts.set(character, (counts.get(character) as number) + 1);
  }
  const most = Math.max(...counts.values());
  return SEPARATORS.find((separator) => counts.get(separator) === most) as string;
}

interface Row {
  readonly cells: string[];
  readonly line: number;
}

async function parseRecords(file: string, text: string, separator: string): Promise<Row[]> {
  const { parse } = await import('csv-parse/sync'); // most programs read no tables
  const isBlank = separator.trim() === '';
  try {
    const records = parse(text, {
      bom: true,
      delimiter: separator,
      info: true,
      relax_column_count: true, // their number is checked here
      skip_empty_lines: true,
      trim: !isBlank, // or the separator itself would be trimmed
    }) as unknown as { record: string[]; info: { lines: number } }[];
    const trimmed = (cells: string[]) => (isBlank ? cells.map((cell) => cell.trim()) : cells);
    return records.map(({ record, info }) => ({ cells: trimmed(record), line: info.lines }));
  } catch (cause) {
    const { code = '', lines = 1 } = cause as CsvError & { lines?: number };
    const got = code.startsWith('CSV_QUOTE_NOT_CLOSED')
      ? 'a quoted cell without an end'
      : 'a quote within a cell';
    const next = 'write a quote in a quoted cell twice, or correct "separator"';
    throw new DataError(`${file}, line ${lines}`, 'cells, quoted or not', got, next, { cause });
  }
}

/** Excel ends a file with rows of empty cells. */
function withoutEmptyEnd(rows: readonly Row[]): readonly Row[] {
  const last = rows.findLastIndex(({ cells }) => cells.some((cell) => cell !== ''));
  return rows.slice(0, last + 1);
}

/** Names of columns. pandas writes its index without one, and reads it as `Unnamed: 0`. */
function namesOf(file: string, cells: readonly string[]): string[] {
  const names = cells.map((cell, i) => cell.trim() || `Unnamed: ${i}`);
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice === undefined) return names;
  const next = 'give each column its own name, or pass "header: false" if the file has no names';
  throw new DataError(`${file}, line 1`, 'another name for each column', `'${twice}' twice`, next);
}

function checkRow(where: string, cells: readonly string[], columns: number): void {
  if (cells.length !== columns) {
    const next = 'correct the row, quote cells that contain the separator, or pass "separator"';
    throw new DataError(where, `${columns} cells, as in the first row`, `${cells.length}`, next);
  }
  if (cells.every((cell) => cell === ''))
    throw new DataError(where, 'a sample', 'a row of empty cells', 'fill or remove the row');
}
