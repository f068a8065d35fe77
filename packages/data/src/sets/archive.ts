/** Takes a set's files out of the archive that holds them. */
import { basename } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { DataError, errorCode } from '../errors';
import { gzipFault, readBounded } from '../idx-file';
import { filesOf, type SetSpec, unpackedBytes } from '../specs';
import { parseTar } from './tar';
import { readZip } from './zip';

/** A file of a set as an archive holds it, packed or not. */
export interface ArchivedFile {
  readonly file: string;
  readonly bytes: Uint8Array;
}

/** What an archive may hold beside the set's files: names of classes, notes and headers. */
const SLACK = 2 ** 20;
/**
 * A packed file that is hardly longer than its content: DEFLATE adds 5 bytes to each 16 KB it
 * cannot shrink, gzip a header.
 */
const packedMost = (bytes: number) => Math.ceil(1.001 * bytes) + 1024;

/**
 * The set's files by their names, from its archive at `path`.
 * @throws DataError when the archive is foreign, damaged or larger than the set, or a file of the
 *   set is not in it
 */
export async function readArchive(
  spec: SetSpec,
  path: string,
  next: string,
): Promise<Map<string, ArchivedFile>> {
  const sizes = unpackedBytes(spec);
  const nameOf = (member: string) => basename(member).replace(/\.gz$/, '');
  const wanted = (member: string) => sizes.has(nameOf(member));
  const maxBytes = (member: string) => packedMost(sizes.get(nameOf(member)) ?? 0);
  const members = path.endsWith('.zip')
    ? await readZip(path, { wanted, maxBytes, next })
    : (await readTar(path, [...sizes.values()], next)).filter(({ path: member }) => wanted(member));
  const found = new Map(
    members.map((member) => [
      nameOf(member.path),
      { file: `${path} (${member.path})`, bytes: member.bytes },
    ]),
  );
  const missing = filesOf(spec).find(({ name }) => !found.has(name));
  if (missing)
    throw new DataError(path, `an archive that holds ${missing.name}`, 'one without it', next);
  return found;
}

async function readTar(
  path: string,
  sizes: readonly number[],
  next: string,
): Promise<{ path: string; bytes: Uint8Array }[]> {
  const most = sizes.reduce((sum, bytes) => sum + bytes, SLACK);
  try {
    const archive = await promisify(gunzip)(await readBounded(path, next), {
      maxOutputLength: most,
      chunkSize: 2 ** 22,
    });
    return parseTar(archive, path, next);
  } catch (error) {
    if (error instanceof DataError) throw error;
    const long = errorCode(error) === 'ERR_BUFFER_TOO_LARGE';
    const got = long
      ? `one that unpacks to more than ${most} bytes`
      : `a damaged one (${gzipFault(error)})`;
    throw new DataError(path, 'a whole .tar.gz archive of the set', got, next, { cause: error });
  }
}
