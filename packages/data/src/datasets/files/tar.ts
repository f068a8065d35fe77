/** Reads a tar archive (ustar, POSIX.1-1988) in memory. Every header is checked. */
import { DataError } from '../../errors';

const BLOCK = 512;
const SIZE = { at: 124, length: 12 };
const CHECKSUM = { at: 148, length: 8 };
const TYPE_AT = 156;
const REGULAR_FILE = [0, 0x30];
/** Its content is the path of the next member: GNU's, and POSIX's among other records. */
const LONG_PATHS: Readonly<Record<number, (content: string) => string | undefined>> = {
  76: (content) => untilZero(content),
  120: (content) => /(?:^|\n)\d+ path=([^\n]*)\n/.exec(content)?.[1],
};

export interface TarMember {
  /** Its path in the archive. */
  readonly path: string;
  /** A view of the archive's bytes. */
  readonly bytes: Uint8Array;
}

/**
 * Lists the regular files of a tar archive. Folders, links and extension records are skipped, and
 * nothing is written to disk.
 * @param file the archive's name, for errors
 * @throws DataError when a header is not tar or damaged, or the archive is truncated
 */
export function parseTar(
  archive: Uint8Array,
  file = 'tar data',
  next = 'get the file again',
): TarMember[] {
  const members: TarMember[] = [];
  let at = 0;
  let longPath: string | undefined;
  for (;;) {
    const header = archive.subarray(at, at + BLOCK);
    if (header.length < BLOCK)
      throw new DataError(file, 'a complete tar archive', 'one that is truncated', next);
    if (header.every((byte) => byte === 0)) return members; // a block of zeros ends an archive
    if (parseOctal(header, CHECKSUM) !== computeChecksum(header)) {
      const got = `something else at byte ${at}, or a damaged header`;
      throw new DataError(file, 'a tar archive', got, next);
    }
    const size = parseOctal(header, SIZE);
    const start = at + BLOCK;
    if (size === undefined || start + size > archive.length) {
      const got = `a member of ${size ?? 'unknown'} bytes that does not fit into it`;
      throw new DataError(file, 'a complete tar archive', got, next);
    }
    const type = header[TYPE_AT] as number;
    const bytes = archive.subarray(start, start + size);
    if (REGULAR_FILE.includes(type)) members.push({ path: longPath ?? parsePath(header), bytes });
    longPath = LONG_PATHS[type]?.(Buffer.from(bytes).toString('utf8'));
    at = start + Math.ceil(size / BLOCK) * BLOCK;
  }
}

interface Field {
  at: number;
  length: number;
}

/** Parses octal digits that end with a space or zero. @returns undefined for anything else */
function parseOctal(header: Uint8Array, field: Field): number | undefined {
  const digits = /^ *([0-7]+)[ \0]*$/.exec(readText(header, field));
  return digits ? Number.parseInt(digits[1] as string, 8) : undefined;
}

/** Adds all bytes of a header, with its own checksum field read as spaces. */
function computeChecksum(header: Uint8Array): number {
  const end = CHECKSUM.at + CHECKSUM.length;
  return header.reduce((sum, byte, i) => sum + (i >= CHECKSUM.at && i < end ? 0x20 : byte), 0);
}

function parsePath(header: Uint8Array): string {
  const ustar = readText(header, { at: 257, length: 5 }) === 'ustar';
  const prefix = ustar ? untilZero(readText(header, { at: 345, length: 155 })) : '';
  const name = untilZero(readText(header, { at: 0, length: 100 }));
  return prefix ? `${prefix}/${name}` : name;
}

const readText = (header: Uint8Array, { at, length }: Field) =>
  Buffer.from(header.subarray(at, at + length)).toString('latin1');
const untilZero = (field: string) => field.replace(/\0.*$/s, '');
