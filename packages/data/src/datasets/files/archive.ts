/** Extracts a dataset's files from the archive that contains them. */
import { basename } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { DataError, errorCode } from '../../errors';
import { type DatasetSpec, listFiles, unpackedBytes } from '../spec';
import { describeGzipError, maxPackedBytes, readWholeFile } from './read';
import { parseTar, type TarMember } from './tar';
import { readZip } from './zip';

/** A file of a dataset in an archive, possibly gzipped. */
export interface ArchivedFile {
  readonly file: string;
  readonly bytes: Uint8Array;
}

/** Bytes that an archive may contain in addition to the dataset: class names, notes, headers. */
const EXTRA_BYTES = 2 ** 20;

/**
 * Extracts the dataset's files, by their names, from its archive at `path`.
 * @throws DataError when the archive is in another format, damaged or larger than the dataset, or
 *   lacks a file
 */
export async function readArchive(
  spec: DatasetSpec,
  path: string,
  next: string,
): Promise<Map<string, ArchivedFile>> {
  const sizes = unpackedBytes(spec);
  const toName = (member: string) =>
    basename(member)
      .replace(/\.gz$/, '')
      .replace(/\.(idx\d-ubyte)$/, '-$1');
  const wanted = (member: string) => sizes.has(toName(member));
  const maxBytes = (member: string) => maxPackedBytes(sizes.get(toName(member)) ?? 0);
  const maxTotalBytes = [...sizes.values()].reduce((sum, size) => sum + maxPackedBytes(size), 0);
  const members = path.endsWith('.zip')
    ? await readZip(path, { wanted, maxBytes, maxTotalBytes, next })
    : (await readTar(path, [...sizes.values()], next)).filter(({ path: member }) => wanted(member));
  const found = new Map(
    members.map((member) => [
      toName(member.path),
      { file: `${path} (${member.path})`, bytes: member.bytes },
    ]),
  );
  const missing = listFiles(spec).find(({ name }) => !found.has(name));
  if (missing)
    throw new DataError(path, `an archive that contains ${missing.name}`, 'one without it', next);
  return found;
}

async function readTar(path: string, sizes: readonly number[], next: string): Promise<TarMember[]> {
  const maxOutputLength = sizes.reduce((sum, bytes) => sum + bytes, EXTRA_BYTES);
  try {
    const options = { maxOutputLength, chunkSize: 2 ** 22 };
    const archive = await promisify(gunzip)(
      await readWholeFile(path, next, maxPackedBytes(maxOutputLength)),
      options,
    );
    return parseTar(archive, path, next);
  } catch (error) {
    if (error instanceof DataError) throw error;
    const tooLong = errorCode(error) === 'ERR_BUFFER_TOO_LARGE';
    const got = tooLong
      ? `one that unpacks to more than ${maxOutputLength} bytes`
      : `a damaged one (${describeGzipError(error)})`;
    const expected = 'a complete .tar.gz archive of the dataset';
    throw new DataError(path, expected, got, next, { cause: error });
  }
}
