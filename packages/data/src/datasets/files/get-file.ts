/** The book's `download` and `download_extract`: single files by name or address. */
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { cacheFolder, checkOptions, closest, formatValue, rule } from '@deepend/core';
import { DataError } from '../../errors';
import { withLock } from './cache';
import { hashFile, transfer } from './download';
import { extract } from './extract';
import { ownMirror } from './find';
import { DATA_HUB } from './hub';
import { reporter } from './progress';
import { fileExists } from './read';

export interface DownloadOptions {
  /**
   * The folder that contains the file, or gets it.
   * @default `DEEPEND_DATA`, to which nothing is downloaded, or deepend's cache folder for `book`
   */
  root?: string;
  /** SHA-1 of a file that is given by its address. @default the file is not checked */
  sha1?: string;
  /** Whether to download a file that is not there. @default true */
  download?: boolean;
  /** Milliseconds without data after which the next address is tried. @default 30000 */
  timeout?: number;
  /** Whether to show the download on stderr. @default true */
  progress?: boolean;
}

const WHERE = '[data] download';
const OPTIONS = rule.object({
  root: rule.nonEmptyString().optional(),
  sha1: rule.string({ pattern: /^[0-9a-f]{40}$/, expected: '40 hexadecimal digits' }).optional(),
  download: rule.boolean().optional(),
  timeout: rule.positiveInteger().optional(),
  progress: rule.boolean().optional(),
});

/** A file to find or download. */
interface Target {
  readonly title: string;
  readonly fileName: string;
  readonly urls: readonly string[];
  readonly sha1: string | undefined;
  /** The folder in the archive that has the data. */
  readonly folder: string;
}

/**
 * Finds a file, or downloads it: atomically, with its checksum, through the environment's proxies,
 * and resuming what an earlier try left if the checksum is known.
 * The book's `download`: d2l 23.7, zh 4.10.
 *
 * @param name a name in `DATA_HUB`, such as `time_machine`, or an address of http or https
 * @returns the file's path
 * @throws RangeError for an unknown name; DataError when the file is damaged or cannot be
 *   downloaded: the error says where it can be put by hand
 * @example
 * const file = await download('time_machine');
 * const text = await readText(file);
 */
export async function download(name: string, options: DownloadOptions = {}): Promise<string> {
  const checked = checkOptions(WHERE, OPTIONS, options) as DownloadOptions;
  return getFile(toTarget(name, checked.sha1), checked);
}

/**
 * Downloads an archive and unpacks it next to itself, or in the cache folder if it is in
 * `DEEPEND_DATA`, once: the folder appears when it is complete. A folder that is there, also one
 * that you unpacked by hand, is taken as it is. The book's `download_extract`: d2l 23.7, zh 4.10.
 *
 * @param name see `download`
 * @returns the folder that has the data
 * @throws RangeError or DataError as `download` and `extract` do
 * @example const folder = await downloadExtract('fra-eng'); // has fra.txt
 */
export async function downloadExtract(
  name: string,
  options: DownloadOptions = {},
): Promise<string> {
  const checked = checkOptions('[data] downloadExtract', OPTIONS, options) as DownloadOptions;
  const target = toTarget(name, checked.sha1);
  const place = placeOf(checked);
  const given = path.join(place.folder, target.folder);
  if (await isFolder(given)) return given;
  // DEEPEND_DATA may be read-only, and is the user's.
  const root = place.setting === 'DEEPEND_DATA' ? cacheFolder('book') : place.folder;
  const folder = path.join(root, target.folder);
  if (await isFolder(folder)) return folder;
  const file = await getFile(target, checked);
  await withLock(root, reporter(checked.progress ?? true), async () => {
    if (!(await isFolder(folder))) await extract(file, root);
  });
  if (await isFolder(folder)) return folder;
  const expected = `an archive that contains the folder ${target.folder}`;
  throw new DataError(file, expected, 'one without it', 'pass its files to extract');
}

const isFolder = async (folder: string): Promise<boolean> =>
  (await stat(folder).catch(() => undefined))?.isDirectory() ?? false;

function toTarget(name: string, sha1: string | undefined): Target {
  if (URL.canParse(name) && /^https?:$/.test(new URL(name).protocol)) {
    const fileName = decodeURIComponent(path.posix.basename(new URL(name).pathname));
    if (fileName === '' || /[/\\\0]/.test(fileName) || fileName.startsWith('.')) {
      throw new RangeError(
        `${WHERE}: expected an address that ends with the name of a file, got ${formatValue(name)}`,
      );
    }
    return { title: name, fileName, urls: [name], sha1, folder: stem(fileName) };
  }
  const known = Object.hasOwn(DATA_HUB, name) ? DATA_HUB[name] : undefined;
  if (!known) {
    const near = closest(String(name), Object.keys(DATA_HUB));
    const hint = near ? `did you mean '${near}'?` : `names: ${Object.keys(DATA_HUB).join(', ')}`;
    throw new RangeError(
      `${WHERE}: expected a name of DATA_HUB or an address of http or https, got ` +
        `${formatValue(name)}; ${hint}`,
    );
  }
  if (sha1 !== undefined)
    throw new TypeError(`${WHERE}: "sha1" is for addresses; that of '${name}' is known`);
  const fileName = path.posix.basename(known.urls[0] as string);
  const mirrored = ownMirror({ id: name }).map((mirror) => mirror + fileName);
  const urls = [...mirrored, ...known.urls];
  return { title: name, fileName, urls, sha1: known.sha1, folder: known.folder ?? stem(fileName) };
}

const stem = (fileName: string) => fileName.replace(/(\.tar)?\.[^.]+$/, '');

/** Where a file is looked for, and whether it may be downloaded to there. */
function placeOf({ root, download: mayDownload = true }: DownloadOptions) {
  if (root !== undefined) return { folder: root, mayDownload, setting: 'option "root"' };
  const { DEEPEND_DATA } = process.env;
  if (DEEPEND_DATA) return { folder: DEEPEND_DATA, mayDownload: false, setting: 'DEEPEND_DATA' };
  return { folder: cacheFolder('book'), mayDownload, setting: 'the cache' };
}

async function getFile(target: Target, options: DownloadOptions): Promise<string> {
  const { folder, mayDownload, setting } = placeOf(options);
  const file = path.join(folder, target.fileName);
  const fault = await faultOf(file, target.sha1);
  if (fault === undefined) return file;
  if (!mayDownload) throw notFound(target, file, [`${file}: ${fault}, by ${setting}`]);
  const report = reporter(options.progress ?? true);
  return withLock(folder, report, async () => {
    if ((await faultOf(file, target.sha1)) === undefined) return file; // another process has it
    const wanted = { name: target.fileName, packings: [], sha1: target.sha1 };
    const { timeout = 30_000 } = options;
    const failures = await transfer(wanted, folder, { urls: target.urls, timeout, report });
    if (failures.length === target.urls.length) throw notFound(target, file, failures);
    return file;
  });
}

/** @returns why a file cannot be used, or undefined */
async function faultOf(file: string, sha1: string | undefined): Promise<string | undefined> {
  if (!(await fileExists(file))) return 'it is not there';
  if (sha1 === undefined) return undefined;
  const actual = await hashFile(file, 'sha1');
  return actual === sha1 ? undefined : `it is another file (SHA-1 ${actual}, not ${sha1})`;
}

function notFound({ title, urls }: Target, file: string, tried: readonly string[]): DataError {
  const list = tried.map((line) => `\n  - ${line}`).join('');
  const next =
    `get it by hand from ${urls.join(' or ')} and put it at ${file}; or try again with a network ` +
    'connection; behind a proxy set HTTPS_PROXY, and for a mirror nearby DEEPEND_MIRROR';
  const options = { code: 'DEEPEND_NO_DATA' } as const;
  return new DataError(title, 'the file in one of these places', `none:${list}\n`, next, options);
}
