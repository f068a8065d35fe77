/** Reading files of JSON lines: at once, or again and again while they grow. */
import type { FileHandle } from 'node:fs/promises';

/** A record from a line's value; undefined when the value is not one. */
type ParseLine<T> = (value: unknown) => T | undefined;

export interface ParsedLine<T> {
  /** From 1. */
  readonly line: number;
  readonly text: string;
  /** undefined when the line is damaged. */
  readonly record: T | undefined;
}

/**
 * The lines of a file that was read at once. Empty lines are skipped, and so is a damaged last line
 * without its end, which a crash during an append leaves.
 */
export function parseJsonLines<T>(content: string, parse: ParseLine<T>): ParsedLine<T>[] {
  const texts = content.split('\n');
  const lines = texts.map((text, i) => ({ line: i + 1, text, record: parseLine(text, parse) }));
  return lines.filter(
    ({ line, text, record }) => text !== '' && (record !== undefined || line < texts.length),
  );
}

function parseLine<T>(text: string, parse: ParseLine<T>): T | undefined {
  try {
    return parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

const PIECE = 256 * 1024; // bytes of a read; other work may run between two reads
const NEWLINE = 10;
const GUARD = 64; // bytes before the offset; if they differ, the file was rewritten

export interface JsonLinesOptions {
  /** Bytes from the end that are read of a longer file. @default 16 MiB */
  tail?: number;
  /** The newest records that are kept. @default 20000 */
  keep?: number;
  /** Bytes of the longest line; longer ones are skipped. @default 1 MiB */
  longest?: number;
}

/**
 * A file that grows. Each `read` parses what was appended; of a huge file only the end is read.
 * Damaged lines are skipped.
 */
export class JsonLines<T> {
  /** Oldest first. */
  records: T[] = [];
  /** Whether the file has more before the first record. */
  cut = false;
  #inode = 0;
  #offset = 0;
  #guard = Buffer.alloc(0);
  #rest: Buffer[] = []; // the beginning of a line whose end has not been written yet
  #restBytes = 0;
  #skips = false; // until the next line begins
  readonly #parse: ParseLine<T>;
  readonly #options: Required<JsonLinesOptions>;

  constructor(parse: ParseLine<T>, options: JsonLinesOptions = {}) {
    this.#parse = parse;
    this.#options = { tail: 16 * 1024 * 1024, keep: 20_000, longest: 1024 * 1024, ...options };
  }

  /** Reads what was appended since the last call, or everything if the file was replaced. */
  async read(file: FileHandle): Promise<void> {
    const { size, ino } = await file.stat();
    if (ino !== this.#inode || size < this.#offset || !(await this.#isSame(file)))
      this.#begin(ino, size);
    if (size - this.#offset > this.#options.tail) this.#begin(ino, size); // too much is new
    const piece = Buffer.allocUnsafe(PIECE);
    while (this.#offset < size) {
      const { bytesRead } = await file.read(
        piece,
        0,
        Math.min(PIECE, size - this.#offset),
        this.#offset,
      );
      if (bytesRead === 0) break;
      this.#offset += bytesRead;
      this.#split(piece.subarray(0, bytesRead));
      const end = piece.subarray(Math.max(0, bytesRead - GUARD), bytesRead);
      this.#guard = Buffer.concat([this.#guard, end]).subarray(-GUARD);
    }
    const { keep } = this.#options;
    if (this.records.length > keep) this.cut = true;
    this.records = this.records.slice(-keep);
  }

  /** Forgets the records, as when the file was deleted. */
  clear(): void {
    this.#begin(0, 0);
  }

  #begin(inode: number, size: number): void {
    this.records = [];
    this.#inode = inode;
    this.#offset = Math.max(0, size - this.#options.tail);
    this.cut = this.#offset > 0;
    this.#skips = this.cut; // the offset is most likely in the middle of a line
    this.#guard = Buffer.alloc(0);
    this.#forgetRest();
  }

  /** Inodes are reused and files overwritten, so compare the bytes before the offset. */
  async #isSame(file: FileHandle): Promise<boolean> {
    const { length } = this.#guard;
    const { buffer } = await file.read(Buffer.alloc(length), 0, length, this.#offset - length);
    return buffer.equals(this.#guard);
  }

  #split(piece: Buffer): void {
    let from = 0;
    for (let end = piece.indexOf(NEWLINE); end >= 0; end = piece.indexOf(NEWLINE, from)) {
      if (!this.#skips) this.#line(Buffer.concat([...this.#rest, piece.subarray(from, end)]));
      this.#skips = false;
      this.#forgetRest();
      from = end + 1;
    }
    if (this.#skips || from === piece.length) return;
    this.#rest.push(Buffer.from(piece.subarray(from))); // a copy: the piece is reused
    this.#restBytes += piece.length - from;
    if (this.#restBytes <= this.#options.longest) return;
    this.#skips = true;
    this.#forgetRest();
  }

  #forgetRest(): void {
    this.#rest = [];
    this.#restBytes = 0;
  }

  #line(line: Buffer): void {
    if (line.length === 0 || line.length > this.#options.longest) return;
    const record = parseLine(line.toString('utf8'), this.#parse);
    if (record !== undefined) this.records.push(record);
  }
}
