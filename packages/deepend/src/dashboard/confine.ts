/** Files of one folder and no others: whatever is asked for, and wherever links lead. */
import { constants } from 'node:fs';
import { type FileHandle, open, realpath } from 'node:fs/promises';
import path from 'node:path';

const LONGEST = 1024; // characters of a path that is asked for

/**
 * The real path of `relative` below `root`, which is real itself; undefined for what is not there
 * and for what leads out: `..`, absolute
 * paths, links.
 * @param relative names with `/` between them, or `.` for the root
 */
export async function realInside(root: string, relative: string): Promise<string | undefined> {
  const names = relative === '.' ? [] : relative.split('/');
  if (relative.length > LONGEST || !names.every(isName)) return undefined;
  const real = await realpath(path.join(root, ...names)).catch(() => undefined);
  return real !== undefined && isBelow(root, real) ? real : undefined;
}

function isName(name: string): boolean {
  if (name === '' || name === '.' || name === '..' || name.includes('\0')) return false;
  return path.sep === '/' || !/[\\:]/.test(name); // on Windows these part names and name drives
}

function isBelow(root: string, real: string): boolean {
  return real === root || real.startsWith(root.endsWith(path.sep) ? root : root + path.sep);
}

/**
 * A plain file below `root` opened for reading, or undefined. A pipe would wait for a writer and a
 * device never end: neither is a plain file.
 * The caller closes it.
 */
export async function openInside(root: string, relative: string): Promise<FileHandle | undefined> {
  const real = await realInside(root, relative);
  if (real === undefined) return undefined;
  const { O_RDONLY, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants; // absent on Windows
  const handle = await open(real, O_RDONLY | O_NOFOLLOW | O_NONBLOCK).catch(() => undefined);
  if (!handle) return undefined;
  const plain = await handle.stat().then(
    (stat) => stat.isFile(),
    () => false,
  );
  if (plain) return handle;
  await handle.close();
  return undefined;
}

/** The text of a plain file below `root` of at most `most` bytes; undefined for any other. */
export async function readInside(
  root: string,
  relative: string,
  most: number,
): Promise<string | undefined> {
  const handle = await openInside(root, relative);
  if (!handle) return undefined;
  try {
    const { size } = await handle.stat();
    if (size > most) return undefined;
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(size), 0, size, 0);
    return buffer.toString('utf8', 0, bytesRead);
  } catch {
    return undefined; // gone or unreadable meanwhile
  } finally {
    await handle.close();
  }
}
