/**
 * A folder of images, a subfolder for each class: torchvision's `ImageFolder`, what most
 * collections of photographs come as.
 */
import type { Dirent, Stats } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { checkOptions, rule } from '@deepend/core';
import { DataError, reason } from '../errors';
import type { FileDataset } from '../types';

export interface ImageFolderOptions {
  /** Every image is brought to so many channels: 3 for RGB, 1 for gray. @default 3 */
  channels?: 1 | 3;
  /** Ends of the names of image files, small or capital. @default ['jpg', 'jpeg', 'png', 'webp'] */
  extensions?: readonly string[];
  /**
   * What to do about an entry that cannot be used: a name that is not UTF-8, a link to nowhere or
   * into a loop, a class without images.
   * 'skip' leaves it out, says so on stderr, and keeps the number of an empty class. @default
   * 'throw'
   */
  onError?: 'throw' | 'skip';
}

const OPTIONS = rule.object({
  channels: rule.custom<1 | 3>((value) => value === 1 || value === 3, '1 or 3').optional(),
  extensions: rule
    .list(
      rule.string().regex(/^\.?[a-z0-9]+$/i, "an extension, such as 'png'"),
      'a list of extensions',
    )
    .min(1, 'a list of at least one extension')
    .optional(),
  onError: rule.oneOf(['throw', 'skip']).optional(),
});

interface Walk {
  isImage: (name: string) => boolean;
  /** What cannot be used: throws, or takes note of it. */
  fault: (error: DataError) => void;
}

/**
 * The images below `folder/class/…`, at any depth. Classes are the subfolders, sorted by name as
 * bytes; names that begin with a dot,
 * files of other kinds and files beside the classes are passed over. Links are followed. Nothing is
 * decoded yet.
 *
 * @returns files and labels, class by class, sorted by path
 * @throws DataError when `folder` cannot be read, has fewer than two classes, or holds an entry
 *   that cannot be used
 * @example
 * const loader = new DataLoader(await imageFolder('flowers'), { batchSize: 32, transforms:
 * [randomResizedCrop(224)] });
 */
export async function imageFolder(
  folder: string,
  options: ImageFolderOptions = {},
): Promise<FileDataset> {
  const where = '[data] imageFolder';
  const {
    channels = 3,
    extensions = ['jpg', 'jpeg', 'png', 'webp'],
    onError = 'throw',
  } = checkOptions(where, OPTIONS, options);
  if (typeof folder !== 'string' || folder === '')
    throw new TypeError(`${where}: expected the path of a folder, got ${String(folder)}`);
  const ends = extensions.map((extension) => `.${extension.replace(/^\./, '').toLowerCase()}`);
  const skipped: DataError[] = [];
  const walk: Walk = {
    isImage: (name) => ends.some((end) => name.toLowerCase().endsWith(end)),
    fault: (error) => {
      if (onError === 'throw') throw error;
      skipped.push(error);
    },
  };
  const classNames = await classesOf(folder, walk);
  const files: string[] = [];
  const labels: number[] = [];
  for (const [label, name] of classNames.entries()) {
    const found = await imagesBelow(join(folder, name), [folder], walk);
    if (found.length === 0) {
      walk.fault(
        new DataError(
          join(folder, name),
          `images of a class (${ends.join(', ')})`,
          'none',
          'add some or remove the folder',
        ),
      );
    }
    for (const file of found) {
      files.push(file);
      labels.push(label);
    }
  }
  if (files.length === 0)
    throw new DataError(
      folder,
      `images (${ends.join(', ')}) in class folders`,
      'none',
      'name another folder',
    );
  if (skipped.length > 0) report(folder, skipped);
  return { files, labels: Int32Array.from(labels), channels, classNames, source: folder };
}

async function classesOf(folder: string, walk: Walk): Promise<string[]> {
  const entries = await entriesOf(folder, walk);
  const classes: string[] = [];
  let loose = 0;
  for (const { name } of entries) {
    if ((await statOf(join(folder, name), walk))?.isDirectory()) classes.push(name);
    else if (walk.isImage(name)) loose++;
  }
  if (classes.length >= 2) return classes;
  const got =
    classes.length === 1
      ? `one, ${classes[0]}`
      : loose > 0
        ? `none, and ${loose} images without a class`
        : 'none';
  throw new DataError(
    folder,
    'a folder for each class, two or more',
    got,
    'name the folder whose subfolders are the classes',
  );
}

/** @param above the folders that lead here: a link to one of them would never end */
async function imagesBelow(
  folder: string,
  above: readonly string[],
  walk: Walk,
): Promise<string[]> {
  const files: string[] = [];
  const here = [...above, folder];
  for (const { name } of await entriesOf(folder, walk)) {
    const path = join(folder, name);
    const info = await statOf(path, walk);
    if (info?.isFile() && walk.isImage(name)) files.push(path);
    if (!info?.isDirectory()) continue;
    const ancestors = await Promise.all(here.map((each) => stat(each)));
    if (ancestors.some(({ dev, ino }) => dev === info.dev && ino === info.ino)) {
      walk.fault(
        new DataError(
          path,
          'a folder',
          'a link to a folder that it lies in, a loop',
          'remove the link',
        ),
      );
    } else files.push(...(await imagesBelow(path, here, walk)));
  }
  return files;
}

/** What lies in a folder, sorted by name, without hidden entries. */
async function entriesOf(folder: string, walk: Walk): Promise<{ name: string }[]> {
  const raw = (await readdir(folder, { withFileTypes: true, encoding: 'buffer' }).catch((error) => {
    throw new DataError(folder, 'a folder that can be read', reason(error), 'name another folder', {
      cause: error,
    });
  })) as Dirent<Buffer>[];
  const sorted = raw.map(({ name }) => name).sort(Buffer.compare);
  const entries: { name: string }[] = [];
  for (const bytes of sorted) {
    const name = bytes.toString('utf8');
    if (name.startsWith('.')) continue;
    if (Buffer.compare(Buffer.from(name), bytes) === 0) entries.push({ name });
    else
      walk.fault(
        new DataError(
          join(folder, name),
          'a name in UTF-8',
          `the bytes ${bytes.toString('hex')}`,
          'rename it',
        ),
      );
  }
  return entries;
}

/** What a path leads to; undefined, after a fault was noted, where it leads nowhere. */
async function statOf(path: string, walk: Walk): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    walk.fault(
      new DataError(path, 'a file or a folder', reason(error), 'remove it', { cause: error }),
    );
    return undefined;
  }
}

function report(folder: string, skipped: readonly DataError[]): void {
  const [first] = skipped;
  process.stderr.write(
    `deepend: ${folder}: ${skipped.length} entries left out, the first: ${first?.file}: ${first?.fault}\n`,
  );
}
