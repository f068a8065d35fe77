/**
 * Finds the files of a dataset: in the folder that the caller names, else in the cache, in system
 * folders, or on a mirror.
 */
import { rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { cacheFolder, formatValue, writeFileAtomic } from '@deepend/core';
import { DataError } from '../../errors';
import {
  checkFile,
  type DatasetSplits,
  readSplits,
  type SourceFile,
  type SourceFiles,
} from '../read-splits';
import { type DatasetSpec, type FileSpec, listFiles } from '../spec';
import { readArchive } from './archive';
import { folderError, withLock } from './cache';
import { hashFile, transfer } from './download';
import { type Reporter, reporter } from './progress';
import { fileExists, isGzip, pathExists } from './read';

export interface FindOptions {
  /**
   * The folder that contains the dataset; no other place is tried. `DEEPEND_DATA` does the same for
   * all datasets.
   */
  root?: string | undefined;
  /** Whether to download from mirrors. @default true */
  download?: boolean | undefined;
  /** Mirrors to use instead of the dataset's own. */
  mirrors?: readonly string[] | undefined;
  /** Milliseconds without data after which the next mirror is tried. @default 30000 */
  timeout?: number | undefined;
  /** Whether to show downloads on stderr. @default true */
  progress?: boolean | undefined;
}

/** @throws DataError when no place has the dataset; it lists what was tried and why it failed */
export async function findDataset(
  spec: DatasetSpec,
  options: FindOptions = {},
): Promise<DatasetSplits> {
  const report = reporter(options.progress ?? true);
  if (options.root !== undefined) return readFromRoot(spec, options.root, 'option "root" (--root)');
  const { DEEPEND_DATA } = process.env;
  if (DEEPEND_DATA) return readFromRoot(spec, DEEPEND_DATA, 'DEEPEND_DATA');
  const cache = cacheFolder(spec.id);
  const tried: string[] = [];
  for (const folder of [cache, ...spec.systemFolders.map(expandHome)]) {
    // `fillCache` unpacks an archive in the cache once, instead of at each load.
    const search = folder === cache ? findFiles : findFilesOrArchive;
    const found = await tryFolder(spec, folder, { search, tried });
    if (found) return found;
  }
  await fillCache(spec, cache, { ...options, report, tried });
  const next = `delete ${cache} and load again`;
  return readSplits(spec, await findFiles(spec, cache), { source: cache, next });
}

const expandHome = (folder: string) =>
  folder.startsWith('~/') ? join(homedir(), folder.slice(2)) : folder;

/** Reads a folder that the caller named. If that fails, no other place is tried. */
async function readFromRoot(
  spec: DatasetSpec,
  root: string,
  setting: string,
): Promise<DatasetSplits> {
  // Datasets share file names, so the dataset's own subfolders come before the folder itself.
  const folders = [...spec.subfolders.map((subfolder) => join(root, subfolder)), root];
  const next = `replace it or change ${setting}`;
  for (const folder of folders) {
    const files = await findFilesOrArchive(spec, folder, next);
    if (missingFiles(spec, files).length === 0)
      return readSplits(spec, files, { source: folder, next });
  }
  const names = listFiles(spec).map(({ name }) => name);
  const archive = spec.archive ? `; or ${spec.archive.name}` : '';
  throw new DataError(
    root,
    `${spec.title} (${names.join(', ')}; each as it is or with .gz${archive})`,
    `no folder with all of them among ${folders.join(', ')}`,
    `it is set by ${setting}: correct it, or remove it to search the usual places`,
  );
}

interface Search {
  search: typeof findFilesOrArchive;
  /** Collects the places that failed, with the reason. */
  tried: string[];
}

async function tryFolder(
  spec: DatasetSpec,
  folder: string,
  { search, tried }: Search,
): Promise<DatasetSplits | undefined> {
  const next = 'replace it';
  try {
    const files = await search(spec, folder, next);
    const [absent] = missingFiles(spec, files);
    if (!absent) return await readSplits(spec, files, { source: folder, next });
    tried.push(`${folder}: no ${spec.format === 'idx' ? `${absent.name}.gz` : absent.name}`);
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    tried.push(`${error.file}: ${error.fault}`);
  }
  return undefined;
}

interface FillOptions extends FindOptions {
  report: Reporter;
  tried: string[];
}

/** Downloads the files that the cache lacks. A damaged file counts as missing. */
async function fillCache(spec: DatasetSpec, cache: string, options: FillOptions): Promise<void> {
  const { report, tried, timeout = 30_000 } = options;
  const mirrors = options.mirrors ?? [...ownMirror(spec), ...spec.mirrors];
  const archive = spec.archive && join(cache, spec.archive.name);
  const mayDownload = options.download !== false;
  const notAsked = () =>
    nowhereError(spec, [...tried, 'mirrors: not asked, since "download" is false']);
  if (!mayDownload && !(archive && (await pathExists(archive)))) throw notAsked();
  const downloadFile = async (name: string, packings: FileSpec['gzip'] = []) => {
    if (!mayDownload) throw notAsked();
    if (packings.length === 0) {
      const line = `mirrors: not asked, since no SHA-256 of ${name} is known`;
      throw nowhereError(spec, [...tried, line]);
    }
    const urls = mirrors.map((mirror) => `${mirror.replace(/\/?$/, '/')}${name}`);
    const failures = await transfer({ name, packings }, cache, { urls, timeout, report });
    if (failures.length > 0 || mirrors.length === 0)
      throw nowhereError(spec, [...tried, ...failures]);
  };
  await withLock(cache, report, async () => {
    for (const file of listFiles(spec)) {
      // Checked under the lock: another process may have downloaded the file meanwhile.
      if (await hasValidFile(spec, file, { cache, report })) continue;
      if (!spec.archive || !archive) await downloadFile(`${file.name}.gz`, file.gzip);
      else {
        // The archive is there if a process ended between download and extraction.
        const complete =
          (await pathExists(archive)) && (await hashFile(archive)) === spec.archive.sha256;
        if (!complete) await downloadFile(spec.archive.name, [spec.archive]);
        return extractArchive(spec, cache, archive);
      }
    }
  });
}

/** Writes the dataset's files into the cache and deletes the archive, which is far larger. */
async function extractArchive(spec: DatasetSpec, cache: string, archive: string): Promise<void> {
  const members = await readArchive(spec, archive, `delete ${cache} and load again`);
  for (const { name } of listFiles(spec)) {
    const { bytes } = members.get(name) as Required<SourceFile>;
    const path = join(cache, isGzip(bytes) ? `${name}.gz` : name);
    try {
      await writeFileAtomic(path, bytes, { where: '[data] cache' });
    } catch (error) {
      throw folderError(path, error);
    }
  }
  await rm(archive, { force: true });
}

/**
 * The mirror that `DEEPEND_MIRROR` names: a URL below which each dataset has a folder by its id.
 * @throws RangeError when it is not a URL of http or https
 */
export function ownMirror({ id }: { readonly id: string }): string[] {
  const { DEEPEND_MIRROR: mirror = '' } = process.env;
  if (mirror === '') return [];
  if (URL.canParse(mirror) && /^https?:$/.test(new URL(mirror).protocol))
    return [`${mirror.replace(/\/+$/, '')}/${id}/`];
  throw new RangeError(
    '[data] DEEPEND_MIRROR: expected a URL of http or https, ' +
      'such as https://mirror.example/data, ' +
      `got ${formatValue(mirror)}; correct or unset it`,
  );
}

/** Whether the cache has a file; deletes it if it is damaged. */
async function hasValidFile(
  spec: DatasetSpec,
  file: FileSpec,
  { cache, report }: { cache: string; report: Reporter },
): Promise<boolean> {
  const source = (await findFiles(spec, cache)).get(file.name);
  if (source === undefined) return false;
  try {
    await checkFile(spec, file, source);
    return true;
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    report.say(`${source.file} is damaged (${error.fault}); downloading it again`);
    await rm(source.file, { force: true });
    return false;
  }
}

function nowhereError(spec: DatasetSpec, tried: readonly string[]): DataError {
  const solutions = [
    'pass the folder that contains it as option "root" (--root) or in DEEPEND_DATA',
    ...(spec.debianPackage ? [`apt-get install ${spec.debianPackage}`] : []),
    'try again with a network connection; behind a proxy set HTTPS_PROXY, ' +
      'and for a mirror nearby DEEPEND_MIRROR',
  ];
  const list = tried.map((line) => `\n  - ${line}`).join('');
  return new DataError(
    spec.title,
    'it in one of these places',
    `nothing usable:${list}\n`,
    `solutions: ${solutions.join('; or ')}`,
    { code: 'DEEPEND_NO_DATA' },
  );
}

/** Finds the dataset's files in a folder, or else in its archive there. */
async function findFilesOrArchive(
  spec: DatasetSpec,
  folder: string,
  next: string,
): Promise<SourceFiles> {
  const files = await findFiles(spec, folder);
  if (missingFiles(spec, files).length === 0 || !spec.archive) return files;
  const archive = join(folder, spec.archive.name);
  return (await pathExists(archive)) ? readArchive(spec, archive, next) : files;
}

/** Finds the dataset's files in a folder. Gzipped files come first: mirrors serve those. */
async function findFiles(spec: DatasetSpec, folder: string): Promise<SourceFiles> {
  const files = new Map<string, SourceFile>();
  for (const { name } of listFiles(spec)) {
    for (const file of nameVariants(name).map((variant) => join(folder, variant))) {
      if (!files.has(name) && (await fileExists(file))) files.set(name, { file });
    }
  }
  return files;
}

/**
 * Some tools unpack `train-images-idx3-ubyte.gz` to `train-images.idx3-ubyte`; Kaggle's archive of
 * MNIST has each file in a folder of its own name.
 */
function nameVariants(name: string): string[] {
  const dotted = name.replace(/-(idx\d-ubyte)$/, '.$1');
  const names = dotted === name ? [name] : [name, dotted];
  return names.flatMap((each) => [`${each}.gz`, each, join(each, each)]);
}

const missingFiles = (spec: DatasetSpec, files: SourceFiles) =>
  listFiles(spec).filter(({ name }) => !files.has(name));
