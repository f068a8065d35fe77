/**
 * The one way in which deepend writes files. A reader, or a process that starts after a crash, sees
 * the old content or the whole new content and never a part: the content goes to a staging file in
 * the same folder, is flushed to the disk (fsync), and takes the final name by a rename; then the
 * folder is flushed, so that the new name survives a power cut too.
 */
import { randomUUID } from 'node:crypto';
import { type FileHandle, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';

/** The content of a file, or a function that writes it to an open file piece by piece. */
export type FileContent = string | Uint8Array | ((file: FileHandle) => Promise<void>);

export interface WriteOptions {
  /** The beginning of each error: `[trainer] checkpoint`. */
  readonly where: string;
  /** What the user can do about an error. @default 'free the disk or name another place' */
  readonly hint?: string;
}

/**
 * Writes `file` as a whole. Its folder is made where it is missing.
 * @throws Error when it cannot be written; what was there before stays
 */
export async function writeFileAtomic(
  file: string,
  content: FileContent,
  options: WriteOptions,
): Promise<void> {
  const staging = stagingName(file);
  try {
    await mkdir(path.dirname(staging), { recursive: true });
    await writeAndFlush(staging, content);
    await publishFile(staging, file);
  } catch (cause) {
    await remove(staging);
    throw cannotWrite(file, cause, options);
  }
}

/** Gives a file that is complete and flushed its final name, for good. */
export async function publishFile(staging: string, file: string): Promise<void> {
  await rename(staging, file);
  await flushFolder(path.dirname(file));
}

/**
 * Writes files into a folder. A new folder appears with all of them. In a folder that exists, each
 * file appears as a whole, in the given order, and other files stay except those that `outdated`
 * names.
 * @throws Error when they cannot be written
 */
export async function writeFolderAtomic(
  folder: string,
  files: Readonly<Record<string, FileContent>>,
  { outdated = () => false, ...options }: WriteOptions & { outdated?: (name: string) => boolean },
): Promise<void> {
  const staging = stagingName(folder);
  try {
    await mkdir(staging, { recursive: true });
    for (const [name, content] of Object.entries(files))
      await writeAndFlush(path.join(staging, name), content);
    await flushFolder(staging);
    const existing = await readdir(folder).catch(() => undefined);
    if (existing === undefined) return await publishFile(staging, folder);
    for (const name of Object.keys(files))
      await rename(path.join(staging, name), path.join(folder, name));
    for (const name of existing.filter((name) => outdated(name) && !Object.hasOwn(files, name)))
      await rm(path.join(folder, name), { recursive: true });
    await flushFolder(folder);
  } catch (cause) {
    throw cannotWrite(folder, cause, options);
  } finally {
    await remove(staging);
  }
}

/**
 * Appends to a file in one write, so that a process that is killed leaves all of it or nothing.
 * @throws Error when the file cannot be written
 */
export async function appendToFile(
  file: string,
  content: string | Uint8Array,
  options: WriteOptions,
): Promise<void> {
  try {
    const handle = await open(file, 'a');
    await handle.appendFile(content).finally(() => handle.close());
  } catch (cause) {
    throw cannotWrite(file, cause, options);
  }
}

/** A hidden name next to `place`, so that the rename stays within one file system. */
const stagingName = (place: string) => {
  const whole = path.resolve(place);
  return path.join(path.dirname(whole), `.${path.basename(whole)}.${randomUUID()}.part`);
};

async function writeAndFlush(file: string, content: FileContent): Promise<void> {
  const handle = await open(file, 'w');
  try {
    if (typeof content === 'function') await content(handle);
    else await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Some systems cannot open or flush a folder; the rename is in place there all the same. */
async function flushFolder(folder: string): Promise<void> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(folder, 'r');
    await handle.sync();
  } catch {
  } finally {
    await handle?.close();
  }
}

/** A staging file that could not be made need not be removed. */
const remove = (staging: string) => rm(staging, { recursive: true, force: true }).catch(() => {});

function cannotWrite(place: string, cause: unknown, { where, hint }: WriteOptions): Error {
  const next = hint ?? 'free the disk or name another place';
  return new Error(`${where}: cannot write ${place}: ${(cause as Error).message}; ${next}`, {
    cause,
  });
}
