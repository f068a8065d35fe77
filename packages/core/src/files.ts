/**
 * The one way in which deepend writes files. A reader, or a process that starts after a crash, sees
 * the old content or the whole new content and never a part: the content goes to a staging file in
 * the same folder, is flushed to the disk (fsync), and takes the final name by a rename; then the
 * folder is flushed, so that the new name survives a power cut too.
 */
import { randomUUID } from 'node:crypto';
import { type FileHandle, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import path from 'node:path';

/**
 * The content of a file, or a function that writes it to an open file piece by piece, for content
 * that should not be held in memory at once.
 */
export type FileContent = string | Uint8Array | ((file: FileHandle) => Promise<void>);

export interface WriteOptions {
  /** The beginning of each error: `[trainer] checkpoint`. */
  readonly where: string;
  /** What the user can do about an error. @default advice that fits the system's error code */
  readonly hint?: string;
}

/**
 * Writes `file` as a whole. Its folder is created if it does not exist.
 * @throws Error when it cannot be written; the old content stays
 */
export async function writeFileAtomic(
  file: string,
  content: FileContent,
  options: WriteOptions,
): Promise<void> {
  const staging = stagingName(file);
  try {
    await mkdir(path.dirname(staging), { recursive: true });
    await removeAbandoned(file);
    await writeAndFlush(staging, content);
    await publishFile(staging, file);
  } catch (cause) {
    await remove(staging);
    throw cannotWrite(file, cause, options);
  }
}

/** Gives a complete, flushed file its final name, and makes that name survive a power cut. */
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
    await removeAbandoned(folder);
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

/**
 * A hidden name next to `place`, so that the rename stays within one file system. It says which
 * process writes it, so that what a killed process leaves can be found.
 */
export const stagingName = (place: string): string => {
  const { folder, prefix } = stagingPlace(place);
  return path.join(folder, `${prefix}${process.pid}.${randomUUID()}.part`);
};

function stagingPlace(place: string): { folder: string; prefix: string } {
  const { dir, base } = path.parse(path.resolve(place));
  return { folder: dir, prefix: `.${base}.${hostname()}.` };
}

/** What `stagingName` adds to `.NAME.HOST.`: the process, and a UUID. */
const STAGING_END = /\.(\d+)\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.part$/;

/** Removes staging files of `place` whose process, on this machine, no longer runs. */
async function removeAbandoned(place: string): Promise<void> {
  const { folder, prefix } = stagingPlace(place);
  await removeStaging(folder, (start) => start === prefix.slice(0, -1));
}

/**
 * Removes all staging files and folders in `folder` whose process, on this machine, no longer runs:
 * what a killed save left. A folder that does not exist has none.
 */
export async function removeAbandonedIn(folder: string): Promise<void> {
  await removeStaging(folder, (start) => start.startsWith('.') && start.endsWith(`.${hostname()}`));
}

/** @param isMeant whether a name is meant, by its part before the process */
async function removeStaging(folder: string, isMeant: (start: string) => boolean): Promise<void> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return [];
    throw error;
  });
  for (const name of names) {
    const end = STAGING_END.exec(name);
    if (!end || !isMeant(name.slice(0, end.index)) || isRunning(Number(end[1]))) continue;
    await remove(path.join(folder, name));
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0); // signal 0 only asks
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'; // EPERM: it runs as another user
  }
}

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

/** Error codes of systems that cannot open or flush a folder; the rename is in place even there. */
const NO_FOLDER_FLUSH = ['EISDIR', 'EPERM', 'EACCES', 'EINVAL', 'ENOTSUP', 'ENOSYS', 'EBADF'];

async function flushFolder(folder: string): Promise<void> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(folder, 'r');
    await handle.sync();
  } catch (error) {
    if (!NO_FOLDER_FLUSH.includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  } finally {
    await handle?.close();
  }
}

/** A staging file that could not be created need not be removed. */
const remove = (staging: string) => rm(staging, { recursive: true, force: true }).catch(() => {});

/** By the system's error code. */
const HINTS: Readonly<Record<string, string>> = {
  ENOSPC: 'free some disk space or choose another place',
  EDQUOT: 'free some disk space or choose another place',
  EACCES: 'check the permissions of its folder or choose another place',
  EPERM: 'check the permissions of its folder or choose another place',
  EROFS: 'the file system is read-only; choose another place',
};

function cannotWrite(place: string, cause: unknown, { where, hint }: WriteOptions): Error {
  const { message, code } = cause as NodeJS.ErrnoException;
  const byCode = code === undefined ? 'nothing was changed there' : 'choose another place';
  const next = hint ?? HINTS[code ?? ''] ?? byCode;
  return new Error(`${where}: cannot write ${place}: ${message}; ${next}`, { cause });
}
