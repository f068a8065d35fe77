/** imageFolder: image files in one subfolder for each class, like torchvision's `ImageFolder`. */
import type { Dirent, Stats } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { checkOptions, rule } from '@deepend/core';
import { DataError, reason } from '../errors';
import type { FileDataset } from '../types';

export interface ImageFolderOptions {
  /** Channels that every image is converted to: 3 for RGB, 1 for gray. @default 3 */
  channels?: 1 | 3;
  /** File name extensions of images, in any case. @default ['jpg', 'jpeg', 'png', 'webp'] */
  extensions?: readonly string[];
  /**
   * What to do about an entry that cannot be used: a name that is not UTF-8, a broken or circular
   * link, a class without images. `skip` leaves it out and says so on stderr; an empty class keeps
   * its number. @default 'throw'
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
  onError: rule.oneOf(['throw', 'skip']).optional(),
});

interface Walk {
  isImage: (name: string) => boolean;
  /** Handles an entry that cannot be used: throws the error or records it. */
  onProblem: (error: DataError) => void;
}

/**
 * Lists the images below `folder/class/…`, at any depth. Classes are the subfolders, sorted by name
 * as bytes. Hidden entries, files of other types and files outside the class folders are ignored.
 * Links are followed. Images are decoded later, when their batch is prepared.
 *
 * @returns files and labels, class by class, sorted by path
 * @throws DataError when `folder` cannot be read, has fewer than two classes, or contains an entry
 *   that cannot be used
 * @example
 * const flowers = await imageFolder('flowers');
 * const loader = new DataLoader(flowers, { batchSize: 32, transforms: [randomResizedCrop(224)] });
 */
export async function imageFolder(
  folder: string,
  options: ImageFolderOptions = {},
): Promise<FileDataset> {
  const where = '[data] imageFolder';
  const checked = checkOptions(where, OPTIONS, options);
  const { channels = 3, onError = 'throw' } = checked;
  const { extensions = ['jpg', 'jpeg', 'png', 'webp'] } = checked;
  if (typeof folder !== 'string' || folder === '')
    throw new TypeError(`${where}: expected the path of a folder, got ${String(folder)}`);
  const endings = extensions.map((extension) => `.${extension.replace(/^\./, '').toLowerCase()}`);
  const skipped: DataError[] = [];
  const walk: Walk = {
    isImage: (name) => endings.some((ending) => name.toLowerCase().endsWith(ending)),
    onProblem: (error) => {
      if (onError === 'throw') throw error;
      skipped.push(error);
    },
  };
  const classNames = await listClasses(folder, walk);
  const files: string[] = [];
  const labels: number[] = [];
  for (const [label, name] of classNames.entries()) {
    const path = join(folder, name);
    const found = await listImages(path, [folder], walk);
    if (found.length === 0) {
      const expected = `images of a class (${endings.join(', ')})`;
      walk.onProblem(new DataError(path, expected, 'none', 'add some or remove the folder'));
    }
    for (const file of found) {
      files.push(file);
      labels.push(label);
    }
  }
  if (files.length === 0) {
    const expected = `images (${endings.join(', ')}) in class folders`;
    throw new DataError(folder, expected, 'none', 'name another folder');
  }
  if (skipped.length > 0) reportSkipped(folder, skipped);
  return { files, labels: Int32Array.from(labels), channels, classNames, source: folder };
}

async function listClasses(folder: string, walk: Walk): Promise<string[]> {
  const classes: string[] = [];
  let loose = 0;
  for (const name of await listNames(folder, walk)) {
    if ((await followPath(join(folder, name), walk))?.isDirectory()) classes.push(name);
    else if (walk.isImage(name)) loose++;
  }
  if (classes.length >= 2) return classes;
  const none = loose > 0 ? `none, and ${loose} images without a class` : 'none';
  const got = classes.length === 1 ? `one, ${classes[0]}` : none;
  const next = 'name the folder whose subfolders are the classes';
  throw new DataError(folder, 'a folder for each class, two or more', got, next);
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
    if (!info?.isDirectory()) continue;
    const infos = await Promise.all(ancestors.map((each) => stat(each)));
    if (infos.some(({ dev, ino }) => dev === info.dev && ino === info.ino)) {
      const got = 'a circular link to a folder that contains it';
      walk.onProblem(new DataError(path, 'a folder', got, 'remove the link'));
    } else files.push(...(await listImages(path, ancestors, walk)));
  }
  return files;
}

/** Lists the names in a folder, sorted as bytes, without hidden ones. */
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
    if (name.startsWith('.')) continue;
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

function reportSkipped(folder: string, skipped: readonly DataError[]): void {
  const [first] = skipped;
  process.stderr.write(
    `deepend: ${folder}: ${skipped.length} entries left out, ` +
      `the first: ${first?.file}: ${first?.fault}\n`,
  );
}
