/** Reads word vectors in the form of GloVe and fastText: a token and its numbers in each line. */
import { createReadStream } from 'node:fs';
import { DataError } from '@deepend/data';
import { decodeUtf8 } from './reading';

const NEWLINE = 0x0a;
/** No vector is longer. */
const MAX_LINE_BYTES = 2 ** 20;
const NEXT = 'get the file again, or remove the line';

/** Tokens and their vectors. */
export interface Vectors {
  readonly tokens: string[];
  /** `[tokens, dim]`, row by row. */
  readonly values: Float32Array;
  readonly dim: number;
}

/** Collects vectors of one length; the space for them doubles as they come. */
class Collector {
  readonly tokens: string[] = [];
  readonly #file: string;
  #values = new Float32Array(0);
  dim = 0;

  constructor(file: string) {
    this.#file = file;
  }

  /** @throws DataError that names the line */
  add(text: string, line: number): void {
    const [token = '', ...numbers] = text.trimEnd().split(' ');
    if (line === 1 && numbers.length === 1) return; // fastText: number of vectors, and their size
    if (this.dim === 0 && numbers.length > 1) this.dim = numbers.length;
    if (numbers.length !== this.dim || this.dim === 0) {
      const expected = `a token and ${this.dim || 'its'} numbers in line ${line}`;
      throw new DataError(this.#file, expected, `${numbers.length} numbers`, NEXT);
    }
    const start = this.tokens.length * this.dim;
    this.#reserve(start + this.dim);
    numbers.forEach((number, i) => {
      const value = Number(number);
      if (number === '' || !Number.isFinite(value)) {
        const expected = `finite numbers in line ${line}`;
        throw new DataError(this.#file, expected, `'${number}'`, NEXT);
      }
      this.#values[start + i] = value;
    });
    this.tokens.push(token);
  }

  #reserve(length: number): void {
    if (length <= this.#values.length) return;
    const larger = new Float32Array(Math.max(2 * this.#values.length, length, 2 ** 16));
    larger.set(this.#values);
    this.#values = larger;
  }

  /** @throws DataError when there are no vectors */
  finish(): Vectors {
    const { tokens, dim } = this;
    if (tokens.length === 0) throw new DataError(this.#file, 'word vectors', 'none', NEXT);
    return { tokens, dim, values: this.#values.slice(0, tokens.length * dim) };
  }
}

/**
 * Reads vectors line by line.
 * @throws DataError for a file that cannot be read, and for the first line that is not UTF-8, is
 *   too long, has another number of numbers than the first, or has anything but numbers
 */
export async function readVectors(file: string): Promise<Vectors> {
  const collector = new Collector(file);
  let rest: Buffer = Buffer.alloc(0);
  let line = 0;
  const add = (bytes: Uint8Array) => {
    line++;
    collector.add(decodeUtf8(bytes, `${file}, line ${line}`), line);
  };
  try {
    for await (const piece of createReadStream(file, { highWaterMark: 2 ** 20 })) {
      const bytes: Buffer = rest.length > 0 ? Buffer.concat([rest, piece]) : piece;
      let start = 0;
      for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
        add(bytes.subarray(start, end));
        start = end + 1;
      }
      rest = bytes.subarray(start);
      if (rest.length > MAX_LINE_BYTES) {
        const expected = `at most ${MAX_LINE_BYTES} bytes in line ${line + 1}`;
        throw new DataError(file, expected, 'more', NEXT);
      }
    }
  } catch (error) {
    if (error instanceof DataError || !(error as NodeJS.ErrnoException).code) throw error;
    const { message } = error as Error;
    const next = 'pass a file of word vectors';
    throw new DataError(file, 'a file that can be read', message, next, { cause: error });
  }
  if (rest.length > 0) add(rest);
  return collector.finish();
}
