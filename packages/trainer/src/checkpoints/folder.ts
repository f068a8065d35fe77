/**
 * A run's checkpoints: `checkpoints/step-00000120.ckpt` and their kin, newest last; `best-….ckpt`
 * beside them.
 */
import { mkdir, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { type Checkpoint, readCheckpoint } from './file';

const NAME = /^step-(\d{8,})\.ckpt$/;
const LEFTOVER = /^\.(step|best)-.*\.ckpt\./; // what a killed process was writing

export const nameOf = (globalStep: number): string =>
  `step-${String(globalStep).padStart(8, '0')}.ckpt`;

/** The checkpoints of a folder, oldest first. A folder that is not there has none. */
export async function listCheckpoints(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw new Error(
      `[trainer] checkpoint: cannot look into ${folder}: ${error.message}; name another folder`,
      { cause: error },
    );
  });
  const steps = (name: string) => Number(NAME.exec(name)?.[1]);
  return names
    .filter((name) => NAME.test(name))
    .sort((a, b) => steps(a) - steps(b))
    .map((name) => path.join(folder, name));
}

export interface Found {
  readonly file: string;
  readonly checkpoint: Checkpoint;
  /** Newer ones that are damaged, and why. */
  readonly damaged: readonly string[];
}

/**
 * The newest sound checkpoint of `dir/checkpoints`, or of `dir` itself; undefined where there is
 * none at all. @throws Error when none is sound
 */
export async function newestCheckpoint(dir: string): Promise<Found | undefined> {
  const inside = await listCheckpoints(path.join(dir, 'checkpoints'));
  const files = inside.length > 0 ? inside : await listCheckpoints(dir);
  const damaged: string[] = [];
  for (const file of files.reverse()) {
    try {
      return { file, checkpoint: await readCheckpoint(file), damaged };
    } catch (error) {
      damaged.push((error as Error).message);
    }
  }
  if (damaged.length === 0) return undefined;
  throw new Error(
    `[trainer] resume: no checkpoint in ${dir} is sound:\n  - ${damaged.join('\n  - ')}\ndelete them to begin anew`,
  );
}

/** Makes the folder, and removes what a killed process left half written. */
export async function prepareFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
    for (const name of await readdir(folder))
      if (LEFTOVER.test(name)) await rm(path.join(folder, name), { force: true });
  } catch (cause) {
    const next = 'name another folder';
    throw new Error(
      `[trainer] checkpoint: cannot write into ${folder}: ${(cause as Error).message}; ${next}`,
      { cause },
    );
  }
}
