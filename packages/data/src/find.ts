/** Finds the files of a set: where the caller says, else in the cache, in the system's folders, on a mirror. */
import { access, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheFolder, withLock } from './cache';
import { readPair } from './dataset';
import { download } from './download';
import { DataError, reason } from './errors';
import { type ReadIdxOptions, readIdx } from './idx-file';
import { type Reporter, reporter } from './progress';
import { filesOf, type IdxFileSpec, type IdxSetSpec, type SplitSpec } from './specs';
import type { Dataset } from './types';

export interface FindOptions {
  /** The folder that holds the set; nothing else is tried then. `DEEPEND_DATA` is the same for all sets. */
  root?: string | undefined;
  /** Whether mirrors may be asked. @default true */
  download?: boolean | undefined;
  /** Mirrors to ask instead of the set's own. */
  mirrors?: readonly string[] | undefined;
  /** Milliseconds of silence after which a mirror is given up. @default 30000 */
  timeout?: number | undefined;
  /** Whether to show on stderr what is fetched. @default true */
  progress?: boolean | undefined;
}

export interface FoundSet {
  train: Dataset;
  test: Dataset;
}

/** A set's files on disk, by name. */
type Paths = ReadonlyMap<string, string>;

/** @throws DataError when no source has the set: each one that was tried, and why it failed */
export async function findSet(spec: IdxSetSpec, options: FindOptions = {}): Promise<FoundSet> {
  const report = reporter(options.progress ?? true);
  if (options.root !== undefined) return readChosen(spec, options.root, 'option "root"');
  const { DEEPEND_DATA } = process.env;
  if (DEEPEND_DATA) return readChosen(spec, DEEPEND_DATA, 'DEEPEND_DATA');
  const cache = cacheFolder(spec.id);
  const tried: string[] = [];
  for (const folder of [cache, ...spec.systemFolders]) {
    const found = await tryFolder(spec, folder, tried);
    if (found) return found;
  }
  await fill(spec, cache, { ...options, report, tried });
  return readSet(spec, await locate(spec, cache), cache, `delete ${cache} and load again`);
}

/** A folder that the caller named: its failure is the caller's to mend, so nothing else is tried. */
async function readChosen(spec: IdxSetSpec, root: string, setting: string): Promise<FoundSet> {
  const folders = [root, ...spec.subfolders.map((subfolder) => join(root, subfolder))];
  for (const folder of folders) {
    const paths = await locate(spec, folder);
    if (missing(spec, paths).length === 0) return readSet(spec, paths, folder, `replace it or change ${setting}`);
  }
  const names = filesOf(spec).map(({ name }) => name);
  throw new DataError(
    root,
    `${spec.title} (${names.join(', ')}; each as it is or with .gz)`,
    `no folder with all of them among ${folders.join(', ')}`,
    `it is set by ${setting}: correct that, or leave it out to look in the usual places`,
  );
}

/** A folder that may hold the set; why not goes into `tried`. */
async function tryFolder(spec: IdxSetSpec, folder: string, tried: string[]): Promise<FoundSet | undefined> {
  const paths = await locate(spec, folder);
  const [absent] = missing(spec, paths);
  if (absent) {
    tried.push(`${folder}: no ${absent.name}.gz`);
    return undefined;
  }
  try {
    return await readSet(spec, paths, folder, 'replace it');
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    tried.push(`${error.file}: ${error.fault}`);
    return undefined;
  }
}

interface Filling extends FindOptions {
  report: Reporter;
  tried: string[];
}

/** Fetches into the cache whatever it lacks; a damaged file there counts as lacking. */
async function fill(spec: IdxSetSpec, cache: string, { report, tried, ...options }: Filling): Promise<void> {
  const { mirrors = spec.mirrors, timeout = 30_000 } = options;
  if (options.download === false) throw nowhere(spec, [...tried, 'mirrors: not asked, since "download" is false']);
  await withLock(cache, report, async () => {
    for (const file of filesOf(spec)) {
      // Looked at under the lock: another process may have fetched it meanwhile.
      if (await soundInCache(file, await locate(spec, cache), report)) continue;
      const failures = await download(file, cache, { mirrors, timeout, report });
      if (failures.length > 0 || mirrors.length === 0) throw nowhere(spec, [...tried, ...failures]);
    }
  });
}

async function soundInCache(file: IdxFileSpec, paths: Paths, report: Reporter): Promise<boolean> {
  const path = paths.get(file.name);
  if (path === undefined) return false;
  try {
    await readIdx(path, checksOf(file));
    return true;
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    report.say(`${path} is damaged (${error.fault}); loading it again`);
    await rm(path, { force: true });
    return false;
  }
}

function nowhere(spec: IdxSetSpec, tried: readonly string[]): DataError {
  const ways = [
    'give the folder that holds it as option "root" or in DEEPEND_DATA',
    ...(spec.debianPackage ? [`apt-get install ${spec.debianPackage}`] : []),
    'try again with a network',
  ];
  const list = tried.map((line) => `\n  - ${line}`).join('');
  return new DataError(spec.title, 'it in one of these places', `nothing usable:${list}\n`, `ways out: ${ways.join('; or ')}`, {
    code: 'DEEPEND_NO_DATA',
  });
}

/** Which of the set's files lie in a folder. The packed one comes first: it is what was fetched, whole. */
async function locate(spec: IdxSetSpec, folder: string): Promise<Paths> {
  const paths = new Map<string, string>();
  for (const { name } of filesOf(spec)) {
    for (const path of [join(folder, `${name}.gz`), join(folder, name)]) {
      if (!paths.has(name) && (await exists(path))) paths.set(name, path);
    }
  }
  return paths;
}

const missing = (spec: IdxSetSpec, paths: Paths) => filesOf(spec).filter(({ name }) => !paths.has(name));

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    (error) => !/nothing there|a file where/.test(reason(error)), // there, but out of reach: reading it will say why
  );
}

async function readSet(spec: IdxSetSpec, paths: Paths, source: string, next: string): Promise<FoundSet> {
  const read = ({ numSamples, images, labels }: SplitSpec) => {
    const [height, width, channels] = spec.imageShape;
    const shape = channels === 1 ? [numSamples, height, width] : [numSamples, height, width, channels];
    const at = ({ name }: IdxFileSpec) => paths.get(name) ?? join(source, name);
    return readPair(
      { file: at(images), ...checksOf(images), shape, next },
      { file: at(labels), ...checksOf(labels), shape: [numSamples], next },
      { classNames: spec.classNames, source },
    );
  };
  const { train, test } = spec.splits;
  const [trainSet, testSet] = await Promise.all([read(train), read(test)]);
  return { train: trainSet, test: testSet };
}

function checksOf({ sha256, gzip }: IdxFileSpec): Pick<ReadIdxOptions, 'sha256' | 'gzipSha256'> {
  return { sha256, gzipSha256: gzip.map((packing) => packing.sha256) };
}
