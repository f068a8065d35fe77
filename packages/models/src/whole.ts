/**
 * Files and folders that appear whole or not at all: they are written beside their place and moved.
 */
import { randomUUID } from 'node:crypto';
import path from 'node:path';
import fs from 'fs-extra';

/**
 * Writes a file by `fill`, which is given the name to write under, and moves it to its place; its
 * folder is made where it is missing.
 * @param options.where the beginning of each error
 * @throws Error when it cannot be written; what was there before stays
 */
export async function writeWhole(
  file: string,
  fill: (staging: string) => Promise<void>,
  { where }: { where: string },
): Promise<void> {
  const staging = beside(file);
  try {
    await fs.ensureDir(path.dirname(staging));
    await fill(staging);
    await fs.rename(staging, file);
  } catch (cause) {
    throw cannotWrite(file, { where, cause });
  } finally {
    await fs.remove(staging).catch(() => {}); // where it could not be made it need not go
  }
}

/**
 * Writes files into a folder. A new folder appears with all of them; in one that exists each
 * appears whole, in the order given, and other
 * files stay but those that `outdated` names.
 * @param options.where the beginning of each error
 * @throws Error when they cannot be written
 */
export async function writeFolder(
  dir: string,
  files: Readonly<Record<string, Uint8Array | string>>,
  { where, outdated = () => false }: { where: string; outdated?: (name: string) => boolean },
): Promise<void> {
  const fresh = !(await fs.pathExists(dir));
  const staging = beside(dir);
  try {
    await fs.ensureDir(staging);
    for (const [name, content] of Object.entries(files))
      await fs.writeFile(path.join(staging, name), content);
    if (fresh) return await fs.rename(staging, dir);
    for (const name of Object.keys(files))
      await fs.rename(path.join(staging, name), path.join(dir, name));
    const left = (await fs.readdir(dir)).filter(
      (name) => outdated(name) && !Object.hasOwn(files, name),
    );
    for (const name of left) await fs.remove(path.join(dir, name));
  } catch (cause) {
    throw cannotWrite(dir, { where, cause });
  } finally {
    await fs.remove(staging).catch(() => {}); // where it could not be made it need not go
  }
}

const beside = (place: string) =>
  path.join(path.dirname(path.resolve(place)), `.${path.basename(place)}.${randomUUID()}`);

const cannotWrite = (place: string, { where, cause }: { where: string; cause: unknown }) =>
  new Error(
    `${where}: cannot write ${place}: ${(cause as Error).message}; nothing was changed there`,
    { cause },
  );
