/** The book's `extract`: unpacks zip, tar and tar.gz archives, safely. */
import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { checkOptions, removeAbandonedIn, rule, stagingName } from '@deepend/core';
import { DataError, errorCode } from '../../errors';
import { folderError } from './cache';
import { gzipError, MAX_BYTES, readWholeFile } from './read';
import { parseTar } from './tar';
import { visitZip } from './zip';

export interface ExtractOptions {
  /**
   * Largest size of all unpacked files together, in bytes: an archive that unpacks to more may be
   * made to fill the disk. @default 200 times the archive's size, or 64 MiB if that is more
   */
  maxBytes?: number;
}

const OPTIONS = rule.object({ maxBytes: rule.positiveInteger().optional() });
const LARGEST_RATIO = 200;
const ALWAYS_ALLOWED = 2 ** 26;
const NEXT = 'get the archive again, or from another place';

interface Member {
  readonly path: string;
  readonly bytes: Uint8Array;
}

/**
 * Unpacks a `.zip`, `.tar`, `.tar.gz` or `.tgz` archive. The files appear when all of them are
 * unpacked; files of the same name are replaced. Links in a tar archive are left out.
 * The book's `extract`: d2l 23.7.
 *
 * @param file path of the archive
 * @param folder where to unpack it @default the archive's folder
 * @returns the folder
 * @throws DataError for an archive that is damaged, leads out of the folder, or unpacks to more
 *   than is allowed; nothing is unpacked then
 */
export async function extract(
  file: string,
  folder: string = path.dirname(file),
  options: ExtractOptions = {},
): Promise<string> {
  const { maxBytes } = checkOptions('[data] extract', OPTIONS, options);
  const unpack = unpackerOf(file);
  const size = (await stat(file).catch(() => undefined))?.size ?? 0;
  const most = maxBytes ?? Math.max(ALWAYS_ALLOWED, LARGEST_RATIO * size);
  const staging = stagingName(path.join(folder, path.basename(file)));
  try {
    await onDisk(folder, () => mkdir(staging, { recursive: true }));
    await removeAbandonedIn(folder);
    await unpack(file, most, async (member) => {
      const place = path.join(staging, ...safePath(file, member.path));
      await onDisk(place, async () => {
        await mkdir(path.dirname(place), { recursive: true });
        await writeFile(place, member.bytes);
      });
    });
    await onDisk(folder, () => moveInto(staging, folder));
    return folder;
  } finally {
    await rm(staging, { recursive: true, force: true }).catch(() => {});
  }
}

type Unpack = (
  file: string,
  maxBytes: number,
  visit: (member: Member) => Promise<void>,
) => Promise<void>;

const UNPACKERS: readonly (readonly [ending: RegExp, unpack: Unpack])[] = [
  [/\.zip$/i, unpackZip],
  [/\.tar$/i, (file, most, visit) => unpackTar(file, most, visit)],
  [/\.(tar\.gz|tgz)$/i, (file, most, visit) => unpackTar(file, most, visit, true)],
];

function unpackerOf(file: string): Unpack {
  const found = UNPACKERS.find(([ending]) => ending.test(file));
  if (found) return found[1];
  const expected = 'an archive that ends in .zip, .tar, .tar.gz or .tgz';
  throw new DataError(file, expected, 'another name', 'unpack it by hand');
}

async function unpackZip(file: string, most: number, visit: Parameters<Unpack>[2]): Promise<void> {
  const wanted = (member: string) => {
    if (/[/\\]$/.test(member)) return false; // a folder; those of files are made with them
    safePath(file, member); // before anything is unpacked
    return true;
  };
  const maxBytes = () => Math.min(most, MAX_BYTES);
  await visitZip(file, { wanted, maxBytes, maxTotalBytes: most, next: NEXT }, visit);
}

async function unpackTar(
  file: string,
  most: number,
  ...[visit, isPacked = false]: [visit: Parameters<Unpack>[2], isPacked?: boolean]
): Promise<void> {
  const bytes = await readWholeFile(file, NEXT);
  const members = parseTar(isPacked ? await inflate(file, bytes, most) : bytes, file, NEXT);
  for (const member of members) safePath(file, member.path);
  for (const member of members) await visit(member);
}

async function inflate(file: string, bytes: Uint8Array, most: number): Promise<Uint8Array> {
  const maxOutputLength = Math.min(most, MAX_BYTES);
  try {
    return await promisify(gunzip)(bytes, { maxOutputLength, chunkSize: 2 ** 22 });
  } catch (error) {
    if (errorCode(error) !== 'ERR_BUFFER_TOO_LARGE') throw gzipError(file, error, NEXT);
    const got = `one that unpacks to more than ${maxOutputLength} bytes`;
    const next = 'raise option "maxBytes" if it comes from a place that you trust';
    throw new DataError(file, 'a complete .tar.gz archive', got, next, { cause: error });
  }
}

/**
 * The parts of a member's path.
 * @throws DataError for a path that leads out of the folder
 */
function safePath(file: string, member: string): string[] {
  const parts = member.split(/[/\\]/).filter((part) => part !== '' && part !== '.');
  const isAbsolute = /^([/\\]|[a-z]:)/i.test(member);
  if (!isAbsolute && parts.length > 0 && !parts.includes('..') && !member.includes('\0'))
    return parts;
  const got = `'${member.replace(/\0/g, '\\0')}'`;
  throw new DataError(file, 'members with paths inside the archive', got, NEXT);
}

/** Moves everything in `from` to `to`: new folders as a whole, into old ones file by file. */
async function moveInto(from: string, to: string): Promise<void> {
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, target] = [path.join(from, entry.name), path.join(to, entry.name)];
    const old = await stat(target).catch(() => undefined);
    if (entry.isDirectory() && old?.isDirectory()) await moveInto(source, target);
    else await rename(source, target);
  }
}

async function onDisk<T>(place: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof DataError ? error : folderError(place, error);
  }
}
