/** Opens files of one folder and no others, even if a request or a link asks for them. */
import { constants } from 'node:fs';
import { type FileHandle, open, realpath } from 'node:fs/promises';
import path from 'node:path';

const LONGEST_PATH = 1024; // characters of a requested path

/**
 * The real path of `relative` below `root`; undefined when nothing is there and when it leads
 * outside: `..`, absolute paths, links.
 * @param root a real path
 * @param relative names with `/` between them, or `.` for the root
 */
export async function realInside(root: string, relative: string): Promise<string | undefined> {
  const names = relative === '.' ? [] : relative.split('/');
  if (relative.length > LONGEST_PATH || !names.every(isName)) return undefined;
  const real = await realpath(path.join(root, ...names)).catch(() => undefined);
  return real !== undefined && isBelow(root, real) ? real : undefined;
}

function isName(name: string): boolean {
  if (name === '' || name === '.' || name === '..' || name.includes('\0')) return false;
  return path.sep === '/' || !/[\\:]/.test(name); // on Windows these separate names and name drives
}

function isBelow(root: string, real: string): boolean {
  return real === root || real.startsWith(root.endsWith(path.sep) ? root : root + path.sep);
}

/**
 * Opens a plain file below `root` for reading; undefined for anything else. (Reading a pipe would
 * wait for a writer, and reading a device might never end.) The caller closes it.
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

/** The content of a plain file below `root` of at most `maxBytes`; undefined for any other. */
export async function readInside(
  root: string,
  relative: string,
  maxBytes: number,
): Promise<string | undefined> {
  const handle = await openInside(root, relative);
  if (!handle) return undefined;
  try {
    const { size } = await handle.stat();
    if (size > maxBytes) return undefined;
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(size), 0, size, 0);
    return buffer.toString('utf8', 0, bytesRead);
  } catch {
    return undefined; // deleted or made unreadable in the meantime
  } finally {
    await handle.close();
  }
}
