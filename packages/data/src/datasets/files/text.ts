/** Text files piece by piece: gzipped or not, UTF-8, or UTF-16 with a byte order mark. */
import { createReadStream } from 'node:fs';
import { createGunzip } from 'node:zlib';
import { DataError } from '../../errors';
import { gzipError } from './read';

/**
 * Reads a text file without loading it as a whole.
 * @returns its bytes in UTF-8; a byte order mark of UTF-8 is left in
 * @throws DataError for a damaged archive, an Excel workbook, or bytes that are not text
 */
export const readTextFile = (file: string): AsyncGenerator<Uint8Array> =>
  decodeText(file, readUnpacked(file));

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
