/** imageFolder: image files in one subfolder for each class, like torchvision's `ImageFolder`. */
import type { Dirent, Stats } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { checkOptions, rule } from '@deepend/core';
import { DataError, reason } from '../errors';
import { IMAGE_EXTENSIONS } from '../loading/decode';
import type { FileDataset, LeftOutFile } from '../types';
import { absolutePath, givenOptions, recordOrigin } from './origin';

export interface ImageFolderOptions {
  /** Channels that every image is converted to: 3 for RGB, 1 for gray. @default 3 */
  channels?: 1 | 3;
  /**
   * File name extensions of images, in any case; other files are left out.
   * @default those that `decodeImage` reads: jpg, jpeg, jpe, jfif, png, webp, gif, tif, tiff, avif,
   *   bmp, ppm, pgm, pbm, pnm
   */
  extensions?: readonly string[];
  /**
   * Names of the classes, in the order of their numbers; each subfolder must be one of them. Pass
   * the training set's names for a test set, so that the same class has the same number in both.
   * A class may have no folder. @default the names of the subfolders, sorted
   */
  classNames?: readonly string[];
  /**
   * What to do about an entry that cannot be used: a name that is not UTF-8, a broken or circular
   * link, a class without images, a folder that `classNames` lacks. `skip` leaves it out and says
   * so on stderr; an empty class keeps its number. @default 'throw'
   */
  onError?: 'throw' | 'skip';
}

const OPTIONS = rule.object({
  channels: rule.custom<1 | 3>((value) => value === 1 || value === 3, '1 or 3').optional(),
  extensions: rule
    .list(
      rule.string({ pattern: /^\.?[a-z0-9]+$/i, expected: "an extension, such as 'png'" }),
      'a list of at least one extension',
      { min: 1 },
    )
    .optional(),
  classNames: rule
    .list(rule.string().min(1, 'the name of a folder'), 'a list of strings')
    .min(1, 'a list of at least one string')
    .optional(),
  onError: rule.oneOf(['throw', 'skip']).optional(),
});

interface Walk {
  isImage: (name: string) => boolean;
  /** Handles an entry that cannot be used: throws the error or records it. */
  onProblem: (error: DataError) => void;
  /** Records an entry that is not used. */
  leaveOut: (file: string, reason: string) => void;
}

/**
 * Lists the images below `folder/class/…`, at any depth. Classes are the subfolders, sorted by name
 * as bytes. Links are followed. Images are decoded later, when their batch is prepared.
 *
 * Files that are not images by their names, hidden images and images outside the class folders are
 * left out: a line on stderr counts them by extension, and `leftOut` of the dataset lists them.
 * Other hidden entries, such as `.DS_Store`, are ignored.
 *
 * @returns files and labels, class by class, sorted by path
 * @throws DataError when `folder` cannot be read, has fewer than two classes and no `classNames`
 *   are given, or contains an entry that cannot be used
 * @example
 * const train = await imageFolder('flowers/train');
 * const test = await imageFolder('flowers/test', { classNames: train.classNames });
 * const loader = new DataLoader(train, { batchSize: 32, transforms: [randomResizedCrop(224)] });
 */
export async function imageFolder(
  folder: string,
  options: ImageFolderOptions = {},
): Promise<FileDataset & { readonly classNames: readonly string[] }> {
  const where = '[data] imageFolder';
  const checked = checkOptions(where, OPTIONS, options);
  const { channels = 3, onError = 'throw', extensions = IMAGE_EXTENSIONS } = checked;
  if (typeof folder !== 'string' || folder === '')
    throw new TypeError(`${where}: expected the path of a folder, got ${String(folder)}`);
  checkNames(where, checked.classNames);
  const endings = extensions.map((extension) => `.${extension.replace(/^\./, '').toLowerCase()}`);
  const leftOut: LeftOutFile[] = [];
  const walk: Walk = {
    isImage: (name) => endings.some((ending) => name.toLowerCase().endsWith(ending)),
    onProblem: (error) => {
      if (onError === 'throw') throw error;
      leftOut.push({ file: error.file, reason: error.fault });
    },
    leaveOut: (file, reason) => leftOut.push({ file, reason }),
  };
  const { classNames, folders } = await listClasses(folder, checked.classNames, walk);
  const files: string[] = [];
  const labels: number[] = [];
  for (const name of folders) {
    const path = join(folder, name);
    const found = await listImages(path, [folder], walk);
    if (found.length === 0) {
      const expected = `images of a class (${endings.join(', ')})`;
      const got = describeNone(leftOut.filter(({ file }) => file.startsWith(join(path, '/'))));
      walk.onProblem(new DataError(path, expected, got, 'add some or remove the folder'));
    }
    for (const file of found) {
      files.push(file);
      labels.push(classNames.indexOf(name));
    }
  }
  if (files.length === 0) {
    const expected = `images (${endings.join(', ')}) in class folders`;
    throw new DataError(folder, expected, describeNone(leftOut), 'name another folder');
  }
  const source = { classNames, source: folder };
  const dataset = {
    ...{ files, labels: Int32Array.from(labels), channels, ...source },
    ...(leftOut.length > 0 && { leftOut }),
  };
  if (leftOut.length > 0) reportLeftOut(folder, leftOut, files.length);
  return recordOrigin(dataset, {
    kind: 'imageFolder',
    folder: absolutePath(folder),
    // A class keeps its number when others appear.
    options: { ...givenOptions(checked), classNames },
  });
}

function checkNames(where: string, names: readonly string[] | undefined): void {
  const twice = names?.find((name, i) => names.indexOf(name) !== i);
  if (twice === undefined) return;
  throw new RangeError(
    `${where}: option "classNames" must have each name once, got '${twice}' twice`,
  );
}

interface Classes {
  classNames: readonly string[];
  /** The class folders, in the order of their numbers. */
  folders: readonly string[];
}

/** @param given the option `classNames` */
async function listClasses(
  folder: string,
  given: readonly string[] | undefined,
  walk: Walk,
): Promise<Classes> {
  const found: string[] = [];
  const loose: string[] = [];
  for (const name of await listNames(folder, walk)) {
    const path = join(folder, name);
    if ((await followPath(path, walk))?.isDirectory()) found.push(name);
    else if (walk.isImage(name)) loose.push(path);
  }
  if (found.length < (given ? 1 : 2)) {
    const none = loose.length > 0 ? `none, and ${loose.length} images without a class` : 'none';
    const got = found.length === 1 ? `one, ${found[0]}` : none;
    const next = 'name the folder whose subfolders are the classes';
    const expected = given ? 'a folder for each class' : 'a folder for each class, two or more';
    throw new DataError(folder, expected, got, next);
  }
  for (const path of loose) walk.leaveOut(path, 'an image outside the class folders');
  if (!given) return { classNames: found, folders: found };
  for (const name of found.filter((each) => !given.includes(each))) {
    const next = 'remove the folder, or add its name to the "classNames" of both sets';
    const expected = `a folder of one of the classes ${given.join(', ')}`;
    walk.onProblem(new DataError(join(folder, name), expected, `'${name}'`, next));
  }
  return { classNames: given, folders: given.filter((name) => found.includes(name)) };
}

/** @param parents the folders above: following a link to one of them would never end */
async function listImages(
  folder: string,
  parents: readonly string[],
  walk: Walk,
): Promise<string[]> {
  const files: string[] = [];
  const ancestors = [...parents, folder];
  for (const name of await listNames(folder, walk)) {
    const path = join(folder, name);
    const info = await followPath(path, walk);
    if (info?.isFile() && walk.isImage(name)) files.push(path);
    else if (info && !info.isDirectory())
      walk.leaveOut(path, info.isFile() ? describeExtension(name) : 'a device or pipe');
    if (!info?.isDirectory()) continue;
    const infos = await Promise.all(ancestors.map((each) => stat(each)));
    if (infos.some(({ dev, ino }) => dev === info.dev && ino === info.ino)) {
      const got = 'a circular link to a folder that contains it';
      walk.onProblem(new DataError(path, 'a folder', got, 'remove the link'));
    } else files.push(...(await listImages(path, ancestors, walk)));
  }
  return files;
}

/** Lists the names in a folder, sorted as bytes, without hidden ones. Reports hidden images. */
async function listNames(folder: string, walk: Walk): Promise<string[]> {
  const entries = (await readdir(folder, { withFileTypes: true, encoding: 'buffer' }).catch(
    (cause) => {
      const expected = 'a folder that can be read';
      throw new DataError(folder, expected, reason(cause), 'name another folder', { cause });
    },
  )) as Dirent<Buffer>[];
  const names: string[] = [];
  for (const bytes of entries.map(({ name }) => name).sort(Buffer.compare)) {
    const name = bytes.toString('utf8');
    if (name.startsWith('.')) {
      // macOS writes a ._photo.jpg with attributes next to a photo.jpg.
      if (walk.isImage(name) && !name.startsWith('._'))
        walk.leaveOut(join(folder, name), 'a hidden image');
      continue;
    }
    if (Buffer.compare(Buffer.from(name), bytes) === 0) names.push(name);
    else {
      const got = `the bytes ${bytes.toString('hex')}`;
      walk.onProblem(new DataError(join(folder, name), 'a name in UTF-8', got, 'rename it'));
    }
  }
  return names;
}

/** Follows links. @returns undefined, after reporting the problem, for a broken link */
async function followPath(path: string, walk: Walk): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (cause) {
    const expected = 'a file or a folder';
    walk.onProblem(new DataError(path, expected, reason(cause), 'remove it', { cause }));
    return undefined;
  }
}

const describeExtension = (name: string) =>
  extname(name) === '' ? 'a file without extension' : extname(name).toLowerCase();

/** Counts reasons, the most frequent first: `.txt 3, a hidden image 1`. */
function countReasons(leftOut: readonly LeftOutFile[]): string {
  const counts = new Map<string, number>();
  for (const { reason } of leftOut) {
    const kind = reason.startsWith('expected ') ? 'an entry with an error' : reason;
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  const sorted = [...counts].sort(([, a], [, b]) => b - a);
  const most = sorted.slice(0, 8).map(([reason, count]) => `${reason} ${count}`);
  return sorted.length > most.length ? `${most.join(', ')}, ...` : most.join(', ');
}

const describeNone = (leftOut: readonly LeftOutFile[]) =>
  leftOut.length === 0 ? 'none' : `none, but other entries (${countReasons(leftOut)})`;

function reportLeftOut(folder: string, leftOut: readonly LeftOutFile[], used: number): void {
  const [first] = leftOut;
  const entries = leftOut.length === 1 ? '1 entry' : `${leftOut.length} entries`;
  process.stderr.write(
    `deepend: ${folder}: ${entries} left out next to ${used} images: ` +
      `${countReasons(leftOut)}; the first: ${first?.file}: ${first?.reason}\n`,
  );
}
