/** A file of JSON lines that grows: what is new is read, and of a huge one the end alone. */
import type { FileHandle } from 'node:fs/promises';

const PIECE = 256 * 1024; // bytes of a read; between two the process may do other things
const NEWLINE = 10;
const GUARD = 64; // bytes before the place read to, by which a file that was written anew is known

export interface JsonLinesOptions {
  /** Bytes from the end that are read of a longer file. @default 16 MiB */
  tail?: number;
  /** The newest records that are kept. @default 20000 */
  keep?: number;
  /** Bytes of the longest line; longer ones are skipped. @default 1 MiB */
  longest?: number;
}

/** @typeParam T what a line is read as */
export class JsonLines<T> {
  /** Oldest first. */
  records: T[] = [];
  /** Whether the file has more before the first record. */
  cut = false;
  #inode = 0;
  #offset = 0;
  #guard = Buffer.alloc(0);
  #rest: Buffer[] = []; // of a line whose end is not there yet
  #restBytes = 0;
  #skips = false; // until the next line begins
  readonly #take: (value: unknown) => T | undefined;
  readonly #options: Required<JsonLinesOptions>;

  /** @param take a record from a line's value; undefined for what is none */
  constructor(take: (value: unknown) => T | undefined, options: JsonLinesOptions = {}) {
    this.#take = take;
    this.#options = { tail: 16 * 1024 * 1024, keep: 20_000, longest: 1024 * 1024, ...options };
  }

  /** Reads what the file has got since the last time; all of it where it was replaced or cut. */
  async read(file: FileHandle): Promise<void> {
    const { size, ino } = await file.stat();
    if (ino !== this.#inode || size < this.#offset || !(await this.#isSame(file)))
      this.#begin(ino, size);
    if (size - this.#offset > this.#options.tail) this.#begin(ino, size); // it grew by more than is ever read
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

  /** Forgets a file that is gone. */
  clear(): void {
    this.#begin(0, 0);
  }

  #begin(inode: number, size: number): void {
    this.records = [];
    this.#inode = inode;
    this.#offset = Math.max(0, size - this.#options.tail);
    this.cut = this.#offset > 0;
    this.#skips = this.cut; // amid a line, most likely
    this.#guard = Buffer.alloc(0);
    this.#forgetRest();
  }

  /**
   * An inode may come again, and a file be written over: what stood before the place read to tells.
   */
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
    this.#rest.push(Buffer.from(piece.subarray(from))); // copied: the piece is read into again
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
    try {
      const record = this.#take(JSON.parse(line.toString('utf8')));
      if (record !== undefined) this.records.push(record);
    } catch {
      // Half a line that a killed process left: the others stand.
    }
  }
}
