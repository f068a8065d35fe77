/**
 * Reads a tar archive (ustar, POSIX.1-1988) that is in memory; nothing in it is believed without a
 * check.
 */
import { DataError } from '../errors';

const BLOCK = 512;
const TYPE_AT = 156;
const [SIZE_AT, SIZE_LENGTH] = [124, 12];
const [CHECKSUM_AT, CHECKSUM_LENGTH] = [148, 8];

export interface TarMember {
  /** Its path in the archive. */
  readonly path: string;
  /** A view of the archive's bytes. */
  readonly bytes: Uint8Array;
}

/**
 * The plain files of a tar archive. Folders, links and the records that other tar programs add are
 * passed over; nothing is written to disk.
 * @param file the archive's name, for errors
 * @throws DataError when a header is foreign or damaged, or the archive is cut off
 */
export function parseTar(
  archive: Uint8Array,
  file = 'tar data',
  next = 'get the file again',
): TarMember[] {
  const members: TarMember[] = [];
  let at = 0;
  for (;;) {
    const header = archive.subarray(at, at + BLOCK);
    if (header.length < BLOCK)
      throw new DataError(file, 'a whole tar archive', 'one that is cut off', next);
    if (header.every((byte) => byte === 0)) return members; // the end of an archive is a block of zeros
    if (octal(header, CHECKSUM_AT, CHECKSUM_LENGTH) !== checksum(header)) {
      throw new DataError(
        file,
        'a tar archive',
        `something else at byte ${at}, or a damaged header`,
        next,
      );
    }
    const size = octal(header, SIZE_AT, SIZE_LENGTH);
    const start = at + BLOCK;
    if (size === undefined || start + size > archive.length) {
      throw new DataError(
        file,
        'a whole tar archive',
        `a member of ${size ?? 'unknown'} bytes that does not fit into it`,
        next,
      );
    }
    const type = header[TYPE_AT];
    if (type === 0 || type === 0x30)
      members.push({ path: pathOf(header), bytes: archive.subarray(start, start + size) });
    at = start + Math.ceil(size / BLOCK) * BLOCK;
  }
}

/** A number as tar writes it: octal digits, then a space or zero. undefined for anything else. */
function octal(header: Uint8Array, at: number, length: number): number | undefined {
  const digits = /^ *([0-7]+)[ \0]*$/.exec(text(header, at, length));
  return digits ? Number.parseInt(digits[1] as string, 8) : undefined;
}

/** The sum of all bytes of a header, its own field taken as spaces. */
function checksum(header: Uint8Array): number {
  return header.reduce(
    (sum, byte, i) => sum + (i >= CHECKSUM_AT && i < CHECKSUM_AT + CHECKSUM_LENGTH ? 0x20 : byte),
    0,
  );
}

function pathOf(header: Uint8Array): string {
  const prefix = text(header, 257, 5) === 'ustar' ? untilZero(text(header, 345, 155)) : '';
  const name = untilZero(text(header, 0, 100));
  return prefix ? `${prefix}/${name}` : name;
}

const text = (header: Uint8Array, at: number, length: number) =>
  Buffer.from(header.subarray(at, at + length)).toString('latin1');
const untilZero = (field: string) => field.replace(/\0.*$/s, '');
