/**
 * Finds the files of a set: where the caller says, else in the cache, in the system's folders, on a
 * mirror.
 */
import { access, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { cacheFolder, folderError, withLock } from './cache';
import { download, hashFile } from './download';
import { DataError, reason } from './errors';
import { type Reporter, reporter } from './progress';
import { readArchive } from './sets/archive';
import { checkFile, type FoundSet, readSet, type Source, type Sources } from './sets/read';
import { type FileSpec, filesOf, type SetSpec } from './specs';

export interface FindOptions {
  /**
   * The folder that holds the set; nothing else is tried then. `DEEPEND_DATA` is the same for all
   * sets.
   */
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

/** @throws DataError when no source has the set: each one that was tried, and why it failed */
export async function findSet(spec: SetSpec, options: FindOptions = {}): Promise<FoundSet> {
  const report = reporter(options.progress ?? true);
  if (options.root !== undefined) return readChosen(spec, options.root, 'option "root"');
  const { DEEPEND_DATA } = process.env;
  if (DEEPEND_DATA) return readChosen(spec, DEEPEND_DATA, 'DEEPEND_DATA');
  const cache = cacheFolder(spec.id);
  const tried: string[] = [];
  for (const folder of [cache, ...spec.systemFolders.map(expandHome)]) {
    // An archive in the cache is unpacked there by `fill`, once, and not at each load.
    const look = folder === cache ? filesIn : sourcesIn;
    const found = await tryFolder(spec, folder, { look, tried });
    if (found) return found;
  }
  await fill(spec, cache, { ...options, report, tried });
  const next = `delete ${cache} and load again`;
  return readSet(spec, await filesIn(spec, cache), { source: cache, next });
}

const expandHome = (folder: string) =>
  folder.startsWith('~/') ? join(homedir(), folder.slice(2)) : folder;

/**
 * A folder that the caller named: its failure is the caller's to mend, so nothing else is tried.
 */
async function readChosen(spec: SetSpec, root: string, setting: string): Promise<FoundSet> {
  // Sets share names of files: what lies under the set's own name comes before what lies loose.
  const folders = [...spec.subfolders.map((subfolder) => join(root, subfolder)), root];
  const next = `replace it or change ${setting}`;
  for (const folder of folders) {
    const sources = await sourcesIn(spec, folder, next);
    if (missing(spec, sources).length === 0)
      return readSet(spec, sources, { source: folder, next });
  }
  const names = filesOf(spec).map(({ name }) => name);
  const archived = spec.archive ? `; or ${spec.archive.name}` : '';
  throw new DataError(
    root,
    `${spec.title} (${names.join(', ')}; each as it is or with .gz${archived})`,
    `no folder with all of them among ${folders.join(', ')}`,
    `it is set by ${setting}: correct that, or leave it out to look in the usual places`,
  );
}

/** A folder that may hold the set; why not goes into `tried`. */
async function tryFolder(
  spec: SetSpec,
  folder: string,
  { look, tried }: { look: typeof sourcesIn; tried: string[] },
): Promise<FoundSet | undefined> {
  try {
    const sources = await look(spec, folder, 'replace it');
    const [absent] = missing(spec, sources);
    if (!absent) return await readSet(spec, sources, { source: folder, next: 'replace it' });
    tried.push(`${folder}: no ${spec.format === 'idx' ? `${absent.name}.gz` : absent.name}`);
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    tried.push(`${error.file}: ${error.fault}`);
  }
  return undefined;
}

interface Filling extends FindOptions {
  report: Reporter;
  tried: string[];
}

/** Brings into the cache whatever it lacks; a damaged file there counts as lacking. */
async function fill(
  spec: SetSpec,
  cache: string,
  { report, tried, ...options }: Filling,
): Promise<void> {
  const { mirrors = spec.mirrors, timeout = 30_000 } = options;
  const archive = spec.archive && join(cache, spec.archive.name);
  const mayFetch = options.download !== false;
  const notAsked = () => nowhere(spec, [...tried, 'mirrors: not asked, since "download" is false']);
  if (!mayFetch && !(archive && (await exists(archive)))) throw notAsked();
  const fetchFile = async (name: string, packings: FileSpec['gzip'] = []) => {
    if (!mayFetch) throw notAsked();
    if (packings.length === 0)
      throw nowhere(spec, [...tried, `mirrors: not asked, since no SHA-256 of ${name} is known`]);
    const failures = await download({ name, packings }, cache, { mirrors, timeout, report });
    if (failures.length > 0 || mirrors.length === 0) throw nowhere(spec, [...tried, ...failures]);
  };
  await withLock(cache, report, async () => {
    for (const file of filesOf(spec)) {
      // Looked at under the lock: another process may have fetched it meanwhile.
      if (await soundInCache(spec, file, { cache, report })) continue;
      if (!spec.archive || !archive) await fetchFile(`${file.name}.gz`, file.gzip);
      else {
        // Whole where a process ended between fetching it and unpacking it.
        const whole = (await exists(archive)) && (await hashFile(archive)) === spec.archive.sha256;
        if (!whole) await fetchFile(spec.archive.name, [spec.archive]);
        return unpackArchive(spec, cache, archive);
      }
    }
  });
}

/**
 * Puts the set's files beside their archive, each whole or not at all, and removes the archive,
 * which is far larger.
 */
async function unpackArchive(spec: SetSpec, cache: string, archive: string): Promise<void> {
  const members = await readArchive(spec, archive, `delete ${cache} and load again`);
  for (const { name } of filesOf(spec)) {
    const { bytes } = members.get(name) as Source & { bytes: Uint8Array };
    const path = join(cache, bytes[0] === 0x1f && bytes[1] === 0x8b ? `${name}.gz` : name);
    try {
      await writeFile(`${path}.part`, bytes, { flush: true });
      await rename(`${path}.part`, path);
    } catch (error) {
      await rm(`${path}.part`, { force: true }).catch(() => {});
      throw folderError(path, error);
    }
  }
  await rm(archive, { force: true });
}

async function soundInCache(
  spec: SetSpec,
  file: FileSpec,
  { cache, report }: { cache: string; report: Reporter },
): Promise<boolean> {
  const source = (await filesIn(spec, cache)).get(file.name);
  if (source === undefined) return false;
  try {
    await checkFile(spec, file, source);
    return true;
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    report.say(`${source.file} is damaged (${error.fault}); loading it again`);
    await rm(source.file, { force: true });
    return false;
  }
}

function nowhere(spec: SetSpec, tried: readonly string[]): DataError {
  const ways = [
    'give the folder that holds it as option "root" or in DEEPEND_DATA',
    ...(spec.debianPackage ? [`apt-get install ${spec.debianPackage}`] : []),
    'try again with a network',
  ];
  const list = tried.map((line) => `\n  - ${line}`).join('');
  return new DataError(
    spec.title,
    'it in one of these places',
    `nothing usable:${list}\n`,
    `ways out: ${ways.join('; or ')}`,
    {
      code: 'DEEPEND_NO_DATA',
    },
  );
}

/** The set's files in a folder, or else those in its archive there. */
async function sourcesIn(spec: SetSpec, folder: string, next: string): Promise<Sources> {
  const sources = await filesIn(spec, folder);
  if (missing(spec, sources).length === 0 || !spec.archive) return sources;
  const archive = join(folder, spec.archive.name);
  return (await exists(archive)) ? readArchive(spec, archive, next) : sources;
}

/**
 * Which of the set's files lie in a folder. The packed one comes first: it is what was fetched,
 * whole.
 */
async function filesIn(spec: SetSpec, folder: string): Promise<Sources> {
  const sources = new Map<string, Source>();
  for (const { name } of filesOf(spec)) {
    for (const file of [join(folder, `${name}.gz`), join(folder, name)]) {
      if (!sources.has(name) && (await exists(file))) sources.set(name, { file });
    }
  }
  return sources;
}

const missing = (spec: SetSpec, sources: Sources) =>
  filesOf(spec).filter(({ name }) => !sources.has(name));

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    (error) => !/nothing there|a file where/.test(reason(error)), // there, but out of reach: reading it will say why
  );
}
